//! What a ticket is for: a browser's `EventSource` and `WebSocket` send no `Authorization`, and a token in a URL
//! lives as long as the token. A ticket in a URL is good once, at one door, for some seconds.

use serde::{Deserialize, Serialize};

/// A door that lets in by ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `GET /ws/notifications`.
    WebSocket,
    /// `GET /notifications/sse`.
    Sse,
    /// `/socket.io/` and everybody else who speaks Engine.IO.
    SocketIo,
}

impl Door {
    /// As it is stored, and as clients name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::SocketIo => "socketio",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_name_a_door_as_it_is_stored() {
        for door in [Door::WebSocket, Door::Sse, Door::SocketIo] {
            let named = serde_json::to_value(door).expect("a text");
            assert_eq!(named, door.as_str());
        }
    }
}
