//! Which of several credentials decides, what is no ticket, and how long a connection by ticket lasts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{INVALID, host, refused};
use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::on_every_door;
use crate::support::clock::SteppedClock;
use crate::support::deadline::soon;
use crate::support::door::{Call, Close, Door};
use crate::support::raw_socket::RawSocket;
use crate::support::socket::TestSocket;
use crate::support::tickets::{Entry, enter, enter_raw};

on_every_door! {
    async fn a_ticket_for_another_door_lets_nobody_in(app) {
        let token = app.token("host-7", &[]);
        for door in ["websocket", "sse", "socketio"].into_iter().filter(|door| *door != app.door().label()) {
            let ticket = app.ticket(&token, door).await;
            assert_eq!(app.enter(&format!("ticket={ticket}")).await, refused(), "{door}");
        }
    }

    async fn what_is_no_ticket_lets_nobody_in(app) {
        let ticket = app.ticket(&app.token("host-7", &[]), app.door().label()).await;
        let (head, tail) = ticket.split_at(42);
        let last = if tail == "A" { "E" } else { "A" };
        for wrong in [
            "x".to_owned(),
            "undefined".to_owned(),
            head.to_owned(),
            format!("{head}{last}"),
            format!("{ticket}A"),
            format!("{ticket}="),
            format!("%20{ticket}"),
            ticket.to_ascii_lowercase(),
            "A".repeat(43),
            "A".repeat(20_000),
            "%00%FF%FE".to_owned(),
            app.token("host-7", &[]),
        ] {
            assert_eq!(app.enter(&format!("ticket={wrong}")).await, refused(), "{wrong}");
        }
        assert_eq!(app.enter(&format!("x=%zz&ticket={ticket}&ticket=2")).await, host());
    }

    /// The first that is there decides, also where it is bad.
    async fn a_ticket_comes_before_the_querys_token(app) {
        let token = app.token("guest-3", &[]);
        let ticket = app.ticket(&app.token("host-7", &[]), app.door().label()).await;
        assert_eq!(app.enter(&format!("token={token}&ticket={ticket}")).await, host());
        assert_eq!(app.enter(&format!("token={token}&ticket={ticket}")).await, refused());
        assert_eq!(app.enter(&format!("token={token}&ticket=")).await, Entry::by("guest-3"), "none is none");
    }

    async fn a_connection_by_ticket_ends_with_its_bearers_token(app, [("BELLHOP__AUTH__LEEWAY_SECONDS", "0")]) {
        let token = token_of(&json!({"userId": "host-7", "exp": seconds_from_now(3)}));
        let answer = app.ask_for_ticket(&token, app.door().label()).await.expect(201);
        assert!(answer["expiresIn"].as_u64().unwrap() <= 3, "no longer than the token: {answer}");
        let query = format!("ticket={}", answer["ticket"].as_str().unwrap());
        let mut device = TestSocket::call(&Call::new(app.door(), app.address(), "").asking(&query)).await;
        device.await_connected().await;
        device.expect_end(4002, "token_expired").await;
    }
}

#[tokio::test]
async fn header_and_cookie_come_before_the_ticket_and_leave_it_unused() {
    let app = TestApp::start(Database::Sqlite).await;
    let query = format!("ticket={}", app.ticket(&app.token("host-7", &[]), "websocket").await);
    let bearer = format!("Bearer {}", app.token("header", &[]));
    let cookie = format!("token={}", app.token("cookie", &[]));
    let enter = async |headers: &[(&str, &str)]| enter_raw(app.address(), &query, headers).await;
    let both = [("Authorization", bearer.as_str()), ("Cookie", cookie.as_str())];
    assert_eq!(enter(&both).await, Entry::by("header"));
    assert_eq!(enter(&both[1..]).await, Entry::by("cookie"));
    assert_eq!(enter(&[("Authorization", "Bearer no.such.token")]).await, Entry::refused("token_malformed"));
    assert_eq!(enter(&[("Cookie", "token=nonsense")]).await, Entry::refused("token_malformed"));
    assert_eq!(enter(&[]).await, host());
    assert_eq!(enter(&[]).await, refused());
}

