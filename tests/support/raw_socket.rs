//! A WebSocket client without manners, over bare TCP: it sends whatever bytes a test wants, answers no
//! ping by itself, and can stop reading. For what a proper client library refuses to do.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::deadline::soon;

/// The first bytes of frames: the FIN bit and an opcode (RFC 6455 §5.2).
pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// The second byte of a client's frame: the mask bit, and the lengths that say that a longer one follows.
const MASKED: u8 = 0x80;
const LENGTH_OF_16_BITS: u8 = 126;
const LENGTH_OF_64_BITS: u8 = 127;
/// Any mask will do.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The FIN bit and the opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The text of a whole text frame, as an event.
    pub fn event(&self) -> Value {
        assert_eq!(self.first, FIN | TEXT, "{self:?}");
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// What the server said instead of letting the client in.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// In lower case, a line each.
    pub headers: String,
    pub body: Value,
}

#[derive(Debug)]
pub struct RawSocket {
    stream: TcpStream,
    /// Read and not looked at yet.
    buffer: Vec<u8>,
}

impl RawSocket {
    /// Opens a socket, which must succeed.
    pub async fn open(address: SocketAddr, token: &str) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.unwrap();
        Self::upgrade(stream, "/ws/notifications", &Self::headers(token)).await.expect("the upgrade succeeds")
    }

    /// The same with so small a buffer that the server soon notices when nobody reads.
    pub async fn open_narrow(address: SocketAddr, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = soon("a connection", socket.connect(address)).await.unwrap();
        Self::upgrade(stream, "/ws/notifications", &Self::headers(token)).await.expect("the upgrade succeeds")
    }

    /// Asks for an upgrade with these headers beside `Host`.
    pub async fn try_open(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let stream = soon("a connection", TcpStream::connect(address)).await.unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::upgrade(stream, path, &headers).await
    }

    /// The headers of a handshake as it should be (RFC 6455 §4.1); an empty token is none.
    pub fn headers(token: &str) -> Vec<(String, String)> {
        let mut headers = vec![
            ("Connection", "Upgrade".to_owned()),
            ("Upgrade", "websocket".to_owned()),
            ("Sec-WebSocket-Version", "13".to_owned()),
            ("Sec-WebSocket-Key", STANDARD.encode([7; 16])),
        ];
        if !token.is_empty() {
            headers.push(("Authorization", format!("Bearer {token}")));
        }
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    async fn upgrade(
        mut stream: TcpStream,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<Self, Refused> {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        soon("room to send", stream.write_all(request.as_bytes())).await.unwrap();
        let mut socket = Self { stream, buffer: Vec::new() };
        let end = loop {
            if let Some(end) = socket.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            assert!(socket.read_more().await, "the connection ended in the answer's head");
        };
        let head = String::from_utf8(socket.buffer.drain(..end + 4).collect()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            return Ok(socket);
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        while socket.buffer.len() < length.unwrap_or(0) {
            assert!(socket.read_more().await, "the connection ended in the answer's body");
        }
        let body = serde_json::from_slice(&socket.buffer).unwrap_or(Value::Null);
        Err(Refused { status, headers: head, body })
    }

    /// Sends a whole, masked frame.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.send_bytes(&frame(FIN | opcode, payload)).await;
    }

    /// Sends an event.
    pub async fn send_event(&mut self, event: &str, data: &Value) {
        self.send(TEXT, json!({"event": event, "data": data}).to_string().as_bytes()).await;
    }

    /// Sends any bytes. That the server has hung up meanwhile is no failure: what it said is to be read.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = soon("room to send", self.stream.write_all(bytes)).await;
    }

    /// The next frame; none when the connection has ended.
    pub async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// The next text frame as an event, passing over others.
    pub async fn next_event(&mut self) -> Value {
        loop {
            let frame = self.next_frame().await.expect("the connection is open");
            if frame.first == FIN | TEXT {
                return frame.event();
            }
            assert_ne!(frame.first, FIN | CLOSE, "closed with {:?}", close_of(&frame));
        }
    }

    /// Reads until the server closes; answers code and reason, and leaves the connection as it is.
    pub async fn next_close(&mut self) -> (u16, String) {
        loop {
            let frame = self.next_frame().await.expect("a close frame comes before the end");
            if frame.first == FIN | CLOSE {
                return close_of(&frame);
            }
        }
    }

    /// The same; answers with a close of its own and waits for the end of the connection, which is the
    /// server's to make (RFC 6455 §7.1.1).
    pub async fn expect_close(&mut self) -> (u16, String) {
        let (code, reason) = self.next_close().await;
        self.send(CLOSE, &code.to_be_bytes()).await;
        self.await_end().await;
        (code, reason)
    }

    /// Waits for the end of the connection, passing over what is still said.
    pub async fn await_end(&mut self) {
        while self.read_more().await {}
    }

    /// Whether more was read; an end and a reset are the same here.
    async fn read_more(&mut self) -> bool {
        let read = soon("bytes from the server", self.stream.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|size| size > 0)
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let &[first, second, ..] = self.buffer.as_slice() else { return None };
        assert_eq!(second & MASKED, 0, "a server does not mask");
        let (head, size) = match second {
            LENGTH_OF_16_BITS => {
                (4, usize::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().unwrap())))
            }
            LENGTH_OF_64_BITS => {
                let size = u64::from_be_bytes(self.buffer.get(2..10)?.try_into().unwrap());
                (10, usize::try_from(size).unwrap())
            }
            short => (2, usize::from(short)),
        };
        let payload = self.buffer.get(head..head + size)?.to_vec();
        self.buffer.drain(..head + size);
        Some(Frame { first, payload })
    }
}

/// A client's frame: masked, with the first byte as it is given.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if payload.len() < 126 {
        bytes.push(MASKED | u8::try_from(payload.len()).unwrap());
    } else if let Ok(size) = u16::try_from(payload.len()) {
        bytes.push(MASKED | LENGTH_OF_16_BITS);
        bytes.extend_from_slice(&size.to_be_bytes());
    } else {
        bytes.push(MASKED | LENGTH_OF_64_BITS);
        bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The code and the reason that a close frame carries.
fn close_of(frame: &Frame) -> (u16, String) {
    let (code, reason) = frame.payload.split_at(2);
    (u16::from_be_bytes(code.try_into().unwrap()), String::from_utf8(reason.to_vec()).unwrap())
}
