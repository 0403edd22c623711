//! The load program's one look at the clock, and deadlines: no wait in this program is without one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::interrupt;

#[expect(clippy::disallowed_methods, reason = "a load program measures the real, monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, as a token's `exp` counts.
#[expect(clippy::disallowed_methods, reason = "the expiry of a token is wall-clock time")]
pub(crate) fn epoch_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A point in time after which waiting has failed, and what was waited for.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    pub(crate) fn after(within: Duration) -> Self {
        Self { at: now() + within, within }
    }

    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_duration_since(now())
    }

    /// Fails with what was waited for, in words, once the time is over; also when the run is interrupted.
    pub(crate) fn check(&self, waiting_for: impl FnOnce() -> String) -> Result<()> {
        interrupt::check()?;
        if self.left().is_zero() {
            bail!("gave up after {} s of waiting for {}", self.within.as_secs(), waiting_for());
        }
        Ok(())
    }
}
