//! Networks as operators write them: an address, or an address and how many of its bits count.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What a text has to be to name a network.
const EXPECTED: &str = "must be an address or a network, such as 10.0.0.0/8 or fd00::/8";

/// A range of addresses. An IPv4 address that is written as IPv6 is the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    /// How many leading bits count.
    bits: u32,
}

impl Network {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| EXPECTED)?)),
            None => (text.trim(), None),
        };
        let written: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        let address = written.to_canonical();
        let widest = width(address);
        let bits = match bits {
            // Written as IPv6, the bits before the IPv4 address count too.
            Some(bits) if written.is_ipv6() && address.is_ipv4() => bits.checked_sub(96).ok_or(EXPECTED)?,
            Some(bits) => bits,
            None => widest,
        };
        if bits > widest { Err(EXPECTED) } else { Ok(Self { address, bits }) }
    }

    /// Whether it is no network but all of them.
    pub fn is_everything(&self) -> bool {
        self.bits == 0
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address)
            && first_bits(address, self.bits) == first_bits(self.address, self.bits)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS }
}

fn first_bits(address: IpAddr, bits: u32) -> u128 {
    let number = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    number.checked_shr(width(address) - bits).unwrap_or(0)
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.3.4", "11.0.0.0"),
            ("192.168.7.0/24", "192.168.7.9", "192.168.8.9"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "127.0.0.1"),
            ("10.1.2.128/25", "10.1.2.200", "10.1.2.100"),
        ] {
            let parsed = Network::parse(network).expect(network);
            assert!(parsed.contains(address(inside)), "{inside} in {network}");
            assert!(!parsed.contains(address(outside)), "{outside} in {network}");
        }
        assert!(Network::parse("0.0.0.0/0").is_ok_and(|all| all.contains(address("8.8.8.8"))));
        assert!(!Network::parse("0.0.0.0/0").is_ok_and(|all| all.contains(address("::2"))));
        assert!(Network::parse("::/0").is_ok_and(|all| all.contains(address("2001:db8::1"))));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "proxy.internal", "::ffff:1.2.3.4/8"]
        {
            assert!(Network::parse(text).is_err(), "{text:?}");
        }
    }
}
