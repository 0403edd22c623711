//! Coming back: a device that says what it has is given what it missed, in order, each once, and what is
//! published meanwhile after that; or it is told of a gap.

use std::time::Duration;

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::app::{Database, TestApp, TestAppBuilder, token_with_mail};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::deadline::wait_until_async;
use crate::support::postgres::{Cluster, Durability};
use crate::support::raw_socket::{FIN, PING, PONG, RawSocket};
use crate::support::records::{await_delivery_state, delivery_state, execute, texts};
use crate::support::socket::{Event, TestSocket};

/// Nothing is mailed while a slow machine works, and no client is told to slow down.
const PATIENT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("RATE_LIMIT_MAX_REQUESTS", "1000000")];
/// A queue that holds a few dozen notifications.
const NARROW: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("BELLHOP__SESSION__QUEUE_BYTES", "16384")];
/// A short patience with devices that do not answer.
const SHORT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"), ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")];

async fn come_back(app: &TestApp, host: &str, since: i64) -> TestSocket {
    app.connect_with(&app.token(host, &[]), &format!("?since={since}")).await
}

/// Events as `name seq`, or for the replay's own as `name a b`; counts and heartbeats left out.
fn said(events: &[Event]) -> Vec<String> {
    let show = |event: &Event| match event.name.as_str() {
        "gap" => format!("gap {} {}", event.data["after"], event.data["oldest"]),
        "resumed" => format!("resumed {} {}", event.data["from"], event.data["to"]),
        name => format!("{name} {}", event.data["seq"]),
    };
    let is_news = |event: &&Event| !["notification:unread_count", "heartbeat"].contains(&event.name.as_str());
    events.iter().filter(is_news).map(show).collect()
}

fn notes(seqs: impl IntoIterator<Item = i64>) -> Vec<String> {
    seqs.into_iter().map(|seq| format!("note {seq}")).collect()
}

/// Everything up to and including `resumed`.
async fn until_resumed(device: &mut TestSocket) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = device.next().await;
        let is_last = event.name == "resumed";
        events.push(event);
        if is_last {
            return events;
        }
    }
}

