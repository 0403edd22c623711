//! Frames that RFC 6455 forbids and messages that are too large: each ends its connection with the code
//! that the RFC names, and costs the server nothing afterwards. What is unusual but right is served.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{Database, JWT_SECRET, TestApp, TestAppBuilder};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::raw_socket::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RawSocket, TEXT, frame};

/// The largest message of these tests' servers, in bytes.
const MESSAGE_BYTES: &str = "1000";
/// A reserved bit (RFC 6455 §5.2), which only an extension gives a meaning.
const RSV1: u8 = 0x40;

async fn app() -> TestApp {
    TestAppBuilder::new(Database::Sqlite)
        .with_all(&[("BELLHOP__SESSION__MESSAGE_BYTES", MESSAGE_BYTES), ("RATE_LIMIT_MAX_REQUESTS", "10000")])
        .start()
        .await
}

async fn open(app: &TestApp) -> RawSocket {
    let mut socket = RawSocket::open(app.address(), &app.token("7", &[])).await;
    assert_eq!(socket.next_event().await["event"], "connected");
    socket
}

/// A frame whose mask bit is not set.
fn unmasked(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FIN | TEXT, u8::try_from(payload.len()).unwrap()];
    bytes.extend_from_slice(payload);
    bytes
}

/// Everything that a client must not do, and the code that it is told.
fn violations() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let protocol = |name, bytes| (name, bytes, 1002, "protocol_error");
    let text = |name, bytes| (name, bytes, 1007, "invalid_text");
    let begun = frame(TEXT, b"{");
    vec![
        protocol("an unmasked frame", unmasked(b"{}")),
        protocol("a reserved opcode", frame(FIN | 0x3, b"")),
        protocol("a reserved control opcode", frame(FIN | 0xB, b"")),
        protocol("a reserved bit", frame(FIN | RSV1 | TEXT, b"{}")),
        protocol("a continuation of nothing", frame(FIN | CONTINUATION, b"{}")),
        protocol("an unfinished continuation of nothing", frame(CONTINUATION, b"{}")),
        protocol("a message inside a message", [begun.clone(), frame(FIN | TEXT, b"{}")].concat()),
        protocol("a beginning inside a message", [begun.clone(), begun.clone()].concat()),
        protocol("a fragmented ping", frame(PING, b"")),
        protocol("a ping that is too long", frame(FIN | PING, &[b'x'; 126])),
        protocol("a close with half a code", frame(FIN | CLOSE, &[3])),
        protocol("a close with a code nobody may send", frame(FIN | CLOSE, &1005_u16.to_be_bytes())),
        text("text that is not UTF-8", frame(FIN | TEXT, b"\xff\xfe")),
        text("text that ends in the middle of a character", frame(FIN | TEXT, b"\"\xc3")),
        text(
            "fragments that are not UTF-8 together",
            [frame(TEXT, b"\"\xc3"), frame(FIN | CONTINUATION, b"\"")].concat(),
        ),
        ("a binary message", frame(FIN | BINARY, b"{}"), 1003, "unsupported_data"),
        ("the beginning of a binary message", frame(BINARY, b"{}"), 1003, "unsupported_data"),
        ("a frame that is too large", frame(FIN | TEXT, &[b' '; 1_001]), 1009, "message_too_large"),
        (
            "fragments that are too large together",
            [frame(TEXT, &[b' '; 600]), frame(FIN | CONTINUATION, &[b' '; 600])].concat(),
            1009,
            "message_too_large",
        ),
        (
            "fragments without end",
            [frame(TEXT, b"{"), frame(CONTINUATION, &[b' '; 500]).repeat(3)].concat(),
            1009,
            "message_too_large",
        ),
        ("a frame that claims to be endless", endless(), 1009, "message_too_large"),
    ]
}

