//! What a ticket is for: a browser's `EventSource` and `WebSocket` send no `Authorization`, and a token in a URL
//! lives as long as the token. A ticket in a URL is good once, at one door, for some seconds.

use serde::{Deserialize, Serialize};

/// A door that lets in by ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Door {
    /// `GET /ws/notifications`.
    WebSocket,
    /// `GET /notifications/sse`.
    Sse,
    /// `/socket.io/` and everybody else who speaks Engine.IO.
    SocketIo,
}

impl Door {
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Sse, Self::SocketIo];

    /// As it is stored, and as clients name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::SocketIo => "socketio",
        }
    }
}

/// A text that names no door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be websocket, sse or socketio")]
pub struct UnknownDoor;

impl TryFrom<String> for Door {
    type Error = UnknownDoor;

    fn try_from(name: String) -> Result<Self, UnknownDoor> {
        Self::ALL.into_iter().find(|door| door.as_str() == name).ok_or(UnknownDoor)
    }
}

impl From<Door> for &'static str {
    fn from(door: Door) -> Self {
        door.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_another_name_names_every_door() {
        let told = UnknownDoor.to_string();
        assert!(Door::ALL.into_iter().all(|door| told.contains(door.as_str())), "{told}");
    }

    #[test]
    fn a_door_is_its_name_and_nothing_else() {
        for door in Door::ALL {
            let json = serde_json::to_string(&door).expect("a text");
            assert_eq!(serde_json::from_str::<Door>(&json).expect("its own text"), door);
        }
        for json in ["\"SSE\"", "\"\"", "1", "null", "{\"sse\":null}", "[\"sse\"]"] {
            serde_json::from_str::<Door>(json).expect_err(json);
        }
    }
}
