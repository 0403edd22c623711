//! DISCONNECT: a client leaves a namespace and keeps its connection.

use std::time::Duration;

use super::{connect, connected};
use crate::conformance::echo::{Server, Settings};

#[tokio::test]
async fn the_connection_stays_when_the_main_namespace_is_left() {
    let pinging = Settings { ping_interval: Duration::from_millis(300), ..Settings::PATIENT };
    let server = Server::start_with(pinging).await;
    let mut socket = connected(&server).await;
    socket.send("41").await;
    assert_eq!(socket.next_text().await, "2");
    socket.close().await;
}

#[tokio::test]
async fn a_namespace_that_was_left_can_be_entered_again() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send("41").await;
    connect(&mut socket, "/").await;
    socket.send(r#"42["message","back again"]"#).await;
    assert_eq!(socket.next_text().await, r#"42["message-back","back again"]"#);
    socket.close().await;
}

#[tokio::test]
async fn leaving_one_namespace_leaves_the_others_alone() {
    let server = Server::start().await;
    // Both ways of writing it.
    for packet in ["41/custom", "41/custom,"] {
        let mut socket = connected(&server).await;
        connect(&mut socket, "/custom").await;
        socket.send(packet).await;
        socket.send(r#"42["message","to the main namespace"]"#).await;
        assert_eq!(socket.next_text().await, r#"42["message-back","to the main namespace"]"#);
        socket.close().await;
    }
}

#[tokio::test]
async fn leaving_the_main_namespace_leaves_the_others_alone() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    connect(&mut socket, "/custom").await;
    socket.send("41").await;
    socket.send(r#"42/custom,["message","to the other"]"#).await;
    assert_eq!(socket.next_text().await, r#"42/custom,["message-back","to the other"]"#);
    socket.close().await;
}
