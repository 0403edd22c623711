//! Nothing secret is in a log line, however much is logged: tokens, tickets, cookies, addresses and passwords at every
//! door, in every place that a client can put one, in what is in order and in what is broken.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, booking, seconds_from_now, token_of};
use crate::support::deadline::soon;
use crate::support::door::{Call, Door};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::smtp_sink::{Behaviour, SinkOptions, SmtpSink};
use crate::support::socket::TestSocket;

/// Stands in whatever a client sends that is no token: to be found nowhere.
const MARK: &str = "SECRETMARK7";
const ADDRESS: &str = "private.address@secret.example";
const SMTP_PASSWORD: &str = "SmtpPassword7x";
const METRICS_TOKEN: &str = "FiguresToken7x";

/// A token whose every part is known; the address in it is a secret, too.
fn token(roles: &[&str]) -> String {
    let exp = seconds_from_now(3_600);
    token_of(
        &json!({"userId": "host", "roles": roles, "email": ADDRESS, "exp": exp, "jti": format!("{MARK}-jti")}),
    )
}

/// What must not be found of a token: its claims and its signature. The header is everybody's.
fn parts(token: &str) -> Vec<String> {
    token.split('.').skip(1).map(str::to_owned).collect()
}

/// Tokens that nobody believes, each in another way.
fn bad_tokens(good: &str) -> Vec<String> {
    let expired = token_of(&json!({"userId": "host", "exp": 1, "jti": MARK}));
    let nameless = token_of(&json!({"exp": seconds_from_now(60), "name": MARK}));
    let forged = format!("{}x", good.trim_end_matches('x'));
    vec![expired, nameless, forged, MARK.to_owned(), format!("{MARK}.{MARK}.{MARK}")]
}

async fn status(request: RequestBuilder) -> u16 {
    Answer::of(request).await.status
}

/// Sends these bytes and reads what comes of it.
async fn say(server: &Process, bytes: &str) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may hang up while there is something to read; what is looked at is what it wrote down.
    let _ = soon("an end", async {
        stream.shutdown().await?;
        stream.read_to_end(&mut answer).await
    })
    .await;
}

/// A request with `token` in every place of it.
async fn present_everywhere(server: &Process, token: &str) {
    let client = Client::new();
    for path in [
        "/notifications",
        "/notifications/count",
        "/bookings",
        "/admin/presence",
        "/ws/notifications",
        "/notifications/sse",
        "/socket.io/",
        "/ready",
        "/metrics",
        "/nowhere",
    ] {
        for method in [Method::GET, Method::POST] {
            let request = |path: &str| {
                client.request(method.clone(), server.url(path)).timeout(std::time::Duration::from_secs(5))
            };
            // A stream that opens is dropped when its head was read.
            for request in [
                request(path).bearer_auth(token),
                request(path).header("authorization", format!("Basic {token}")),
                request(path).header("cookie", format!("token={token}; other={token}")),
                request(&format!("{path}?token={token}&ticket={token}&EIO=4&transport=polling")),
                request(&format!("{path}/{token}")),
                request(path)
                    .header("x-request-id", format!("{token} {token}"))
                    .header("origin", format!("https://{MARK}.example")),
                request(path)
                    .header("content-type", "application/json")
                    .body(format!("{{\"token\": \"{token}\", ")),
                request(path).json(&json!({"token": token, "userId": MARK, "hostId": token, "note": MARK})),
            ] {
                drop(soon("an answer's head", request.send()).await);
            }
        }
    }
}

/// A device over this door says things that are in order, and things that are not.
async fn talk(server: &Process, door: Door, token: &str) {
    let mut device = TestSocket::call(&Call::new(door, server.address(), token)).await;
    device.await_connected().await;
    for (event, data) in [
        ("ping", json!(MARK)),
        ("refreshToken", json!({ "token": token })),
        ("refreshToken", json!({ "token": MARK })),
        ("joinRoom", json!({ "room": MARK })),
        ("subscribe", json!(MARK)),
        (MARK, json!(token)),
        ("markNotificationRead", json!({ "id": MARK })),
    ] {
        device.try_send(event, data).await;
    }
    if door == Door::Raw {
        device.send_message(Message::text(format!("{MARK} {token}"))).await;
        device.send_message(Message::text(format!("{{\"event\": \"{MARK}\", \"data\": "))).await;
    }
    device.events_so_far().await;
    device.close().await;
    for bad in bad_tokens(token) {
        drop(TestSocket::try_call(&Call::new(door, server.address(), &bad)).await);
        let query = format!("token={bad}&ticket={bad}");
        drop(TestSocket::try_call(&Call::new(door, server.address(), "").asking(&query)).await);
    }
}

