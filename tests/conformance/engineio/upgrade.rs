//! The way from polling to a WebSocket, on which nothing is lost or said twice.

use crate::conformance::echo::{ENGINE_IO, Server};
use crate::conformance::polling::{Polling, expect_refused};
use crate::conformance::websocket::Socket;

struct Upgrading {
    server: Server,
    polling: Polling,
    socket: Socket,
}

/// A session that began with polling and whose WebSocket is probed.
async fn probed() -> Upgrading {
    let server = Server::start().await;
    let polling = Polling::open(&server, ENGINE_IO).await;
    let mut socket = Socket::for_session(&server, ENGINE_IO, &polling.sid).await;
    socket.send("2probe").await;
    assert_eq!(socket.next_text().await, "3probe");
    Upgrading { server, polling, socket }
}

/// The same when the upgrade is done.
async fn upgraded() -> Upgrading {
    let mut upgrading = probed().await;
    upgrading.socket.send("5").await;
    expect_echo(&mut upgrading.socket).await;
    upgrading
}

async fn expect_echo(socket: &mut Socket) {
    socket.send("4hello").await;
    assert_eq!(socket.next_text().await, "4hello");
}

#[tokio::test]
async fn polling_becomes_a_websocket() {
    let Upgrading { polling, mut socket, .. } = probed().await;
    // A poll that begins now has nothing to wait for.
    assert_eq!(polling.read().await, "6");
    socket.send("5").await;
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn a_hanging_poll_is_released_by_the_probe() {
    let server = Server::start().await;
    let polling = Polling::open(&server, ENGINE_IO).await;
    let poll = polling.hang().await;
    let mut socket = Socket::for_session(&server, ENGINE_IO, &polling.sid).await;
    socket.send("2probe").await;
    assert_eq!(socket.next_text().await, "3probe");
    assert_eq!(poll.payload().await, "6");
    socket.send("5").await;
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn what_waits_for_a_poll_goes_over_the_websocket() {
    let Upgrading { polling, mut socket, .. } = probed().await;
    polling.write("4one\x1ebAQI=\x1e4three").await;
    socket.send("5").await;
    assert_eq!(socket.next_text().await, "4one");
    assert_eq!(socket.next_binary().await, [1, 2]);
    assert_eq!(socket.next_text().await, "4three");
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn requests_after_the_upgrade_are_refused_and_harm_nothing() {
    let Upgrading { polling, mut socket, .. } = upgraded().await;
    expect_refused(&polling.poll().await, 3);
    expect_refused(&polling.post("4by request").await.expect("an answer"), 3);
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn a_second_websocket_is_turned_away_and_harms_nothing() {
    let Upgrading { server, polling, mut socket } = upgraded().await;
    let target = format!("{ENGINE_IO}?EIO=4&transport=websocket&sid={}", polling.sid);
    Socket::expect_refused(&server, &target).await;
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn a_second_websocket_while_the_first_is_probed_is_turned_away() {
    let Upgrading { server, polling, mut socket } = probed().await;
    let target = format!("{ENGINE_IO}?EIO=4&transport=websocket&sid={}", polling.sid);
    Socket::expect_refused(&server, &target).await;
    socket.send("5").await;
    expect_echo(&mut socket).await;
    socket.close().await;
}

#[tokio::test]
async fn polling_goes_on_when_the_probe_fails() {
    let Upgrading { polling, socket, .. } = probed().await;
    socket.close().await;
    polling.write("4still here").await;
    assert_eq!(polling.read().await, "4still here");
}

#[tokio::test]
async fn a_websocket_that_says_anything_but_probe_is_turned_away() {
    let server = Server::start().await;
    for packet in ["4hello", "2", "abc", ""] {
        let polling = Polling::open(&server, ENGINE_IO).await;
        let mut socket = Socket::for_session(&server, ENGINE_IO, &polling.sid).await;
        socket.send(packet).await;
        let end = socket.end().await;
        assert!(end.said.is_empty(), "{packet:?}: {end:?}");
        polling.write("4still here").await;
        assert_eq!(polling.read().await, "4still here");
    }
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_probed_takes_the_websocket_along() {
    let Upgrading { polling, mut socket, .. } = probed().await;
    polling.write("1").await;
    socket.end().await;
    polling.expect_gone().await;
}