on_both_databases_and_every_door! {
    async fn who_says_what_it_has_gets_what_it_missed_and_then_what_is_new(app, super::PATIENT) {
        app.tell("host", 5).await;
        let mut device = come_back(&app, "host", 2).await;
        let events = until_resumed(&mut device).await;
        assert_eq!(said(&events), ["note 3", "note 4", "note 5", "resumed 3 5"]);
        let missed = &events[0].data;
        assert_eq!((&missed["title"], &missed["isRead"]), (&json!("A note"), &json!(false)), "as ever");
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 6);
        assert_eq!(device.next_event("notification:unread_count").await, json!({"unread": 6, "seq": 6}));
        assert_eq!(device.events_so_far().await, []);
    }

    async fn who_missed_nothing_is_told_so(app, super::PATIENT) {
        assert_eq!(said(&until_resumed(&mut come_back(&app, "nobody", 0).await).await), ["resumed 1 0"]);
        app.tell("host", 3).await;
        let mut device = come_back(&app, "host", 3).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["resumed 4 3"]);
        assert_eq!(device.events_so_far().await, []);
    }

    async fn a_session_may_ask_later_and_gets_nothing_twice(app, super::PATIENT) {
        app.tell("host", 3).await;
        let mut device = app.connect("host").await;
        app.tell("host", 1).await;
        device.next_event("note").await;
        // With an answer of its own, which comes last.
        assert_eq!(device.ask("resume", json!({"since": 1})).await, json!({"from": 2, "to": 4}));
        assert_eq!(said(&device.take_seen()), ["note 2", "note 3"]);
        // Asking again for what was given on this connection gives nothing.
        device.send("resume", json!(1)).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["resumed 2 4"]);
        device.send("resume", json!({"since": 0})).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["note 1", "resumed 1 4"]);
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 5);
    }

    async fn what_retention_took_is_a_gap(app, super::PATIENT) {
        app.tell("host", 6).await;
        execute(app.database_url(), "DELETE FROM notifications WHERE seq <= 4");
        let mut device = come_back(&app, "host", 2).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["gap 2 5", "note 5", "note 6", "resumed 3 6"]);
        execute(app.database_url(), "DELETE FROM notifications");
        let mut device = come_back(&app, "host", 2).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["gap 2 7", "resumed 3 6"]);
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 7);
    }

    async fn who_remembers_more_than_there_is_is_told_where_the_inbox_goes_on(app, super::PATIENT) {
        let silent = app.connect("host").await;
        app.connect("host").await.close().await;
        app.tell("host", 2).await;
        let mut device = come_back(&app, "host", 500).await;
        assert_eq!(said(&until_resumed(&mut device).await), ["gap 500 3", "resumed 3 2"]);
        let states = "SELECT state AS value FROM deliveries";
        assert_eq!(texts(app.database_url(), states), ["pending", "pending"], "that proves nothing");
        drop(silent);
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 3);
    }

    async fn a_thousand_missed_fit_through_a_narrow_queue_beside_live_ones(app, super::NARROW) {
        const MISSED: usize = 1_000;
        stream::iter(0..MISSED).for_each_concurrent(16, |_| app.tell("host", 1)).await;
        let mut device = come_back(&app, "host", 0).await;
        let mut neighbour = app.connect("neighbour").await;
        let more = async {
            app.tell("host", 20).await;
            app.tell("neighbour", 1).await;
        };
        let read = async {
            let mut seqs = Vec::new();
            while seqs.len() < MISSED + 20 {
                let event = device.next().await;
                if event.name == "note" {
                    seqs.push(event.data["seq"].as_i64().unwrap());
                }
            }
            seqs
        };
        let (seqs, ()) = join(read, more).await;
        assert_eq!(seqs, (1..=1_020).collect::<Vec<i64>>());
        neighbour.next_event("note").await;
        let rest = device.events_so_far().await;
        assert!(said(&rest).len() <= 1, "resumed at most: {rest:?}");
    }

    async fn nothing_falls_between_the_replay_and_what_is_live(app, super::PATIENT) {
        const ROUNDS: usize = 25;
        const BOOKINGS: i64 = 12;
        for round in 0..ROUNDS {
            let host = format!("host-{round}");
            app.tell(&host, 2).await;
            let book = stream::iter(0..BOOKINGS)
                .map(|_| app.book("guest", &host))
                .buffer_unordered(4)
                .collect::<Vec<Value>>();
            let read = async {
                let mut device = come_back(&app, &host, 1).await;
                let mut seqs = Vec::new();
                while seqs.last() != Some(&(BOOKINGS + 2)) {
                    let event = device.next().await;
                    if ["note", "booking.created"].contains(&event.name.as_str()) {
                        seqs.push(event.data["seq"].as_i64().unwrap());
                    }
                }
                (seqs, device)
            };
            let (_, (seqs, mut device)) = join(book, read).await;
            assert_eq!(seqs, (2..=BOOKINGS + 2).collect::<Vec<i64>>(), "round {round}");
            let rest = said(&device.events_so_far().await);
            assert!(rest.iter().all(|event| event.starts_with("resumed")), "{rest:?}");
        }
    }

    async fn a_hole_heals_itself(app, super::PATIENT) {
        let mut device = app.connect("host").await;
        device.send("unsubscribe", json!("host")).await;
        device.next_event("unsubscribed").await;
        app.tell("host", 2).await;
        device.send("subscribe", json!("host")).await;
        device.next_event("subscribed").await;
        app.tell("host", 1).await;
        for seq in 1..=3 {
            assert_eq!(device.next_event("note").await["seq"], seq);
        }
        assert_eq!(device.next_event("notification:unread_count").await, json!({"unread": 3, "seq": 3}));
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 4);
    }

    async fn what_a_device_says_it_has_needs_no_mail(app, super::SHORT) {
        let token = token_with_mail("host");
        let mut device = app.connect_with(&token, "").await;
        let had = app.book("guest", "host").await;
        let missed = app.book("guest", "host").await;
        assert_eq!(device.next_event("booking.created").await["seq"], 1);
        // The connection is lost before a pong, after the first had arrived.
        drop(device);
        let mut back = app.connect_with(&token, "?since=1").await;
        assert_eq!(back.next_event("booking.created").await["seq"], 2);
        back.events_so_far().await;
        for booked in [&had, &missed] {
            app.wait_for_delivery(&booked["notification"], "confirmed").await;
        }
        assert_eq!(app.unread_mails(), Vec::<std::path::PathBuf>::new());
    }

    async fn once_ends_with_the_first_that_was_missed(app, super::PATIENT) {
        app.tell("host", 3).await;
        let mut device = app.connect_with(&app.token("host", &[]), "?since=1&once=true").await;
        device.expect_end(4001, "once_delivered").await;
        assert_eq!(said(&device.take_seen()), notes([2]));
    }

    async fn what_ends_a_once_session_is_proven_all_the_same(app, super::SHORT) {
        let token = token_with_mail("host");
        let silent = app.connect_with(&token, "").await;
        let booked = app.book("guest", "host").await;
        let mut device = app.connect_with(&token, "?since=0&once=true").await;
        device.expect_end(4001, "once_delivered").await;
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
        drop(silent);
    }

    async fn who_resumes_while_a_hole_is_being_filled_misses_nothing(app, super::PATIENT) {
        const MISSED: i64 = 600;
        app.tell("host", 5).await;
        let mut device = app.connect("host").await;
        device.send("unsubscribe", json!("host")).await;
        device.next_event("unsubscribed").await;
        stream::iter(0..MISSED).for_each_concurrent(16, |_| app.tell("host", 1)).await;
        device.send("subscribe", json!("host")).await;
        device.next_event("subscribed").await;
        app.tell("host", 1).await;
        let mut events = vec![device.next().await];
        device.send("resume", json!({"since": 2})).await;
        events.extend(until_resumed(&mut device).await);
        let said = said(&events);
        assert_eq!(said.last().unwrap(), &format!("resumed 3 {}", MISSED + 6));
        let mut told = said[..said.len() - 1].to_vec();
        told.sort_by_key(|note| note.strip_prefix("note ").expect("no gap").parse::<i64>().unwrap());
        assert_eq!(told, notes(3..=MISSED + 6));
    }

    async fn the_highest_since_there_is_is_ahead_like_any_other(app, super::PATIENT) {
        let mut device = come_back(&app, "host", i64::MAX).await;
        assert_eq!(said(&until_resumed(&mut device).await), [format!("gap {} 1", i64::MAX), "resumed 1 0".into()]);
        device.send("resume", json!({"since": i64::MAX})).await;
        assert_eq!(said(&until_resumed(&mut device).await), [format!("gap {} 1", i64::MAX), "resumed 1 0".into()]);
        app.tell("host", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 1);
    }
}

