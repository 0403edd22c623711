//! `[limits]`: what the server as a whole takes on.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// The largest request body, in bytes. Defaults to 65536.
    pub body_bytes: usize,
    /// Connections of every kind at once, per worker thread. Defaults to 25000.
    pub connections_per_worker: usize,
    /// Sessions at once. Defaults to 50000.
    pub sessions: usize,
    /// Sessions of one user at once. Defaults to 50.
    pub sessions_per_user: usize,
    /// Events waiting to be written before new ones are refused with 503. Defaults to 4096.
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
