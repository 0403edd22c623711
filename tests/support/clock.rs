//! The time, for tests that measure.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// The time of day, as a server's clock tells it.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The beginning of something that is measured.
pub fn start() -> Instant {
    Instant::now()
}
