//! The raw WebSocket door's threshold: who is let in, who is not and why, and what is said first.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::clock::now;
use crate::support::deadline::wait_until_async;
use crate::support::raw_socket::{RawSocket, Refused};
use crate::support::socket::TestSocket;

const PATH: &str = "/ws/notifications";

fn in_an_hour() -> i64 {
    seconds_from_now(3_600)
}

/// A handshake in order but for `change`: headers that are set, or left out where the value is empty.
async fn handshake(app: &TestApp, path: &str, change: &[(&str, &str)]) -> Result<RawSocket, Refused> {
    let headers = RawSocket::headers("");
    let kept = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let kept = kept.filter(|(name, _)| change.iter().all(|(changed, _)| changed != name));
    let headers: Vec<_> = kept.chain(change.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
    RawSocket::try_open(app.address(), path, &headers).await
}

async fn connected(socket: Result<RawSocket, Refused>) -> Value {
    let first = socket.expect("let in").next_event().await;
    assert_eq!(first["event"], "connected", "{first}");
    first["data"].clone()
}

fn assert_refused(answer: Result<RawSocket, Refused>, status: u16, code: &str) -> Refused {
    let refused = answer.expect_err(code);
    assert_eq!((refused.status, &refused.body["code"]), (status, &json!(code)), "{refused:?}");
    assert!(refused.headers.contains("content-type: application/problem+json"), "{refused:?}");
    refused
}

/// How many connections the server counts, the asker's own included.
async fn connections(app: &TestApp) -> Value {
    let mut admin = app.connect_with(&app.token("root", &["ADMIN"]), "").await;
    admin.send("getPresence", Value::Null).await;
    admin.next_event("presenceStats").await["connections"].clone()
}

#[tokio::test]
async fn a_token_is_taken_from_the_header_the_cookie_or_the_query() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.token("7", &[]);
    let bearer = format!("Bearer {token}");
    let lower = format!("bearer {token}");
    let cookies = format!("theme=dark; token={token}");
    for (path, change) in [
        (PATH.to_owned(), vec![("Authorization", bearer.as_str())]),
        (PATH.to_owned(), vec![("Authorization", lower.as_str())]),
        (PATH.to_owned(), vec![("Cookie", cookies.as_str())]),
        (format!("{PATH}?token={token}"), vec![]),
        (format!("{PATH}?x=1&token={token}&y"), vec![]),
    ] {
        assert_eq!(connected(handshake(&app, &path, &change).await).await["userId"], "7", "{change:?}");
    }
}

#[tokio::test]
async fn the_first_place_that_holds_a_token_decides() {
    let app = TestApp::start(Database::Sqlite).await;
    let (header, cookie) = (app.token("header", &[]), app.token("cookie", &[]));
    let (bearer, cookie) = (format!("Bearer {header}"), format!("token={cookie}"));
    let path = format!("{PATH}?token={}", app.token("query", &[]));
    let all = [("Authorization", bearer.as_str()), ("Cookie", cookie.as_str())];
    assert_eq!(connected(handshake(&app, &path, &all).await).await["userId"], "header");
    assert_eq!(connected(handshake(&app, &path, &all[1..]).await).await["userId"], "cookie");
    let bad_header = [("Authorization", "Bearer no.such.token"), ("Cookie", cookie.as_str())];
    assert_refused(handshake(&app, &path, &bad_header).await, 401, "token_malformed");
}

