//! The time, for tests that measure, and a clock that they set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bellhop::domain::{Clock, SystemClock, Timestamp};
use chrono::{DateTime, Utc};

/// The time of day, as a server's clock tells it.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The beginning of something that is measured.
pub fn start() -> Instant {
    Instant::now()
}

/// The system's clock, set back or forward by as much as a test wants.
#[derive(Debug, Default)]
pub struct SteppedClock {
    micros_behind: AtomicI64,
}

impl SteppedClock {
    pub fn step_back(&self, by: Duration) {
        self.micros_behind.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn step_forward(&self, by: Duration) {
        self.micros_behind.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        let behind = self.micros_behind.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() - behind)
    }
}
