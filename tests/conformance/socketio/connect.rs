//! CONNECT: which namespaces there are, what they answer, and how long a connection may do without one.

use std::time::Duration;

use super::{connect, connected, expect_accepted, open};
use crate::conformance::echo::{SOCKET_IO, Server, Settings};
use crate::conformance::websocket::Socket;

/// Closes what has no namespace soon, and pings often, without minding a late answer.
const IMPATIENT: Settings = Settings {
    ping_interval: Duration::from_millis(100),
    connect_timeout: Duration::from_millis(300),
    ..Settings::PATIENT
};

#[tokio::test]
async fn the_main_namespace_lets_in() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    socket.send("40").await;
    expect_accepted(&socket.next_text().await, "");
    assert_eq!(socket.next_text().await, r#"42["auth",{}]"#);
    socket.close().await;
}

#[tokio::test]
async fn the_main_namespace_gets_the_payload() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    socket.send(r#"40{"token":"123"}"#).await;
    expect_accepted(&socket.next_text().await, "");
    assert_eq!(socket.next_text().await, r#"42["auth",{"token":"123"}]"#);
    socket.close().await;
}

#[tokio::test]
async fn another_namespace_lets_in_by_itself() {
    let server = Server::start().await;
    // The comma may be left out where nothing follows it.
    for packet in ["40/custom,", "40/custom"] {
        let mut socket = open(&server).await;
        socket.send(packet).await;
        expect_accepted(&socket.next_text().await, "/custom,");
        assert_eq!(socket.next_text().await, r#"42/custom,["auth",{}]"#);
        socket.close().await;
    }
}

#[tokio::test]
async fn another_namespace_gets_the_payload() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    socket.send(r#"40/custom,{"token":"abc"}"#).await;
    expect_accepted(&socket.next_text().await, "/custom,");
    assert_eq!(socket.next_text().await, r#"42/custom,["auth",{"token":"abc"}]"#);
    socket.close().await;
}

#[tokio::test]
async fn each_namespace_gives_an_id_that_is_not_the_sessions() {
    let server = Server::start().await;
    let (mut socket, opened) = Socket::open(&server, SOCKET_IO).await;
    socket.send("40").await;
    let main = expect_accepted(&socket.next_text().await, "");
    socket.next_text().await;
    socket.send("40/custom,").await;
    let custom = expect_accepted(&socket.next_text().await, "/custom,");
    assert_ne!(main, custom);
    // The session's id opens the session: what a namespace tells others must not.
    assert!(opened["sid"] != main.as_str() && opened["sid"] != custom.as_str());
    socket.close().await;
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_others_still_let_in() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    for packet in ["40/random", "40/random,", r#"40/random,{"token":"123"}"#] {
        socket.send(packet).await;
        assert_eq!(socket.next_text().await, r#"44/random,{"message":"Invalid namespace"}"#);
    }
    connect(&mut socket, "/").await;
    socket.close().await;
}

#[tokio::test]
async fn a_connection_without_a_namespace_is_closed() {
    let server = Server::start_with(IMPATIENT).await;
    let mut socket = open(&server).await;
    let end = socket.end().await;
    assert!(end.said.iter().all(|packet| packet == "2"), "{end:?}");
}

#[tokio::test]
async fn a_connection_that_was_only_refused_is_closed() {
    let server = Server::start_with(IMPATIENT).await;
    let mut socket = open(&server).await;
    socket.send("40/random").await;
    socket.end().await;
}

#[tokio::test]
async fn a_connection_with_a_namespace_outlives_the_connect_timeout() {
    let server = Server::start_with(IMPATIENT).await;
    let mut socket = connected(&server).await;
    for _ in 0..6 {
        assert_eq!(socket.next_text().await, "2");
        socket.send("3").await;
    }
    socket.close().await;
}
