//! Bounds on sessions: how many, how long, how slow. Each ends with its own code and reason, and harms
//! nobody else.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{
    Database, JWT_SECRET, TestApp, TestAppBuilder, seconds_from_now, token_for, token_of,
};
use crate::support::both::on_every_door;
use crate::support::clock;
use crate::support::deadline::wait_until_async;
use crate::support::door::Door;
use crate::support::process::ProcessBuilder;
use crate::support::raw_socket::{FIN, PING, RawSocket};
use crate::support::records::await_delivery_state;
use crate::support::socket::TestSocket;

const PATH: &str = "/ws/notifications";

async fn app(environment: &[(&str, &str)]) -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with_all(environment).start().await
}

/// How much clocks may differ, in seconds.
const LEEWAY: i64 = 4;
const FEW_SESSIONS: [(&str, &str); 1] = [("BELLHOP__LIMITS__SESSIONS", "2")];
const FEW_SESSIONS_EACH: [(&str, &str); 1] = [("BELLHOP__LIMITS__SESSIONS_PER_USER", "2")];
const LENIENT: [(&str, &str); 1] = [("BELLHOP__AUTH__LEEWAY_SECONDS", "4")];
/// Nothing is mailed while a slow machine works.
const PATIENT: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

/// The value of a figure, named with its labels as `/metrics` writes it.
async fn figure(client: &reqwest::Client, url: &str, name: &str) -> usize {
    let page = Answer::of(client.get(url)).await.text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn await_closed(app: &TestApp, reason: &str, count: usize) {
    let name = format!("bellhop_sessions_closed_total{{reason=\"{reason}\"}}");
    wait_until_async(format_args!("{name} to be {count}"), async || {
        (figure(app.client(), &app.url("/metrics"), &name).await >= count).then_some(())
    })
    .await;
}

/// Asserts that a connection of this user's is let in and then closed without a greeting.
async fn assert_refused(app: &TestApp, user: &str, code: u16, reason: &str) {
    let mut socket = app.open(&app.token(user, &[]), "").await;
    socket.expect_end(code, reason).await;
    assert_eq!(socket.take_seen(), []);
}

on_every_door! {
    async fn one_user_has_so_many_sessions_and_no_more(app, super::FEW_SESSIONS_EACH) {
        let (first, mut second) = (app.connect("7").await, app.connect("7").await);
        assert_refused(&app, "7", 4011, "too_many_sessions").await;
        app.connect("8").await;
        assert_eq!(second.events_so_far().await, [], "those who were there stay");
        first.close().await;
        wait_until_async("the place of who left is free", async || {
            let mut socket = app.open(&app.token("7", &[]), "").await;
            let event = socket.try_next().await.ok()?;
            assert_eq!(event.name, "connected");
            Some(())
        })
        .await;
    }

    async fn the_server_has_so_many_sessions_and_no_more(app, super::FEW_SESSIONS) {
        let (_first, mut second) = (app.connect("1").await, app.connect("2").await);
        for _ in 0..3 {
            let call = app.call(&app.token("3", &[]));
            match TestSocket::try_call(&call).await {
                Ok(mut socket) => socket.expect_end(1013, "try_again_later").await,
                Err(status) => assert_eq!((status, app.door() == Door::Raw), (503, false)),
            }
        }
        second.send("getPresence", Value::Null).await;
        assert_eq!(second.next_event("presenceStats").await["connections"], 2);
        // The others were refused before there was a session.
        if app.door() == Door::Raw {
            await_closed(&app, "try_again_later", 3).await;
        }
    }
}

#[tokio::test]
async fn heartbeats_tell_the_state_and_who_answers_stays() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let app = app(&[
        ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "250"),
        ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", "1000"),
    ])
    .await;
    let mut host = app.connect("7").await;
    app.book("guest", "7").await;
    host.next_event("notification:unread_count").await;
    let start = clock::start();
    while start.elapsed() < 3 * TIMEOUT {
        let beat = host.next_event("heartbeat").await;
        assert_eq!((&beat["seq"], &beat["unread"]), (&json!(1), &json!(1)), "{beat}");
        assert!(chrono::DateTime::parse_from_rfc3339(beat["serverTime"].as_str().unwrap()).is_ok());
    }
}

#[tokio::test]
async fn who_is_silent_for_too_long_is_disconnected() {
    let app = app(&[
        ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "250"),
        ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", "1000"),
    ])
    .await;
    let start = clock::start();
    let mut silent = RawSocket::open(app.address(), &app.token("7", &[])).await;
    let mut pings = 0;
    let close = loop {
        let frame = silent.next_frame().await.expect("a close comes before the end");
        match frame.first {
            first if first == FIN | PING => pings += 1,
            first if first & 0xF == 0x8 => break frame,
            _ => {}
        }
    };
    assert_eq!(close.payload, [&4010_u16.to_be_bytes()[..], b"heartbeat_timeout"].concat());
    assert!(pings > 0 && start.elapsed() >= Duration::from_secs(1));
    // It does not answer the close either: the connection is cut.
    silent.await_end().await;
    await_closed(&app, "heartbeat_timeout", 1).await;
}

