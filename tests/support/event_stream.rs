//! Clients of the event stream. Both read it as the HTML standard's parser does (§9.2.6) and keep the last event's id
//! as a browser does: [`EventStream`] over HTTP/1.1 by a client library, for tests that look at answers and events;
//! [`SseDevice`] over bare TCP, for devices that stall, vanish and come back.

use std::collections::VecDeque;
use std::net::SocketAddr;

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::app::TestApp;
use super::deadline::soon;
use super::door::{Call, Close, End, Refused};
use super::socket;

/// An event as its handler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// What came with it; none where it had no id of its own.
    pub id: Option<String>,
    pub data: Value,
}

/// What an event stream says, from its bytes.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes that are not a whole line yet.
    rest: Vec<u8>,
    /// The event that is being read.
    name: String,
    id: Option<String>,
    data: Option<String>,
    /// Events, and ids that stand alone, in order.
    ready: VecDeque<(Option<Event>, Option<String>)>,
    last_id: String,
    retry: Vec<u64>,
}

impl Parser {
    fn take(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).expect("a stream is UTF-8");
            self.line(line.trim_end_matches('\n'));
        }
    }

    fn line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => self.dispatch(),
            "" => {}
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                None => self.data = Some(value.to_owned()),
            },
            "retry" => self.retry.push(value.parse().expect("retry is a number")),
            other => panic!("no field of an event stream: {other}"),
        }
    }

    fn dispatch(&mut self) {
        let (name, id) = (std::mem::take(&mut self.name), self.id.take());
        let event = self.data.take().map(|data| {
            let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
            Event { name, id: id.clone(), data }
        });
        self.ready.push_back((event, id));
    }

    /// The next event, from which on its id is what a browser would show.
    fn next(&mut self) -> Option<Event> {
        while let Some((event, id)) = self.ready.pop_front() {
            if let Some(id) = id {
                self.last_id = id;
            }
            if event.is_some() {
                self.skip_ids();
                return event;
            }
        }
        None
    }

    /// An id that stands alone belongs to the event before it.
    fn skip_ids(&mut self) {
        while let Some((None, id)) = self.ready.front() {
            if let Some(id) = id {
                id.clone_into(&mut self.last_id);
            }
            self.ready.pop_front();
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Path and query.
    pub path: String,
    pub token: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub fn new(token: &str) -> Self {
        Self { path: "/notifications/sse".to_owned(), token: token.to_owned(), headers: Vec::new() }
    }

    /// Such as `?ttl=2`.
    pub fn with_query(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As a client that comes back.
    pub fn after(self, last: &str) -> Self {
        self.with_header("last-event-id", last)
    }
}

/// An open stream.
#[derive(Debug)]
pub struct EventStream {
    response: reqwest::Response,
    parser: Parser,
}

impl EventStream {
    /// Opens a stream, which must succeed.
    pub async fn open(app: &TestApp, ask: &Ask) -> Self {
        let response = Self::request(app, ask).await;
        assert_eq!(response.status(), 200, "{ask:?}");
        Self::reading(response)
    }

    /// What the door answers.
    pub async fn request(app: &TestApp, ask: &Ask) -> reqwest::Response {
        Self::request_at(&app.url(&ask.path), ask).await
    }

    /// The same at another address than the server's own.
    pub async fn request_at(url: &str, ask: &Ask) -> reqwest::Response {
        // Of its own, so that a stream that is dropped is a connection that is closed.
        let mut request = reqwest::Client::new().get(url);
        if !ask.token.is_empty() {
            request = request.bearer_auth(&ask.token);
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        soon("an answer", request.send()).await.unwrap()
    }

    pub fn reading(response: reqwest::Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    pub fn headers(&self) -> &HeaderMap<HeaderValue> {
        self.response.headers()
    }

    /// What a browser would show when it comes back; empty for nothing.
    pub fn last_id(&self) -> &str {
        &self.parser.last_id
    }

    /// The times to wait that were said, in milliseconds.
    pub fn retry(&self) -> &[u64] {
        &self.parser.retry
    }

    /// The next event; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        soon("an event, or the end of the stream", async {
            loop {
                if let Some(event) = self.parser.next() {
                    return Some(event);
                }
                let chunk = self.response.chunk().await.expect("the stream is whole")?;
                self.parser.take(&chunk);
            }
        })
        .await
    }

    /// The next event of this name; others before it are passed over.
    pub async fn next_event(&mut self, name: &str) -> Event {
        self.until(name).await.pop().expect("it ends with the event")
    }

    /// Everything up to and including the first event of this name.
    pub async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            events.push(event.unwrap_or_else(|| panic!("the stream ended before {name}: {events:?}")));
            if events.last().is_some_and(|event| event.name == name) {
                return events;
            }
        }
    }

    /// Everything up to the end of the stream.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// A receive buffer that a stall soon fills.