/// The head of a frame of as many bytes as a length can say.
fn endless() -> Vec<u8> {
    let mut bytes = vec![FIN | TEXT, 0xFF];
    bytes.extend_from_slice(&(u64::MAX >> 1).to_be_bytes());
    bytes.extend_from_slice(&[0; 64]);
    bytes
}

#[tokio::test]
async fn every_violation_ends_its_connection_with_its_code() {
    let app = app().await;
    join_all(violations().into_iter().map(async |(name, bytes, code, reason)| {
        let mut socket = open(&app).await;
        socket.send_bytes(&bytes).await;
        assert_eq!(socket.expect_close().await, (code, reason.to_owned()), "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_violation_before_connected_is_told_as_well() {
    let app = app().await;
    join_all(violations().into_iter().map(async |(name, bytes, code, reason)| {
        let mut socket = RawSocket::open(app.address(), &app.token("7", &[])).await;
        socket.send_bytes(&bytes).await;
        assert_eq!(socket.expect_close().await, (code, reason.to_owned()), "{name}");
    }))
    .await;
}

#[tokio::test]
async fn who_goes_on_sending_after_a_violation_still_hears_why_it_ended() {
    let app = app().await;
    join_all((0..20).map(async |_| {
        let mut socket = open(&app).await;
        socket.send_bytes(&frame(FIN | TEXT, &vec![b' '; 256 * 1024])).await;
        assert_eq!(socket.expect_close().await, (1009, "message_too_large".to_owned()));
    }))
    .await;
}

/// A server of its own process, whose processor time is its own.
async fn serve() -> Process {
    ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__SESSION__MESSAGE_BYTES", MESSAGE_BYTES)
        .serve()
        .await
}

#[tokio::test]
async fn after_violations_the_server_is_as_idle_as_before() {
    const WINDOW: Duration = Duration::from_secs(1);
    let server = serve().await;
    let token = crate::support::app::token_for("7", &[]);
    let mut sockets = Vec::new();
    for (name, bytes, code, _) in violations() {
        let mut socket = RawSocket::open(server.address(), &token).await;
        socket.next_event().await;
        socket.send_bytes(&bytes).await;
        // The connection is left open on this side.
        let close = socket.next_close().await;
        assert_eq!(close.0, code, "{name}");
        sockets.push(socket);
    }
    // Not waiting for luck: this is the time over which use is measured.
    let before = server.cpu_time();
    tokio::time::sleep(WINDOW).await;
    let used = server.cpu_time().saturating_sub(before);
    assert!(used < WINDOW / 5, "{used:?} of processor time in {WINDOW:?} without work");
    for mut socket in sockets {
        socket.await_end().await;
    }
}

#[tokio::test]
async fn a_frame_that_never_ends_is_not_gathered() {
    const GROWTH_MAX: usize = 32 * 1024 * 1024;
    let server = serve().await;
    let token = crate::support::app::token_for("7", &[]);
    let before = server.resident_bytes();
    let mut socket = RawSocket::open(server.address(), &token).await;
    socket.send_bytes(&endless()).await;
    // Four times as much as may be kept, unless the server hangs up before.
    for _ in 0..4 * GROWTH_MAX / (1024 * 1024) {
        socket.send_bytes(&vec![b' '; 1024 * 1024]).await;
    }
    let after = server.resident_bytes();
    assert!(after < before + GROWTH_MAX, "from {before} to {after} bytes");
}

#[tokio::test]
async fn a_flood_of_empty_frames_ends_its_connection_and_is_not_gathered() {
    /// Frames of one write, and how often it is sent, unless the server hangs up before.
    const FRAMES: usize = 100_000;
    const WRITES: usize = 100;
    const GROWTH_MAX: usize = 32 * 1024 * 1024;
    let server = serve().await;
    let token = crate::support::app::token_for("7", &[]);
    let before = server.resident_bytes();
    let floods = [(vec![], FIN | PONG), (frame(TEXT, b""), CONTINUATION)];
    for (first, flood) in floods {
        let mut socket = RawSocket::open(server.address(), &token).await;
        socket.next_event().await;
        socket.send_bytes(&first).await;
        let flood = frame(flood, b"").repeat(FRAMES);
        for _ in 0..WRITES {
            socket.send_bytes(&flood).await;
        }
        let after = server.resident_bytes();
        assert!(after < before + GROWTH_MAX, "from {before} to {after} bytes");
    }
}

#[tokio::test]
async fn more_frames_than_anybody_needs_end_their_connection() {
    let app = TestAppBuilder::new(Database::Sqlite).with("RATE_LIMIT_WINDOW_MS", "60000").start().await;
    for opcode in [FIN | PONG, FIN | PING, CONTINUATION] {
        let mut socket = open(&app).await;
        socket.send_bytes(&frame(TEXT, b"")).await;
        socket.send_bytes(&frame(opcode, b"").repeat(2_000)).await;
        socket.send(PING, b"heard").await;
        while socket.next_frame().await.unwrap().payload != b"heard" {}
        socket.send_bytes(&frame(opcode, b"").repeat(200)).await;
        assert_eq!(socket.expect_close().await, (4008, "rate_limited".to_owned()), "{opcode}");
    }
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_pings_between() {
    let app = app().await;
    let mut socket = open(&app).await;
    let text = json!({"event": "ping", "data": "ü✓", "id": 1}).to_string();
    // Also inside of a character: only the whole must be UTF-8.
    let (first, rest) = text.as_bytes().split_at(text.find('ü').unwrap() + 1);
    socket.send_bytes(&frame(TEXT, first)).await;
    socket.send(PING, b"between").await;
    let pong = socket.next_frame().await.unwrap();
    assert_eq!((pong.first, pong.payload.as_slice()), (FIN | PONG, &b"between"[..]), "at once");
    socket.send_bytes(&frame(CONTINUATION, b"")).await;
    for byte in rest {
        socket.send_bytes(&frame(CONTINUATION, &[*byte])).await;
    }
    socket.send(CONTINUATION, b"").await;
    assert_eq!(socket.next_event().await, json!({"event": "pong", "data": "ü✓", "id": 1}));
}

#[tokio::test]
async fn frames_may_come_byte_by_byte_or_many_at_once() {
    let app = app().await;
    let mut socket = open(&app).await;
    let ping = |id: usize| frame(FIN | TEXT, json!({"event": "ping", "id": id}).to_string().as_bytes());
    for byte in ping(0) {
        socket.send_bytes(&[byte]).await;
    }
    let many: Vec<u8> = (1..200).flat_map(ping).collect();
    socket.send_bytes(&many).await;
    for id in 0..200 {
        assert_eq!(socket.next_event().await["id"], id);
    }
}

#[tokio::test]
async fn a_message_of_just_the_allowed_size_is_served() {
    let app = app().await;
    let mut socket = open(&app).await;
    let mut text = json!({"event": "ping", "data": 1}).to_string();
    while text.len() < 1_000 {
        text.push(' ');
    }
    socket.send(TEXT, text.as_bytes()).await;
    assert_eq!(socket.next_event().await["event"], "pong");
    let (first, rest) = text.as_bytes().split_at(400);
    socket.send_bytes(&frame(TEXT, first)).await;
    socket.send(CONTINUATION, rest).await;
    assert_eq!(socket.next_event().await["event"], "pong");
}

#[tokio::test]
async fn a_goodbye_is_answered_in_kind_and_the_server_hangs_up() {
    let app = app().await;
    for (payload, code) in [(&b""[..], 1000), (&[0x03, 0xE8, b'b', b'y', b'e'], 1000), (&[0x0F, 0xA1], 4001)]
    {
        let mut socket = open(&app).await;
        socket.send(CLOSE, payload).await;
        assert_eq!(socket.next_close().await.0, code);
        socket.await_end().await;
    }
}
