//! An Engine.IO session over WebSocket: a message is a packet. Ping frames, which are none of Engine.IO's
//! business, are answered while it waits.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::echo::Server;
use crate::support::deadline::soon;

#[derive(Debug)]
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct End {
    /// The text packets that came before it.
    pub said: Vec<String>,
    /// The code of the close frame, where there was one.
    pub code: Option<u16>,
}

impl Socket {
    /// Opens a session on the door at `path`; answers it with the data of the open packet.
    pub(super) async fn open(server: &Server, path: &str) -> (Self, Value) {
        let mut socket = Self::try_open(server, &format!("{path}?EIO=4&transport=websocket")).await.unwrap();
        let packet = socket.next_text().await;
        let json = packet.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {packet}"));
        let opened = serde_json::from_str(json).unwrap();
        (socket, opened)
    }

    /// Opens a second road to a session that began with polling; nothing is said on it yet.
    pub(super) async fn for_session(server: &Server, path: &str, sid: &str) -> Self {
        Self::try_open(server, &format!("{path}?EIO=4&transport=websocket&sid={sid}")).await.unwrap()
    }

    /// Opens a WebSocket, or answers the status with which the server refused.
    pub(super) async fn try_open(server: &Server, target: &str) -> Result<Self, u16> {
        let url = format!("ws://{}{target}", server.address);
        let tcp = soon("a connection", TcpStream::connect(server.address)).await.unwrap();
        match soon("the upgrade", client_async(url, tcp)).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the upgrade broke: {error}"),
        }
    }

    /// Asserts that the server lets nobody in here: by its answer, or by an end without a word.
    pub(super) async fn expect_refused(server: &Server, target: &str) {
        match Self::try_open(server, target).await {
            Err(status) => assert_eq!(status, 400, "{target}"),
            Ok(mut socket) => {
                let end = socket.end().await;
                assert!(end.said.is_empty(), "{target}: {end:?}");
            }
        }
    }

    /// Sends a text packet. That the server has hung up meanwhile shows in what it said.
    pub(super) async fn send(&mut self, packet: impl Into<String>) {
        let _ = soon("room to send", self.stream.send(Message::text(packet.into()))).await;
    }

    /// Sends a binary packet.
    pub(super) async fn send_binary(&mut self, bytes: &[u8]) {
        let _ = soon("room to send", self.stream.send(Message::binary(bytes.to_vec()))).await;
    }

    /// Sends so many pings of WebSocket's own. That the server has hung up meanwhile shows in what it said.
    pub(super) async fn ping(&mut self, times: usize) {
        for _ in 0..times {
            let _ = soon("room to send", self.stream.send(Message::Ping(Bytes::new()))).await;
        }
    }

    /// The next packet, which must be text.
    pub(super) async fn next_text(&mut self) -> String {
        match soon("a packet", self.next()).await {
            Some(Message::Text(text)) => text.as_str().to_owned(),
            other => panic!("no text packet: {other:?}"),
        }
    }

    /// The next packet, which must be binary.
    pub(super) async fn next_binary(&mut self) -> Vec<u8> {
        match soon("a packet", self.next()).await {
            Some(Message::Binary(bytes)) => bytes.to_vec(),
            other => panic!("no binary packet: {other:?}"),
        }
    }

    /// Waits until the connection has ended, without answering anything.
    pub(super) async fn end(&mut self) -> End {
        let mut end = End { said: Vec::new(), code: None };
        loop {
            match soon("the end of the connection", self.next()).await {
                Some(Message::Text(text)) => end.said.push(text.as_str().to_owned()),
                Some(Message::Close(frame)) => end.code = frame.map(|frame| frame.code.into()),
                Some(_) => {}
                None => return end,
            }
        }
    }

    /// Closes it as a browser does.
    pub(super) async fn close(mut self) {
        let _ = soon("room to send", self.stream.close(None)).await;
        self.end().await;
    }

    /// The next message that is not of WebSocket's own heartbeat; none when the connection has ended, by
    /// whatever way.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }
}