on_every_door! {
    async fn a_time_to_live_ends_the_session(app) {
        let start = clock::start();
        let mut socket = app.connect_with(&app.token("7", &[]), "?ttl=1").await;
        let mut longer = app.connect_with(&app.token("7", &[]), "?ttl=60").await;
        socket.expect_end(4000, "ttl_elapsed").await;
        assert!(start.elapsed() >= Duration::from_secs(1));
        assert_eq!(longer.events_so_far().await, []);
    }

    async fn a_once_session_ends_after_exactly_one_notification_which_counts_as_confirmed(app, super::PATIENT) {
        let mut socket = app.connect_with(&app.token("7", &[]), "?once=true").await;
        let (first, second) = tokio::join!(app.book("guest", "7"), app.book("guest", "7"));
        let got = socket.next_event("booking.created").await;
        assert_eq!(got["seq"], 1);
        socket.expect_end(4001, "once_delivered").await;
        let more: Vec<String> = socket.take_seen().into_iter().map(|event| event.name).collect();
        assert_eq!(more, ["notification:unread_count"]);
        let ids = [&first, &second].map(|booked| &booked["notification"]["id"]);
        assert!(ids.contains(&&got["id"]), "{got}");
        await_delivery_state(app.database_url(), got["id"].as_str().unwrap(), "confirmed").await;
    }

    async fn a_once_session_is_greeted_before_its_notification(app, super::PATIENT) {
        let rounds = stream::iter(0..30).map(async |round| {
            let host = format!("host-{round}");
            let token = app.token(&host, &[]);
            let book = async {
                for _ in 0..6 {
                    app.book("guest", &host).await;
                }
            };
            let connect = async {
                app.connect_with(&token, "?once=true").await
            };
            let ((), mut socket) = tokio::join!(book, connect);
            app.book("guest", &host).await;
            socket.expect_end(4001, "once_delivered").await;
            let got: Vec<String> = socket.take_seen().into_iter().map(|event| event.name).collect();
            assert_eq!(got.iter().filter(|name| *name == "booking.created").count(), 1, "{got:?}");
        });
        rounds.buffer_unordered(6).collect::<()>().await;
    }

    async fn the_end_of_a_token_ends_its_session(app, super::LENIENT) {
        // Believed only because clocks may differ: the session lasts for as long as that is so.
        let exp = seconds_from_now(-1);
        let token = token_of(&json!({"sub": "7", "exp": exp}));
        let mut socket = app.connect_with(&token, "?ttl=60").await;
        let mut longer = app.connect("7").await;
        socket.expect_end(4002, "token_expired").await;
        assert!(seconds_from_now(0) >= exp + LEEWAY);
        assert_eq!(longer.events_so_far().await, []);
    }
}

#[tokio::test]
async fn a_stalled_reader_is_cut_off_and_nobody_else_suffers() {
    const STALLED: usize = 20;
    const EVENTS: usize = 150;
    const EVENT_BYTES: usize = 50_000;
    const SLOW: &str = "bellhop_sessions_closed_total{reason=\"slow_consumer\"}";
    /// What all the queues may hold, and as much again for what the process needs anyway.
    const GROWTH_MAX: usize = 64 * 1024 * 1024;
    let server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__SESSION__QUEUE_BYTES", "262144")
        .serve()
        .await;
    let token = token_for("7", &[]);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(RawSocket::open_narrow(server.address(), &token).await);
    }
    let mut live = TestSocket::open(server.address(), PATH, &token).await;
    live.await_connected().await;
    let before = server.resident_bytes();
    let client = reqwest::Client::new();
    let body = json!({
        "type": "system.test", "passing": true, "userId": "7", "data": "x".repeat(EVENT_BYTES)
    });
    let service = token_for("backend", &["SERVICE"]);
    let mut most = before;
    for _ in 0..EVENTS {
        let request = client.post(server.url("/notifications")).bearer_auth(&service).json(&body);
        Answer::of(request).await.expect(202);
        assert_eq!(live.next_event("system.test").await["data"].as_str().unwrap().len(), EVENT_BYTES);
        most = most.max(server.resident_bytes());
    }
    let metrics = server.url("/metrics");
    wait_until_async("all stalled readers are evicted", async || {
        let closed = figure(&client, &metrics, SLOW).await;
        (closed >= STALLED).then_some(())
    })
    .await;
    assert_eq!(figure(&client, &metrics, SLOW).await, STALLED);
    assert_eq!(figure(&client, &metrics, "bellhop_sessions_open{door=\"websocket\"}").await, 1);
    assert!(most - before < GROWTH_MAX, "from {before} to {most} bytes");
    for mut socket in stalled {
        socket.await_end().await;
    }
    assert_eq!(live.events_so_far().await, []);
}
