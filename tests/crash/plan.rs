//! How much is broken and how hard: what a run is asked for. The environment is read here and nowhere else
//! in this test; `scripts/crash` sets it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::support::door::Door;

/// What is killed in every run of the tests; a search for what is rare asks for more.
const KILLS: usize = 5;
/// Bookings a second, of all guests together: a machine that is busy with other tests can take them.
const RATE: u32 = 150;

#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What every choice follows from; the moments depend on the machine as well.
    pub(super) seed: u64,
    /// How often a server is killed.
    pub(super) kills: usize,
    /// For how long that is done instead, where a run is to have a length.
    seconds: Option<u64>,
    /// Bookings asked for in a second.
    pub(super) rate: u32,
    /// Over which door devices come.
    pub(super) doors: Doors,
    /// What the server takes for a proof; with anything but `pong` the test is meant to fail.
    pub(super) proof: String,
}

impl Plan {
    /// `BELLHOP_CRASH_SEED`, `…_KILLS`, `…_SECONDS`, `…_RATE`, `…_DOOR` and `…_PROOF`, or what CI takes.
    pub(super) fn from_environment() -> Self {
        Self {
            seed: variable("SEED").unwrap_or_else(|| u64::from(rand::random::<u32>())),
            kills: variable("KILLS").unwrap_or(KILLS),
            seconds: variable("SECONDS"),
            rate: variable("RATE").unwrap_or(RATE),
            doors: variable("DOOR").unwrap_or(Doors::Mixed),
            proof: variable("PROOF").unwrap_or_else(|| "pong".to_owned()),
        }
    }

    /// Whether so much was broken, in this time, as is asked for.
    pub(super) fn is_enough(&self, kills: usize, elapsed: Duration) -> bool {
        match self.seconds {
            Some(seconds) => elapsed >= Duration::from_secs(seconds),
            None => kills >= self.kills,
        }
    }

    /// The door of a device.
    pub(super) fn door(&self, device: usize) -> Door {
        match self.doors {
            Doors::Mixed => {
                // Such that every door has devices that vanish in the evening, and a host's two have two.
                DOORS_OF_DEVICES[(device + device / 2) % DOORS_OF_DEVICES.len()]
            }
            Doors::One(door) => door,
        }
    }

    /// The choices of one who takes part.
    pub(super) fn choices(&self, of: usize) -> StdRng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&(of as u64).to_le_bytes());
        StdRng::from_seed(seed)
    }
}

/// Over which door devices come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doors {
    /// Over all of them, one each.
    Mixed,
    One(Door),
}

/// Every door there is.
const DOORS_OF_DEVICES: [Door; 5] = [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse];

const DOORS: [(&str, Doors); 6] = [
    ("mixed", Doors::Mixed),
    ("raw", Doors::One(Door::Raw)),
    ("websocket", Doors::One(Door::WebSocket)),
    ("polling", Doors::One(Door::Polling)),
    ("upgrade", Doors::One(Door::Upgrade)),
    ("sse", Doors::One(Door::Sse)),
];

impl FromStr for Doors {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        DOORS.into_iter().find(|(name, _)| *name == text).map(|(_, doors)| doors).ok_or(())
    }
}

impl fmt::Display for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DOORS.into_iter().find(|(_, doors)| doors == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is asked for more by its environment")]
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let name = format!("BELLHOP_CRASH_{name}");
    let text = std::env::var(&name).ok()?;
    let Ok(value) = text.parse() else { panic!("{name} must not be {text:?}") };
    Some(value)
}
