//! Messages over WebSocket, a packet each.

use crate::conformance::echo::{ENGINE_IO, Server};
use crate::conformance::websocket::Socket;

#[tokio::test]
async fn a_text_message_comes_back() {
    let server = Server::start().await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    for text in ["4hello", "4", "4Zimmer für zwei, 80 €, 🛎", "4two\x1e4in one are one"] {
        socket.send(text).await;
        assert_eq!(socket.next_text().await, text);
    }
    socket.close().await;
}

#[tokio::test]
async fn a_binary_message_comes_back() {
    let server = Server::start().await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    for bytes in [vec![0, 255, 1, 2], b"4not text".to_vec(), vec![7; 70_000]] {
        socket.send_binary(&bytes).await;
        assert_eq!(socket.next_binary().await, bytes);
    }
    socket.close().await;
}

#[tokio::test]
async fn messages_keep_their_order() {
    let server = Server::start().await;
    let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
    for number in 0..200_u8 {
        socket.send(format!("4{number}")).await;
        socket.send_binary(&[number]).await;
    }
    for number in 0..200_u8 {
        assert_eq!(socket.next_text().await, format!("4{number}"));
        assert_eq!(socket.next_binary().await, [number]);
    }
    socket.close().await;
}

#[tokio::test]
async fn a_packet_out_of_form_ends_the_session() {
    let server = Server::start().await;
    for packet in ["abc", "", "9", "2"] {
        let (mut socket, _) = Socket::open(&server, ENGINE_IO).await;
        socket.send(packet).await;
        let end = socket.end().await;
        assert!(end.said.is_empty(), "{packet:?}: {end:?}");
    }
}
