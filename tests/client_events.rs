//! What clients may say, and what they are answered. Rooms have a file of their own.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::both::on_every_door;
use crate::support::deadline::wait_until_async;
use crate::support::socket::TestSocket;

/// Nobody speaks too fast.
const PATIENT: [(&str, &str); 1] = [("RATE_LIMIT_MAX_REQUESTS", "100000")];
/// Who goes on after two warnings is disconnected.
const STRICT: [(&str, &str); 3] = [
    ("RATE_LIMIT_MAX_REQUESTS", "3"),
    ("RATE_LIMIT_WINDOW_MS", "60000"),
    ("BELLHOP__SESSION__RATE_LIMIT_STRIKES", "2"),
];
/// Short windows, and nobody is disconnected.
const LENIENT: [(&str, &str); 3] = [
    ("RATE_LIMIT_MAX_REQUESTS", "1"),
    ("RATE_LIMIT_WINDOW_MS", "300"),
    ("BELLHOP__SESSION__RATE_LIMIT_STRIKES", "100000"),
];

/// A server for what only the raw door has.
async fn patient() -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with_all(&PATIENT).start().await
}

/// Sends an event and awaits `answer`, which must be the next thing that is said.
async fn ask(socket: &mut TestSocket, event: &str, data: Value, answer: &str) -> Value {
    socket.send(event, data).await;
    let said = socket.next_news().await;
    assert_eq!(said.name, answer, "{event}: {said:?}");
    said.data
}

