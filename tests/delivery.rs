//! A booking's way to its host: every device gets it, nobody else does, what a device confirmed is
//! never mailed, and what none confirmed is.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::app::{TestApp, mail_of, token_with_mail};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::deadline::wait_until_async;
use crate::support::raw_socket::{FIN, PING, PONG, RawSocket, TEXT};
use crate::support::records::{await_delivery_state, delivery_state, texts};
use crate::support::socket::{Event, TestSocket};

/// A short patience with devices that do not answer.
const SHORT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600"), ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")];
/// The same for those who answer with a request or two of their own.
const MEDIUM: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"), ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")];
/// So long that nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("RATE_LIMIT_MAX_REQUESTS", "1000000")];
/// Heartbeats that come soon, and nothing that is mailed before.
const HEARTBEATS: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "1500")];

fn id_of(booked: &Value) -> String {
    booked["notification"]["id"].as_str().unwrap().to_owned()
}

/// A client of the tests' own that has heard `connected` and answers no ping.
async fn connect_raw(app: &TestApp, host: &str) -> RawSocket {
    let mut socket = RawSocket::open(app.address(), &token_with_mail(host)).await;
    assert_eq!(socket.next_event().await["event"], "connected");
    socket
}

/// The bookings that a device got: their seqs in the order they came.
fn seqs(events: &[Event]) -> Vec<i64> {
    let bookings = events.iter().filter(|event| event.name == "booking.created");
    bookings.map(|event| event.data["seq"].as_i64().unwrap()).collect()
}

