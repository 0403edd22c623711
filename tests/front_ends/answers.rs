//! What the front ends' clients say and are answered: as events where they give no callback, to the callback
//! where they do, with the same data.

use serde_json::{Value, json};

use super::{leave, patient, settings};
use crate::support::app::TestApp;
use crate::support::node::{Client, Line, NodeClient, with_both_clients, with_every_client};

const SCRIPT: &str = "gateway_jwt.mjs";

async fn open(app: &TestApp, client: &Client) -> NodeClient {
    let mut page = client.run(SCRIPT, &settings(app, "7"));
    page.await_event("connected").await;
    page
}

/// What a user may say, with the name and the data of the answer; the presence is looked at apart.
fn conversation() -> Vec<(&'static str, Value, &'static str, Value)> {
    let own = json!({"userId": "7", "room": "user:7"});
    let mut said = vec![
        ("ping", json!({"a": [1, null, "ü✓"]}), "pong", json!({"a": [1, null, "ü✓"]})),
        ("ping", json!("text"), "pong", json!("text")),
        ("subscribe", json!("7"), "subscribed", own.clone()),
        ("subscribe", Value::Null, "subscribed", own.clone()),
        ("unsubscribe", json!("7"), "unsubscribed", own),
        ("subscribe", json!("8"), "error", json!("forbidden")),
        ("joinRoom", json!({"room": "user:8"}), "error", json!("forbidden")),
        ("joinRoom", json!({"room": "host_8"}), "error", json!("forbidden")),
        ("joinRoom", json!({"room": "role:ADMIN"}), "error", json!("forbidden")),
        ("joinRoom", json!({"room": "lobby"}), "error", json!("bad_room")),
        ("joinRoom", json!({}), "error", json!("bad_data")),
        ("dance", Value::Null, "error", json!("unknown_event")),
    ];
    for room in ["host-7", "host_7", "host:7", "user:7", "user_7"] {
        said.push(("joinRoom", json!({"room": room}), "joinedRoom", json!({"room": room})));
        said.push(("joinRoom", json!(room), "joinedRoom", json!({"room": room})));
        said.push(("leaveRoom", json!({"room": room}), "leftRoom", json!({"room": room})));
    }
    said
}

/// Asserts that `answer` says `wanted`: the data, or of an error its code.
fn assert_answer(question: &str, name: &str, answer: &Value, wanted: &Value) {
    if name == "error" {
        assert_eq!(&answer["code"], wanted, "{question}: {answer}");
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{question}: {answer}");
    } else {
        assert_eq!(answer, wanted, "{question}");
    }
}

fn assert_presence(stats: &Value) {
    assert_eq!((&stats["totalOnline"], &stats["connections"]), (&json!(1), &json!(1)), "{stats}");
    assert_eq!(
        (&stats["byRole"], &stats["users"]),
        (&json!({"PROFESSIONAL": 1}), &json!({"7": true, "8": false}))
    );
    assert!(stats["sessions"].is_number(), "{stats}");
}

with_every_client! {
    async fn an_event_is_answered_with_an_event(client) {
        let app = patient().start().await;
        let mut page = open(&app, &client).await;
        for (event, data, name, wanted) in conversation() {
            page.emit(event, data).await;
            let answer = page.await_event(name).await;
            assert_answer(event, name, &answer, &wanted);
        }
        page.emit("getPresence", json!({"userIds": ["7", "8"]})).await;
        assert_presence(&page.await_event("presenceStats").await);
        leave(&app, page, "disconnect").await;
    }

    async fn a_callback_gets_the_answer(client) {
        let app = patient().start().await;
        let mut page = open(&app, &client).await;
        for (event, data, name, wanted) in conversation() {
            let answer = page.ask(event, data).await;
            assert_answer(event, name, &answer, &wanted);
        }
        assert_presence(&page.ask("getPresence", json!({"userIds": ["7", "8"]})).await);
        let lines = page.lines_so_far().await;
        // A heartbeat tells that rooms have changed, whenever it comes.
        let is_answer = |line: &Line| line.saw == "event" && line.data["name"] != "heartbeat";
        assert!(!lines.iter().any(is_answer), "not as an event as well: {lines:?}");
        leave(&app, page, "disconnect").await;
    }

    async fn what_is_marked_read_is_told_to_every_device(client) {
        let app = patient().start().await;
        let (mut asker, mut other) = (open(&app, &client).await, open(&app, &client).await);
        let mut ids = Vec::new();
        for unread in 1..=4 {
            ids.push(app.book("guest", "7").await["notification"]["id"].clone());
            for page in [&mut asker, &mut other] {
                assert_eq!(page.await_event("notification:unread_count").await["unread"], unread);
            }
        }
        for (form, unread) in [
            (ids[0].clone(), 3),
            (json!({"id": ids[1]}), 2),
            (json!({"notificationId": ids[2]}), 1),
            (json!({"all": true}), 0),
        ] {
            let read = if unread % 2 == 0 {
                asker.ask("markNotificationRead", form.clone()).await
            } else {
                asker.emit("markNotificationRead", form.clone()).await;
                asker.await_event("notificationRead").await
            };
            assert_eq!(
                (&read["ids"], &read["unread"]),
                (&json!([ids[3 - unread]]), &json!(unread)),
                "{form}"
            );
            assert_eq!(other.await_event("notificationRead").await, read, "{form}");
            for page in [&mut asker, &mut other] {
                assert_eq!(
                    page.await_event("notification:unread_count").await,
                    json!({"unread": unread, "seq": 4})
                );
            }
        }
        asker.leave("disconnect").await;
        leave(&app, other, "disconnect").await;
    }

    async fn bytes_come_back_as_bytes(client) {
        let app = patient().start().await;
        let mut page = open(&app, &client).await;
        for bytes in [json!([0, 127, 128, 255]), json!([]), json!(vec![7; 30_000])] {
            let question = json!({"do": "emitBytes", "event": "ping", "bytes": bytes});
            page.tell(&question).await;
            assert_eq!(page.await_event("pong").await["bytes"], bytes);
            let mut question = question;
            question["ack"] = json!(true);
            page.tell(&question).await;
            assert_eq!(page.await_line("ack").await[0]["bytes"], bytes);
        }
        leave(&app, page, "disconnect").await;
    }
}

with_both_clients! {
    async fn nothing_as_data_is_understood(client) {
        let app = patient().start().await;
        let mut page = open(&app, &client).await;
        for (event, name) in [("ping", "pong"), ("subscribe", "subscribed"), ("getPresence", "presenceStats")]
        {
            page.tell(&json!({"do": "emit", "event": event})).await;
            page.await_event(name).await;
            page.tell(&json!({"do": "emit", "event": event, "ack": true})).await;
            assert_eq!(page.await_line("ack").await.as_array().map(Vec::len), Some(1), "{event}");
        }
        leave(&app, page, "disconnect").await;
    }
}
