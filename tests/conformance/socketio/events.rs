//! Events and acks, with and without attachments, on one namespace and on two.

use super::{connect, connected};
use crate::conformance::echo::Server;

#[tokio::test]
async fn an_event_is_answered() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send(r#"42["message",1,"2",{"3":[true]},null,4.5,"Zimmer für zwei, 80 €"]"#).await;
    let answer = socket.next_text().await;
    assert_eq!(answer, r#"42["message-back",1,"2",{"3":[true]},null,4.5,"Zimmer für zwei, 80 €"]"#);
    socket.send(r#"42["message"]"#).await;
    assert_eq!(socket.next_text().await, r#"42["message-back"]"#);
    socket.close().await;
}

#[tokio::test]
async fn an_event_with_attachments_is_answered() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    let arguments = r#"{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}"#;
    socket.send(format!(r#"452-["message",{arguments}]"#)).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.send_binary(&[4, 5, 6]).await;
    assert_eq!(socket.next_text().await, format!(r#"452-["message-back",{arguments}]"#));
    assert_eq!(socket.next_binary().await, [1, 2, 3]);
    assert_eq!(socket.next_binary().await, [4, 5, 6]);
    socket.close().await;
}

#[tokio::test]
async fn an_event_is_acknowledged() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    for id in ["0", "7", "456", "9007199254740991"] {
        socket.send(format!(r#"42{id}["message-with-ack",1,"2",{{"3":[false]}}]"#)).await;
        assert_eq!(socket.next_text().await, format!(r#"43{id}[1,"2",{{"3":[false]}}]"#));
    }
    socket.close().await;
}

#[tokio::test]
async fn an_event_with_attachments_is_acknowledged() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    let arguments = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    socket.send(format!(r#"452-789["message-with-ack",{arguments}]"#)).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.send_binary(&[4, 5, 6]).await;
    assert_eq!(socket.next_text().await, format!("462-789[{arguments}]"));
    assert_eq!(socket.next_binary().await, [1, 2, 3]);
    assert_eq!(socket.next_binary().await, [4, 5, 6]);
    socket.close().await;
}

#[tokio::test]
async fn a_namespace_takes_attachments_and_acks_too() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    connect(&mut socket, "/custom").await;
    socket.send(r#"451-/custom,12["message-with-ack",{"_placeholder":true,"num":0}]"#).await;
    socket.send_binary(&[0]).await;
    assert_eq!(socket.next_text().await, r#"461-/custom,12[{"_placeholder":true,"num":0}]"#);
    assert_eq!(socket.next_binary().await, [0]);
    socket.close().await;
}

#[tokio::test]
async fn two_namespaces_talk_over_one_connection() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    connect(&mut socket, "/custom").await;
    // The same ack id twice: each namespace counts by itself.
    socket.send(r#"420["message-with-ack","main"]"#).await;
    socket.send(r#"42/custom,0["message-with-ack","custom"]"#).await;
    socket.send(r#"42/custom,["message","custom"]"#).await;
    socket.send(r#"42["message","main"]"#).await;
    let mut packets = Vec::new();
    for _ in 0..4 {
        packets.push(socket.next_text().await);
    }
    let of = |prefix| packets.iter().filter(|packet| packet.contains(prefix)).collect::<Vec<_>>();
    assert_eq!(of("main"), [r#"430["main"]"#, r#"42["message-back","main"]"#]);
    let custom = [r#"43/custom,0["custom"]"#, r#"42/custom,["message-back","custom"]"#];
    assert_eq!(of("/custom,"), custom);
    socket.close().await;
}

#[tokio::test]
async fn an_ack_that_nobody_waits_for_is_passed_over() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send(r#"4312["late"]"#).await;
    socket.send(r#"42["message",1]"#).await;
    assert_eq!(socket.next_text().await, r#"42["message-back",1]"#);
    socket.close().await;
}

#[tokio::test]
async fn an_event_that_nobody_knows_is_passed_over() {
    let server = Server::start().await;
    let mut socket = connected(&server).await;
    socket.send(r#"42["who-knows",1]"#).await;
    socket.send(r#"42["message",1]"#).await;
    assert_eq!(socket.next_text().await, r#"42["message-back",1]"#);
    socket.close().await;
}