async fn assert_refused(socket: &mut TestSocket, event: &str, data: Value, code: &str) {
    let error = ask(socket, event, data, "error").await;
    assert_eq!(error["code"], code, "{event}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
}

on_every_door! {
    async fn ping_is_answered_with_whatever_it_carried(app, super::PATIENT) {
        let mut socket = app.connect("7").await;
        for data in [json!(null), json!(1.5), json!("ü✓"), json!([1, [2]]), json!({"a": {"b": null}})] {
            assert_eq!(ask(&mut socket, "ping", data.clone(), "pong").await, data);
        }
    }

    async fn a_question_that_wants_an_answer_of_its_own_gets_it(app, super::PATIENT) {
        let mut socket = app.connect("7").await;
        assert_eq!(socket.ask("ping", json!({"a": [1]})).await, json!({"a": [1]}));
        assert_eq!(socket.ask("getPresence", Value::Null).await["totalOnline"], 1);
        assert_eq!(socket.ask("subscribe", Value::Null).await["room"], "user:7");
        assert_eq!(socket.ask("dance", Value::Null).await["code"], "unknown_event");
        assert_eq!(socket.ask("joinRoom", json!("user:8")).await["code"], "forbidden");
        assert_eq!(socket.take_seen(), [], "each is answered once");
    }

    async fn one_subscribes_to_oneself_and_to_nobody_else(app, super::PATIENT) {
        let mut socket = app.connect("7").await;
        let own = json!({"userId": "7", "room": "user:7"});
        for data in [json!(null), json!("7"), json!(7), json!({"userId": "7"})] {
            assert_eq!(ask(&mut socket, "subscribe", data.clone(), "subscribed").await, own);
            assert_eq!(ask(&mut socket, "unsubscribe", data, "unsubscribed").await, own);
        }
        for event in ["subscribe", "unsubscribe"] {
            for data in [json!("8"), json!(8), json!({"userId": "8"}), json!("")] {
                assert_refused(&mut socket, event, data, "forbidden").await;
            }
            for data in [json!([]), json!(true), json!({"userId": []}), json!({"user": "7"})] {
                assert_refused(&mut socket, event, data, "bad_data").await;
            }
        }
    }

    async fn who_unsubscribes_gets_nothing_until_subscribing_again(app, super::PATIENT) {
        let (mut quiet, mut other) = (app.connect("7").await, app.connect("7").await);
        ask(&mut quiet, "unsubscribe", Value::Null, "unsubscribed").await;
        app.book("guest", "7").await;
        assert_eq!(other.next_event("booking.created").await["seq"], 1);
        assert_eq!(quiet.events_so_far().await, [], "the other device had it");

        ask(&mut quiet, "subscribe", Value::Null, "subscribed").await;
        app.book("guest", "7").await;
        // Then without a hole.
        for seq in 1..=2 {
            assert_eq!(quiet.next_event("booking.created").await["seq"], seq);
        }
    }

    async fn presence_tells_totals_to_all(app, super::PATIENT) {
        let mut host = app.connect("7").await;
        let _second = app.connect("7").await;
        let _guest = app.connect_with(&app.token("g", &["CUSTOMER", "professional"]), "").await;
        let stats = ask(&mut host, "getPresence", Value::Null, "presenceStats").await;
        assert_eq!((&stats["totalOnline"], &stats["connections"]), (&json!(2), &json!(3)), "{stats}");
        assert_eq!(stats["byRole"], json!({"CUSTOMER": 1, "PROFESSIONAL": 2}));
        assert!(stats["sessions"].is_number() && stats["users"].is_null(), "{stats}");
        for data in [json!("7"), json!({"userIds": "7"}), json!({"userIds": [7]}), json!({"userIds": [""]})] {
            assert_refused(&mut host, "getPresence", data, "bad_data").await;
        }
        let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
        assert_refused(&mut host, "getPresence", json!({"userIds": many}), "bad_data").await;
    }

    async fn a_stranger_looks_the_same_online_offline_and_unknown(app, super::PATIENT) {
        let _online = app.connect("online").await;
        app.connect("offline").await.close().await;
        let question = json!({"userIds": ["7", "online", "offline", "unknown"]});
        let mut host = app.connect("7").await;
        let stats = ask(&mut host, "getPresence", question.clone(), "presenceStats").await;
        let users = json!({"7": true, "online": false, "offline": false, "unknown": false});
        assert_eq!(stats["users"], users);
        for role in ["ADMIN", "service"] {
            let mut entitled = app.connect_with(&app.token("x", &[role]), "").await;
            let stats = ask(&mut entitled, "getPresence", question.clone(), "presenceStats").await;
            let users = json!({"7": true, "online": true, "offline": false, "unknown": false});
            assert_eq!(stats["users"], users, "{role}");
        }
    }

    async fn notifications_are_marked_read_in_every_form_on_every_device(app, super::PATIENT) {
        let (mut asker, mut other) = (app.connect("7").await, app.connect("7").await);
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(app.book("guest", "7").await["notification"]["id"].clone());
        }
        for _ in 0..8 {
            asker.next_event("notification:unread_count").await;
            other.next_event("notification:unread_count").await;
        }
        for (form, read, unread) in [
            (ids[0].clone(), &ids[0..1], 7),
            (json!({"id": ids[1]}), &ids[1..2], 6),
            (json!({"notificationId": ids[2]}), &ids[2..3], 5),
            (json!({"ids": [ids[3], ids[4], ids[0]]}), &ids[3..5], 3),
            (json!({"upTo": 6}), &ids[5..6], 2),
            (json!({"all": true}), &ids[6..8], 0),
            (json!({"all": true}), &[], 0),
        ] {
            asker.send("markNotificationRead", form.clone()).await;
            let answer = asker.next_event("notificationRead").await;
            let mut told: Vec<&str> =
                answer["ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            told.sort_unstable();
            let expected: Vec<&str> = read.iter().filter_map(Value::as_str).collect();
            assert_eq!((told, &answer["unread"]), (expected, &json!(unread)), "{form}");
            if !read.is_empty() {
                assert_eq!(other.next_event("notificationRead").await, answer, "{form}");
                for device in [&mut asker, &mut other] {
                    let count = device.next_event("notification:unread_count").await;
                    assert_eq!(count, json!({"unread": unread, "seq": 8}), "{form}");
                }
            }
        }
        let list = app.get("/notifications/list?unread=true", &app.token("7", &[])).await.expect(200);
        assert_eq!(list["items"], json!([]));
    }

    async fn nobody_marks_what_is_anothers(app, super::PATIENT) {
        let mut host = app.connect("7").await;
        let id = app.book("guest", "7").await["notification"]["id"].clone();
        host.next_event("notification:unread_count").await;
        let mut stranger = app.connect("8").await;
        let answer = ask(&mut stranger, "markNotificationRead", id, "notificationRead").await;
        assert_eq!((&answer["ids"], &answer["unread"]), (&json!([]), &json!(0)));
        assert!(!host.events_so_far().await.iter().any(|event| event.name == "notificationRead"));
        for data in [
            json!(null),
            json!(7),
            json!("not a uuid"),
            json!({}),
            json!({"ids": []}),
            json!({"upTo": -1}),
            json!({"upTo": "7"}),
            json!({"all": false}),
            json!({"all": true, "upTo": 1}),
        ] {
            assert_refused(&mut host, "markNotificationRead", data, "bad_data").await;
        }
    }

    async fn what_is_not_understood_is_told_and_the_connection_stays(app, super::PATIENT) {
        let mut socket = app.connect("7").await;
        for event in ["dance", "", "Ping", "connected"] {
            assert_refused(&mut socket, event, Value::Null, "unknown_event").await;
        }
        assert_eq!(ask(&mut socket, "ping", json!(1), "pong").await, 1);
    }
}

#[tokio::test]
async fn a_ping_needs_no_data_and_a_ping_frame_is_the_librarys_matter() {
    let app = patient().await;
    let mut socket = app.connect("7").await;
    socket.send_message(Message::text(r#"{"event":"ping"}"#)).await;
    assert_eq!(socket.next().await.name, "pong");
    socket.send_message(Message::Ping(b"frame"[..].into())).await;
    assert_eq!(ask(&mut socket, "ping", json!(2), "pong").await, 2);
}

#[tokio::test]
async fn an_answer_echoes_the_id_of_its_question() {
    let app = patient().await;
    let mut socket = app.connect("7").await;
    for id in [json!("a-1"), json!(17), json!("")] {
        for (event, answer) in [
            ("ping", "pong"),
            ("getPresence", "presenceStats"),
            ("dance", "error"),
            ("subscribe", "subscribed"),
        ] {
            let question = json!({"event": event, "id": id});
            socket.send_message(Message::text(question.to_string())).await;
            let said = socket.next().await;
            assert_eq!((said.name.as_str(), said.id), (answer, Some(id.clone())));
        }
    }
    socket.send("ping", Value::Null).await;
    assert_eq!(socket.next().await.id, None);
}

#[tokio::test]
async fn text_that_is_no_event_is_told_and_the_connection_stays() {
    let app = patient().await;
    let mut socket = app.connect("7").await;
    for text in [
        "",
        "hello",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"event":1}"#,
        r#"{"event":"ping","id":{}}"#,
        r#"{"event":"ping","data":}"#,
    ] {
        socket.send_message(Message::text(text)).await;
        let said = socket.next().await;
        assert_eq!((said.name.as_str(), &said.data["code"]), ("error", &json!("bad_frame")), "{text}");
    }
    let deep = format!(r#"{{"event":"ping","data":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    socket.send_message(Message::text(deep)).await;
    assert_eq!(socket.next().await.name, "error");
    assert_eq!(ask(&mut socket, "ping", json!(1), "pong").await, 1);
}

#[tokio::test]
async fn a_binary_message_ends_the_connection() {
    let app = patient().await;
    let mut socket = app.connect("7").await;
    socket.send_message(Message::binary(&b"\x00"[..])).await;
    assert_eq!(socket.expect_close().await, (1003, "unsupported_data".to_owned()));
}

on_every_door! {
    async fn who_speaks_too_fast_is_told_and_who_goes_on_is_disconnected(app, super::STRICT) {
        let (mut fast, mut other) = (app.connect("7").await, app.connect("7").await);
        for number in 0..3 {
            assert_eq!(ask(&mut fast, "ping", json!(number), "pong").await, number);
        }
        for _ in 0..2 {
            let error = ask(&mut fast, "ping", Value::Null, "error").await;
            assert_eq!(error["code"], "rate_limited");
            let wait = error["retryAfterMs"].as_u64().unwrap();
            assert!((1..=60_000).contains(&wait), "{error}");
        }
        fast.try_send("ping", Value::Null).await;
        fast.expect_end(4008, "rate_limited").await;
        assert_eq!(ask(&mut other, "ping", json!(1), "pong").await, 1, "each connection has its own count");
    }

    async fn who_was_told_to_wait_may_go_on_in_the_next_window(app, super::LENIENT) {
        let mut socket = app.connect("7").await;
        let mut told = false;
        wait_until_async("a window after the one that was full", async || {
            socket.send("ping", Value::Null).await;
            let said = socket.next().await;
            told |= said.name == "error";
            (told && said.name == "pong").then_some(())
        })
        .await;
    }
}
