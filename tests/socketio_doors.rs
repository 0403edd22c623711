//! What Socket.IO devices have beyond what every door gives, over each transport: polls and acks that prove,
//! connections that are recovered, several names for one notification, and the server's own pings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{Database, TestApp, TestAppBuilder, mail_of, token_with_mail};
use crate::support::deadline::wait_until_async;
use crate::support::door::{Call, Door};
use crate::support::records::{await_delivery_state, delivery_state};
use crate::support::socket::{Event, TestSocket};
use crate::support::socketio::Place;

/// Nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

async fn start(environment: &[(&str, &str)]) -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with_all(environment).start().await
}

/// A user of its own for each door.
fn host_at(door: Door) -> String {
    format!("host-{door:?}")
}

fn call(app: &TestApp, door: Door) -> Call {
    Call::new(door, app.address(), &token_with_mail(&host_at(door)))
}

/// The same without an address, for what is told while nobody is there.
fn mailless_call(app: &TestApp, door: Door) -> Call {
    Call::new(door, app.address(), &app.token(&host_at(door), &[]))
}

async fn connect(call: &Call) -> TestSocket {
    let mut device = TestSocket::call(call).await;
    device.await_connected().await;
    device
}

fn back_to(call: Call, place: &Place) -> Call {
    call.with("pid", json!(place.pid)).with("offset", json!(place.offset))
}

fn id_of(booked: &Value) -> String {
    booked["notification"]["id"].as_str().unwrap().to_owned()
}

