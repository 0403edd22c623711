//! A device, over whichever door. Everything it waits for has a deadline; pings are answered and polls go
//! on while it waits, as a browser does it. One that is left alone does neither, as a dead one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::deadline::soon;
use super::door::{Call, Close, Door, End, Refused};
use super::event_stream::SseDevice;
use super::socketio::{ACK, Place, SocketIo};
use super::wire::Wire;

/// A message from the server: `{"event": …, "data": …}`, and the `id` of the question it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    pub id: Option<Value>,
}

/// A connection without deadlines, for those who have their own.
#[derive(Debug)]
pub enum Link {
    Raw(Wire),
    SocketIo(Box<SocketIo>),
    Sse(Box<SseDevice>),
}

impl Link {
    pub async fn open(call: &Call) -> Result<Self, Refused> {
        Ok(match call.door {
            Door::Raw => {
                Self::Raw(Wire::open(call.address, &call.raw_path(), call.token(), call.narrow).await?)
            }
            Door::Sse => Self::Sse(Box::new(SseDevice::open(call).await?)),
            _ => Self::SocketIo(Box::new(SocketIo::open(call).await?)),
        })
    }

    /// The next event, or how the connection ended. May be given up.
    pub async fn receive(&mut self) -> Result<Event, End> {
        match self {
            Self::Raw(wire) => wire.next_text().await.map(|text| event(&text)).map_err(End::of),
            Self::SocketIo(device) => device.receive().await,
            Self::Sse(device) => device.receive().await,
        }
    }

    pub async fn send(&mut self, name: &str, data: Value) -> Result<(), End> {
        match self {
            Self::Raw(_) => {
                self.send_text(json!({"event": name, "data": data}).to_string()).await.map_err(End::of)
            }
            Self::SocketIo(device) => device.send(name, data).await,
            Self::Sse(_) => panic!("nothing is said on an event stream"),
        }
    }

    /// Says goodbye; what the server still says is to be read.
    pub async fn close(&mut self) -> Result<(), End> {
        match self {
            Self::Raw(wire) => wire.close().await.map_err(End::of),
            Self::SocketIo(device) => device.close().await,
            Self::Sse(device) => device.close().await,
        }
    }

    /// Makes dropping it a break, with which what was not read yet is thrown away.
    pub fn reset_when_dropped(&self) {
        match self {
            Self::Raw(wire) => wire.reset_when_dropped(),
            Self::SocketIo(device) => device.reset_when_dropped(),
            Self::Sse(device) => device.reset_when_dropped(),
        }
    }

    async fn send_text(&mut self, text: String) -> Result<(), Close> {
        let Self::Raw(wire) = self else { panic!("only the raw door takes any text") };
        wire.feed(Message::text(text)).await?;
        wire.flush().await
    }
}

#[derive(Debug)]
pub struct TestSocket {
    door: Door,
    link: Link,
    /// Events that came while another was waited for, in order.
    seen: VecDeque<Event>,
    /// Questions that were asked; each is named by its number.
    questions: u64,
}

impl TestSocket {
    /// Opens a raw WebSocket, which must succeed; an empty token is none.
    pub async fn open(address: SocketAddr, path: &str, token: &str) -> Self {
        Self::try_open(address, path, token).await.expect("the upgrade succeeds")
    }

    /// Opens a raw WebSocket, or answers the status with which the upgrade was refused.
    pub async fn try_open(address: SocketAddr, path: &str, token: &str) -> Result<Self, u16> {
        match soon("the upgrade", Wire::open(address, path, token, false)).await {
            Ok(wire) => Ok(Self::over(Door::Raw, Link::Raw(wire))),
            Err(Refused::Status(status)) => Err(status),
            Err(Refused::Unreachable) => panic!("the server does not listen, or the upgrade broke"),
        }
    }

    /// Calls over any door, which must succeed.
    pub async fn call(call: &Call) -> Self {
        Self::try_call(call).await.unwrap_or_else(|status| panic!("{:?} answers {status}", call.door))
    }

    /// Calls over any door, or answers the status with which that was refused.
    pub async fn try_call(call: &Call) -> Result<Self, u16> {
        match soon("the handshake", Link::open(call)).await {
            Ok(link) => Ok(Self::over(call.door, link)),
            Err(Refused::Status(status)) => Err(status),
            Err(Refused::Unreachable) => panic!("the server does not listen, or the handshake broke"),
        }
    }

    fn over(door: Door, link: Link) -> Self {
        Self { door, link, seen: VecDeque::new(), questions: 0 }
    }

    /// Waits for the first event of every session; answers its data.
    pub async fn await_connected(&mut self) -> Value {
        let first = self.next().await;
        assert_eq!(first.name, "connected", "{first:?}");
        first.data
    }

    /// Sends an event.
    pub async fn send(&mut self, event: &str, data: Value) {
        soon("room to send", self.link.send(event, data)).await.expect("the connection is open");
    }

    /// Sends an event; that the connection has ended meanwhile is to be read.
    pub async fn try_send(&mut self, event: &str, data: Value) {
        let _ = soon("room to send", self.link.send(event, data)).await;
    }