const NARROW: u32 = 4_096;

/// A device that reads an event stream, and says over REST what it has to say. It asks as HTTP/1.0 does, whose answers
/// end with their connection.
#[derive(Debug)]
pub struct SseDevice {
    stream: TcpStream,
    parser: Parser,
    address: SocketAddr,
    token: String,
    /// As `connected` called it.
    session: Value,
}

impl SseDevice {
    pub async fn open(call: &Call) -> Result<Self, Refused> {
        let socket = TcpSocket::new_v4().unwrap();
        if call.narrow {
            socket.set_recv_buffer_size(NARROW).unwrap();
        }
        let mut stream = socket.connect(call.address).await.map_err(|_| Refused::Unreachable)?;
        let query = call.raw_path();
        let query = query.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let token = call.token();
        let request =
            format!("GET /notifications/sse{query} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|_| Refused::Unreachable)?;
        let (status, rest) = head(&mut stream).await.ok_or(Refused::Unreachable)?;
        if status != 200 {
            return Err(Refused::Status(status));
        }
        let mut parser = Parser::default();
        parser.take(&rest);
        Ok(Self { stream, parser, address: call.address, token: token.to_owned(), session: Value::Null })
    }

    /// The next event, or how the stream ended. May be given up.
    pub async fn receive(&mut self) -> Result<socket::Event, End> {
        loop {
            let Some(Event { name, data, .. }) = self.parser.next() else {
                let mut chunk = [0; 4_096];
                match self.stream.read(&mut chunk).await {
                    Ok(read @ 1..) => self.parser.take(&chunk[..read]),
                    Ok(0) | Err(_) => return Err(End::of(Close::Broken)),
                }
                continue;
            };
            if name == "close" {
                let code = data["code"].as_u64().and_then(|code| u16::try_from(code).ok()).expect("a code");
                return Err(End::of(Close::Frame(code, data["reason"].as_str().unwrap().to_owned())));
            }
            if name == "connected" {
                self.session = data["sessionId"].clone();
            }
            return Ok(socket::Event { name, data, id: None });
        }
    }

    /// What a browser would show when it comes back, if anything.
    pub fn last_id(&self) -> Option<&str> {
        Some(self.parser.last_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Says that it has everything up to a seq; answers whether that was recorded.
    pub async fn acknowledge(&self, seq: i64) -> bool {
        self.post("/notifications/ack", &json!({"seq": seq, "sessionId": self.session})).await
    }

    pub async fn mark_read(&self, selection: &Value) -> bool {
        self.post("/notifications/mark-read", selection).await
    }

    async fn post(&self, path: &str, body: &Value) -> bool {
        let request = reqwest::Client::new().post(format!("http://{}{path}", self.address));
        let answer = request.bearer_auth(&self.token).json(body).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Says that it has nothing more to say, which is how such a client leaves.
    pub async fn close(&mut self) -> Result<(), End> {
        self.stream.shutdown().await.map_err(|_| End::of(Close::Broken))
    }

    /// Makes dropping it a reset, with which what was not read yet is thrown away.
    pub fn reset_when_dropped(&self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The status of an answer, and what came after its head.
async fn head(stream: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let rest = read.split_off(end);
    let status = String::from_utf8(read).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, rest))
}