on_both_databases_and_every_door! {
    async fn a_booking_reaches_every_device_of_its_host_and_nobody_else(app) {
        let mut devices = [app.connect("host").await, app.connect("host").await, app.connect("host").await];
        let mut others = [
            app.connect("hos").await,
            app.connect("host-").await,
            app.connect("guest").await,
            app.connect_with(&app.token("root", &["ADMIN", "SERVICE"]), "").await,
        ];
        let booked = app.book("guest", "host").await;
        for device in &mut devices {
            let notification = device.next().await;
            assert_eq!(notification.name, "booking.created");
            let data = &notification.data;
            assert_eq!((&data["id"], &data["seq"]), (&booked["notification"]["id"], &json!(1)), "{data}");
            assert_eq!((&data["userId"], &data["isRead"]), (&json!("host"), &json!(false)), "{data}");
            assert_eq!(data["data"]["bookingId"], booked["booking"]["id"], "{data}");
            let count = device.next().await;
            assert_eq!(count.name, "notification:unread_count");
            assert_eq!(count.data, json!({"unread": 1, "seq": 1}));
            assert_eq!(device.events_so_far().await, []);
        }
        for other in &mut others {
            assert_eq!(other.events_so_far().await, []);
        }
    }

    async fn who_waits_for_more_has_what_came_and_no_mail_is_sent(app, super::MEDIUM) {
        let mut device = app.connect_with(&token_with_mail("host"), "").await;
        let id = id_of(&app.book("guest", "host").await);
        assert_eq!(device.next_event("booking.created").await["id"], id);
        device.events_so_far().await;
        await_delivery_state(app.database_url(), &id, "confirmed").await;

        // A later one of somebody who does not answer is mailed: by then this one would have been.
        let _silent = app.connect_with(&token_with_mail("silent"), "").await;
        app.book("guest", "silent").await;
        app.next_mail(&mail_of("silent")).await;
        assert_eq!(delivery_state(app.database_url(), &id), "confirmed");
    }

    async fn who_got_it_and_is_not_heard_of_again_gets_a_mail(app, super::MEDIUM) {
        let mut device = app.connect_with(&token_with_mail("host"), "").await;
        let booked = app.book("guest", "host").await;
        assert_eq!(device.next_event("booking.created").await["id"], booked["notification"]["id"]);
        let mail = app.next_mail(&mail_of("host")).await;
        assert!(mail.contains(booked["booking"]["id"].as_str().unwrap()), "{mail}");
        await_delivery_state(app.database_url(), &id_of(&booked), "emailed").await;
    }

    async fn who_broke_off_gets_a_mail_and_who_left_gets_it_at_once(app, super::MEDIUM) {
        let broken = app.connect_with(&token_with_mail("host"), "").await;
        drop(broken);
        let booked = app.book("guest", "host").await;
        app.next_mail(&mail_of("host")).await;
        await_delivery_state(app.database_url(), &id_of(&booked), "emailed").await;
        app.connect_with(&token_with_mail("leaver"), "").await.close().await;
        app.book("guest", "leaver").await;
        app.next_mail(&mail_of("leaver")).await;
    }

    async fn one_device_that_answers_is_enough(app, super::MEDIUM) {
        let _silent = app.connect_with(&token_with_mail("host"), "").await;
        let mut polite = app.connect_with(&token_with_mail("host"), "").await;
        let id = id_of(&app.book("guest", "host").await);
        polite.next_event("notification:unread_count").await;
        polite.events_so_far().await;
        await_delivery_state(app.database_url(), &id, "confirmed").await;
    }

    async fn a_slow_connected_loses_nothing(app, super::LONG) {
        const ROUNDS: usize = 30;
        const BOOKINGS: usize = 8;
        for round in 0..ROUNDS {
            let host = format!("host-{round}");
            let book = stream::iter(0..BOOKINGS)
                .map(|_| app.book("guest", &host))
                .buffer_unordered(4)
                .collect::<Vec<Value>>();
            let connect = async {
                let token = app.token(&host, &[]);
                let mut device = app.open(&token, "").await;
                let connected = device.await_connected().await;
                (device, connected)
            };
            let (booked, (mut device, connected)) = tokio::join!(book, connect);
            assert_eq!(booked.len(), BOOKINGS);
            let known = connected["seq"].as_i64().unwrap();
            let all = i64::try_from(BOOKINGS).unwrap();
            let mut events = device.events_so_far().await;
            while known.max(seqs(&events).last().copied().unwrap_or(0)) < all {
                events.push(device.next().await);
            }
            events.extend(device.events_so_far().await);
            let pushed = seqs(&events);
            assert!(pushed.is_sorted_by(|one, next| *next == one + 1), "in order, each once: {pushed:?}");
            // What `connected` counts is history; everything after it must be pushed.
            let seen: BTreeSet<i64> = (1..=known).chain(pushed.iter().copied()).collect();
            assert_eq!(seen, (1..=all).collect(), "{connected} then {pushed:?}");
        }
    }

    async fn five_hundred_bookings_reach_their_twenty_hosts_exactly_once(app, super::LONG) {
        const BOOKINGS: usize = 500;
        const HOSTS: usize = 20;
        const IN_FLIGHT: usize = 32;
        let mut devices = Vec::new();
        for host in 0..HOSTS {
            let host = format!("host-{host}");
            devices.push(app.connect_with(&token_with_mail(&host), "").await);
        }
        let read = join_all(devices.iter_mut().map(async |device| {
            let mut got = Vec::new();
            while got.len() < BOOKINGS / HOSTS {
                got.push(device.next_event("booking.created").await);
            }
            (got, seqs(&device.events_so_far().await))
        }));
        let book = stream::iter(0..BOOKINGS)
            .map(|number| {
                let (app, host) = (&app, format!("host-{}", number % HOSTS));
                async move { app.book("guest", &host).await }
            })
            .buffer_unordered(IN_FLIGHT)
            .collect::<Vec<Value>>();
        let (booked, read) = tokio::join!(book, read);
        let mut received = BTreeSet::new();
        for (number, (got, more)) in read.into_iter().enumerate() {
            assert_eq!(more, Vec::<i64>::new(), "host-{number}");
            let order: Vec<i64> = got.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
            assert_eq!(order, (1..=25).collect::<Vec<i64>>(), "host-{number}");
            for notification in got {
                assert_eq!(notification["userId"], format!("host-{number}"));
                received.insert(notification["id"].as_str().unwrap().to_owned());
            }
        }
        let sent: BTreeSet<String> = booked.iter().map(id_of).collect();
        assert_eq!(sent.len(), BOOKINGS);
        assert_eq!(received, sent);
        let all_confirmed = wait_until_async("all are confirmed", async || {
            let left = "SELECT notification_id AS value FROM deliveries WHERE state <> 'confirmed'";
            texts(app.database_url(), left).is_empty().then_some(())
        });
        tokio::select! {
            () = all_confirmed => {}
            _ = join_all(devices.iter_mut().map(TestSocket::stay)) => panic!("the devices were closed"),
        }
    }
}