#[tokio::test]
async fn every_spelling_of_a_claim_is_understood() {
    let app = TestApp::start(Database::Sqlite).await;
    for claim in ["userId", "sub", "id", "hostId"] {
        for id in [json!("7"), json!(7)] {
            let token = token_of(&json!({claim: id, "exp": in_an_hour()}));
            let mut socket = TestSocket::open(app.address(), PATH, &token).await;
            assert_eq!(socket.await_connected().await["userId"], "7", "{claim}");
        }
    }
    for claim in ["sessionId", "sid"] {
        let token = token_of(&json!({"sub": "7", claim: "s-1", "exp": in_an_hour()}));
        let mut socket = TestSocket::open(app.address(), PATH, &token).await;
        assert_eq!(socket.await_connected().await["sessionId"], "s-1", "{claim}");
    }
    for (claim, roles) in [
        ("role", json!("professional")),
        ("roles", json!("Professional")),
        ("roles", json!(["PROFESSIONAL"])),
    ] {
        let token = token_of(&json!({"sub": "7", claim: roles, "exp": in_an_hour()}));
        let mut socket = app.connect_with(&token, "").await;
        socket.send("joinRoom", json!("role:PROFESSIONAL")).await;
        assert_eq!(socket.next_event("joinedRoom").await, json!({"room": "role:PROFESSIONAL"}), "{claim}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_believed_is_refused_before_anything_is_joined() {
    let app = TestApp::start(Database::Sqlite).await;
    let now = seconds_from_now(0);
    let foreign = EncodingKey::from_secret(b"another secret, of more than 32 bytes");
    let forged = jsonwebtoken::encode(&Header::default(), &json!({"sub": "7", "exp": now + 60}), &foreign);
    for (authorization, code) in [
        (String::new(), "token_missing"),
        ("Basic Og==".to_owned(), "authorization_malformed"),
        ("Bearer".to_owned(), "authorization_malformed"),
        ("Bearer abc".to_owned(), "token_malformed"),
        (format!("Bearer {}", forged.unwrap()), "token_signature"),
        (format!("Bearer {}", token_of(&json!({"sub": "7", "exp": now - 60}))), "token_expired"),
        (format!("Bearer {}", token_of(&json!({"sub": "7"}))), "token_without_expiry"),
        (format!("Bearer {}", token_of(&json!({"exp": now + 60}))), "token_without_user"),
        (format!("Bearer {}", token_of(&json!({"sub": "", "exp": now + 60}))), "token_user"),
        (
            format!("Bearer {}", token_of(&json!({"sub": "7", "exp": now + 60, "nbf": now + 50}))),
            "token_not_yet_valid",
        ),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.".to_owned(), "token_key"),
    ] {
        let refused =
            assert_refused(handshake(&app, PATH, &[("Authorization", &authorization)]).await, 401, code);
        assert!(refused.headers.contains("www-authenticate: bearer"), "{refused:?}");
    }
    assert_refused(handshake(&app, &format!("{PATH}?token="), &[]).await, 401, "token_missing");
    assert_eq!(connections(&app).await, 1, "only the administrator who asks");
}

#[tokio::test]
async fn a_token_signed_with_the_private_half_of_the_public_key_is_believed() {
    let public = include_str!("fixtures/keys/ed25519_public.pem");
    let private = include_str!("fixtures/keys/ed25519_private.pem");
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("JWT_SECRET", "")
        .with("JWT_PUBLIC_KEY", public)
        .start()
        .await;
    let key = EncodingKey::from_ed_pem(private.as_bytes()).unwrap();
    let claims = json!({"sub": "7", "exp": in_an_hour()});
    let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();
    let mut socket = TestSocket::open(app.address(), PATH, &token).await;
    assert_eq!(socket.await_connected().await["userId"], "7");
    // Without a secret, development makes one up, which nobody knows.
    let by_secret = format!("Bearer {}", app.token("7", &[]));
    assert_refused(handshake(&app, PATH, &[("Authorization", &by_secret)]).await, 401, "token_signature");
}

#[tokio::test]
async fn only_allowed_origins_and_clients_that_are_no_browsers_come_in() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("CORS_ORIGIN", "https://app.example.com,http://localhost:5173")
        .start()
        .await;
    let bearer = format!("Bearer {}", app.token("7", &[]));
    for origin in ["", "https://app.example.com", "http://localhost:5173"] {
        let change = [("Authorization", bearer.as_str()), ("Origin", origin)];
        connected(handshake(&app, PATH, &change).await).await;
    }
    for origin in [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.com",
        "https://app.example.com/",
        "http://localhost:5174",
        "null",
    ] {
        let change = [("Authorization", bearer.as_str()), ("Origin", origin)];
        assert_refused(handshake(&app, PATH, &change).await, 403, "origin_not_allowed");
    }
    wait_until_async("the sockets that came in have gone", async || {
        (connections(&app).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_what_is_missing() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.token("7", &[]);
    let plain = app.get(PATH, &token).await;
    assert_eq!(plain.header("upgrade"), Some("websocket"), "RFC 9110 §15.5.22 wants it");
    plain.expect_problem(426, "upgrade_required");

    let bearer = format!("Bearer {token}");
    for version in ["12", "", "thirteen"] {
        let change = [("Authorization", bearer.as_str()), ("Sec-WebSocket-Version", version)];
        let refused = assert_refused(handshake(&app, PATH, &change).await, 426, "websocket_version");
        assert!(refused.headers.contains("sec-websocket-version: 13"), "RFC 6455 §4.2.2: {refused:?}");
    }
    let no_key = [("Authorization", bearer.as_str()), ("Sec-WebSocket-Key", "")];
    assert_refused(handshake(&app, PATH, &no_key).await, 400, "websocket_handshake");

    let posted = app.post(PATH, &token, &json!({})).await;
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
    posted.expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn wishes_that_cannot_be_granted_are_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let bearer = format!("Bearer {}", app.token("7", &[]));
    for (query, field) in [
        ("ttl=0", "ttl"),
        ("ttl=-1", "ttl"),
        ("ttl=soon", "ttl"),
        ("ttl=", "ttl"),
        ("ttl=NaN", "ttl"),
        ("ttl=86401", "ttl"),
        ("once=maybe", "once"),
        ("ttl=2&once=2", "once"),
    ] {
        let path = format!("{PATH}?{query}");
        let answer = handshake(&app, &path, &[("Authorization", &bearer)]).await;
        let refused = assert_refused(answer, 400, "invalid_query");
        assert_eq!(refused.body["field"], field, "{query}");
    }
    assert_eq!(connections(&app).await, 1, "only the administrator who asks");
}

#[tokio::test]
async fn a_server_that_stops_lets_nobody_in() {
    let mut app =
        TestAppBuilder::new(Database::Sqlite).with("BELLHOP__SERVER__DRAIN_NOTICE_MS", "1500").start().await;
    let bearer = format!("Bearer {}", app.token("7", &[]));
    connected(handshake(&app, PATH, &[("Authorization", &bearer)]).await).await;
    app.begin_stop();
    let refused = wait_until_async("handshakes are refused", async || {
        handshake(&app, PATH, &[("Authorization", &bearer)]).await.err()
    })
    .await;
    assert!(refused.headers.contains("retry-after: "), "{refused:?}");
    assert_refused(Err(refused), 503, "draining");
    app.stop().await;
}

#[tokio::test]
async fn connected_comes_first_with_the_state_of_the_inbox() {
    let app = TestApp::start(Database::Sqlite).await;
    let before = now() - chrono::Duration::seconds(1);
    let mut host = TestSocket::open(app.address(), PATH, &app.token("host-7", &["PROFESSIONAL"])).await;
    let empty = host.await_connected().await;
    assert_eq!((&empty["userId"], &empty["seq"], &empty["unread"]), (&json!("host-7"), &json!(0), &json!(0)));
    assert!(empty["sessionId"].as_str().is_some_and(|id| !id.is_empty()), "{empty}");
    let time = chrono::DateTime::parse_from_rfc3339(empty["serverTime"].as_str().unwrap()).unwrap();
    assert!(time > before && time < now() + chrono::Duration::seconds(1), "{empty}");

    let first = app.book("guest-3", "host-7").await["notification"]["id"].clone();
    app.book("guest-3", "host-7").await;
    let read: Answer =
        app.post("/notifications/mark-read", &app.token("host-7", &[]), &json!({"ids": [first]})).await;
    read.expect(200);
    let mut second = TestSocket::open(app.address(), PATH, &app.token("host-7", &["PROFESSIONAL"])).await;
    let filled = second.await_connected().await;
    assert_eq!((&filled["seq"], &filled["unread"]), (&json!(2), &json!(1)), "{filled}");
    assert_ne!(filled["sessionId"], empty["sessionId"], "without a claim each connection is a session");
}
