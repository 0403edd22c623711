//! A device on the raw WebSocket door. Everything it waits for has a deadline; pings are answered while
//! it waits, as a browser answers them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::deadline::soon;

/// What RFC 6455 §7.1.5 calls a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;

/// A message from the server: `{"event": …, "data": …}`, and the `id` of the question it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    pub id: Option<Value>,
}

#[derive(Debug)]
pub struct TestSocket {
    stream: WebSocketStream<TcpStream>,
    /// Events that came while another was waited for, in order.
    seen: VecDeque<Event>,
}

impl TestSocket {
    /// Opens a socket, which must succeed; an empty token is none.
    pub async fn open(address: SocketAddr, path: &str, token: &str) -> Self {
        Self::try_open(address, path, token).await.expect("the upgrade succeeds")
    }

    /// Opens a socket, or answers the status with which the upgrade was refused.
    pub async fn try_open(address: SocketAddr, path: &str, token: &str) -> Result<Self, u16> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let tcp = soon("a connection", TcpStream::connect(address)).await.expect("the server listens");
        match soon("the upgrade", client_async(request, tcp)).await {
            Ok((stream, _)) => Ok(Self { stream, seen: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the upgrade broke: {error}"),
        }
    }

    /// Waits for the first event of every session; answers its data.
    pub async fn await_connected(&mut self) -> Value {
        let first = self.next().await;
        assert_eq!(first.name, "connected", "{first:?}");
        first.data
    }

    /// Sends an event.
    pub async fn send(&mut self, event: &str, data: Value) {
        self.send_message(Message::text(json!({"event": event, "data": data}).to_string())).await;
    }

    /// Sends anything, also what no client should.
    pub async fn send_message(&mut self, message: Message) {
        soon("room to send", self.stream.send(message)).await.expect("the socket is open");
    }

    /// The next event, whatever it is.
    pub async fn next(&mut self) -> Event {
        if let Some(event) = self.seen.pop_front() {
            return event;
        }
        soon("an event", self.receive()).await.unwrap_or_else(|close| panic!("closed with {close:?}"))
    }

    /// The next event, or the code and reason of the close.
    pub async fn try_next(&mut self) -> Result<Event, (u16, String)> {
        match self.seen.pop_front() {
            Some(event) => Ok(event),
            None => soon("an event or a close", self.receive()).await,
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
        let stream = &mut self.stream;
        soon(format!("the event {name:?}"), async {
            loop {
                match receive(stream).await {
                    Ok(event) if event.name == name => return event.data,
                    Ok(event) => seen.push_back(event),
                    Err(close) => panic!("closed with {close:?} instead of {name:?}; before that: {seen:?}"),
                }
            }
        })
        .await
    }

    /// Everything that the server had sent before it answers a ping: what is missing here was not sent.
    pub async fn events_so_far(&mut self) -> Vec<Event> {
        const MARK: &str = "events_so_far";
        let question = json!({"event": "ping", "data": MARK, "id": MARK});
        self.send_message(Message::text(question.to_string())).await;
        loop {
            let event = soon("a pong", self.receive()).await;
            match event.unwrap_or_else(|close| panic!("closed with {close:?}")) {
                pong if pong.name == "pong" && pong.id.as_ref().is_some_and(|id| id == MARK) => {
                    return self.seen.drain(..).collect();
                }
                event => self.seen.push_back(event),
            }
        }
    }

    /// Stays and reads, which is what answers pings, until this is dropped or the server closes.
    pub async fn stay(&mut self) {
        while let Ok(event) = self.receive().await {
            self.seen.push_back(event);
        }
    }

    /// Waits until the server closes; answers code and reason. Events before that are kept.
    pub async fn expect_close(&mut self) -> (u16, String) {
        soon("a close", async {
            loop {
                match receive(&mut self.stream).await {
                    Ok(event) => self.seen.push_back(event),
                    Err(close) => return close,
                }
            }
        })
        .await
    }

    /// Says goodbye and waits until the connection has ended.
    pub async fn close(mut self) {
        soon("the goodbye", self.stream.close(None)).await.expect("the socket is open");
        self.expect_close().await;
    }

    /// The connection itself, for tests that stop reading or cut it.
    pub fn into_stream(self) -> WebSocketStream<TcpStream> {
        self.stream
    }

    async fn receive(&mut self) -> Result<Event, (u16, String)> {
        receive(&mut self.stream).await
    }
}

/// The next event, or the code and reason of the close, read until the connection has ended.
async fn receive(stream: &mut WebSocketStream<TcpStream>) -> Result<Event, (u16, String)> {
    let mut close = (ABNORMAL, String::new());
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => return Ok(event(&text)),
            Message::Close(Some(frame)) => close = (frame.code.into(), frame.reason.to_string()),
            Message::Binary(bytes) => panic!("{} bytes of binary", bytes.len()),
            // Pings are answered by the library; a close without a frame leaves nothing to note.
            Message::Ping(_) | Message::Pong(_) | Message::Close(None) | Message::Frame(_) => {}
        }
    }
    Err(close)
}

/// Reads what the server said.
pub fn event(text: &str) -> Event {
    let mut message: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let name = message["event"].as_str().unwrap_or_else(|| panic!("no event: {text}")).to_owned();
    let id = message.get("id").cloned();
    Event { name, data: message["data"].take(), id }
}
