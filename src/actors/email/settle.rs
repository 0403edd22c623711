//! When mail may be begun: after a start, and after the database was away, devices come back and say what
//! they have, and that must be written before anything is claimed for mail.

use std::time::Duration;

use tokio::time::Instant;

/// A claim that takes longer waited for the database.
const SLOW: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Settle {
    /// How long devices have.
    pause: Duration,
    until: Instant,
    /// Whether the last claim waited for the database.
    was_slow: bool,
}

impl Settle {
    /// Begins with a pause: this is a start.
    pub(super) fn new(pause: Duration, now: Instant) -> Self {
        Self { pause, until: now + pause, was_slow: false }
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether something may be claimed.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// The database was away, or another instance stops.
    pub(super) fn begin(&mut self, now: Instant) {
        self.until = now + self.pause;
    }

    /// Whether what was claimed is to wait: it took so long that what devices proved waited as well. Not
    /// twice in a row, for a database that is always slow must not keep mail back.
    pub(super) fn must_wait(&mut self, took: Duration, now: Instant) -> bool {
        let waits = took > SLOW && !self.was_slow;
        self.was_slow = took > SLOW;
        if waits {
            log::warn!("the database took {took:.1?} to claim mail: it waits for what devices have proven");
            self.begin(now);
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn a_start_and_a_database_that_was_away_are_waited_after() {
        let start = Instant::now();
        let mut settle = Settle::new(PAUSE, start);
        assert!(!settle.is_over(start) && settle.is_over(start + PAUSE));
        settle.begin(start + PAUSE);
        assert!(!settle.is_over(start + PAUSE) && settle.is_over(start + 2 * PAUSE));
    }

    #[test]
    fn a_slow_claim_waits_once() {
        let now = Instant::now();
        let mut settle = Settle::new(Duration::ZERO, now);
        let waits =
            [SLOW * 2, SLOW * 2, SLOW * 2, SLOW / 2, SLOW * 2].map(|took| settle.must_wait(took, now));
        assert_eq!(waits, [true, false, false, false, true]);
    }
}