    /// Sends an event and awaits what it is answered: over the raw door the event with the question's id,
    /// over Socket.IO the acknowledgement. Others that come before it are kept for later.
    pub async fn ask(&mut self, name: &str, data: Value) -> Value {
        self.questions += 1;
        let id = match &mut self.link {
            Link::Raw(_) => {
                let question = json!({"event": name, "data": data, "id": self.questions});
                soon("room to send", self.link.send_text(question.to_string())).await.expect("it is open");
                json!(self.questions)
            }
            Link::SocketIo(device) => soon("room to send", device.ask(name, data)).await.expect("it is open"),
            Link::Sse(_) => panic!("nothing is asked on an event stream"),
        };
        loop {
            let event = self.receive_soon(format_args!("an answer to {name:?}")).await;
            if event.id.as_ref() == Some(&id) {
                assert_eq!(event.name == ACK, self.door != Door::Raw, "{event:?}");
                return event.data;
            }
            self.seen.push_back(event);
        }
    }

    /// Sends a WebSocket message through the raw door, also what no client should.
    pub async fn send_message(&mut self, message: Message) {
        let Link::Raw(wire) = &mut self.link else { panic!("only the raw door takes any message") };
        let sent = async {
            wire.feed(message).await?;
            wire.flush().await
        };
        soon("room to send", sent).await.expect("the socket is open");
    }

    /// The next event, whatever it is.
    pub async fn next(&mut self) -> Event {
        match self.seen.pop_front() {
            Some(event) => event,
            None => self.receive_soon("an event").await,
        }
    }

    /// The next event that is not a heartbeat, which a Socket.IO device gets whenever its rooms change.
    pub async fn next_news(&mut self) -> Event {
        loop {
            let event = self.next().await;
            if event.name != "heartbeat" {
                return event;
            }
        }
    }

    /// The next event, or the code and reason of the close.
    pub async fn try_next(&mut self) -> Result<Event, (u16, String)> {
        match self.seen.pop_front() {
            Some(event) => Ok(event),
            None => soon("an event or a close", self.link.receive()).await.map_err(End::code_and_reason),
        }
    }

    /// The events that came while another, or the close, was waited for.
    pub fn take_seen(&mut self) -> Vec<Event> {
        self.seen.drain(..).collect()
    }

    /// The data of the next event of this name. Others that come before it are kept for later.
    pub async fn next_event(&mut self, name: &str) -> Value {
        if let Some(at) = self.seen.iter().position(|event| event.name == name) {
            return self.seen.remove(at).expect("it was just found").data;
        }
        let seen = &mut self.seen;
        let link = &mut self.link;
        soon(format!("the event {name:?}"), async {
            loop {
                match link.receive().await {
                    Ok(event) if event.name == name => return event.data,
                    Ok(event) => seen.push_back(event),
                    Err(end) => panic!("{end:?} instead of {name:?}; before that: {seen:?}"),
                }
            }
        })
        .await
    }

    /// Everything that the server had sent before it answers a ping: what is missing here was not sent.
    /// The device lives on after that, and what came is proven.
    pub async fn events_so_far(&mut self) -> Vec<Event> {
        const MARK: &str = "events_so_far";
        assert_eq!(self.ask("ping", json!(MARK)).await, MARK);
        self.listen_on();
        let mut events = self.take_seen();
        if self.door != Door::Raw {
            // They tell a changed place, not news.
            events.retain(|event| event.name != "heartbeat");
        }
        events
    }

    /// Over polling, waits for more: that says that what came was received.
    pub fn listen_on(&mut self) {
        if let Link::SocketIo(device) = &mut self.link {
            device.listen_on();
        }
    }

    /// Acknowledges everything that a Socket.IO server asked to be; answers how much that was.
    pub async fn acknowledge(&mut self) -> usize {
        soon("room to send", self.socketio().acknowledge()).await.expect("the connection is open")
    }

    /// Where a later connection may go on.
    pub fn place(&mut self) -> Place {
        self.socketio().place().expect("an offset came")
    }

    /// What only a Socket.IO device knows.
    pub fn socketio(&mut self) -> &mut SocketIo {
        let Link::SocketIo(device) = &mut self.link else { panic!("not a Socket.IO device") };
        device
    }

    /// Stays and reads, which is what answers pings, until this is dropped or the server closes.
    pub async fn stay(&mut self) {
        while let Ok(event) = self.link.receive().await {
            self.seen.push_back(event);
        }
    }

    /// Waits until the server closes; answers code and reason. Events before that are kept.
    pub async fn expect_close(&mut self) -> (u16, String) {
        self.end().await.code_and_reason()
    }

    /// Waits until the server ends the connection, with what this door has for this code and reason. Events
    /// before that are kept.
    pub async fn expect_end(&mut self, code: u16, reason: &str) {
        let end = self.end().await;
        end.assert_is(self.way(), code, reason);
    }

    /// The door, as far as the device got through it.
    pub fn way(&self) -> Door {
        match &self.link {
            Link::SocketIo(device) if device.is_polled() => Door::Polling,
            _ => self.door,
        }
    }

    /// Waits until the connection has ended. Events before that are kept.
    pub async fn end(&mut self) -> End {
        soon("the end", async {
            loop {
                match self.link.receive().await {
                    Ok(event) => self.seen.push_back(event),
                    Err(end) => return end,
                }
            }
        })
        .await
    }

    /// Says goodbye and waits until the connection has ended.
    pub async fn close(mut self) {
        soon("the goodbye", self.link.close()).await.expect("the connection is open");
        self.end().await;
    }

    async fn receive_soon(&mut self, what: impl std::fmt::Display) -> Event {
        soon(what, self.link.receive())
            .await
            .unwrap_or_else(|end| panic!("{end:?}; before that: {:?}", self.seen))
    }
}

/// Reads what the server said over the raw door.
pub fn event(text: &str) -> Event {
    let mut message: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let name = message["event"].as_str().unwrap_or_else(|| panic!("no event: {text}")).to_owned();
    let id = message.get("id").cloned();
    Event { name, data: message["data"].take(), id }
}