#[tokio::test]
async fn a_socketio_clients_own_token_comes_before_the_ticket_and_leaves_it_unused() {
    for door in Door::SOCKET_IO {
        let app = TestAppBuilder::new(Database::Sqlite).through(door).start().await;
        let query = format!("ticket={}", app.ticket(&app.token("host-7", &[]), "socketio").await);
        let call = Call::new(door, app.address(), &app.token("guest-3", &[])).asking(&query);
        let mut device = TestSocket::call(&call).await;
        assert_eq!(device.await_connected().await["userId"], "guest-3");
        device.close().await;
        assert_eq!(app.enter(&query).await, host());
    }
}

#[tokio::test]
async fn a_foreign_page_is_turned_away_before_its_ticket_is_looked_at() {
    let app =
        TestAppBuilder::new(Database::Sqlite).with("CORS_ORIGIN", "https://app.example.com").start().await;
    let query = format!("ticket={}", app.ticket(&app.token("host-7", &[]), "websocket").await);
    let foreign = [("Origin", "https://evil.example.com")];
    let refusal = enter_raw(app.address(), &query, &foreign).await;
    assert_eq!(refusal, Entry::refused("origin_not_allowed"));
    let ours = [("Origin", "https://app.example.com")];
    assert_eq!(enter_raw(app.address(), &query, &ours).await, host());

    let ticket = app.ticket(&app.token("host-7", &[]), "socketio").await;
    let url = app.url(&format!("/socket.io/?EIO=4&transport=polling&ticket={ticket}"));
    let poll = |origin: &str| app.client().get(&url).header("origin", origin);
    assert_eq!(app.send(poll("https://evil.example.com"), "").await.status, 403);
    assert_eq!(app.send(poll("https://app.example.com"), "").await.status, 200);
}

#[tokio::test]
async fn a_ticket_opens_an_event_stream_once() {
    let app = TestApp::start(Database::Sqlite).await;
    let ticket = app.ticket(&app.token("host-7", &[]), "sse").await;
    let url = app.url(&format!("/notifications/sse?ticket={ticket}"));
    let mut stream = soon("the stream", app.client().get(&url).send()).await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut heard = String::new();
    while !heard.contains("\"userId\":\"host-7\"") {
        let part = soon("a part of the stream", stream.chunk()).await.unwrap().expect("it goes on");
        heard += std::str::from_utf8(&part).unwrap();
    }
    app.send(app.client().get(&url), "").await.expect_problem(401, INVALID);
    let other = app.ticket(&app.token("host-7", &[]), "websocket").await;
    let path = format!("/notifications/sse?ticket={other}");
    app.get(&path, "").await.expect_problem(401, INVALID);
}

#[tokio::test]
async fn an_event_stream_by_ticket_ends_with_its_bearers_token() {
    let app = TestAppBuilder::new(Database::Sqlite).with("BELLHOP__AUTH__LEEWAY_SECONDS", "0").start().await;
    let token = token_of(&json!({"userId": "host-7", "exp": seconds_from_now(3)}));
    let ticket = app.ticket(&token, "sse").await;
    let stream = app.get(&format!("/notifications/sse?ticket={ticket}"), "").await;
    assert_eq!(stream.status, 200);
    assert!(stream.text.contains("token_expired"), "{}", stream.text);
}

/// A polled connection by ticket, whose packets are written and read by hand.
struct Polled<'a> {
    app: &'a TestApp,
    url: String,
}

impl<'a> Polled<'a> {
    /// The handshake's URL comes with every poll, as clients do it.
    async fn open(app: &'a TestApp, ticket: &str) -> Self {
        let url = app.url(&format!("/socket.io/?EIO=4&transport=polling&ticket={ticket}"));
        let opened = app.send(app.client().get(&url), "").await.text;
        let open: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
        Self { app, url: format!("{url}&sid={}", open["sid"].as_str().unwrap()) }
    }

