//! More than one's share of requests, handshakes and connections: refused at once, said when it may be tried again,
//! and nobody else is any slower for it.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use reqwest::header::HeaderMap;
use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::door::{Call, Close, Door, NAMESPACE};
use crate::support::event_stream::{Ask, EventStream};
use crate::support::proxy::Proxy;
use crate::support::raw_socket::RawSocket;
use crate::support::socket::TestSocket;

const COUNT: &str = "/notifications/count";

async fn app(environment: &[(&str, &str)]) -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with_all(environment).start().await
}

/// The number after `name=` in a structured field.
fn parameter(headers: &HeaderMap, field: &str, name: &str) -> u64 {
    let value = headers.get(field).unwrap_or_else(|| panic!("{field} in {headers:?}")).to_str().unwrap();
    let found = value.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} in {value}")).parse().unwrap()
}

/// Asserts that it was one too many, and that it says within which seconds it may be tried again.
fn refused(answer: Answer, seconds: std::ops::RangeInclusive<u64>) {
    let retry_after: u64 = answer.header("retry-after").expect("a time to come back").parse().unwrap();
    assert!(seconds.contains(&retry_after), "{retry_after}");
    assert_eq!(parameter(&answer.headers, "ratelimit", "r"), 0);
    assert_eq!(parameter(&answer.headers, "ratelimit", "t"), retry_after);
    answer.expect_problem(429, "rate_limited");
}

async fn figure(app: &TestApp, name: &str) -> u64 {
    let page = app.get("/metrics", "").await.text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_user_has_a_quota_and_is_told_how_it_stands() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "3")]).await;
    let (ann, bob) = (app.token("ann", &[]), app.token("bob", &["PROFESSIONAL"]));
    for left in [2, 1, 0] {
        let answer = app.get(COUNT, &ann).await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"user\";q=3;w=60"));
        assert_eq!(parameter(&answer.headers, "ratelimit", "r"), left);
        let full_in = parameter(&answer.headers, "ratelimit", "t");
        assert!((59 - 20 * left..=60 - 20 * left).contains(&full_in), "{full_in} with {left} left");
        answer.expect(200);
    }
    for path in [COUNT, "/notifications/list", "/bookings/7", "/nothing"] {
        refused(app.get(path, &ann).await, 19..=20);
    }
    app.get(COUNT, &bob).await.expect(200);
    app.get("/health", &ann).await.expect(200);
    assert_eq!(figure(&app, "bellhop_refused_total{reason=\"user_rate\"}").await, 4);
    assert_eq!(figure(&app, "bellhop_rate_limit_buckets{kind=\"user\"}").await, 2);
}

#[tokio::test]
async fn who_waits_as_told_is_served_again() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "60")]).await;
    let ann = app.token("ann", &[]);
    let mut answer = app.get(COUNT, &ann).await;
    while answer.status == 200 {
        answer = app.get(COUNT, &ann).await;
    }
    refused(answer, 1..=1);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    app.get(COUNT, &ann).await.expect(200);
}

#[tokio::test]
async fn one_too_many_is_refused_before_its_body_is_sent() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "1")]).await;
    let token = app.token("ann", &[]);
    app.get(COUNT, &token).await.expect(200);
    let mut connection = TcpStream::connect(app.address()).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    let head = format!(
        "POST /bookings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 429");
}

#[tokio::test]
async fn a_service_has_a_quota_of_its_own_and_no_address_stands_in_its_way() {
    let app = app(&[
        ("API_RATE_LIMIT_PER_MINUTE", "2"),
        ("BELLHOP__LIMITS__USERS_PER_ADDRESS", "1"),
        ("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "2"),
    ])
    .await;
    app.get("/openapi.json", "").await.expect(200);
    app.get("/openapi.json", "").await.expect(200);
    refused(app.get("/openapi.json", "").await, 29..=30);
    // Who asks for its readiness is not to find it full of others.
    app.get("/ready", "").await.expect(200);
    let note = json!({"userId": "ann", "type": "note", "title": "A note"});
    for left in (10..20).rev() {
        let answer = app.post("/notifications", &app.service(), &note).await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"service\";q=20;w=10"));
        assert!(parameter(&answer.headers, "ratelimit", "r") >= left);
        answer.expect(201);
    }
    let other = app.token("another", &["SERVICE"]);
    let ask = async || app.get(COUNT, &other).await;
    // At once, for two come back every second.
    let answers = futures_util::future::join_all((0..60).map(|_| ask())).await;
    let too_many = answers.into_iter().find(|answer| answer.status == 429).expect("one too many");
    refused(too_many, 1..=1);
    app.post("/notifications", &app.service(), &note).await.expect(201);
}

