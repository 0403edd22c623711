//! How much is broken and how hard: what a run is asked for. The environment is read here and nowhere else
//! in this test; `scripts/crash` sets it.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// What is killed in every run of the tests; a search for what is rare asks for more.
const KILLS: usize = 5;
/// Bookings a second, of all guests together: a machine that is busy with other tests can take them.
const RATE: u32 = 150;

#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What every choice follows from; the moments depend on the machine as well.
    pub(super) seed: u64,
    /// How often the server is killed.
    pub(super) kills: usize,
    /// Bookings asked for in a second.
    pub(super) rate: u32,
    /// What the server takes for a proof; with anything but `pong` the test is meant to fail.
    pub(super) proof: String,
}

impl Plan {
    /// `BELLHOP_CRASH_SEED`, `…_KILLS`, `…_RATE` and `…_PROOF`, or what CI takes.
    pub(super) fn from_environment() -> Self {
        Self {
            seed: variable("SEED").unwrap_or_else(|| u64::from(rand::random::<u32>())),
            kills: variable("KILLS").unwrap_or(KILLS),
            rate: variable("RATE").unwrap_or(RATE),
            proof: variable("PROOF").unwrap_or_else(|| "pong".to_owned()),
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

#[expect(clippy::disallowed_methods, reason = "a test is asked for more by its environment")]
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let name = format!("BELLHOP_CRASH_{name}");
    let text = std::env::var(&name).ok()?;
    let Ok(value) = text.parse() else { panic!("{name} must not be {text:?}") };
    Some(value)
}
