//! An Engine.IO session over HTTP long-polling, as a client holds it: one request at a time, unless a test
//! wants it otherwise.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::echo::Server;
use crate::support::answer::Answer;
use crate::support::deadline::soon;

/// Separates the packets of a payload.
pub(super) const SEPARATOR: char = '\x1e';
/// What is not answered for so long hangs, and the server has surely seen it.
const A_MOMENT: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Polling {
    http: reqwest::Client,
    server: Server,
    /// Path and query, the session's id included.
    target: String,
    pub sid: String,
    /// The data of the open packet.
    pub opened: Value,
}

impl Polling {
    /// Opens a session on the door at `path`.
    pub(super) async fn open(server: &Server, path: &str) -> Self {
        let http = reqwest::Client::new();
        let answer = Answer::of(http.get(server.url(&format!("{path}?EIO=4&transport=polling")))).await;
        let opened = opened(&answer);
        let sid = opened["sid"].as_str().unwrap().to_owned();
        let target = format!("{path}?EIO=4&transport=polling&sid={sid}");
        Self { http, server: server.clone(), target, sid, opened }
    }

    /// Polls once, whatever the answer is.
    pub(super) async fn poll(&self) -> Answer {
        Answer::of(self.http.get(self.server.url(&self.target))).await
    }

    /// Polls once, which must succeed; answers the payload.
    pub(super) async fn read(&self) -> String {
        payload_of(&self.poll().await)
    }

    /// Polls until so many packets are there; answers them.
    pub(super) async fn read_packets(&self, count: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while packets.len() < count {
            packets.extend(self.read().await.split(SEPARATOR).map(str::to_owned));
        }
        assert_eq!(packets.len(), count, "{packets:?}");
        packets
    }

    /// Begins to poll, and sees that the server has nothing to say.
    pub(super) async fn hang(&self) -> Hanging {
        let request = self.http.get(self.server.url(&self.target));
        let mut answer = tokio::spawn(Answer::of(request));
        let early = timeout(A_MOMENT, &mut answer).await;
        assert!(early.is_err(), "a poll was answered: {early:?}");
        Hanging { answer }
    }

    /// Begins to poll and hangs up before an answer.
    pub(super) async fn poll_and_hang_up(&self) {
        self.begin("GET", "\r\n").await;
    }

    /// Begins a POST whose body does not come.
    pub(super) async fn begin_post(&self) -> TcpStream {
        let stream = self.begin("POST", "Content-Type: text/plain\r\nContent-Length: 6\r\n\r\n4h").await;
        let early = timeout(A_MOMENT, stream.readable()).await;
        assert!(early.is_err(), "a POST without a body was answered");
        stream
    }

    /// Posts a payload; none where the server hung up instead of answering, which it may do with what it
    /// refuses.
    pub(super) async fn post(&self, payload: impl Into<reqwest::Body>) -> Option<Answer> {
        let request = self
            .http
            .post(self.server.url(&self.target))
            .header("content-type", "text/plain;charset=UTF-8")
            .body(payload);
        let response = soon("an answer", request.send()).await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = soon("an answer's body", response.text()).await.ok()?;
        Some(Answer { status, headers, text })
    }

    /// Posts a payload without saying its length; answers the status, if there is one.
    pub(super) async fn post_in_chunks(&self, payload: &str) -> Option<u16> {
        let head = "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut stream = self.begin("POST", head).await;
        let body = format!("{:x}\r\n{payload}\r\n0\r\n\r\n", payload.len());
        let _ = soon("room to send", stream.write_all(body.as_bytes())).await;
        let mut line = String::new();
        let _ = soon("a status", BufReader::new(stream).read_line(&mut line)).await.ok()?;
        line.split(' ').nth(1)?.parse().ok()
    }

    /// Begins a request by hand: `rest` is what follows the `Host` header.
    async fn begin(&self, method: &str, rest: &str) -> TcpStream {
        let request = format!("{method} {} HTTP/1.1\r\nHost: localhost\r\n{rest}", self.target);
        let mut stream = soon("a connection", TcpStream::connect(self.server.address)).await.unwrap();
        soon("room to send", stream.write_all(request.as_bytes())).await.unwrap();
        stream
    }

    /// Posts a payload, which must succeed.
    pub(super) async fn write(&self, payload: impl Into<reqwest::Body>) {
        let answer = self.post(payload).await.expect("an answer");
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    }

    /// Asserts that the server has closed the session: it says so to the next poll, or knows nothing of it.
    pub(super) async fn expect_closed(&self) {
        let answer = self.poll().await;
        let last = answer.text.rsplit(SEPARATOR).next();
        assert!(answer.status == 400 || last == Some("1"), "{answer:?}");
        self.expect_gone().await;
    }

    /// Asserts that the server knows the session no more.
    pub(super) async fn expect_gone(&self) {
        expect_refused(&self.poll().await, 1);
        let answer = self.post("4anyone?").await.expect("an answer");
        expect_refused(&answer, 1);
    }
}

/// A poll that the server has not answered yet.
#[derive(Debug)]
pub(super) struct Hanging {
    answer: JoinHandle<Answer>,
}

impl Hanging {
    /// The payload that it is answered with.
    pub(super) async fn payload(self) -> String {
        payload_of(&soon("an answer to a hanging poll", self.answer).await.unwrap())
    }
}

/// The data of the open packet that this answers.
pub(super) fn opened(answer: &Answer) -> Value {
    let payload = payload_of(answer);
    let json = payload.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {payload}"));
    serde_json::from_str(json).unwrap()
}

/// Asserts that a request was refused with one of Engine.IO's codes, as JSON.
pub(super) fn expect_refused(answer: &Answer, code: u64) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["message"].is_string(), "{body}");
}

fn payload_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let kind = answer.header("content-type").unwrap_or_default().to_lowercase();
    assert_eq!(kind.replace(' ', ""), "text/plain;charset=utf-8");
    answer.text.clone()
}