#[tokio::test]
async fn the_users_of_an_address_share_what_it_may_send() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "3"), ("BELLHOP__LIMITS__USERS_PER_ADDRESS", "2")]).await;
    for user in ["ann", "bob", "cid"] {
        app.get(COUNT, &app.token(user, &[])).await.expect(200);
        app.get(COUNT, &app.token(user, &[])).await.expect(200);
    }
    let answer = app.get(COUNT, &app.token("dan", &[])).await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"address\";q=6;w=60"));
    refused(answer, 9..=10);
}

#[tokio::test]
async fn guessing_uses_an_address_up_and_harms_nobody_whose_token_is_good() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "4")]).await;
    // Of the forty that strangers of this address have, a wrong token costs ten.
    for guess in ["a.b.c", "guess", "x.y.z", "0"] {
        app.get(COUNT, guess).await.expect_problem(401, "token_malformed");
    }
    refused(app.get(COUNT, "once more").await, 14..=15);
    refused(app.get("/openapi.json", "").await, 1..=2);
    refused(app.post("/dev/token", "", &json!({"userId": "ann"})).await, 1..=2);
    let ticket = RawSocket::try_open(app.address(), &format!("{NAMESPACE}?ticket=guess"), &handshake()).await;
    assert_eq!(ticket.err().map(|refused| refused.status), Some(429));
    app.get(COUNT, &app.token("ann", &[])).await.expect(200);
    app.connect("ann").await;
}

#[tokio::test]
async fn guessing_on_a_socket_counts_as_guessing() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "4")]).await;
    for guess in 0..5 {
        let call = Call::new(Door::WebSocket, app.address(), &format!("guess-{guess}"));
        let mut socket = TestSocket::call(&call).await;
        let Close::Refused(said) = socket.end().await.close else { panic!("let in") };
        let code = if guess < 4 { "token_malformed" } else { "rate_limited" };
        assert!(said.to_string().contains(code), "{said}");
    }
    refused(app.get("/openapi.json", "").await, 1..=2);
}

fn handshake() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "BwcHBwcHBwcHBwcHBwcHBw=="),
    ]
}

/// Asks as somebody whose address a header gives.
async fn ask_from(app: &TestApp, header: (&str, &str)) -> Answer {
    app.send(app.client().get(app.url("/openapi.json")).header(header.0, header.1), "").await
}

#[tokio::test]
async fn an_address_that_a_stranger_claims_is_not_believed() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "1"), ("BELLHOP__LIMITS__USERS_PER_ADDRESS", "3")]).await;
    for number in 0..3 {
        ask_from(&app, ("x-forwarded-for", &format!("198.51.100.{number}"))).await.expect(200);
    }
    for header in
        [("x-forwarded-for", "198.51.100.9"), ("forwarded", "for=198.51.100.9"), ("x-real-ip", "1.1.1.1")]
    {
        refused(ask_from(&app, header).await, 19..=20);
    }
}

#[tokio::test]
async fn what_a_trusted_proxy_says_of_its_client_counts_and_what_the_client_says_does_not() {
    let app = app(&[
        ("API_RATE_LIMIT_PER_MINUTE", "1"),
        ("BELLHOP__LIMITS__USERS_PER_ADDRESS", "2"),
        ("BELLHOP__SERVER__TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8"),
    ])
    .await;
    for client in ["198.51.100.1", "198.51.100.2"] {
        for number in 0..2 {
            let line = format!("203.0.113.{number}, {client}, 10.0.0.7");
            ask_from(&app, ("x-forwarded-for", &line)).await.expect(200);
        }
        let line = format!("203.0.113.7, {client}");
        refused(ask_from(&app, ("x-forwarded-for", &line)).await, 29..=30);
    }
    // The header that this proxy does not write is nobody's word.
    ask_from(&app, ("forwarded", "for=198.51.100.3")).await.expect(200);
    ask_from(&app, ("forwarded", "for=198.51.100.4")).await.expect(200);
    refused(ask_from(&app, ("forwarded", "for=198.51.100.5")).await, 29..=30);
    // Everything in one /64 is one customer.
    for host in ["1", "2"] {
        ask_from(&app, ("x-forwarded-for", &format!("2001:db8:1:2::{host}"))).await.expect(200);
    }
    refused(ask_from(&app, ("x-forwarded-for", "2001:db8:1:2:3:4:5:6")).await, 29..=30);
    ask_from(&app, ("x-forwarded-for", "2001:db8:1:3::1")).await.expect(200);
}

