//! The time, for tests that measure or that make tokens of their own.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// The time of day, as a server's clock tells it.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The time in so many seconds, as the claims of a token write it.
pub fn in_seconds(seconds: i64) -> i64 {
    now().timestamp() + seconds
}

/// The beginning of something that is measured.
pub fn start() -> Instant {
    Instant::now()
}
