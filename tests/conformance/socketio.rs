//! Socket.IO, protocol 5: namespaces, events and acks over the messages of an Engine.IO session.

mod connect;
mod disconnect;
mod events;
mod invalid_packets;
mod over_polling;

use serde_json::Value;

use super::echo::{SOCKET_IO, Server};
use super::websocket::Socket;

/// Opens a WebSocket session without a namespace.
async fn open(server: &Server) -> Socket {
    Socket::open(server, SOCKET_IO).await.0
}

/// Opens one that is connected to the main namespace, whose greeting is read.
async fn connected(server: &Server) -> Socket {
    let mut socket = open(server).await;
    connect(&mut socket, "/").await;
    socket
}

/// Connects to a namespace without a payload, and reads the answer and the greeting.
async fn connect(socket: &mut Socket, namespace: &str) {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    socket.send(format!("40{prefix}")).await;
    expect_accepted(&socket.next_text().await, &prefix);
    assert_eq!(socket.next_text().await, format!(r#"42{prefix}["auth",{{}}]"#));
}

/// Asserts that this packet accepts a CONNECT; answers the id that the namespace gave.
fn expect_accepted(packet: &str, prefix: &str) -> String {
    let json = packet.strip_prefix(&format!("40{prefix}")).unwrap_or_else(|| panic!("no CONNECT: {packet}"));
    let answer: Value = serde_json::from_str(json).unwrap();
    // A server that lets clients recover gives them a `pid` as well.
    let known = |key: &String| ["sid", "pid"].contains(&key.as_str());
    assert!(answer.as_object().unwrap().keys().all(known), "{packet}");
    answer["sid"].as_str().unwrap_or_else(|| panic!("no sid: {packet}")).to_owned()
}