    async fn say(&self, packet: &'static str) {
        assert_eq!(self.app.send(self.app.client().post(&self.url).body(packet), "").await.text, "ok");
    }

    /// What is said up to this.
    async fn hear(&self, what: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(what) {
            heard += &self.app.send(self.app.client().get(&self.url), "").await.expect_text(200);
        }
        heard
    }
}

#[tokio::test]
async fn one_ticket_is_enough_for_all_requests_and_namespaces_of_a_socketio_connection() {
    let app = TestApp::start(Database::Sqlite).await;
    let ticket = app.ticket(&app.token("host-7", &[]), "socketio").await;
    let connection = Polled::open(&app, &ticket).await;
    for connect in ["40", "40/ws/notifications,"] {
        connection.say(connect).await;
        let heard = connection.hear("[\"connected\",").await;
        assert!(heard.contains(&format!("{connect}{{\"sid\"")), "{heard}");
        assert!(heard.contains("\"userId\":\"host-7\""), "{heard}");
    }
    connection.say("1").await;
    // Another connection is another one.
    let call = Call::new(Door::Upgrade, app.address(), "").asking(&format!("ticket={ticket}"));
    let Close::Refused(told) = TestSocket::call(&call).await.end().await.close else { panic!("let in") };
    assert_eq!(told["data"]["code"], INVALID);
}

#[tokio::test]
async fn a_connection_by_ticket_joins_nothing_after_its_bearers_token_has_ended() {
    let clock = Arc::new(SteppedClock::default());
    let app = TestAppBuilder::new(Database::Sqlite).with_clock(Arc::clone(&clock) as _).start().await;
    let ticket = app.ticket(&app.token("host-7", &[]), "socketio").await;
    let connection = Polled::open(&app, &ticket).await;
    connection.say("40").await;
    connection.hear("[\"connected\",").await;
    connection.say("41").await;
    clock.step_forward(Duration::from_hours(2));
    connection.say("40/ws/notifications,").await;
    let heard = connection.hear("44/ws/notifications,").await;
    assert!(heard.contains("\"token_expired\""), "{heard}");
}

#[tokio::test]
async fn nobody_is_told_why_a_ticket_lets_nobody_in() {
    let app = TestApp::start(Database::Sqlite).await;
    let used = app.ticket(&app.token("host-7", &[]), "websocket").await;
    assert_eq!(app.enter(&format!("ticket={used}")).await, host());
    let other = app.ticket(&app.token("host-7", &[]), "sse").await;
    let mut told = Vec::new();
    for ticket in [used.as_str(), other.as_str(), "nonsense"] {
        let path = format!("/ws/notifications?ticket={ticket}");
        let headers = RawSocket::headers("");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = RawSocket::try_open(app.address(), &path, &headers).await.expect_err("refused");
        assert_eq!(refused.status, 401);
        assert!(refused.headers.contains("www-authenticate: bearer"), "{refused:?}");
        assert!(!refused.body.to_string().contains(ticket), "{refused:?}");
        told.push(refused.body["detail"].clone());
    }
    assert!(told.iter().all(|detail| *detail == told[0]), "{told:?}");
}

/// A passing failure: the ticket is as good as before, and clients that come back by themselves do so.
#[tokio::test]
async fn a_ticket_that_could_not_be_looked_up_is_still_good() {
    let app =
        TestAppBuilder::new(Database::Sqlite).with("BELLHOP__DATABASE__BUSY_TIMEOUT_MS", "200").start().await;
    let token = app.token("host-7", &[]);
    for door in Door::ALL {
        let query = format!("ticket={}", app.ticket(&token, door.label()).await);
        let hold = app.hold_writers();
        if door == Door::Raw {
            let refusal = enter(door, app.address(), &query).await;
            assert_eq!(refusal, Entry::refused("database_unavailable"));
        } else {
            let mut device = TestSocket::call(&Call::new(door, app.address(), "").asking(&query)).await;
            device.expect_end(1013, "try_again_later").await;
        }
        drop(hold);
        assert_eq!(enter(door, app.address(), &query).await, host(), "{door:?}");
    }
}
