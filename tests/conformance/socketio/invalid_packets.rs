//! Packets that break the protocol, each of which closes the connection.

use super::{connected, open};
use crate::conformance::echo::Server;
use crate::conformance::websocket::Socket;

/// What is wrong whenever it comes.
const OUT_OF_FORM: [&str; 16] = [
    // A type that there is not.
    "4abc",
    "4",
    "49",
    // A payload of the wrong kind.
    "42{}",
    "42[]",
    "42[{}]",
    r#"42"message""#,
    r#"42["message""#,
    r#"41{"not":"empty"}"#,
    "431{}",
    // An ack id that is no number.
    r#"42abc["message-with-ack",1]"#,
    // Attachments: no number, none, too many.
    r#"45["message",{"_placeholder":true,"num":0}]"#,
    r#"45x-["message",{"_placeholder":true,"num":0}]"#,
    r#"450-["message"]"#,
    r#"4511-["message"]"#,
    // What only a server says.
    r#"44{"message":"no"}"#,
];

async fn expect_closed(mut socket: Socket, packet: &str) {
    socket.send(packet).await;
    let end = socket.end().await;
    assert!(end.said.is_empty(), "{packet}: {end:?}");
}

#[tokio::test]
async fn a_connected_client_that_breaks_the_form_is_closed() {
    let server = Server::start().await;
    for packet in OUT_OF_FORM {
        expect_closed(connected(&server).await, packet).await;
    }
}

#[tokio::test]
async fn a_client_that_breaks_the_form_before_it_connects_is_closed() {
    let server = Server::start().await;
    for packet in OUT_OF_FORM.into_iter().chain(["40[]", "40\"token\"", "40{"]) {
        expect_closed(open(&server).await, packet).await;
    }
}

#[tokio::test]
async fn packets_for_a_namespace_that_was_not_entered_close() {
    let server = Server::start().await;
    for packet in [r#"42/custom,["message"]"#, "43/custom,1[]", "41/custom"] {
        expect_closed(connected(&server).await, packet).await;
    }
    expect_closed(open(&server).await, r#"42["message"]"#).await;
}

#[tokio::test]
async fn connecting_twice_closes() {
    let server = Server::start().await;
    expect_closed(connected(&server).await, "40").await;
}

#[tokio::test]
async fn names_of_the_protocols_own_events_close() {
    let server = Server::start().await;
    for name in ["connect", "connect_error", "disconnect", "disconnecting"] {
        expect_closed(connected(&server).await, &format!(r#"42["{name}"]"#)).await;
    }
}

#[tokio::test]
async fn an_attachment_that_nothing_announced_closes() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.end().await;
}

#[tokio::test]
async fn text_where_an_attachment_is_due_closes() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
    expect_closed(socket, r#"42["message",1]"#).await;
}

#[tokio::test]
async fn a_placeholder_for_no_attachment_closes() {
    let server = Server::start().await;
    for number in ["1", "-1", "null"] {
        let mut socket = connected(&server).await;
        socket.send(format!(r#"451-["message",{{"_placeholder":true,"num":{number}}}]"#)).await;
        socket.send_binary(&[1, 2, 3]).await;
        socket.end().await;
    }
}
