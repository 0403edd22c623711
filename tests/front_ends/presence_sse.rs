//! The front end of the presence and SSE document: `ws://…/ws/notifications` as a URL whose path is the
//! namespace, three ways to hand the token over, and a handler for each type of notification.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_once_under, leave, patient, settings, settings_with};
use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::clock;
use crate::support::node::{count, with_both_clients, with_every_client};

const SCRIPT: &str = "presence_sse.mjs";

async fn publish(app: &TestApp, body: &Value) {
    app.post("/notifications", &app.service(), body).await.expect(201);
}

with_every_client! {
    async fn each_type_has_its_handler(client) {
        let app = patient().start().await;
        let mut service = client.run(SCRIPT, &settings(&app, "7"));
        service.await_line("Connected to notification service").await;
        service.tell_to("isConnected").await;
        assert_eq!(service.await_line("isConnected").await, true);

        let booked = app.book("guest", "7").await;
        let booking = service.await_line("New booking:").await;
        assert_eq!(booking["id"], booked["notification"]["id"]);
        let review =
            json!({"type": "review.created", "userId": "7", "message": "Five stars", "data": {"stars": 5}});
        publish(&app, &review).await;
        let review = service.await_line("New review:").await;
        assert_eq!((&review["seq"], &review["data"]["stars"]), (&json!(2), &json!(5)));
        publish(&app, &json!({"type": "nearby-job", "userId": "7", "data": {"jobId": "j-1"}})).await;
        let job = service.await_line("Nearby job:").await;
        assert_eq!((&job["seq"], &job["data"]["jobId"]), (&json!(3), &json!("j-1")));

        let lines = service.lines_so_far().await;
        for notification in [&booking, &review, &job] {
            let kind = notification["type"].as_str().unwrap();
            assert_once_under(&lines, &[kind, "notification"], notification);
            app.wait_for_delivery(notification, "confirmed").await;
        }
        service.tell_to("disconnect").await;
        service.await_line("Disconnected from notification service").await;
        service.tell_to("isConnected").await;
        assert_eq!(service.await_line("isConnected").await, false);
        service.finish().await;
    }

    async fn the_token_may_be_in_a_header_the_query_or_auth(client) {
        let app = patient().start().await;
        for (way, seq) in [("header", 1), ("query", 2), ("auth", 3)] {
            let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"way": way})));
            assert_eq!(page.await_event("connected").await["userId"], "7", "{way}");
            app.book("guest", "7").await;
            let booking = page.await_event("booking.created").await;
            assert_eq!(booking["seq"], seq, "{way}");
            leave(&app, page, "disconnect").await;
        }
    }

    async fn a_path_of_the_clients_own_leads_to_the_same_door(client) {
        let app = patient().start().await;
        for path in ["/ws/notifications", "/ws/notifications/", "/socket.io"] {
            let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"options": {"path": path}})));
            assert_eq!(page.await_event("connected").await["userId"], "7", "{path}");
            app.book("guest", "7").await;
            page.await_line("New booking:").await;
            leave(&app, page, "disconnect").await;
        }
    }

    async fn two_namespaces_share_a_connection_and_not_their_ends(client) {
        let app = patient().start().await;
        let mut page = client.run("two_namespaces.mjs", &settings(&app, "7"));
        for _ in 0..2 {
            page.await_event("connected").await;
        }
        page.tell_to("shared").await;
        assert_eq!(page.await_line("shared").await, true);
        let booked = app.book("guest", "7").await;
        for namespace in ["bell", "service"] {
            assert_eq!(page.await_line(namespace).await["id"], booked["notification"]["id"], "{namespace}");
        }
        page.tell_to("closeBell").await;
        assert_eq!(page.await_line("disconnect").await, "io client disconnect");
        let booked = app.book("guest", "7").await;
        assert_eq!(page.await_line("service").await["id"], booked["notification"]["id"]);
        let lines = page.lines_so_far().await;
        assert_eq!(count(&lines, "bell") + count(&lines, "service"), 0, "{lines:?}");
        leave(&app, page, "disconnect").await;
    }
}

