//! Clients that say the same thing twice: what names something is done once, what asks for something is
//! done as often as it is asked. Idempotency keys have tests of their own.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::both::on_both_databases;

on_both_databases! {
    async fn a_notification_that_is_named_twice_is_read_once(app) {
        let mut device = app.connect("host-7").await;
        let token = app.token("host-7", &[]);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(app.book("guest-3", "host-7").await["notification"]["id"].clone());
            device.next_event("notification:unread_count").await;
        }
        device.events_so_far().await;

        device.send("markNotificationRead", json!({"ids": [ids[0], ids[0]]})).await;
        let read = device.next_event("notificationRead").await;
        assert_eq!((&read["ids"], &read["unread"]), (&json!([ids[0]]), &json!(2)));
        let twice = json!({"ids": [ids[1], ids[1], ids[0]]});
        let read = app.post("/notifications/mark-read", &token, &twice).await.expect(200);
        assert_eq!((&read["ids"], &read["unread"]), (&json!([ids[1]]), &json!(1)));
        device.next_event("notificationRead").await;
        device.events_so_far().await;

        for _ in 0..2 {
            let read = app.post("/notifications/mark-read", &token, &twice).await.expect(200);
            assert_eq!((&read["ids"], &read["unread"]), (&json!([]), &json!(1)));
        }
        assert_eq!(device.events_so_far().await, [], "nothing changed, so nothing is told");
        assert_eq!(app.get("/notifications/count", &token).await.expect(200)["unread"], 1);
    }

    async fn two_frames_with_one_id_are_both_answered(app) {
        let mut device = app.connect("host-7").await;
        let question = |data: &str| {
            Message::text(json!({"event": "ping", "data": data, "id": "same"}).to_string())
        };
        device.send_message(question("first")).await;
        device.send_message(question("second")).await;
        for data in ["first", "second"] {
            let answer = device.next().await;
            assert_eq!((answer.name.as_str(), answer.id, answer.data), ("pong", Some(json!("same")), json!(data)));
        }
    }

    async fn one_booking_that_is_posted_twice_without_a_key_is_two_bookings(app) {
        let mut device = app.connect("host-7").await;
        let first = app.book("guest-3", "host-7").await;
        let second = app.book("guest-3", "host-7").await;
        assert_ne!(first["booking"]["id"], second["booking"]["id"]);
        assert_eq!([&first, &second].map(|made| made["notification"]["seq"].clone()), [json!(1), json!(2)]);
        let told: Vec<Value> =
            [device.next_event("booking.created").await, device.next_event("booking.created").await].into();
        assert_eq!(told[0]["data"]["bookingId"], first["booking"]["id"]);
        assert_eq!(told[1]["data"]["bookingId"], second["booking"]["id"]);
    }
}