/// The seqs of the notes among these.
fn notes(events: &[Event]) -> Vec<i64> {
    let notes = events.iter().filter(|event| event.name == "note");
    notes.map(|event| event.data["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn devices_at_all_doors_get_what_is_their_users_and_hear_that_it_was_read() {
    let app = start(&LONG).await;
    let mut devices = Vec::new();
    let mut strangers = Vec::new();
    for door in Door::ALL {
        devices.push(connect(&Call::new(door, app.address(), &app.token("host", &[]))).await);
        strangers.push(connect(&Call::new(door, app.address(), &app.token("hos", &[]))).await);
    }
    for reader in 0..devices.len() {
        let booked = app.book("guest", "host").await;
        let seq = reader + 1;
        for device in &mut devices {
            let notification = device.next_event("booking.created").await;
            assert_eq!((&notification["id"], &notification["seq"]), (&json!(id_of(&booked)), &json!(seq)));
            let count = device.next_event("notification:unread_count").await;
            assert_eq!(count, json!({"unread": 1, "seq": seq}));
        }
        devices[reader].send("markNotificationRead", json!(id_of(&booked))).await;
        for device in &mut devices {
            assert_eq!(device.next_event("notificationRead").await["ids"], json!([id_of(&booked)]));
            let count = device.next_event("notification:unread_count").await;
            assert_eq!(count, json!({"unread": 0, "seq": seq}));
        }
    }
    for device in devices.iter_mut().chain(&mut strangers) {
        assert_eq!(device.events_so_far().await, []);
    }
}

#[tokio::test]
async fn the_next_poll_proves_what_the_one_before_it_brought() {
    let app = start(&LONG).await;
    let mut device = connect(&call(&app, Door::Polling)).await;
    let id = id_of(&app.book("guest", &host_at(Door::Polling)).await);
    device.next_event("booking.created").await;
    // What is sent proves nothing, for it does not depend on what came.
    device.send("ping", Value::Null).await;
    device.send("ping", Value::Null).await;
    assert_eq!(delivery_state(app.database_url(), &id), "pending");
    device.listen_on();
    await_delivery_state(app.database_url(), &id, "confirmed").await;
}

#[tokio::test]
async fn who_asks_for_acks_proves_by_them_alone() {
    let app = start(&LONG).await;
    for door in Door::SOCKET_IO {
        let mut device = connect(&call(&app, door).with("acks", json!(true))).await;
        let id = id_of(&app.book("guest", &host_at(door)).await);
        device.next_event("notification:unread_count").await;
        // Everything that proves anything otherwise.
        device.events_so_far().await;
        device.events_so_far().await;
        assert_eq!(delivery_state(app.database_url(), &id), "pending", "{door:?}");
        assert_eq!(device.acknowledge().await, 2, "once for each name, over {door:?}");
        await_delivery_state(app.database_url(), &id, "confirmed").await;
    }
}

#[tokio::test]
async fn a_connection_that_broke_is_recovered_with_what_it_missed() {
    let mut app = start(&LONG).await;
    let mut places = Vec::new();
    for door in Door::SOCKET_IO {
        let mut device = connect(&mailless_call(&app, door)).await;
        app.tell(&host_at(door), 2).await;
        assert_eq!(device.next_event("note").await["seq"], 1);
        assert_eq!(device.next_event("note").await["seq"], 2);
        device.events_so_far().await;
        places.push((device.place(), device.socketio().sid().unwrap().to_owned()));
    }
    app.restart().await;
    for (door, (place, sid)) in Door::SOCKET_IO.into_iter().zip(places) {
        app.tell(&host_at(door), 2).await;
        // By whichever transport it comes back.
        for door_now in Door::SOCKET_IO {
            let mut call = back_to(mailless_call(&app, door), &place);
            call.door = door_now;
            let mut back = connect(&call).await;
            assert!(back.socketio().is_recovered(), "{door:?} by {door_now:?}");
            assert_eq!(back.socketio().sid(), Some(sid.as_str()));
            assert_eq!(back.next_event("resumed").await, json!({"from": 3, "to": 4}));
            assert_eq!(notes(&back.take_seen()), [3, 4]);
            back.close().await;
        }
    }
}

/// What was there before a connection that did not ask for it is not what that connection received.
#[tokio::test]
async fn who_is_recovered_claims_nothing_that_it_never_got() {
    let app = start(&LONG).await;
    for door in Door::SOCKET_IO {
        let silent =
            connect(&call(&app, Door::Raw).with("token", json!(token_with_mail(&host_at(door))))).await;
        let id = id_of(&app.book("guest", &host_at(door)).await);
        let mut device = connect(&call(&app, door)).await;
        let place = device.place();
        drop(device);
        let mut back = connect(&back_to(call(&app, door), &place)).await;
        assert!(back.socketio().is_recovered());
        back.events_so_far().await;
        // Reports are written in order: what this one claimed would be by now.
        let marker = id_of(&app.book("guest", &host_at(door)).await);
        back.next_event("booking.created").await;
        back.events_so_far().await;
        await_delivery_state(app.database_url(), &marker, "confirmed").await;
        assert_eq!(delivery_state(app.database_url(), &id), "pending", "{door:?}");
        drop(silent);
    }
}

#[tokio::test]
async fn nobody_recovers_what_was_anothers() {
    let app = start(&LONG).await;
    for door in Door::SOCKET_IO {
        app.tell(&host_at(door), 3).await;
        let mut device = connect(&mailless_call(&app, door)).await;
        let mut place = device.place();
        place.offset = "1".to_owned();
        let thief = Call::new(door, app.address(), &app.token("thief", &[]));
        let mut thief = connect(&back_to(thief, &place)).await;
        assert!(!thief.socketio().is_recovered());
        assert_ne!(thief.socketio().sid(), device.socketio().sid());
        assert_eq!(thief.events_so_far().await, []);
        thief.close().await;
    }
}

#[tokio::test]
async fn the_main_namespace_has_its_own_names() {
    let app = start(&LONG).await;
    for door in Door::SOCKET_IO {
        // Given the names, the device takes each event as it is.
        let mut names = connect(
            &call(&app, door)
                .in_namespace("/")
                .with("events", json!(["notification", "notification:new", "new_booking"])),
        )
        .await;
        let mut device = connect(&call(&app, door).in_namespace("/")).await;
        let id = id_of(&app.book("guest", &host_at(door)).await);
        app.tell(&host_at(door), 1).await;
        assert_eq!(device.next_event("booking.created").await["id"], id);
        assert_eq!(device.next_event("note").await["seq"], 2);
        let mut told = Vec::new();
        while told.len() < 5 {
            let event = names.next().await;
            if event.name != "notification:unread_count" {
                told.push((event.name, event.data["seq"].as_i64().unwrap()));
            }
        }
        told.sort_unstable();
        let expected = [
            ("new_booking", 1),
            ("notification", 1),
            ("notification", 2),
            ("notification:new", 1),
            ("notification:new", 2),
        ];
        assert_eq!(told, expected.map(|(name, seq)| (name.to_owned(), seq)), "{door:?}");
    }
}

#[tokio::test]
async fn what_a_device_did_not_want_is_not_told_and_is_mailed() {
    let app = start(&[
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "300"),
        ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100"),
    ])
    .await;
    for door in Door::SOCKET_IO {
        let mut device = connect(&call(&app, door).with("events", json!("note"))).await;
        let id = id_of(&app.book("guest", &host_at(door)).await);
        app.next_mail(&mail_of(&host_at(door))).await;
        await_delivery_state(app.database_url(), &id, "emailed").await;
        let names: Vec<String> = device.events_so_far().await.into_iter().map(|event| event.name).collect();
        assert!(names.iter().all(|name| name == "notification:unread_count"), "{door:?}: {names:?}");
    }
}

#[tokio::test]
async fn who_answers_the_servers_pings_stays_and_who_does_not_is_let_go() {
    const STAY: Duration = Duration::from_secs(3);
    let app = start(&[
        ("BELLHOP__SOCKETIO__PING_INTERVAL_MS", "500"),
        ("BELLHOP__SOCKETIO__PING_TIMEOUT_MS", "700"),
    ])
    .await;
    let mut silent = Vec::new();
    let mut answering = Vec::new();
    for door in Door::SOCKET_IO {
        silent.push(connect(&call(&app, door)).await);
        answering.push(connect(&call(&app, door)).await);
    }
    let stay = futures_util::future::join_all(answering.iter_mut().map(TestSocket::stay));
    tokio::time::timeout(STAY, stay).await.expect_err("they are not closed");
    let gone = format!("bellhop_sessions_closed_total{{reason=\"heartbeat_timeout\"}} {}", silent.len());
    let stay = futures_util::future::join_all(answering.iter_mut().map(TestSocket::stay));
    let let_go = wait_until_async("the silent are let go", async || {
        app.get("/metrics", "").await.text.lines().any(|line| line == gone).then_some(())
    });
    tokio::select! {
        () = let_go => {}
        _ = stay => panic!("they are closed"),
    }
    for mut device in silent {
        assert!(!device.end().await.disconnected, "they may come back");
    }
}
