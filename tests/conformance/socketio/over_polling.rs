//! Socket.IO where there is no WebSocket, and where one comes later.

use super::expect_accepted;
use crate::conformance::echo::{SOCKET_IO, Server};
use crate::conformance::polling::Polling;
use crate::conformance::websocket::Socket;

/// A session over polling that is connected to the main namespace, whose greeting is read.
async fn connected(server: &Server) -> Polling {
    let session = Polling::open(server, SOCKET_IO).await;
    session.write("40").await;
    let packets = session.read_packets(2).await;
    expect_accepted(&packets[0], "");
    assert_eq!(packets[1], r#"42["auth",{}]"#);
    session
}

#[tokio::test]
async fn events_and_acks_go_over_polling() {
    let server = Server::start().await;
    let session = connected(&server).await;
    session.write("42[\"message\",1]\x1e425[\"message-with-ack\",\"2\"]").await;
    let packets = session.read_packets(2).await;
    assert_eq!(packets, [r#"42["message-back",1]"#, r#"435["2"]"#]);
}

#[tokio::test]
async fn attachments_go_over_polling() {
    let server = Server::start().await;
    let session = connected(&server).await;
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    // A payload may end between an event and its attachments.
    session.write(format!("452-[\"message\",{arguments}]\x1ebAQID")).await;
    session.write("bBAUG").await;
    let packets = session.read_packets(3).await;
    assert_eq!(packets, [&format!(r#"452-["message-back",{arguments}]"#), "bAQID", "bBAUG"]);
}

#[tokio::test]
async fn two_namespaces_go_over_polling() {
    let server = Server::start().await;
    let session = connected(&server).await;
    session.write("40/custom,\x1e42[\"message\",\"main\"]").await;
    let packets = session.read_packets(3).await;
    assert!(packets.contains(&r#"42["message-back","main"]"#.to_owned()), "{packets:?}");
    assert!(packets.contains(&r#"42/custom,["auth",{}]"#.to_owned()), "{packets:?}");
}

#[tokio::test]
async fn a_packet_out_of_form_ends_the_session() {
    let server = Server::start().await;
    for packet in ["4abc", "42{}", r#"42/custom,["message"]"#, "bAQID"] {
        let session = connected(&server).await;
        let answer = session.post(packet).await;
        assert!(answer.is_none_or(|answer| [200, 400].contains(&answer.status)), "{packet}");
        session.expect_closed().await;
    }
}

#[tokio::test]
async fn namespaces_stay_over_an_upgrade() {
    let server = Server::start().await;
    let session = connected(&server).await;
    let mut socket = Socket::for_session(&server, SOCKET_IO, &session.sid).await;
    socket.send("2probe").await;
    assert_eq!(socket.next_text().await, "3probe");
    // The answer to this waits for the WebSocket.
    session.write(r#"42["message","by request"]"#).await;
    socket.send("5").await;
    assert_eq!(socket.next_text().await, r#"42["message-back","by request"]"#);
    socket.send(r#"42["message","by WebSocket"]"#).await;
    assert_eq!(socket.next_text().await, r#"42["message-back","by WebSocket"]"#);
    socket.close().await;
}

#[tokio::test]
async fn a_client_that_is_refused_on_and_on_and_never_polls_is_closed() {
    let session = connected(&Server::start().await).await;
    // Each refusal repeats the name.
    let packet = format!("40/{}", "x".repeat(100_000));
    session.write(packet.clone()).await;
    session.write(packet).await;
    session.expect_gone().await;
}