on_both_databases! {
    async fn who_stops_reading_in_a_replay_is_not_cut_off_for_it_and_may_go_on(app, super::NARROW) {
        stream::iter(0..400_usize).for_each_concurrent(16, |_| app.tell("host", 1)).await;
        let mut device = RawSocket::open_narrow(app.address(), &app.token("host", &[])).await;
        device.send_event("resume", &json!({"since": 0})).await;
        device.send_event("resume", &json!({"since": 0})).await;
        // It reads nothing for a while, in which others are served.
        let mut other = come_back(&app, "host", 0).await;
        assert_eq!(said(&until_resumed(&mut other).await).last().unwrap(), "resumed 1 400");
        let mut seqs = Vec::new();
        let mut refused = 0;
        loop {
            let event = device.next_event().await;
            match event["event"].as_str().unwrap() {
                "note" => seqs.push(event["data"]["seq"].as_i64().unwrap()),
                "error" => {
                    assert_eq!(event["data"]["code"], "resuming");
                    refused += 1;
                }
                "resumed" => break,
                _ => {}
            }
        }
        assert_eq!((seqs, refused), ((1..=400).collect::<Vec<i64>>(), 1));
    }

    async fn what_was_missed_is_proven_like_anything_else(app, super::PATIENT) {
        app.book("guest", "host").await;
        let booked = app.book("guest", "host").await;
        // Nobody answers for it yet: it is on its way to a mail that finds no address.
        app.wait_for_delivery(&booked["notification"], "suppressed").await;
        let mut silent = RawSocket::open(app.address(), &app.token("host", &[])).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        let pending = app.book("guest", "host").await;
        let id = pending["notification"]["id"].as_str().unwrap();
        drop(silent);
        let headers = RawSocket::headers(&app.token("host", &[]));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let mut device =
            RawSocket::try_open(app.address(), "/ws/notifications?since=2", &headers).await.unwrap();
        let ping = loop {
            let frame = device.next_frame().await.unwrap();
            if frame.first == FIN | PING {
                break frame.payload;
            }
        };
        assert_eq!(delivery_state(app.database_url(), id), "pending");
        assert_eq!(ping, b"3", "the seq that was given last");
        device.send(PONG, &ping).await;
        await_delivery_state(app.database_url(), id, "confirmed").await;
    }

    async fn a_since_that_is_no_seq_is_refused(app) {
        for since in ["-1", "x", "1.5", ""] {
            let path = format!("/ws/notifications?since={since}");
            let refused = TestSocket::try_open(app.address(), &path, &app.token("host", &[])).await;
            assert_eq!(refused.err(), Some(400), "{since:?}");
        }
    }
}