async fn broken_requests(server: &Process, token: &str) {
    for bytes in [
        format!("GET /{MARK}?token={token}\r\n\r\n"),
        format!("{MARK} {token}\r\n\r\n"),
        format!("{MARK} /bookings HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /?token={token} HTTP/9.9\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {MARK}\r\n\r\n"),
        format!("POST /bookings HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {MARK}\r\n\r\n"),
        format!("POST /bookings HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n"),
        format!("GET /bookings/%ff{MARK} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{MARK}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", MARK.repeat(20_000)),
        format!(
            "GET /ws/notifications?token={token} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\u{7f}{MARK}{token}"
        ),
    ] {
        say(server, &bytes).await;
    }
}

#[tokio::test]
async fn nothing_secret_is_written_down_however_much_is_logged() {
    let login = Some(("mailer".to_owned(), SMTP_PASSWORD.to_owned()));
    let sink = SmtpSink::start_with(SinkOptions { login, ..SinkOptions::default() }).await;
    let server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("SMTP_URL", &sink.url())
        .with("LOG_LEVEL", "trace")
        .with("BELLHOP__METRICS__TOKEN", METRICS_TOKEN)
        .with("BELLHOP__DELIVERY__SETTLE_MS", "0")
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "200")
        .with("BELLHOP__MAIL__RETRY_FIRST_MS", "100")
        .with("API_RATE_LIMIT_PER_MINUTE", "1000000")
        .with("BELLHOP__LIMITS__HANDSHAKES_PER_MINUTE", "1000000")
        .serve()
        .await;
    let client = Client::new();
    let (host, admin) = (token(&["PROFESSIONAL"]), token(&["ADMIN", MARK]));
    let mut secrets: Vec<String> =
        [MARK, ADDRESS, SMTP_PASSWORD, METRICS_TOKEN, JWT_SECRET].map(str::to_owned).into();

    // What is in order.
    for door in ["websocket", "socketio", "sse"] {
        let issue = client.post(server.url("/notifications/tickets")).bearer_auth(&host);
        let issued = Answer::of(issue.json(&json!({ "door": door }))).await.expect(201);
        let ticket = issued["ticket"].as_str().unwrap().to_owned();
        let path = if door == "sse" { "/notifications/sse" } else { "/ws/notifications" };
        drop(soon("a stream", client.get(server.url(&format!("{path}?ticket={ticket}"))).send()).await);
        secrets.push(ticket);
    }
    assert_eq!(status(client.get(server.url("/metrics")).bearer_auth(METRICS_TOKEN)).await, 200);
    let preferences = client.put(server.url("/notifications/preferences")).bearer_auth(&host);
    assert_eq!(status(preferences.json(&json!({ "email": ADDRESS }))).await, 200);
    for door in Door::ALL {
        talk(&server, door, &host).await;
    }

    // Mail that is refused, that is put off, and that goes.
    let guest = token_of(&json!({"userId": "guest", "exp": seconds_from_now(3_600)}));
    for behaviour in [Behaviour::RejectRecipient(ADDRESS.to_owned()), Behaviour::Busy] {
        sink.set(behaviour);
        let book = client.post(server.url("/bookings")).bearer_auth(&guest).json(&booking("host"));
        let booked: Value = Answer::of(book).await.expect(201);
        let id = booked["notification"]["id"].as_str().unwrap();
        crate::support::deadline::wait_until_async("the mail's line", async || {
            let output = server.output();
            output.lines().any(|line| line.contains(id) && line.contains(" WARN ")).then_some(())
        })
        .await;
    }
    sink.set(Behaviour::Accept);
    sink.wait_for(1, crate::support::deadline::SOON).await;

    // What is not.
    for token in bad_tokens(&host).into_iter().chain([host.clone(), admin.clone()]) {
        present_everywhere(&server, &token).await;
        secrets.extend(parts(&token));
    }
    broken_requests(&server, &host).await;
    secrets.extend(parts(&guest));

    server.wait_for_output(" TRACE ");
    let output = server.output();
    assert!(output.lines().filter(|line| line.contains("bellhop::access: answered")).count() > 100);
    for secret in secrets {
        let line = output.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret} is in a line");
    }
    let failed = output.lines().find(|line| line.contains(" ERROR "));
    assert_eq!(failed, None, "strangers make no errors of ours");
}