with_both_clients! {
    async fn pings_of_the_pages_own_keep_it_alive(client) {
        let app = patient().start().await;
        let mut service = client.run(SCRIPT, &settings_with(&app, "7", &json!({"pingEvery": 50})));
        for _ in 0..5 {
            assert_eq!(service.await_event("pong").await, Value::Null);
        }
        leave(&app, service, "disconnect").await;
    }

    async fn the_server_tells_the_state_with_each_heartbeat(client) {
        let app = patient().with("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "250").start().await;
        let mut service = client.run(SCRIPT, &settings(&app, "7"));
        app.book("guest", "7").await;
        crate::support::deadline::wait_until_async("a heartbeat after the booking", async || {
            let beat = service.await_event("heartbeat").await;
            assert!(beat["serverTime"].is_string(), "{beat}");
            (beat["seq"] == 1 && beat["unread"] == 1).then_some(())
        })
        .await;
        leave(&app, service, "disconnect").await;
    }

    async fn roles_and_sessions_are_rooms_from_the_start(client) {
        let app = patient().start().await;
        let token = token_of(&json!({
            "userId": "7", "role": "PROFESSIONAL", "sessionId": "s-9", "exp": seconds_from_now(3_600)
        }));
        let mut service = client.run(SCRIPT, &settings_with(&app, "7", &json!({"token": token})));
        assert_eq!(service.await_event("connected").await["sessionId"], "s-9");
        publish(&app, &json!({"type": "system.maintenance", "role": "PROFESSIONAL"})).await;
        assert_eq!(service.await_event("system.maintenance").await["seq"], 1);
        let passing = json!({"type": "system.test", "passing": true, "room": "session:s-9"});
        app.post("/notifications", &app.service(), &passing).await.expect(202);
        assert_eq!(service.await_event("system.test").await["seq"], Value::Null);
        service.tell(&json!({"do": "joinRoom", "room": "role:PROFESSIONAL"})).await;
        assert_eq!(service.await_event("joinedRoom").await, json!({"room": "role:PROFESSIONAL"}));
        leave(&app, service, "disconnect").await;
    }

    async fn who_speaks_too_fast_is_told_and_who_goes_on_is_disconnected(client) {
        let app = patient()
            .with_all(&[("RATE_LIMIT_MAX_REQUESTS", "3"), ("RATE_LIMIT_WINDOW_MS", "60000")])
            .with("BELLHOP__SESSION__RATE_LIMIT_STRIKES", "2")
            .start()
            .await;
        let mut service = client.run(SCRIPT, &settings(&app, "7"));
        service.await_event("connected").await;
        for number in 0..6 {
            service.emit("ping", json!(number)).await;
        }
        for number in 0..3 {
            assert_eq!(service.await_event("pong").await, number);
        }
        let error = service.await_event("error").await;
        assert_eq!(error["code"], "rate_limited", "{error}");
        assert!(error["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{error}");
        assert_eq!(service.await_line("disconnect").await, "io server disconnect");
        service.tell_to("disconnect").await;
        service.finish().await;
    }

    async fn the_end_of_a_token_ends_its_session(client) {
        let app = patient().with("BELLHOP__AUTH__LEEWAY_SECONDS", "0").start().await;
        let start = clock::start();
        let token = token_of(&json!({"userId": "7", "exp": seconds_from_now(8)}));
        let mut service = client.run(SCRIPT, &settings_with(&app, "7", &json!({"token": token})));
        service.await_event("connected").await;
        assert_eq!(service.await_line("disconnect").await, "transport close");
        assert!(start.elapsed() >= Duration::from_secs(7));
        // It comes back by itself and is told why it may not stay.
        let error = service.await_line("connect_error").await;
        assert_eq!(error["data"]["code"], "token_expired", "{error}");
        service.tell_to("disconnect").await;
        service.finish().await;
    }
}
