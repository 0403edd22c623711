//! How a client ends a session, and that nothing is heard of it afterwards.

use crate::conformance::echo::{ENGINE_IO, Server};
use crate::conformance::polling::Polling;
use crate::conformance::websocket::Socket;

#[tokio::test]
async fn closing_answers_a_hanging_poll() {
    let session = Polling::open(&Server::start().await, ENGINE_IO).await;
    let poll = session.hang().await;
    session.write("1").await;
    assert_eq!(poll.payload().await, "6");
    session.expect_gone().await;
}

#[tokio::test]
async fn closing_needs_no_poll() {
    let session = Polling::open(&Server::start().await, ENGINE_IO).await;
    session.write("1").await;
    session.expect_gone().await;
}

#[tokio::test]
async fn what_comes_before_the_close_counts_and_what_comes_after_does_not() {
    let session = Polling::open(&Server::start().await, ENGINE_IO).await;
    let poll = session.hang().await;
    session.write("4goodbye\x1e1\x1e4is anybody there?").await;
    assert_eq!(poll.payload().await, "4goodbye");
    session.expect_gone().await;
}

#[tokio::test]
async fn a_close_packet_closes_the_websocket() {
    let server = Server::start().await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    socket.send("1").await;
    socket.send("4is anybody there?").await;
    let end = socket.end().await;
    assert!(end.said.is_empty(), "{end:?}");
}

#[tokio::test]
async fn a_closed_websocket_leaves_no_session() {
    let server = Server::start().await;
    let (mut socket, opened) = Socket::open(&server, ENGINE_IO).await;
    let sid = opened["sid"].as_str().unwrap().to_owned();
    socket.send("4hello").await;
    assert_eq!(socket.next_text().await, "4hello");
    socket.close().await;
    Socket::expect_refused(&server, &format!("{ENGINE_IO}?EIO=4&transport=websocket&sid={sid}")).await;
}
