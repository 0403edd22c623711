//! Too many connections, too slow ones, and too much on one of them: refused or ended, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::support::answer::Answer;
use crate::support::app::{Database, JWT_SECRET, TestApp, TestAppBuilder, booking};
use crate::support::clock;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::process::ProcessBuilder;
use crate::support::raw_socket::{FIN, RawSocket, TEXT, frame};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OPEN: &str = "bellhop_connections_open";
/// The bit that says that a frame is compressed: RFC 7692 §6.
const RSV1: u8 = 0x40;

async fn app(environment: &[(&str, &str)]) -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with_all(environment).start().await
}

/// A connection from an address of this machine's own; a refusal may come even before it is made.
fn try_connect_from(last: u8, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
    socket.connect(&server.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}

fn connect_from(last: u8, server: SocketAddr) -> TcpStream {
    try_connect_from(last, server).unwrap()
}

/// Whether another connection is refused.
fn is_refused(last: u8, server: SocketAddr) -> bool {
    !try_connect_from(last, server).is_ok_and(|mut stream| is_served(&mut stream))
}

/// Whether a request over this connection is answered; otherwise it was refused.
fn is_served(stream: &mut TcpStream) -> bool {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    if stream.write_all(HEALTH).is_err() {
        return false;
    }
    while !answer.ends_with(b"}") {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        answer.extend(byte);
    }
    answer.starts_with(b"HTTP/1.1 200 OK")
}

async fn figure(client: &reqwest::Client, url: &str, name: &str) -> u64 {
    let page = Answer::of(client.get(url)).await.text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn await_open(app: &TestApp, most: u64) {
    wait_until_async(format_args!("{most} connections"), async || {
        (figure(app.client(), &app.url("/metrics"), OPEN).await <= most).then_some(())
    })
    .await;
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_and_the_others_stay() {
    let app = app(&[("BELLHOP__LIMITS__CONNECTIONS", "5")]).await;
    let mut device = app.connect("ann").await;
    let mut held: Vec<TcpStream> = (0..4).map(|_| connect_from(1, app.address())).collect();
    assert!(held.iter_mut().all(is_served));
    for last in 1..=20 {
        assert!(is_refused(last, app.address()));
    }
    assert!(held.iter_mut().all(is_served), "who was there stays");
    device.send("ping", json!(7)).await;
    assert_eq!(device.next_event("pong").await, 7);
    held.truncate(2);
    wait_until_async("a place is free", async || (!is_refused(1, app.address())).then_some(())).await;
    let metrics = app.url("/metrics");
    let refused = figure(app.client(), &metrics, "bellhop_refused_total{reason=\"connections\"}").await;
    assert!(refused >= 20, "{refused}");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_another_as_many() {
    let app = app(&[("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "3")]).await;
    for last in [2, 3] {
        let mut held: Vec<TcpStream> = (0..3).map(|_| connect_from(last, app.address())).collect();
        assert!(held.iter_mut().all(is_served));
        for _ in 0..10 {
            assert!(is_refused(last, app.address()));
        }
        assert!(held.iter_mut().all(is_served));
    }
    app.connect("ann").await;
    let metrics = app.url("/metrics");
    assert_eq!(
        figure(app.client(), &metrics, "bellhop_refused_total{reason=\"address_connections\"}").await,
        20
    );
}

#[tokio::test]
async fn thousands_of_refused_connections_cost_those_inside_nothing_much() {
    const REFUSED: u64 = 5_000;
    const GROWTH_MAX: usize = 16 * 1024 * 1024;
    let server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "2")
        .serve()
        .await;
    let mut inside = connect_from(9, server.address());
    assert!(is_served(&mut inside));
    let mut hogs = [2, 2].map(|last| connect_from(last, server.address()));
    assert!(hogs.iter_mut().all(is_served));
    let (before, address) = (server.resident_bytes(), server.address());
    let flood = std::thread::spawn(move || {
        for number in 0..REFUSED {
            // Each sees its refusal before the next tries: none is left waiting for the server when all have tried.
            assert!(is_refused(2, address), "the {number}th");
        }
    });
    let mut waits = Vec::new();
    while !flood.is_finished() {
        let start = clock::start();
        assert!(is_served(&mut inside));
        waits.push(start.elapsed());
    }
    flood.join().unwrap();
    // Half of them: the slowest is that of a machine which runs other tests.
    waits.sort_unstable();
    let usual = waits[waits.len() / 2];
    assert!(usual < Duration::from_millis(500), "{usual:?}, of {}", waits.len());
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    drop(inside);
    let (client, metrics) = (reqwest::Client::new(), server.url("/metrics"));
    wait_until_async("every refusal is counted", async || {
        let name = "bellhop_refused_total{reason=\"address_connections\"}";
        (figure(&client, &metrics, name).await >= REFUSED).then_some(())
    })
    .await;
    let said = server.output().matches("connections are refused").count();
    assert_eq!(said, 1, "said once, not for each");
}

#[tokio::test]
async fn no_place_is_lost_whatever_way_a_connection_ends() {
    let app = app(&[
        ("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "40"),
        ("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", "1000"),
    ])
    .await;
    let (address, token) = (app.address(), app.token("ann", &[]));
    let upgrade = format!(
        "GET /ws/notifications HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: BwcHBwcHBwcHBwcHBwcHBw==\r\n\r\n"
    );
    let stream = format!(
        "GET /notifications/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let body = format!(
        "POST /bookings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{{"
    );
    let polling = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let openings: [&[u8]; 9] = [
        b"",
        b"GET /hea",
        HEALTH,
        b"NONSENSE\r\n\r\n",
        polling,
        b"\x16\x03\x01\x02\x00",
        upgrade.as_bytes(),
        stream.as_bytes(),
        body.as_bytes(),
    ];
    for round in 0..4_u8 {
        let ends = openings.map(|opening| {
            std::iter::repeat_with(|| {
                let mut connection = connect_from(2, address);
                connection.write_all(opening).unwrap();
                if round % 2 == 1 && !opening.is_empty() {
                    // What is answered, if anything is.
                    connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                    let _ = connection.read(&mut [0; 512]);
                }
                connection
            })
            .take(4)
            .collect::<Vec<_>>()
        });
        for connection in ends.into_iter().flatten() {
            if round >= 2 {
                // A reset in place of a goodbye.
                socket2::SockRef::from(&connection).set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
    }
    // The one that asks.
    await_open(&app, 1).await;
    let mut held: Vec<TcpStream> = (0..40).map(|_| connect_from(2, address)).collect();
    assert!(held.iter_mut().all(is_served));
    assert!(is_refused(2, address));
}

#[tokio::test]
async fn who_is_idle_or_never_finishes_a_request_is_cut_off() {
    let app =
        app(&[("BELLHOP__SERVER__KEEP_ALIVE_MS", "300"), ("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", "300")])
            .await;
    let unfinished = b"POST /notifications HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc";
    let unwanted = [&HEALTH[..HEALTH.len() - 2], b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc"].concat();
    let long = [HEALTH, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", &[b'x'; 9_000]].concat();
    for opening in [&b""[..], b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", HEALTH, unfinished, &unwanted, &long]
    {
        // What comes in a segment of its own after the answer starts no clock of the HTTP server's.
        for after in [&b""[..], b"\r", b"GET /hea"] {
            let mut connection = connect_from(1, app.address());
            connection.write_all(opening).unwrap();
            let mut answer = vec![0; 1_024];
            if !opening.is_empty() && !after.is_empty() && opening.ends_with(b"\r\n\r\n") {
                assert!(connection.read(&mut answer).unwrap() > 0);
            }
            if connection.write_all(after).is_err() {
                // It was ended by then.
                continue;
            }
            let ended = connection.read_to_end(&mut answer);
            let is_ended =
                ended.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
            assert!(is_ended, "{ended:?} after {opening:?} and {after:?}");
        }
    }
}

#[tokio::test]
async fn who_does_not_read_its_answers_is_cut_off() {
    let app = app(&[("BELLHOP__SERVER__STALL_TIMEOUT_MS", "1000")]).await;
    let large = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for request in [&large[..], HEALTH] {
        let mut connection = connect_from(2, app.address());
        connection.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // Until nothing more is taken, for nothing is read.
        while connection.write_all(&request.repeat(200)).is_ok() {}
        let (client, metrics) = (app.client(), app.url("/metrics"));
        assert_eq!(figure(client, &metrics, OPEN).await, 2);
        await_open(&app, 1).await;
    }
}

/// Sends so many requests at once, reads nothing at first, and then all answers in their order.
fn send_at_once(requests: usize, server: SocketAddr) {
    let mut connection = connect_from(1, server);
    let mut reader = connection.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..requests {
            let request = format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Request-Id: n{number}\r\n\r\n");
            connection.write_all(request.as_bytes()).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    let (mut text, mut bytes, mut seen) = (Vec::new(), [0; 8_192], 0);
    while seen < requests {
        let read = reader.read(&mut bytes).unwrap();
        assert!(read > 0, "the connection ended after {seen} answers");
        text.extend_from_slice(&bytes[..read]);
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = text.drain(..end).collect();
        for line in String::from_utf8(lines).unwrap().lines() {
            if let Some(number) = line.strip_prefix("x-request-id: n") {
                assert_eq!(number, seen.to_string());
                seen += 1;
            }
        }
    }
    writer.join().unwrap();
}

#[tokio::test]
async fn a_flood_of_requests_on_one_connection_is_answered_in_order() {
    const REQUESTS: usize = 10_000;
    let server = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    send_at_once(REQUESTS, server.address());
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let app = app(&[]).await;
    let long = "x".repeat(200_000);
    let many = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect::<Vec<_>>().concat();
    for (head, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "431"),
        (format!("GET /health?{} HTTP/1.1\r\nHost: a\r\n\r\n", &long[..100_000]), "400"),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"), "431"),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nCookie: {long}\r\n\r\n"), "431"),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431"),
    ] {
        let mut connection = connect_from(1, app.address());
        // It need not read to the end.
        let _ = connection.write_all(head.as_bytes());
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        let said = String::from_utf8_lossy(&answer);
        assert_eq!(said, format!("HTTP/1.1 {status}"), "{}", &head[..40]);
    }
    app.get("/health", "").await.expect(200);
}

#[tokio::test]
async fn two_lengths_of_one_body_smuggle_nothing() {
    let app = app(&[]).await;
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
    ] {
        let mut connection = connect_from(1, app.address());
        let hidden = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        let request = format!("POST /bookings HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}");
        connection.write_all(request.as_bytes()).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 4"), "{lengths}: {answer}");
        assert!(!answer.contains("bellhop_bookings_accepted_total"), "{lengths}: {answer}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_never_unpacked() {
    let app = app(&[]).await;
    let token = app.token("guest", &["CUSTOMER"]);
    for encoding in ["gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip"] {
        let request = app.client().post(app.url("/bookings")).header("content-type", "application/json");
        let request = request.header("content-encoding", encoding).body(booking("host-7").to_string());
        app.send(request, &token).await.expect_problem(415, "unsupported_encoding");
    }
    let request = app.client().post(app.url("/bookings")).header("content-encoding", "identity");
    app.send(request.json(&booking("host-7")), &token).await.expect(201);
}

#[tokio::test]
async fn compression_of_frames_is_not_agreed_to_and_a_compressed_frame_ends_the_connection() {
    let app = app(&[]).await;
    let token = format!("Bearer {}", app.token("ann", &[]));
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "BwcHBwcHBwcHBwcHBwcHBw=="),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Authorization", token.as_str()),
    ];
    let mut socket = RawSocket::try_open(app.address(), "/ws/notifications", &headers).await.expect("let in");
    assert_eq!(socket.next_event().await["event"], "connected");
    // A kilobyte of this would be a megabyte.
    socket.send_bytes(&frame(FIN | RSV1 | TEXT, &[0xAA; 1_000])).await;
    assert_eq!(socket.next_close().await.0, 1002);

    let mut connection = connect_from(1, app.address());
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    connection
        .write_all(format!("GET /ws/notifications HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
        .unwrap();
    let mut head = [0; 400];
    let read = connection.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
    assert!(head.starts_with("http/1.1 101") && !head.contains("sec-websocket-extensions"), "{head}");
}
