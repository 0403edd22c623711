//! Tickets: how a test gets one, and who is let in by one.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::answer::Answer;
use super::app::TestApp;
use super::deadline::soon;
use super::door::{Call, Close, Door, End};
use super::raw_socket::RawSocket;
use super::socket::Link;

/// What became of somebody at a door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// Let in as this user.
    As(String),
    /// Refused with this code.
    Refused(String),
}

impl Entry {
    pub fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }

    pub fn by(user: &str) -> Self {
        Self::As(user.to_owned())
    }

    fn of(connected: &Value) -> Self {
        Self::by(connected["userId"].as_str().expect("a user"))
    }
}

impl TestApp {
    /// A ticket for the bearer of a token at this door: `websocket`, `sse` or `socketio`.
    pub async fn ticket(&self, token: &str, door: &str) -> String {
        let body = self.ask_for_ticket(token, door).await.expect(201);
        body["ticket"].as_str().expect("a ticket").to_owned()
    }

    pub async fn ask_for_ticket(&self, token: &str, door: &str) -> Answer {
        self.post("/notifications/tickets", token, &json!({ "door": door })).await
    }

    /// Who is let in over the door that devices take here by this query; see [`enter`].
    pub async fn enter(&self, query: &str) -> Entry {
        enter(self.door(), self.address(), query).await
    }
}

/// Who is let in with nothing but this query, or the code that is said instead. Whoever is let in leaves at once.
pub async fn enter(door: Door, address: SocketAddr, query: &str) -> Entry {
    if door == Door::Raw {
        return enter_raw(address, query, &[]).await;
    }
    let call = Call::new(door, address, "").asking(query);
    let Ok(mut link) = soon("the handshake", Link::open(&call)).await else { panic!("no handshake") };
    match soon("an answer to CONNECT", link.receive()).await {
        Ok(connected) => Entry::of(&connected.data),
        Err(End { close: Close::Refused(data), .. }) => {
            Entry::refused(data["data"]["code"].as_str().expect("a code"))
        }
        Err(end) => panic!("{end:?}"),
    }
}

/// The same over the raw door, with headers.
pub async fn enter_raw(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Entry {
    let usual = RawSocket::headers("");
    let usual = usual.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = usual.chain(headers.iter().copied()).collect();
    match RawSocket::try_open(address, &format!("/ws/notifications?{query}"), &headers).await {
        Ok(mut socket) => Entry::of(&socket.next_event().await["data"]),
        Err(refused) => Entry::refused(refused.body["code"].as_str().expect("a code")),
    }
}
