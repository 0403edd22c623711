//! `ack`: a client whose transport answers no ping says itself what it has. It proves no more than the
//! inbox holds, and as much as a pong does.

use serde_json::json;

use crate::support::app::token_with_mail;
use crate::support::both::{on_both_databases, on_every_door};
use crate::support::deadline::wait_until_async;
use crate::support::raw_socket::{FIN, PING, PONG, RawSocket};

/// A short patience with devices that do not answer.
const SHORT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"), ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")];

on_every_door! {
    async fn who_says_what_it_has_needs_no_other_proof(app, super::SHORT) {
        let mut device = app.connect_with(&token_with_mail("host"), "").await;
        let first = app.book("guest", "host").await;
        device.next_event("booking.created").await;
        // It neither answers a ping nor polls again.
        device.send("ack", json!({"seq": 1})).await;
        app.wait_for_delivery(&first["notification"], "confirmed").await;
        let second = app.book("guest", "host").await;
        app.wait_for_delivery(&second["notification"], "emailed").await;
        app.next_mail("host@example.com").await;
    }

    async fn more_than_there_is_proves_nothing(app, super::SHORT) {
        let mut device = app.connect_with(&token_with_mail("host"), "").await;
        let booked = app.book("guest", "host").await;
        device.send("ack", json!({"seq": 9_000})).await;
        app.wait_for_delivery(&booked["notification"], "emailed").await;
        app.next_mail("host@example.com").await;
        assert_eq!(device.next_event("error").await["code"], "seq_ahead");
    }
}

on_both_databases! {
    async fn an_ack_confirms_for_a_client_that_cannot_pong(app, super::SHORT) {
        let token = token_with_mail("host");
        let mut device = RawSocket::open(app.address(), &token).await;
        assert_eq!(device.next_event().await["event"], "connected");
        let first = app.book("guest", "host").await;
        let second = app.book("guest", "host").await;
        while device.next_event().await["data"]["seq"] != 2 {}
        device.send_event("ack", &json!({"seq": 1})).await;
        app.wait_for_delivery(&first["notification"], "confirmed").await;
        assert_eq!(app.delivery(&second["notification"]).state, "pending");
        // More than there is proves nothing.
        device.send_event("ack", &json!({"seq": 9_000})).await;
        loop {
            let event = device.next_event().await;
            if event["event"] == "error" {
                assert_eq!(event["data"]["code"], "seq_ahead");
                break;
            }
        }
        assert_eq!(app.delivery(&second["notification"]).state, "pending");
        device.send_event("ack", &json!(2)).await;
        app.wait_for_delivery(&second["notification"], "confirmed").await;
        let third = app.book("guest", "host").await;
        app.wait_for_delivery(&third["notification"], "emailed").await;
        app.next_mail("host@example.com").await;
    }

    async fn an_ack_among_pongs_leaves_nothing_unasked(app, super::SHORT) {
        let mut device = RawSocket::open(app.address(), &token_with_mail("host")).await;
        assert_eq!(device.next_event().await["event"], "connected");
        let mut booked = Vec::new();
        for _ in 0..3 {
            booked.push(app.book("guest", "host").await);
        }
        // It says of the first itself that it has it, and then answers the ping that asked for that.
        device.send_event("ack", &json!({"seq": 1})).await;
        while device.next_event().await["event"] != "acked" {}
        device.send(PONG, b"1").await;
        let ping = loop {
            let frame = device.next_frame().await.unwrap();
            if frame.first == FIN | PING && frame.payload != b"1" {
                break frame.payload;
            }
        };
        device.send(PONG, &ping).await;
        for one in &booked {
            app.wait_for_delivery(&one["notification"], "confirmed").await;
        }
    }

    async fn an_ack_confirms_what_came_before_the_connection(app, super::SHORT) {
        let token = token_with_mail("host");
        let silent = RawSocket::open(app.address(), &token).await;
        wait_until_async("the host is online", async || {
            let presence = app.get("/metrics", "").await.text;
            presence.contains(r#"door="websocket"} 1"#).then_some(())
        })
        .await;
        let booked = app.book("guest", "host").await;
        let mut device = RawSocket::open(app.address(), &token).await;
        assert_eq!(device.next_event().await["data"]["seq"], 1, "connected says where the inbox stands");
        // Read from the list, for example.
        device.send_event("ack", &json!({"seq": 1})).await;
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
        drop(silent);
    }

    async fn acks_for_what_was_sent_are_never_too_many(app, [
        ("RATE_LIMIT_MAX_REQUESTS", "3"),
        ("RATE_LIMIT_WINDOW_MS", "60000"),
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"),
    ]) {
        let mut device = RawSocket::open(app.address(), &app.token("host", &[])).await;
        assert_eq!(device.next_event().await["event"], "connected");
        for seq in 1..=10 {
            app.tell("host", 1).await;
            while device.next_event().await["event"] != "note" {}
            device.send_event("ack", &json!({"seq": seq})).await;
            loop {
                let event = device.next_event().await;
                assert_ne!(event["event"], "error", "{event}");
                if event["event"] == "acked" {
                    assert_eq!(event["data"]["seq"], seq);
                    break;
                }
            }
        }
        // Those that prove nothing count like anything else.
        for _ in 0..4 {
            device.send_event("ack", &json!({"seq": 10})).await;
        }
        loop {
            let event = device.next_event().await;
            if event["event"] == "error" {
                assert_eq!(event["data"]["code"], "rate_limited");
                break;
            }
        }
    }
}
