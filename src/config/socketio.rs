//! `[socketio]`: the door for Socket.IO clients.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketIoSettings {
    /// How often the server pings, in milliseconds. Defaults to 25000.
    pub ping_interval_ms: u64,
    /// How long a client has to answer a ping, in milliseconds. Defaults to 20000.
    pub ping_timeout_ms: u64,
    /// How long a connection may be without a namespace, in milliseconds. Defaults to 45000.
    pub connect_timeout_ms: u64,
    /// How long an upgrade from polling to a WebSocket may take, in milliseconds. Defaults to 10000.
    pub upgrade_timeout_ms: u64,
    /// The largest message a client may send, the body of a polling request and all attachments of an event
    /// included, in bytes. Defaults to 65536.
    pub max_payload_bytes: usize,
    /// The names of a notification's events in the namespace `/`: `{type}` is its type, `a=b` the name `b` for the type
    /// `a`, anything else a name for all. Defaults to `notification`, `notification:new` and
    /// `booking.created=new_booking`.
    pub events_main: Vec<String>,
    /// The same for the namespace `/ws/notifications`. Defaults to `{type}` and `notification`.
    pub events_notifications: Vec<String>,
}
