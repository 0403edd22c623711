//! The largest payload, which the open packet names: what is as large passes, what is larger ends the session.

use crate::conformance::echo::{ENGINE_IO, Server, Settings};
use crate::conformance::polling::Polling;
use crate::conformance::websocket::Socket;

/// Close code of a message that is too large (RFC 6455 §7.4.1).
const TOO_LARGE: u16 = 1009;

/// More frames than are taken in one window, by default.
const FLOOD: usize = 2_500;
/// Close code of a client that sends so many.
const RATE_LIMITED: u16 = 4008;

/// A message packet of so many bytes.
fn packet(size: usize) -> String {
    format!("4{}", "x".repeat(size - 1))
}

#[tokio::test]
async fn the_largest_payload_passes() {
    let session = Polling::open(&Server::start().await, ENGINE_IO).await;
    let packet = packet(Settings::PATIENT.max_payload);
    session.write(packet.clone()).await;
    assert!(session.read().await == packet);
}

#[tokio::test]
async fn a_larger_payload_is_refused_and_ends_the_session() {
    let server = Server::start().await;
    let packet = packet(Settings::PATIENT.max_payload + 1);
    let session = Polling::open(&server, ENGINE_IO).await;
    let answer = session.post(packet.clone()).await;
    assert!(answer.is_none_or(|answer| [413, 400].contains(&answer.status)));
    session.expect_gone().await;
    // The same without saying beforehand how much there is.
    let session = Polling::open(&server, ENGINE_IO).await;
    let status = session.post_in_chunks(&packet).await;
    assert!(status.is_none_or(|status| [413, 400].contains(&status)), "{status:?}");
    session.expect_gone().await;
}

#[tokio::test]
async fn the_largest_message_passes() {
    let server = Server::start().await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    let packet = packet(Settings::PATIENT.max_payload);
    socket.send(packet.clone()).await;
    assert!(socket.next_text().await == packet);
    socket.send_binary(packet.as_bytes()).await;
    assert!(socket.next_binary().await == packet.as_bytes());
    socket.close().await;
}

#[tokio::test]
async fn a_larger_message_closes_the_websocket() {
    let server = Server::start().await;
    let packet = packet(Settings::PATIENT.max_payload + 1);
    for binary in [false, true] {
        let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
        if binary {
            socket.send_binary(packet.as_bytes()).await;
        } else {
            socket.send(packet.clone()).await;
        }
        assert_eq!(socket.end().await.code, Some(TOO_LARGE));
    }
}

#[tokio::test]
async fn a_client_that_floods_its_websocket_is_closed_however_that_began() {
    let server = Server::start().await;
    let (mut direct, _) = Socket::open(&server, ENGINE_IO).await;
    let polling = Polling::open(&server, ENGINE_IO).await;
    let mut upgraded = Socket::for_session(&server, ENGINE_IO, &polling.sid).await;
    upgraded.send("2probe").await;
    assert_eq!(upgraded.next_text().await, "3probe");
    upgraded.send("5").await;
    for socket in [&mut direct, &mut upgraded] {
        socket.ping(FLOOD).await;
        assert!(socket.end().await.code.is_none_or(|code| code == RATE_LIMITED));
    }
}

#[tokio::test]
async fn a_websocket_that_probes_on_and_on_is_turned_away() {
    let server = Server::start().await;
    let polling = Polling::open(&server, ENGINE_IO).await;
    let mut socket = Socket::for_session(&server, ENGINE_IO, &polling.sid).await;
    for _ in 0..FLOOD {
        socket.send("2probe").await;
    }
    assert!(socket.end().await.code.is_none_or(|code| code == RATE_LIMITED));
}
