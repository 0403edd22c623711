//! A WebSocket as a client library drives it, with nothing said about what is in its texts.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::door::{Close, Refused};

/// A receive buffer that a stall soon fills.
const NARROW: u32 = 4_096;

#[derive(Debug)]
pub struct Wire {
    stream: Box<WebSocketStream<TcpStream>>,
    /// The server's close frame, once it came.
    close: Option<Close>,
}

impl Wire {
    /// An empty token is no header.
    pub async fn open(address: SocketAddr, path: &str, token: &str, narrow: bool) -> Result<Self, Refused> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let tcp = TcpSocket::new_v4().unwrap();
        if narrow {
            tcp.set_recv_buffer_size(NARROW).unwrap();
        }
        let tcp = tcp.connect(address).await.map_err(|_| Refused::Unreachable)?;
        match client_async(request, tcp).await {
            Ok((stream, _)) => Ok(Self { stream: Box::new(stream), close: None }),
            Err(Error::Http(response)) => Err(Refused::Status(response.status().as_u16())),
            Err(_) => Err(Refused::Unreachable),
        }
    }

    /// The next text, or how the connection ended, which it has then. May be given up.
    pub async fn next_text(&mut self) -> Result<String, Close> {
        while let Some(Ok(message)) = self.stream.next().await {
            match message {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(Some(frame)) => {
                    self.close = Some(Close::Frame(frame.code.into(), frame.reason.to_string()));
                }
                Message::Binary(bytes) => panic!("{} bytes of binary", bytes.len()),
                // Pings are answered by the library; a close without a frame leaves nothing to note.
                Message::Ping(_) | Message::Pong(_) | Message::Close(None) | Message::Frame(_) => {}
            }
        }
        Err(self.close.clone().unwrap_or(Close::Broken))
    }

    /// Takes a message to be sent by the next [`flush`](Self::flush).
    pub async fn feed(&mut self, message: Message) -> Result<(), Close> {
        self.stream.feed(message).await.map_err(|_| self.end())
    }

    pub async fn flush(&mut self) -> Result<(), Close> {
        self.stream.flush().await.map_err(|_| self.end())
    }

    /// Says goodbye; what the server still says is to be read.
    pub async fn close(&mut self) -> Result<(), Close> {
        WebSocketStream::close(&mut self.stream, None).await.map_err(|_| self.end())
    }

    /// Makes dropping it a reset, with which what was not read yet is thrown away.
    pub fn reset_when_dropped(&self) {
        self.stream.get_ref().set_zero_linger().unwrap();
    }

    fn end(&self) -> Close {
        self.close.clone().unwrap_or(Close::Broken)
    }
}
