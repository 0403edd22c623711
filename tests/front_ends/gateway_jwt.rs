//! The gateway's front end: `io('/ws/notifications', {auth: {token}})` on a page of the server's own origin,
//! one handler for `notification`, and a socket that may end after two or three seconds.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_once_under, leave, patient, settings, settings_with};
use crate::support::app::TestApp;
use crate::support::clock;
use crate::support::node::{Client, count, with_both_clients, with_every_client};

const SCRIPT: &str = "gateway_jwt.mjs";

/// Asks for one notification and gets it, although there are two.
async fn get_one(app: &TestApp, client: &Client, settings: &Value) {
    let mut page = client.run(SCRIPT, settings);
    page.await_event("connected").await;
    let (first, second) = tokio::join!(app.book("guest", "7"), app.book("guest", "7"));
    let shown = page.await_line("popup").await;
    assert_eq!(shown["seq"], 1);
    let ids = [&first, &second].map(|booked| &booked["notification"]["id"]);
    assert!(ids.contains(&&shown["id"]), "{shown}");
    let (before, after) = page.await_expulsion().await;
    assert_eq!((count(&before, "popup"), after), (0, Vec::new()));
    app.wait_for_delivery(&shown, "confirmed").await;
}

with_every_client! {
    async fn a_booking_pops_up_once(client) {
        let app = patient().start().await;
        let mut page = client.run(SCRIPT, &settings(&app, "7"));
        let connected = page.await_event("connected").await;
        assert_eq!(
            (&connected["userId"], &connected["seq"], &connected["unread"]),
            (&json!("7"), &json!(0), &json!(0))
        );
        assert!(connected["sessionId"].is_string() && connected["serverTime"].is_string(), "{connected}");

        let booked = app.book("guest", "7").await;
        let shown = page.await_line("popup").await;
        assert_eq!(shown["id"], booked["notification"]["id"]);
        for (field, wanted) in [
            ("seq", json!(1)),
            ("type", json!("booking.created")),
            ("category", json!("bookings")),
            ("userId", json!("7")),
            ("actorId", json!("guest")),
            ("actorAvatar", Value::Null),
            ("isRead", json!(false)),
            ("readAt", Value::Null),
        ] {
            assert_eq!(shown[field], wanted, "{field}");
        }
        assert_eq!(shown["data"]["bookingId"], booked["booking"]["id"]);
        assert!(shown["message"].as_str().unwrap().contains("Sea View"), "{shown}");

        let lines = page.lines_so_far().await;
        assert_once_under(&lines, &["notification", "booking.created"], &shown);
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
        leave(&app, page, "disconnect").await;
    }

    async fn the_server_ends_the_socket_after_its_time_to_live(client) {
        let app = patient().start().await;
        let start = clock::start();
        let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"auth": {"ttl": 3}})));
        page.await_event("connected").await;
        let booked = app.book("guest", "7").await;
        assert_eq!(page.await_line("popup").await["id"], booked["notification"]["id"]);
        let (_, after) = page.await_expulsion().await;
        assert_eq!(after, Vec::new());
        assert!(start.elapsed() >= Duration::from_secs(3));
    }

    async fn the_server_ends_the_socket_after_the_first_delivery(client) {
        let app = patient().start().await;
        get_one(&app, &client, &settings_with(&app, "7", &json!({"auth": {"once": true}}))).await;
    }
}

with_both_clients! {
    async fn a_time_to_live_may_stand_in_the_query(client) {
        let app = patient().start().await;
        let page =
            client.run(SCRIPT, &settings_with(&app, "7", &json!({"options": {"query": {"ttl": "2"}}})));
        let (_, after) = page.await_expulsion().await;
        assert_eq!(after, Vec::new());
    }

    async fn once_may_stand_in_the_query(client) {
        let app = patient().start().await;
        get_one(&app, &client, &settings_with(&app, "7", &json!({"options": {"query": {"once": "true"}}})))
            .await;
    }

    async fn a_page_may_listen_to_the_names_it_wants_only(client) {
        let app = patient().start().await;
        let wishes = [
            json!({"auth": {"events": ["notification"]}}),
            json!({"auth": {"events": "notification"}}),
            json!({"options": {"query": {"events": "notification"}}}),
        ];
        for (wish, seq) in wishes.iter().zip(1..) {
            let mut page = client.run(SCRIPT, &settings_with(&app, "7", wish));
            page.await_event("connected").await;
            app.book("guest", "7").await;
            let shown = page.await_line("popup").await;
            assert_eq!(shown["seq"], seq);
            assert_once_under(&page.lines_so_far().await, &["notification"], &shown);
            leave(&app, page, "disconnect").await;
        }
    }
}
