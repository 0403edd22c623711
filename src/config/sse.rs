//! `[sse]`: the door for clients that read an event stream.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SseSettings {
    /// How often the server says `heartbeat`, in milliseconds (`SSE_HEARTBEAT_INTERVAL`). Defaults to 30000.
    pub heartbeat_interval_ms: u64,
    /// How long a client may take nothing of what waits for it before its stream ends, in milliseconds
    /// (`SSE_CLEANUP_INTERVAL`). Defaults to 300000.
    pub cleanup_interval_ms: u64,
    /// How long clients wait before they come back, in milliseconds; each is told a time up to half shorter or longer.
    /// Defaults to 3000.
    pub retry_ms: u64,
    /// How many streams of `GET /notifications/sse/test`, which needs no token, are open at once. Defaults to 50.
    pub test_streams: usize,
}
