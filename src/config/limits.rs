//! `[limits]`: what the server as a whole takes on.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// The largest request body, in bytes. Defaults to 65536.
    pub body_bytes: usize,
    /// Connections of every kind at once; more are refused when they are accepted. Defaults to 60000.
    pub connections: usize,
    /// Connections of one address at once, or of one /64 network of IPv6; 0 for no limit. Defaults to 10000.
    pub connections_per_address: usize,
    /// How many connections that stay open one address may open in a minute; 0 for no limit. Defaults to 12000.
    pub handshakes_per_minute: u64,
    /// How many requests one user may send in a minute, over REST (`API_RATE_LIMIT_PER_MINUTE`); 0 for no limit,
    /// for addresses and services either. Defaults to 600.
    pub requests_per_minute: u64,
    /// How many users' worth of requests may come from one address. Defaults to 10.
    pub users_per_address: u64,
    /// How many requests one service or administrator may send in a second, if that is more than
    /// `requests_per_minute`; ten times as many at once. What tells several people counts for each of them, and
    /// again for every 4 KiB. Defaults to 1000.
    pub publish_per_second: u64,
    /// How many users, and how many addresses, are remembered for these limits. Defaults to 100000.
    pub tracked: usize,
    /// Sessions at once. Defaults to 50000.
    pub sessions: usize,
    /// Sessions of one user at once. Defaults to 50.
    pub sessions_per_user: usize,
    /// Events waiting to be written before new ones are refused with 503; one sender's may be no more than they leave
    /// free. Defaults to 4096.
    pub write_queue: usize,
    /// The most events one transaction takes. Defaults to 256.
    pub write_batch: usize,
    /// Reading requests waiting for the database before new ones are refused with 503. Defaults to 512.
    pub read_queue: usize,
    /// How long an `Idempotency-Key` is remembered, in hours. Defaults to 168 (a week).
    pub idempotency_hours: u64,
    /// The most users that one `POST /notifications` may name. Defaults to 1000.
    pub recipients_per_request: usize,
    /// How many tickets that have neither been used nor expired one user may hold. Defaults to 100.
    pub tickets_per_user: usize,
}