on_both_databases! {
    async fn a_pong_confirms_what_came_before_its_ping_and_no_mail_is_sent(app, super::SHORT) {
        let mut device = connect_raw(&app, "host").await;
        let id = id_of(&app.book("guest", "host").await);
        let event = device.next_frame().await.unwrap().event();
        assert_eq!((&event["event"], &event["data"]["id"]), (&json!("booking.created"), &json!(id)));
        let count = device.next_frame().await.unwrap();
        assert_eq!((count.first, &count.event()["event"]), (FIN | TEXT, &json!("notification:unread_count")));
        let ping = device.next_frame().await.unwrap();
        assert_eq!((ping.first, ping.payload.as_slice()), (FIN | PING, &b"1"[..]), "it carries the seq");
        device.send(PONG, &ping.payload).await;
        await_delivery_state(app.database_url(), &id, "confirmed").await;

        // A later one of somebody who does not answer is mailed: by then this one would have been.
        let _silent = connect_raw(&app, "silent").await;
        app.book("guest", "silent").await;
        app.next_mail(&mail_of("silent")).await;
        assert_eq!(delivery_state(app.database_url(), &id), "confirmed");
        assert_eq!(app.unread_mails(), Vec::<std::path::PathBuf>::new());
    }

    async fn a_device_that_does_not_answer_gets_its_host_a_mail(app, super::SHORT) {
        let mut device = connect_raw(&app, "host").await;
        let booked = app.book("guest", "host").await;
        assert_eq!(device.next_event().await["event"], "booking.created", "it was pushed all the same");
        device.send(PONG, b"2").await;
        device.send(PONG, b"").await;
        let mail = app.next_mail(&mail_of("host")).await;
        assert!(mail.contains(booked["booking"]["id"].as_str().unwrap()), "{mail}");
        await_delivery_state(app.database_url(), &id_of(&booked), "emailed").await;
    }

    async fn each_category_has_its_own_deadline(app, [
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS_BY_CATEGORY__BOOKINGS", "300"),
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS_BY_CATEGORY__SOCIAL", "60000"),
        ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100"),
    ]) {
        let _silent = connect_raw(&app, "host").await;
        let like = json!({"userId": "host", "type": "LIKE", "category": "social", "title": "t", "message": "m"});
        let liked = app.post("/notifications", &app.service(), &like).await.expect(201);
        let booked = app.book("guest", "host").await;
        app.next_mail(&mail_of("host")).await;
        await_delivery_state(app.database_url(), &id_of(&booked), "emailed").await;
        let liked = liked["notifications"][0]["id"].as_str().unwrap();
        assert_eq!(delivery_state(app.database_url(), liked), "pending");
    }

    async fn who_configures_nothing_waits_five_seconds_for_a_dead_socket(app) {
        let _silent = connect_raw(&app, "host").await;
        let began = crate::support::clock::start();
        let booked = app.book("guest", "host").await;
        app.next_mail(&mail_of("host")).await;
        assert!(began.elapsed() >= std::time::Duration::from_secs(5), "after {:?}", began.elapsed());
        await_delivery_state(app.database_url(), &id_of(&booked), "emailed").await;
    }

    async fn a_late_pong_proves_all_that_came_before_it(app, super::LONG) {
        let mut device = connect_raw(&app, "host").await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(id_of(&app.book("guest", "host").await));
        }
        // All five, each an event and a count, and the one ping among them, which is not answered yet.
        let mut pings = Vec::new();
        for _ in 0..=2 * ids.len() {
            let frame = device.next_frame().await.unwrap();
            if frame.first == FIN | PING {
                pings.push(frame.payload);
            }
        }
        assert_eq!(pings, [b"1"]);
        device.send(PONG, b"1").await;
        let next = device.next_frame().await.unwrap();
        assert_eq!((next.first, next.payload.as_slice()), (FIN | PING, &b"5"[..]), "for all the others");
        device.send(PONG, b"5").await;
        for id in &ids {
            await_delivery_state(app.database_url(), id, "confirmed").await;
        }
    }

    async fn who_answers_only_the_newest_ping_proves_what_the_older_asked(app, super::HEARTBEATS) {
        let mut device = connect_raw(&app, "host").await;
        let ids = [id_of(&app.book("guest", "host").await), id_of(&app.book("guest", "host").await)];
        while device.next_event().await["data"]["seq"] != 2 {}
        while device.next_event().await["event"] != "heartbeat" {}
        let ping = device.next_frame().await.unwrap();
        assert_eq!((ping.first, ping.payload.as_slice()), (FIN | PING, &b"2"[..]), "it asks for both");
        device.send(PONG, &ping.payload).await;
        for id in &ids {
            await_delivery_state(app.database_url(), id, "confirmed").await;
        }
        while device.next_event().await["event"] != "heartbeat" {}
        assert_eq!(device.next_frame().await.unwrap().payload, b"heartbeat", "nothing waits");
    }
}
