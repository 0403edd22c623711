//! The React hook: no token in its code, `subscribe` at each connect, notifications of likes, comments and
//! followers, several devices, and a clean-up that unsubscribes before it disconnects.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{await_everybody_gone, leave, patient, settings_with, with_cookie};
use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, TestApp, token_for};
use crate::support::node::{Client, NodeClient, count, events, with_both_clients, with_every_client};
use crate::support::port::free_port;
use crate::support::process::ProcessBuilder;

const SCRIPT: &str = "visual_architecture.mjs";

fn open(app: &TestApp, client: &Client, user: &str) -> NodeClient {
    let cookie = with_cookie(&app.token(user, &["CUSTOMER"]));
    client.run(SCRIPT, &settings_with(app, user, &json!({"token": null, "options": cookie})))
}

/// What its services send.
fn like() -> Value {
    json!({
        "type": "LIKE", "message": "john liked your post", "userId": "user-123", "actorId": "user-456",
        "actorName": "john", "actorAvatar": "https://example.com/john.png",
        "data": {"postId": "post-1", "likeId": "like-9", "likeCount": 43}
    })
}

fn comment() -> Value {
    let data = json!({"commentId": "c-1"});
    json!({"type": "COMMENT", "message": "John commented", "userId": "user-123", "data": data})
}

fn follow() -> Value {
    json!({"type": "FOLLOW", "message": "John follows you", "userId": "user-123"})
}

async fn publish(app: &TestApp, body: &Value) -> Value {
    let mut answer = app.post("/notifications", &app.service(), body).await.expect(201);
    answer["notifications"][0].take()
}

with_every_client! {
    async fn likes_comments_and_followers_arrive_once_each(client) {
        let app = patient().start().await;
        let mut bell = open(&app, &client, "user-123");
        bell.await_line("✅ Connected").await;
        let subscribed = bell.await_line("✅ Subscribed:").await;
        assert_eq!(subscribed["userId"], "user-123", "{subscribed}");

        let told =
            [publish(&app, &like()).await, publish(&app, &comment()).await, publish(&app, &follow()).await];
        let mut got = Vec::new();
        for _ in &told {
            got.push(bell.await_line("🔔 Got notification:").await);
        }
        for (got, told) in got.iter().zip(&told) {
            assert_eq!((&got["id"], &got["seq"]), (&told["id"], &told["seq"]));
        }
        for (field, wanted) in like().as_object().unwrap() {
            assert_eq!(&got[0][field], wanted, "{field}");
        }
        let time = got[0]["timestamp"].as_str().unwrap();
        assert!(time.len() == "2026-01-06T15:30:45.123Z".len() && time.ends_with('Z'), "{time}");
        for message in ["john liked your post", "John commented", "John follows you"] {
            assert_eq!(bell.await_line("toast").await, message);
        }
        assert_eq!(bell.await_line("post").await, "post-1");
        assert_eq!(bell.await_line("comment").await, "c-1");
        bell.await_line("follower").await;

        let lines = bell.lines_so_far().await;
        let shown = lines.iter().rev().find(|line| line.saw == "render").unwrap();
        let list = json!([told[2]["id"], told[1]["id"], told[0]["id"]]);
        assert_eq!(shown.data, json!({"list": list, "badge": 3, "offline": false}));
        assert_eq!(count(&lines, "🔔 Got notification:"), 0, "each came once");
        for name in ["notification", "notification:new"] {
            assert_eq!(events(&lines, name), got.iter().collect::<Vec<&Value>>(), "{name}");
        }
        for told in &told {
            app.wait_for_delivery(told, "confirmed").await;
        }
        leave(&app, bell, "unmount").await;
    }

    async fn every_device_is_told_and_closing_one_leaves_the_others(client) {
        let app = patient().start().await;
        let mut devices: Vec<NodeClient> = (0..3).map(|_| open(&app, &client, "user-123")).collect();
        for device in &mut devices {
            device.await_line("✅ Subscribed:").await;
        }
        let first = publish(&app, &like()).await;
        for device in &mut devices {
            assert_eq!(device.await_line("🔔 Got notification:").await["id"], first["id"]);
        }
        let gone = devices.pop().unwrap();
        gone.leave("unmount").await;
        let second = publish(&app, &follow()).await;
        for device in &mut devices {
            assert_eq!(device.await_line("🔔 Got notification:").await["id"], second["id"]);
            device.tell_to("unmount").await;
        }
        for device in devices {
            assert_eq!(count(&device.finish().await, "🔔 Got notification:"), 0);
        }
        await_everybody_gone(&app).await;
    }
}

with_both_clients! {
    async fn the_hook_finds_its_server_on_a_port_of_its_own(client) {
        let second = free_port();
        let server = ProcessBuilder::new(&[])
            .with("JWT_SECRET", JWT_SECRET)
            .with("PORT_2", &second.to_string())
            .serve()
            .await;
        let cookie = with_cookie(&token_for("user-123", &[]));
        let address = format!("http://{}:{second}", Ipv4Addr::LOCALHOST);
        let mut bell = client.run(SCRIPT, &json!({"server": address, "user": "user-123", "options": cookie}));
        bell.await_line("✅ Subscribed:").await;
        let request = reqwest::Client::new().post(server.url("/notifications")).json(&like());
        let told = Answer::of(request.bearer_auth(token_for("backend", &["SERVICE"]))).await.expect(201);
        assert_eq!(bell.await_line("🔔 Got notification:").await["id"], told["notifications"][0]["id"]);
        bell.leave("unmount").await;
    }

    async fn who_subscribes_to_another_is_told_and_stays_connected(client) {
        let app = patient().start().await;
        let cookie = with_cookie(&app.token("user-123", &[]));
        let mut bell =
            client.run(SCRIPT, &settings_with(&app, "test-user", &json!({"token": null, "options": cookie})));
        let error = bell.await_line(" Socket error:").await;
        assert_eq!(error["code"], "forbidden", "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        bell.tell_to("status").await;
        assert_eq!(bell.await_line("status").await["connected"], true);
        let told = publish(&app, &like()).await;
        let body = json!({"type": "LIKE", "userId": "test-user"});
        publish(&app, &body).await;
        assert_eq!(bell.await_line("🔔 Got notification:").await["id"], told["id"]);
        let lines = bell.lines_so_far().await;
        assert_eq!(
            (count(&lines, "✅ Subscribed:"), count(&lines, "🔔 Got notification:")),
            (0, 0),
            "{lines:?}"
        );
        leave(&app, bell, "unmount").await;
    }
}
