//! TLS by the server itself: every door over it, who shakes hands too slowly or speaks too old, stalled readers, and
//! certificates that change.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, booking};
use crate::support::deadline::{soon, wait_until_async};
use crate::support::door::{Call, Door};
use crate::support::process::ProcessBuilder;
use crate::support::raw_socket::RawSocket;
use crate::support::socket::TestSocket;
use crate::support::tunnel::{Authority, rest};

fn secured(authority: &Authority) -> TestAppBuilder {
    TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP__SERVER__TLS_CERTIFICATE", &authority.certificate().to_string_lossy())
        .with("BELLHOP__SERVER__TLS_KEY", &authority.key().to_string_lossy())
        .with("BELLHOP__SERVER__TLS_RELOAD_MS", "50")
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
}

/// Asks through the tunnel.
async fn get(app: &TestApp, address: SocketAddr, path: &str) -> Answer {
    Answer::of(app.client().get(format!("http://{address}{path}"))).await
}

async fn figure(app: &TestApp, address: SocketAddr, name: &str) -> u64 {
    let page = get(app, address, "/metrics").await.text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn every_door_opens_and_closes_over_tls_as_without() {
    let authority = Authority::new();
    let app = secured(&authority).start().await;
    let tunnel = authority.tunnel(app.address());
    for door in [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse] {
        let host = format!("host-{door:?}");
        let call = Call::new(door, tunnel.address, &app.token(&host, &[]));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        let mut brief = TestSocket::call(&call.clone().with_query("?ttl=1")).await;
        let url = format!("http://{}/bookings", tunnel.address);
        let request = app.client().post(url).json(&booking(&host));
        app.send(request, &app.token("guest", &["CUSTOMER"])).await.expect(201);
        assert_eq!(device.next_event("booking.created").await["seq"], 1, "{door:?}");
        // The last words come through although the socket is shut beneath TLS.
        let end = brief.end().await;
        match door {
            // There is no telling a stream's client not to come back but by its last event.
            Door::Sse => assert_eq!(end.code_and_reason(), (4000, "ttl_elapsed".to_owned())),
            door => end.assert_is(door, 4000, "ttl_elapsed"),
        }
    }
    let answer = get(&app, tunnel.address, "/health").await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

#[tokio::test]
async fn without_tls_nobody_is_told_to_insist_on_it() {
    let app = TestApp::start(Database::Sqlite).await;
    assert_eq!(app.get("/health", "").await.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_stalled_reader_is_cut_off_under_tls_too() {
    const EVENT_BYTES: usize = 50_000;
    let authority = Authority::new();
    let app = secured(&authority).with("BELLHOP__SESSION__QUEUE_BYTES", "131072").start().await;
    let tunnel = authority.tunnel(app.address());
    let token = app.token("7", &[]);
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(RawSocket::open_narrow(tunnel.address, &token).await);
    }
    let mut live = TestSocket::call(&Call::new(Door::Raw, tunnel.address, &token)).await;
    live.await_connected().await;
    let body = json!({"type": "note", "passing": true, "userId": "7", "title": "A note", "data": "x".repeat(EVENT_BYTES)});
    wait_until_async("all stalled readers are evicted", async || {
        let request = app.client().post(format!("http://{}/notifications", tunnel.address)).json(&body);
        app.send(request, &app.service()).await.expect(202);
        live.next_event("note").await;
        let closed =
            figure(&app, tunnel.address, "bellhop_sessions_closed_total{reason=\"slow_consumer\"}").await;
        (closed >= 5).then_some(())
    })
    .await;
    wait_until_async("their connections are gone", async || {
        let open = figure(&app, tunnel.address, "bellhop_connections_open").await;
        // The live one, and those of who asks.
        (open <= 4).then_some(())
    })
    .await;
    assert_eq!(figure(&app, tunnel.address, "bellhop_sessions_open{door=\"websocket\"}").await, 1);
}

#[tokio::test]
async fn who_does_not_shake_hands_in_time_is_cut_off() {
    let authority = Authority::new();
    let app = secured(&authority).with("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", "1500").start().await;
    let mut silent = TcpStream::connect(app.address()).await.unwrap();
    let mut slow = TcpStream::connect(app.address()).await.unwrap();
    slow.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    for connection in [&mut silent, &mut slow] {
        assert_eq!(soon("the end", rest(connection)).await, b"");
    }
    let tunnel = authority.tunnel(app.address());
    let page = get(&app, tunnel.address, "/metrics").await.expect_text(200);
    assert!(page.contains("bellhop_refused_total{reason=\"tls_handshake\"} 2\n"), "{page}");
}

#[tokio::test]
async fn what_is_not_tls_or_too_old_gets_nothing() {
    let authority = Authority::new();
    let app = secured(&authority).start().await;
    let mut plain = TcpStream::connect(app.address()).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let answer = soon("the end", rest(&mut plain)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // A greeting of TLS 1.1 (RFC 4346 §7.4.1.2): its version, 32 random bytes, no session, one cipher, no compression.
    let mut hello = vec![0x01, 0x00, 0x00, 0x29, 0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0x00, 0x00, 0x02, 0xC0, 0x2F, 0x01, 0x00]);
    let mut old = TcpStream::connect(app.address()).await.unwrap();
    old.write_all(&[&[0x16, 0x03, 0x01, 0x00, 0x2D], hello.as_slice()].concat()).await.unwrap();
    let mut alert = [0; 7];
    soon("an answer", old.read_exact(&mut alert)).await.unwrap();
    assert_eq!((alert[0], alert[5]), (0x15, 2), "a fatal alert: {alert:?}");
}

/// The certificate that the server shows.
async fn shown(authority: &Authority, app: &TestApp) -> Vec<u8> {
    let stream = soon("a handshake", authority.connect(app.address())).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let app = secured(&authority).start().await;
    let tunnel = authority.tunnel(app.address());
    let mut device = TestSocket::call(&Call::new(Door::Raw, tunnel.address, &app.token("ann", &[]))).await;
    device.await_connected().await;
    let renewed = authority.renew();
    wait_until_async("the renewed certificate", async || {
        (shown(&authority, &app).await == renewed).then_some(())
    })
    .await;
    std::fs::write(authority.certificate(), "no certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shown(&authority, &app).await, renewed, "the old one stays");
    let mended = authority.renew();
    wait_until_async("the mended certificate", async || {
        (shown(&authority, &app).await == mended).then_some(())
    })
    .await;
    device.send("ping", json!(7)).await;
    assert_eq!(device.next_event("pong").await, 7, "who was connected stays connected");
}

#[tokio::test]
async fn over_the_limit_nobody_shakes_hands() {
    let authority = Authority::new();
    let app = secured(&authority).with("BELLHOP__LIMITS__CONNECTIONS", "2").start().await;
    let _first = authority.connect(app.address()).await.unwrap();
    let _second = authority.connect(app.address()).await.unwrap();
    for _ in 0..20 {
        assert!(soon("a refusal", authority.connect(app.address())).await.is_err());
    }
}

#[test]
fn a_key_that_does_not_fit_its_certificate_starts_no_server() {
    let (one, other) = (Authority::new(), Authority::new());
    for (certificate, key, said) in [
        (one.certificate(), other.key(), "do not fit each other"),
        (one.folder().join("nothing.pem"), one.key(), "nothing.pem"),
        (one.certificate(), one.certificate(), "server.tls_key"),
        (one.key(), one.key(), "no certificate"),
    ] {
        let mut process = ProcessBuilder::new(&[])
            .with("BELLHOP__SERVER__TLS_CERTIFICATE", &certificate.to_string_lossy())
            .with("BELLHOP__SERVER__TLS_KEY", &key.to_string_lossy())
            .with("PORT", "0")
            .spawn();
        assert!(!process.wait().success());
        process.wait_for_output(said);
        assert!(!process.output().contains("PRIVATE KEY"));
    }
}
