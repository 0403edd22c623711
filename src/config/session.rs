//! `[session]`: what one connection may do and how long it lives.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    /// The bytes that may wait for a slow client before it is cut off. Defaults to 262144.
    pub queue_bytes: usize,
    /// The largest message a client may send, all fragments together, in bytes. Defaults to 65536.
    pub message_bytes: usize,
    /// How often the server says `heartbeat`, in milliseconds. Defaults to 25000.
    pub heartbeat_interval_ms: u64,
    /// How long a client may be silent, in milliseconds; a pong counts. Defaults to 60000.
    pub heartbeat_timeout_ms: u64,
    /// The window in which events are counted, in milliseconds (`RATE_LIMIT_WINDOW_MS`). Defaults to 5000.
    pub rate_limit_window_ms: u64,
    /// How many events a client may send in a window (`RATE_LIMIT_MAX_REQUESTS`). Defaults to 10.
    pub rate_limit_max_requests: u32,
    /// How many refused events in one window end the connection. Defaults to 50.
    pub rate_limit_strikes: u32,
    /// How many rooms one connection may be in. Defaults to 100.
    pub max_rooms: usize,
    /// The longest `ttl` a client may ask for, in seconds. Defaults to 86400.
    pub max_ttl_seconds: u64,
}
