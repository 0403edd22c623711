//! The ways in for a device, and how its connection ended: what [`TestSocket`](super::socket::TestSocket)
//! is the same for.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

/// What RFC 6455 §7.1.5 calls a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
/// The ends after which a client is not meant to come back by itself.
const FOR_GOOD: [u16; 4] = [4000, 4001, 4003, 4008];

/// The namespace of those who connect to `/ws/notifications` with a Socket.IO client.
pub const NAMESPACE: &str = "/ws/notifications";

/// How a device gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// A WebSocket with JSON text frames.
    Raw,
    /// Socket.IO over a WebSocket from the first byte.
    WebSocket,
    /// Socket.IO over HTTP long-polling, for good.
    Polling,
    /// Socket.IO as its client does it by itself: long-polling, then an upgrade to a WebSocket.
    Upgrade,
    /// An event stream, on which nothing is heard of the device.
    Sse,
}

impl Door {
    /// Those over which a device also speaks.
    pub const ALL: [Self; 4] = [Self::Raw, Self::WebSocket, Self::Polling, Self::Upgrade];
    pub const SOCKET_IO: [Self; 3] = [Self::WebSocket, Self::Polling, Self::Upgrade];

    /// What a device over this door is called in a trail and in figures.
    pub fn label(self) -> &'static str {
        match self {
            Self::Raw => "websocket",
            Self::WebSocket | Self::Polling | Self::Upgrade => "socketio",
            Self::Sse => "sse",
        }
    }
}

/// A device's way in and what it says of itself there.
#[derive(Debug, Clone)]
pub struct Call {
    pub door: Door,
    pub address: SocketAddr,
    /// Socket.IO only.
    pub namespace: String,
    /// The token and the wishes of the connection (`ttl`, `since`, …): Socket.IO's `auth`; over the raw door
    /// the token is a header and the wishes are the query.
    pub auth: Map<String, Value>,
    /// What else its URL says, over any door: `ticket=…&x=1`.
    pub query: String,
    /// Whether a WebSocket's receive buffer is so small that the server soon notices when nobody reads.
    pub narrow: bool,
}

impl Call {
    /// An empty token is none.
    pub fn new(door: Door, address: SocketAddr, token: &str) -> Self {
        let (namespace, auth, query) = (NAMESPACE.to_owned(), Map::new(), String::new());
        let call = Self { door, address, namespace, auth, query, narrow: false };
        if token.is_empty() { call } else { call.with("token", json!(token)) }
    }

    /// Adds a wish.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.auth.insert(name.to_owned(), value);
        self
    }

    /// Adds the wishes of a query such as `?ttl=2&once=true`.
    pub fn with_query(self, query: &str) -> Self {
        let pairs = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
        pairs.fold(self, |call, (name, value)| {
            call.with(name, serde_json::from_str(value).unwrap_or_else(|_| json!(value)))
        })
    }

    /// Says something in its URL.
    pub fn asking(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Path and query over the raw door.
    pub fn raw_path(&self) -> String {
        let wishes = self.auth.iter().filter(|(name, _)| *name != "token");
        let pairs = wishes.map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            value => format!("{name}={value}"),
        });
        let pairs: Vec<String> = pairs.chain((!self.query.is_empty()).then(|| self.query.clone())).collect();
        if pairs.is_empty() { NAMESPACE.to_owned() } else { format!("{NAMESPACE}?{}", pairs.join("&")) }
    }

    /// Path and query of a Socket.IO handshake.
    pub fn socketio_path(&self, transport: &str) -> String {
        let joint = if self.query.is_empty() { "" } else { "&" };
        format!("/socket.io/?EIO=4&transport={transport}{joint}{}", self.query)
    }

    pub fn token(&self) -> &str {
        self.auth.get("token").and_then(Value::as_str).unwrap_or("")
    }
}

/// Why a device was not let in.
#[derive(Debug)]
pub enum Refused {
    /// Nobody listens, or the connection broke.
    Unreachable,
    Status(u16),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub close: Close,
    /// Whether a Socket.IO DISCONNECT packet came before, after which clients do not come back.
    pub disconnected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Close {
    /// A WebSocket close frame: code and reason.
    Frame(u16, String),
    /// Engine.IO's close packet, over polling.
    Packet,
    /// A Socket.IO CONNECT that was refused, with what it was told.
    Refused(Value),
    /// A request that was answered with this status: the session is not known any more.
    Gone(u16),
    /// Nothing: the connection broke.
    Broken,
}

impl End {
    pub fn of(close: Close) -> Self {
        Self { close, disconnected: false }
    }

    /// As a WebSocket client sees it.
    pub fn code_and_reason(self) -> (u16, String) {
        match self.close {
            Close::Frame(code, reason) => (code, reason),
            _ => (ABNORMAL, String::new()),
        }
    }

    /// Asserts that this is what a device over this door is told of an end with that code and reason. Who polls is
    /// told of an end that is for good whenever it comes again, and of another only if it waits just then.
    pub fn assert_is(&self, door: Door, code: u16, reason: &str) {
        let for_good = FOR_GOOD.contains(&code);
        let close = match (door, &self.close) {
            (Door::Polling, Close::Gone(400)) if !for_good => Close::Gone(400),
            (Door::Polling, _) => Close::Packet,
            _ => Close::Frame(code, reason.to_owned()),
        };
        let disconnected = door != Door::Raw && for_good;
        assert_eq!(*self, Self { close, disconnected }, "over {door:?}, for {code} {reason}");
    }
}
