//! How a session begins, and every way in which it does not.

use reqwest::Method;
use serde_json::{Value, json};

use crate::conformance::echo::{ENGINE_IO, SOCKET_IO, Server, Settings};
use crate::conformance::polling::{Polling, expect_refused, opened};
use crate::conformance::websocket::Socket;
use crate::support::answer::Answer;

const DOORS: [&str; 2] = [ENGINE_IO, SOCKET_IO];
/// Queries that name no version that this door speaks.
const OTHER_VERSIONS: [&str; 5] = ["", "EIO=", "EIO=abc", "EIO=3", "EIO=5"];
/// Queries that name no transport.
const OTHER_TRANSPORTS: [&str; 4] =
    ["EIO=4", "EIO=4&transport=", "EIO=4&transport=abc", "EIO=4&transport=Polling"];

/// Asserts that these are the data of an open packet, and complete.
fn expect_open(opened: &Value, upgrades: &Value) {
    let expected = json!({
        "sid": opened["sid"].as_str().expect("a sid"), "upgrades": upgrades,
        "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000
    });
    assert_eq!(*opened, expected);
}

async fn request(server: &Server, method: Method, target: &str) -> Answer {
    Answer::of(reqwest::Client::new().request(method, server.url(target))).await
}

#[tokio::test]
async fn polling_opens_a_session() {
    let server = Server::start_with(Settings::BRISK).await;
    for door in DOORS {
        expect_open(&Polling::open(&server, door).await.opened, &json!(["websocket"]));
    }
}

#[tokio::test]
async fn a_websocket_opens_a_session() {
    let server = Server::start_with(Settings::BRISK).await;
    for door in DOORS {
        let (socket, opened) = Socket::open(&server, door).await;
        expect_open(&opened, &json!([]));
        socket.close().await;
    }
}

#[tokio::test]
async fn every_session_has_an_id_of_its_own() {
    let server = Server::start().await;
    let (first, second) = tokio::join!(Polling::open(&server, ENGINE_IO), Polling::open(&server, ENGINE_IO));
    assert_ne!(first.sid, second.sid);
    first.write("4to the first").await;
    second.write("4to the second").await;
    assert_eq!(second.read().await, "4to the second");
    assert_eq!(first.read().await, "4to the first");
}

#[tokio::test]
async fn what_else_is_in_the_query_is_passed_over() {
    let server = Server::start().await;
    let target = format!("{ENGINE_IO}?t=Pk2x9.0&b64=1&transport=polling&name=a%20guest&EIO=4");
    opened(&request(&server, Method::GET, &target).await);
}

#[tokio::test]
async fn another_version_is_refused() {
    let server = Server::start().await;
    for door in DOORS {
        for version in OTHER_VERSIONS {
            let target = format!("{door}?{version}&transport=polling");
            expect_refused(&request(&server, Method::GET, &target).await, 5);
            Socket::expect_refused(&server, &format!("{door}?{version}&transport=websocket")).await;
        }
    }
}

#[tokio::test]
async fn another_transport_is_refused() {
    let server = Server::start().await;
    for door in DOORS {
        for transport in OTHER_TRANSPORTS {
            let target = format!("{door}?{transport}");
            expect_refused(&request(&server, Method::GET, &target).await, 0);
            Socket::expect_refused(&server, &target).await;
        }
    }
}

#[tokio::test]
async fn a_session_begins_with_a_get_only() {
    let server = Server::start().await;
    for door in DOORS {
        let target = format!("{door}?EIO=4&transport=polling");
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            expect_refused(&request(&server, method, &target).await, 2);
        }
    }
}

#[tokio::test]
async fn a_websocket_without_an_upgrade_is_refused() {
    // What a proxy makes of a WebSocket when it does not pass on the upgrade.
    let server = Server::start().await;
    let target = format!("{ENGINE_IO}?EIO=4&transport=websocket");
    expect_refused(&request(&server, Method::GET, &target).await, 3);
}

#[tokio::test]
async fn polling_with_an_upgrade_is_refused() {
    let server = Server::start().await;
    Socket::expect_refused(&server, &format!("{ENGINE_IO}?EIO=4&transport=polling")).await;
}

#[tokio::test]
async fn an_unknown_session_is_refused() {
    let server = Server::start().await;
    for door in DOORS {
        for sid in ["unknown", "%00", "a".repeat(1_000).as_str()] {
            let target = format!("{door}?EIO=4&transport=polling&sid={sid}");
            expect_refused(&request(&server, Method::GET, &target).await, 1);
            expect_refused(&request(&server, Method::POST, &target).await, 1);
            Socket::expect_refused(&server, &format!("{door}?EIO=4&transport=websocket&sid={sid}")).await;
        }
    }
}

#[tokio::test]
async fn a_session_that_began_with_a_websocket_keeps_to_it() {
    let server = Server::start().await;
    let (mut socket, opened) = Socket::open(&server, ENGINE_IO).await;
    let sid = opened["sid"].as_str().unwrap();
    let target = format!("{ENGINE_IO}?EIO=4&transport=polling&sid={sid}");
    for method in [Method::GET, Method::POST] {
        expect_refused(&request(&server, method, &target).await, 3);
    }
    // The session's one WebSocket is there already.
    Socket::expect_refused(&server, &format!("{ENGINE_IO}?EIO=4&transport=websocket&sid={sid}")).await;
    socket.send("4hello").await;
    assert_eq!(socket.next_text().await, "4hello");
    socket.close().await;
}