/// A client at this address of the machine's own.
fn client_at(address: &str) -> reqwest::Client {
    let address: IpAddr = address.parse().unwrap();
    reqwest::Client::builder().local_address(address).build().unwrap()
}

#[tokio::test]
async fn behind_nginx_every_client_has_a_quota_and_connections_of_its_own() {
    let app = app(&[
        ("API_RATE_LIMIT_PER_MINUTE", "1"),
        ("BELLHOP__LIMITS__USERS_PER_ADDRESS", "2"),
        ("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "2"),
        ("BELLHOP__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let says = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_buffering off;";
    let proxy = Proxy::saying(app.address(), says).await;
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", proxy.port);
    for address in ["127.0.0.2", "127.0.0.3"] {
        let client = client_at(address);
        let ask = async |number: usize| {
            let spoofed = format!("203.0.113.{number}");
            Answer::of(client.get(url("/openapi.json")).header("x-forwarded-for", spoofed)).await
        };
        ask(1).await.expect(200);
        ask(2).await.expect(200);
        refused(ask(3).await, 29..=30);
        let token = app.token(&format!("user-of-{address}"), &[]);
        let stream = async || {
            let request = client.get(url("/notifications/sse")).bearer_auth(&token);
            EventStream::reading(request.send().await.unwrap())
        };
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut stream = stream().await;
            stream.next_event("connected").await;
            open.push(stream);
        }
        let turned_away = stream().await.rest().await;
        assert_eq!(turned_away.last().unwrap().data["reason"], "try_again_later");
        // The place of who leaves is free again.
        open.pop();
        wait_until_async("a place for another stream", async || {
            let mut stream = stream().await;
            (stream.next().await?.name == "connected").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_flood_of_handshakes_is_refused_at_every_door_and_requests_are_not() {
    let app = app(&[("BELLHOP__LIMITS__HANDSHAKES_PER_MINUTE", "4")]).await;
    let token = app.token("ann", &[]);
    let mut device = app.connect("ann").await;
    for _ in 0..3 {
        app.connect("ann").await;
    }
    for door in [Door::Raw, Door::WebSocket, Door::Polling] {
        let call = Call::new(door, app.address(), &token);
        assert_eq!(TestSocket::try_call(&call).await.err(), Some(429), "{door:?}");
    }
    let request = EventStream::request_at(&app.url("/notifications/sse"), &Ask::new(&token)).await;
    let events = EventStream::reading(request).rest().await;
    assert_eq!(
        events.last().unwrap().data["reason"],
        "try_again_later",
        "a browser comes back after a stream only"
    );
    app.get(COUNT, &token).await.expect(200);
    device.ask("pong", json!(7)).await;
    assert_eq!(figure(&app, "bellhop_refused_total{reason=\"handshake_rate\"}").await, 4);
}

#[tokio::test]
async fn no_limit_is_no_limit_and_says_nothing() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "0"), ("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "1")]).await;
    for _ in 0..50 {
        for token in [app.service(), app.token("ann", &[]), String::new()] {
            let answer = app.get("/openapi.json", &token).await;
            assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
            answer.expect(200);
        }
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_why_it_was_refused() {
    let app = app(&[("API_RATE_LIMIT_PER_MINUTE", "1"), ("CORS_ORIGIN", "https://app.example.com")]).await;
    let token = app.token("ann", &[]);
    app.get(COUNT, &token).await.expect(200);
    let request = app.client().get(app.url(COUNT)).header("origin", "https://app.example.com");
    let answer = app.send(request, &token).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let exposed = answer.header("access-control-expose-headers").expect("headers that pages may read");
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(
            exposed.split(", ").chain(exposed.split(',')).any(|header| header == name),
            "{name} in {exposed}"
        );
    }
    refused(answer, 59..=60);
}

#[tokio::test]
async fn who_holds_too_many_tickets_is_told_when_there_is_room_again() {
    let app = app(&[("BELLHOP__LIMITS__TICKETS_PER_USER", "1")]).await;
    let token = app.token("ann", &[]);
    app.ask_for_ticket(&token, "sse").await.expect(201);
    let answer = app.ask_for_ticket(&token, "sse").await;
    assert_eq!(answer.header("retry-after"), Some("30"));
    answer.expect_problem(429, "too_many_tickets");
}