#[tokio::test]
async fn a_replay_waits_for_a_database_that_is_away() {
    let cluster = Cluster::start_new(Durability::NoFsync);
    let builder = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", &cluster.url("postgres"));
    let app = builder.with_all(&PATIENT).start().await;
    app.tell("host", 250).await;
    let mut device = app.connect("host").await;
    cluster.stop();
    device.send("resume", json!(0)).await;
    assert_eq!(device.events_so_far().await, []);
    tokio::time::timeout(Duration::from_millis(300), device.next()).await.expect_err("nothing to say yet");
    cluster.start();
    let events = until_resumed(&mut device).await;
    assert_eq!(said(&events[..250]), notes(1..=250));
}

#[tokio::test]
async fn what_another_instance_stored_is_given_too() {
    let one = TestAppBuilder::new(Database::Postgres).with_all(&PATIENT).start().await;
    let other = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", one.database_url());
    let other = other.with_all(&PATIENT).start().await;
    let mut device = one.connect("host").await;
    other.tell("host", 2).await;
    device.send("resume", json!({"since": 0})).await;
    let events = until_resumed(&mut device).await;
    assert_eq!(said(&events), ["note 1", "note 2", "resumed 1 2"]);
    let count = events.iter().find(|event| event.name == "notification:unread_count");
    assert_eq!(count.map(|count| &count.data), Some(&json!({"unread": 2, "seq": 2})));
}

#[tokio::test]
async fn a_replay_to_a_client_that_does_not_read_comes_to_rest() {
    let app = TestAppBuilder::new(Database::Postgres)
        .with_all(&NARROW)
        // Nobody else looks at the table meanwhile.
        .with("BELLHOP__METRICS__WATCH_INTERVAL_MS", "600000")
        .start()
        .await;
    stream::iter(0..1_500_usize)
        .for_each_concurrent(16, async |number| {
            // Some fit twice into what a replay may queue, some do not.
            let text = "x".repeat(if number % 2 == 0 { 2_500 } else { 6_500 });
            let note = json!({"userId": "host", "type": "note", "title": "A", "message": "B", "data": {"text": text}});
            app.post("/notifications", &app.service(), &note).await.expect(201);
        })
        .await;
    let mut device = RawSocket::open_narrow(app.address(), &app.token("host", &[])).await;
    device.send_event("resume", &json!({"since": 0})).await;
    let scans = || {
        let sql = "SELECT CAST(SUM(idx_scan) AS TEXT) AS value FROM pg_stat_user_indexes WHERE relname = 'notifications'";
        texts(app.database_url(), sql)
    };
    wait_until_async("the database to be left alone", async || {
        let before = scans();
        // Longer than it takes PostgreSQL to report its statistics.
        tokio::time::sleep(Duration::from_secs(2)).await;
        (scans() == before).then_some(())
    })
    .await;
    drop(device);
}
