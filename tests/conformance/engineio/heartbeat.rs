//! The server's heartbeat: pings that clients answer, and the end of those that do not.

use std::time::Duration;

use crate::conformance::echo::{ENGINE_IO, Server, Settings};
use crate::conformance::polling::{Polling, expect_refused};
use crate::conformance::websocket::Socket;
use crate::support::deadline::wait_until_async;

/// Pings soon, and takes an answer however late a busy machine gives it.
const PINGING: Settings = Settings { ping_timeout: Duration::from_secs(20), ..Settings::BRISK };
/// So many rounds show that one follows the other.
const ROUNDS: usize = 3;

#[tokio::test]
async fn polls_bring_pings() {
    let server = Server::start_with(PINGING).await;
    let session = Polling::open(&server, ENGINE_IO).await;
    for _ in 0..ROUNDS {
        assert_eq!(session.read().await, "2");
        session.write("3").await;
    }
}

#[tokio::test]
async fn websockets_bring_pings() {
    let server = Server::start_with(PINGING).await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    for _ in 0..ROUNDS {
        assert_eq!(socket.next_text().await, "2");
        socket.send("3").await;
    }
    socket.close().await;
}

#[tokio::test]
async fn a_session_that_answers_no_ping_ends() {
    let server = Server::start_with(Settings::BRISK).await;
    let session = Polling::open(&server, ENGINE_IO).await;
    assert_eq!(session.read().await, "2");
    // A client whose answers get lost, and which learns of the end while it listens.
    let last = session.poll().await;
    assert!(last.status == 400 || last.text == "1" || last.text == "6", "{last:?}");
    session.expect_gone().await;
}

#[tokio::test]
async fn a_session_that_nobody_polls_ends() {
    let server = Server::start_with(Settings::BRISK).await;
    let session = Polling::open(&server, ENGINE_IO).await;
    // A request would be a sign of life: there is nothing to watch until the time is over.
    tokio::time::sleep(Settings::BRISK.ping_interval + Settings::BRISK.ping_timeout).await;
    let gone = wait_until_async("the end of the session", async || {
        Some(session.poll().await).filter(|answer| answer.status != 200)
    })
    .await;
    expect_refused(&gone, 1);
}

#[tokio::test]
async fn a_websocket_that_answers_no_ping_is_closed() {
    let server = Server::start_with(Settings::BRISK).await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    let end = socket.end().await;
    assert!(["2", "1"].starts_with(&end.said.iter().map(String::as_str).collect::<Vec<_>>()), "{end:?}");
}

#[tokio::test]
async fn pings_go_on_after_an_upgrade() {
    let server = Server::start_with(PINGING).await;
    let session = Polling::open(&server, ENGINE_IO).await;
    let mut socket = Socket::for_session(&server, ENGINE_IO, &session.sid).await;
    socket.send("2probe").await;
    assert_eq!(socket.next_text().await, "3probe");
    socket.send("5").await;
    for _ in 0..ROUNDS {
        assert_eq!(socket.next_text().await, "2");
        socket.send("3").await;
    }
    socket.close().await;
}
