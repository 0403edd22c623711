//! HEAD, over bare TCP: every path that answers GET answers it, with the same head and without a body, and the
//! connection goes on.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::{Database, TestApp};
use crate::support::deadline::soon;
use crate::support::door::NAMESPACE;
use crate::support::tickets::{Entry, enter_raw};

/// The files that say which paths there are.
const ROUTES: [&str; 3] = [
    include_str!("../src/api/routes.rs"),
    include_str!("../src/web/mod.rs"),
    include_str!("../src/transports/entrance.rs"),
];

/// Every path that answers GET, as those files spell it.
fn paths_with_get() -> Vec<&'static str> {
    let resources = ROUTES.iter().flat_map(|source| source.split("resource(").skip(1));
    let with_get = resources.filter(|resource| resource.contains("Method::GET"));
    with_get.map(|resource| resource.split('"').nth(1).expect("a path")).collect()
}

/// A connection on which requests are written and answers read by hand.
struct Connection {
    stream: TcpStream,
    /// Read and not looked at yet.
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    status: u16,
    /// The names in lower case.
    headers: Vec<(String, String)>,
}

impl Head {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    async fn send(&mut self, method: &str, path: &str, headers: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    async fn read_more(&mut self) {
        let read = soon("an answer", self.stream.read_buf(&mut self.buffer)).await.unwrap();
        assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.buffer));
    }

    /// The head of an answer; what came after it stays.
    async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read_more().await;
        };
        let rest = self.buffer.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap();
        let status =
            status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer begins {status:?}"));
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        Head { status: status[..3].parse().unwrap(), headers: lines.filter_map(header).collect() }
    }

    /// The body of an answer that says how long it is.
    async fn body(&mut self, head: &Head) -> Vec<u8> {
        let length: usize = head.get("content-length").expect("a length").parse().unwrap();
        while self.buffer.len() < length {
            self.read_more().await;
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Asks whether the server is alive, right behind what was asked before: a byte too many of an answer, or a body
    /// that does not end, would be in the way.
    async fn is_in_order(&mut self) {
        self.send("GET", "/health", "").await;
        let head = self.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(
            self.body(&head).await.len(),
            head.get("content-length").unwrap().parse::<usize>().unwrap()
        );
        assert!(self.buffer.is_empty());
    }
}

/// `{id}` stands for something that is there, where that is known.
fn fill(path: &str, booking: &Value) -> String {
    let id = if path.starts_with("/bookings") {
        &booking["booking"]["id"]
    } else {
        &booking["notification"]["id"]
    };
    path.replace("{id}", id.as_str().unwrap())
}

#[tokio::test]
async fn every_path_that_answers_get_answers_head_without_a_body() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.token("host-7", &["PROFESSIONAL", "ADMIN"]);
    let booking = app.book("guest-3", "host-7").await;
    let paths = paths_with_get();
    for known in ["/notifications", "/notifications/count", "/bookings/{id}", "/health", NAMESPACE] {
        assert!(paths.contains(&known), "{known} is not among {paths:?}");
    }
    let mut connection = Connection::open(app.address()).await;
    for path in paths {
        let path = fill(path, &booking);
        for authorization in [format!("Authorization: Bearer {token}\r\n"), String::new()] {
            connection.send("HEAD", &path, &authorization).await;
            let head = connection.head().await;
            connection.is_in_order().await;
            if path.starts_with("/notifications/sse") && head.status == 200 {
                assert_eq!(head.get("content-type"), Some("text/event-stream"), "{head:?}");
                continue;
            }
            connection.send("GET", &path, &authorization).await;
            let got = connection.head().await;
            connection.body(&got).await;
            assert_eq!(head.status, got.status, "{path}");
            for name in ["content-type", "cache-control", "etag", "www-authenticate", "vary"] {
                assert_eq!(head.get(name), got.get(name), "{path}");
            }
            assert!(head.get("x-request-id").is_some() && head.get("content-length").is_some(), "{head:?}");
        }
    }
    let mut admin = app.connect_with(&token, "").await;
    admin.send("getPresence", Value::Null).await;
    assert_eq!(admin.next_event("presenceStats").await["connections"], 1, "no HEAD opened a session");
}

#[tokio::test]
async fn head_of_a_path_without_get_or_of_none_says_so_without_a_body() {
    let app = TestApp::start(Database::Sqlite).await;
    let mut connection = Connection::open(app.address()).await;
    for (path, status, allow) in [("/bookings", 405, Some("POST")), ("/nothing", 404, None)] {
        connection.send("HEAD", path, "").await;
        let head = connection.head().await;
        assert_eq!((head.status, head.get("allow")), (status, allow), "{head:?}");
        connection.is_in_order().await;
    }
}

#[tokio::test]
async fn head_of_what_is_known_already_is_not_modified() {
    let app = TestApp::start(Database::Sqlite).await;
    let authorization = format!("Authorization: Bearer {}\r\n", app.token("host-7", &[]));
    let mut connection = Connection::open(app.address()).await;
    connection.send("HEAD", "/notifications/count", &authorization).await;
    let head = connection.head().await;
    assert_eq!(head.status, 200);
    let known = format!("{authorization}If-None-Match: {}\r\n", head.get("etag").unwrap());
    connection.send("HEAD", "/notifications/count", &known).await;
    assert_eq!(connection.head().await.status, 304);
    connection.is_in_order().await;
}

#[tokio::test]
async fn a_handshake_by_head_opens_nothing_and_uses_no_ticket_up() {
    let app = TestApp::start(Database::Sqlite).await;
    let ticket = app.ticket(&app.token("host-7", &[]), "websocket").await;
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let mut connection = Connection::open(app.address()).await;
    let path = format!("{NAMESPACE}?ticket={ticket}");
    connection.send("HEAD", &path, handshake).await;
    assert_eq!(connection.head().await.status, 401);
    let mut connection = Connection::open(app.address()).await;
    let token = app.token("host-7", &[]);
    connection.send("HEAD", &format!("{NAMESPACE}?token={token}"), handshake).await;
    assert_eq!(connection.head().await.status, 426);
    let metrics = app.get("/metrics", "").await.text;
    let open = metrics.lines().find(|line| line.starts_with("bellhop_sessions_open{door=\"websocket\"}"));
    assert!(open.is_none_or(|line| line.ends_with(" 0")), "{open:?}");
    let entry = enter_raw(app.address(), &format!("ticket={ticket}"), &[]).await;
    assert_eq!(entry, Entry::by("host-7"));
}
