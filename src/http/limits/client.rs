//! Where a request comes from: the address of its connection, or what a proxy says that is trusted. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};

use crate::config::{ForwardedHeader, Network};

/// How many proxies one behind the other are looked past.
const HOPS_MAX: usize = 16;
/// How much of an IPv6 address is one customer's: what follows they choose as they like.
const CUSTOMER_BITS: u32 = 64;

/// Which proxies are believed, and in which header.
#[derive(Debug, Clone)]
pub(super) struct Proxies {
    pub(super) trusted: Vec<Network>,
    pub(super) header: ForwardedHeader,
}

/// Whom limits of addresses are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Customer(IpAddr);

impl Customer {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << (Ipv6Addr::BITS - CUSTOMER_BITS));
                Self(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

impl Proxies {
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The right-most address that is no trusted proxy's: what stands left of it, anybody may have written. Where a
    /// proxy says nothing that can be understood, it is the client.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.is_trusted(client) {
            return client;
        }
        let said = match self.header {
            ForwardedHeader::XForwardedFor => headers.get_all(X_FORWARDED_FOR),
            ForwardedHeader::Forwarded => headers.get_all(FORWARDED),
        };
        let lines: Vec<&str> = said.map(|line| line.to_str().unwrap_or("?")).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX) {
            let named = match self.header {
                ForwardedHeader::XForwardedFor => Some(hop),
                ForwardedHeader::Forwarded => named_in(hop),
            };
            let Some(address) = named.and_then(address_of) else { break };
            client = address;
            if !self.is_trusted(client) {
                break;
            }
        }
        client
    }
}

/// The `for` of one hop: RFC 7239 §4.
fn named_in(hop: &str) -> Option<&str> {
    hop.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address with or without a port, in brackets and quotes or not.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"').trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).expect(text));
        let proxies = Proxies { trusted: trusted.into(), header };
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("a header");
            headers.append(X_FORWARDED_FOR, value.clone());
            headers.append(FORWARDED, value);
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            assert_eq!(client(header, "203.0.113.9", &["198.51.100.1", "for=198.51.100.1"]), "203.0.113.9");
        }
    }

    #[test]
    fn the_right_most_address_that_is_no_proxys_is_the_clients() {
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["198.51.100.1"], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            (&["1.1.1.1,198.51.100.1,10.2.3.4"], "198.51.100.1"),
            (&["1.1.1.1", "198.51.100.1", "10.2.3.4"], "198.51.100.1"),
            (&["198.51.100.1:8080"], "198.51.100.1"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]:443"], "2001:db8::7"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
            // What cannot be understood ends the search: what stands left of it is not to be believed either.
            (&["198.51.100.1, unknown, 10.2.3.4"], "10.2.3.4"),
            (&["198.51.100.1, "], "10.0.0.1"),
            (&["198.51.100.1;for=1.1.1.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_specification_says() {
        for (lines, expected) in [
            (&["for=198.51.100.1"][..], "198.51.100.1"),
            (&["For=\"[2001:db8::7]:443\";proto=https;by=10.0.0.1"], "2001:db8::7"),
            (&["for=1.1.1.1, proto=https; for = 198.51.100.1"], "198.51.100.1"),
            (&["for=1.1.1.1", "for=198.51.100.1, for=10.2.3.4"], "198.51.100.1"),
            (&["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["198.51.100.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_list_without_end_is_not_read_to_its_beginning() {
        let many = vec!["10.1.1.1"; 100_000].join(",");
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &["9.9.9.9", &many]), "10.1.1.1");
    }

    #[test]
    fn one_customer_has_a_whole_network_of_ipv6() {
        let of = |text: &str| Customer::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:198.51.100.1"), of("198.51.100.1"));
        assert_ne!(of("198.51.100.1"), of("198.51.100.2"));
    }
}
