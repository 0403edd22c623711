//! The hybrid roadmap's front end: a badge from the static API, `new_booking` over a socket of a few
//! seconds, the host's room in both of its spellings, and mail for a host who is offline.

use serde_json::json;

use super::{assert_once_under, await_everybody_gone, leave, patient, settings_with};
use crate::support::app::{mail_of, token_with_mail};
use crate::support::node::{Line, count, with_both_clients, with_every_client};

const SCRIPT: &str = "hybrid_roadmap.mjs";

/// So long a page waits for its first delivery where a test is about that, on a slow machine too.
const PATIENCE_MS: u64 = 15_000;

with_every_client! {
    async fn the_alert_and_the_static_api_tell_the_same_booking(client) {
        let app = patient().start().await;
        for (room, seq) in [("host_7", 1), ("host-7", 2)] {
            let mut host = client.run(SCRIPT, &settings_with(&app, "7", &json!({"room": room})));
            assert_eq!(host.await_line("badge").await, 0);
            assert_eq!(host.await_line("joined").await, room);
            let booked = app.book("guest", "7").await;
            let alert = host.await_line("alert").await;
            assert_eq!((&alert["id"], &alert["seq"]), (&booked["notification"]["id"], &json!(seq)));
            let lines = host.lines_so_far().await;
            assert_once_under(&lines, &["notification", "notification:new", "new_booking"], &alert);

            host.tell_to("dropdown").await;
            assert_eq!(host.await_line("dropdown").await[0], alert);
            host.tell_to("badge").await;
            assert_eq!(host.await_line("badge").await, 1);
            host.tell(&json!({"do": "markAsRead", "ids": [alert["id"]]})).await;
            assert_eq!(host.await_line("marked").await["unread"], 0);
            assert_eq!(host.await_line("badge").await, 0);
            let read = host.await_event("notificationRead").await;
            assert_eq!((&read["ids"], &read["unread"]), (&json!([alert["id"]]), &json!(0)), "{read}");
            leave(&app, host, "disconnect").await;
        }
    }

    async fn a_host_who_leaves_at_the_first_delivery_is_gone(client) {
        let app = patient().start().await;
        let mut host = client
            .run(SCRIPT, &settings_with(&app, "7", &json!({"room": "host-7", "leavesAfter": PATIENCE_MS})));
        host.await_line("joined").await;
        let booked = app.book("guest", "7").await;
        assert_eq!(host.await_line("alert").await["id"], booked["notification"]["id"]);
        assert_eq!(host.await_line("disconnect").await, "io client disconnect");
        host.take_seen();
        assert_eq!(count(&host.finish().await, "connect"), 0);
        await_everybody_gone(&app).await;
    }
}

with_both_clients! {
    async fn a_host_who_leaves_at_the_first_delivery_needs_no_mail(client) {
        let app = patient().start().await;
        let client = client.over(&["websocket"]);
        let settings = settings_with(&app, "7", &json!({"room": "host-7", "leavesAfter": PATIENCE_MS}));
        let mut host = client.run(SCRIPT, &settings);
        host.await_line("joined").await;
        let booked = app.book("guest", "7").await;
        host.await_line("alert").await;
        host.finish().await;
        // Its WebSocket has answered what was asked behind the booking, after the page had said goodbye.
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
    }

    async fn who_left_after_some_seconds_finds_later_bookings_in_the_badge(client) {
        let app = patient().start().await;
        let mut host =
            client.run(SCRIPT, &settings_with(&app, "7", &json!({"room": "host-7", "leavesAfter": 2_500})));
        assert_eq!(host.await_line("badge").await, 0);
        assert_eq!(host.await_line("disconnect").await, "io client disconnect");
        assert_eq!(host.await_line("badge").await, 0, "asked when it had left");
        await_everybody_gone(&app).await;
        app.book("guest", "7").await;
        host.tell_to("badge").await;
        assert_eq!(host.await_line("badge").await, 1);
        assert_eq!(count(&host.finish().await, "alert"), 0);
    }

    async fn the_server_may_end_the_socket_and_the_page_falls_back_to_the_api(client) {
        let app = patient().start().await;
        for (wish, books) in [(json!({"ttl": 2}), false), (json!({"once": true}), true)] {
            let mut host =
                client.run(SCRIPT, &settings_with(&app, "7", &json!({"room": "host-7", "auth": wish})));
            assert_eq!(host.await_line("badge").await, 0);
            host.await_line("joined").await;
            if books {
                app.book("guest", "7").await;
                host.await_line("alert").await;
            }
            let (_, after) = host.await_expulsion().await;
            assert_eq!(after, [Line { saw: "badge".to_owned(), data: json!(i64::from(books)) }]);
            await_everybody_gone(&app).await;
        }
    }

    async fn a_host_who_is_offline_gets_mail(client) {
        let app = patient().with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100").start().await;
        let with_mail = json!({"room": "host-7", "token": token_with_mail("7")});
        let mut host = client.run(SCRIPT, &settings_with(&app, "7", &with_mail));
        host.await_line("joined").await;
        let pushed = app.book("guest", "7").await;
        host.await_line("alert").await;
        app.wait_for_delivery(&pushed["notification"], "confirmed").await;
        leave(&app, host, "disconnect").await;
        let mailed = app.book("guest", "7").await;
        let mail = app.next_mail(&mail_of("7")).await;
        assert!(mail.contains(mailed["booking"]["id"].as_str().unwrap()), "{mail}");
        let list = app.get("/notifications/list", &app.token("7", &[])).await.expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(2), "{list}");
    }
}
