//! The trail of a notification, as an administrator reads it: every way that it can go.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::mail::{prefer, set_up, start};
use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::{build_on_both_databases, on_both_databases, on_both_databases_and_every_door};
use crate::support::deadline::wait_until_async;
use crate::support::smtp_sink::{Behaviour, SmtpSink};
use crate::support::socket::TestSocket;

/// So long that nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

fn path(id: &str) -> String {
    format!("/admin/notifications/{id}/trail")
}

pub(crate) fn id_of(booked: &Value) -> &str {
    booked["notification"]["id"].as_str().unwrap()
}

pub(crate) async fn trail_of(app: &TestApp, booked: &Value) -> Value {
    app.get(&path(id_of(booked)), &app.token("root", &["ADMIN"])).await.expect(200)
}

/// The trail once it has so many steps.
async fn trail_with(app: &TestApp, booked: &Value, steps: usize) -> Value {
    wait_until_async(format_args!("{steps} steps of {booked}"), async || {
        Some(trail_of(app, booked).await).filter(|trail| trail["trail"].as_array().unwrap().len() >= steps)
    })
    .await
}

fn steps(trail: &Value) -> Vec<&str> {
    trail["trail"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

/// That times are in order and written as everywhere, beginning with the notification's own.
fn assert_in_order(trail: &Value) {
    let times: Vec<&str> =
        trail["trail"].as_array().unwrap().iter().map(|step| step["at"].as_str().unwrap()).collect();
    assert_eq!(times[0], trail["notification"]["timestamp"], "{trail}");
    let parsed = times.iter().map(|time| DateTime::parse_from_rfc3339(time).unwrap());
    assert!(parsed.is_sorted(), "{trail}");
    assert!(times.iter().all(|time| time.ends_with('Z')), "{trail}");
}

/// A device of the host's, and what it is called.
async fn connect(app: &TestApp, token: &str) -> (TestSocket, String) {
    let mut socket = app.open(token, "").await;
    let name = socket.await_connected().await["sessionId"].as_str().unwrap().to_owned();
    (socket, name)
}

fn token_of_session(session: &str) -> String {
    token_of(&json!({"userId": "host", "sessionId": session, "exp": seconds_from_now(3_600)}))
}

on_both_databases_and_every_door! {
    async fn every_device_is_told_of_by_its_own_name(app, super::LONG) {
        let (mut phone, phone_name) = connect(&app, &app.token("host", &[])).await;
        let (mut laptop, laptop_name) = connect(&app, &token_of_session("laptop")).await;
        assert_eq!(laptop_name, "laptop");
        assert_ne!(phone_name, laptop_name);
        let booked = app.book("guest", "host").await;
        phone.next_event("booking.created").await;
        laptop.next_event("booking.created").await;
        // The pings that come after it are answered while something is waited for.
        phone.events_so_far().await;
        laptop.events_so_far().await;

        let trail = trail_with(&app, &booked, 3).await;
        assert_in_order(&trail);
        assert_eq!(steps(&trail), ["pending", "confirmed", "confirmed"], "{trail}");
        let of_devices = &trail["trail"].as_array().unwrap()[1..];
        assert!(of_devices.iter().all(|step| step["channel"] == app.door().label() && step["error"].is_null()));
        let mut devices: Vec<&str> = of_devices.iter().map(|step| step["device"].as_str().unwrap()).collect();
        let mut wanted = [phone_name.as_str(), laptop_name.as_str()];
        devices.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(devices, wanted);
        assert_eq!(trail["delivery"]["state"], "confirmed", "{trail}");
        assert_eq!(trail["notification"]["id"], id_of(&booked));
        assert_eq!(trail["notification"]["data"]["bookingId"], booked["booking"]["id"]);
        assert_eq!(trail["truncated"], false);
        assert_eq!(trail["trail"][0]["device"], Value::Null);
    }

    async fn who_reads_is_told_of_over_rest_and_over_a_socket(app, super::LONG) {
        let silent = app.connect("host").await;
        let mut booked = Vec::new();
        for _ in 0..3 {
            booked.push(app.book("guest", "host").await);
        }
        let (mut tablet, name) = connect(&app, &token_of_session("tablet")).await;
        tablet.send("markNotificationRead", json!({"ids": [id_of(&booked[0])]})).await;
        tablet.next_event("notificationRead").await;
        for (token, number) in [(token_of_session("browser"), 1), (app.token("host", &[]), 2)] {
            let body = json!({"ids": [id_of(&booked[number])]});
            app.post("/notifications/mark-read", &token, &body).await.expect(200);
        }
        let wanted = [(app.door().label(), json!(name)), ("rest", json!("browser")), ("rest", Value::Null)];
        for (booked, (channel, device)) in booked.iter().zip(wanted) {
            let trail = trail_of(&app, booked).await;
            assert_in_order(&trail);
            assert_eq!(steps(&trail), ["pending", "read"], "{trail}");
            let read = &trail["trail"][1];
            assert_eq!((&read["channel"], &read["device"]), (&json!(channel), &device), "{trail}");
            assert_eq!(trail["notification"]["isRead"], true);
            assert_eq!(trail["delivery"]["state"], "confirmed", "reading proves more than a ping");
        }
        drop(silent);
    }
}

on_both_databases! {
    async fn a_trail_is_the_administrators_alone(app, super::LONG) {
        let silent = app.connect("host").await;
        let booked = app.book("guest", "host").await;
        let trail = path(id_of(&booked));
        for token in [app.token("host", &["PROFESSIONAL"]), app.token("guest", &[]), app.service()] {
            app.get(&trail, &token).await.expect_problem(403, "forbidden");
            app.get(&path("no-id"), &token).await.expect_problem(403, "forbidden");
        }
        app.get(&trail, "").await.expect_problem(401, "token_missing");
        let root = app.token("root", &["ADMIN"]);
        app.get(&path("no-id"), &root).await.expect_problem(400, "invalid_id");
        let unknown = path("0198a1b2-0000-7000-8000-000000000001");
        app.get(&unknown, &root).await.expect_problem(404, "not_found");
        app.post(&trail, &root, &json!({})).await.expect_problem(405, "method_not_allowed");
        assert_eq!(steps(&trail_of(&app, &booked).await), ["pending"]);
        drop(silent);
    }
}

build_on_both_databases! {
    async fn a_mail_that_goes_at_last_has_its_tries_before_it(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        prefer(&app, "host", json!({"email": "host@example.org"})).await;
        sink.set(Behaviour::Busy);
        let booked = app.book("guest", "host").await;
        trail_with(&app, &booked, 3).await;
        sink.set(Behaviour::Accept);
        app.wait_for_delivery(&booked["notification"], "emailed").await;

        let trail = trail_of(&app, &booked).await;
        assert_in_order(&trail);
        let steps = steps(&trail);
        let tries = steps.len() - 2;
        assert!(tries >= 2 && steps[1..=tries].iter().all(|step| *step == "deferred"), "{trail}");
        assert_eq!((steps[0], steps[tries + 1]), ("pending", "emailed"), "{trail}");
        for step in &trail["trail"].as_array().unwrap()[1..=tries] {
            let error = step["error"].as_str().unwrap();
            assert!(error.contains("421") && !error.contains('@'), "{error}");
        }
        let last = &trail["trail"][tries + 1];
        assert_eq!((&last["channel"], &last["error"]), (&json!("email"), &Value::Null), "{trail}");
        let delivery = &trail["delivery"];
        assert_eq!(delivery["attempts"].as_u64().unwrap(), tries as u64 + 1, "{trail}");
        assert_eq!((&delivery["state"], &delivery["channel"]), (&json!("emailed"), &json!("email")));
        assert_eq!(delivery["finishedAt"], last["at"], "{trail}");
        assert_eq!(sink.mails().len(), 1);
    }

    async fn a_refused_mail_and_one_without_an_address_say_why(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        prefer(&app, "host", json!({"email": "host@example.org"})).await;
        sink.set(Behaviour::RejectRecipient("host@example.org".to_owned()));
        let refused = app.book("guest", "host").await;
        let nowhere = app.book("guest", "hermit").await;
        for (booked, state, why) in [(&refused, "failed", "550"), (&nowhere, "suppressed", "no_address")] {
            app.wait_for_delivery(&booked["notification"], state).await;
            let trail = trail_of(&app, booked).await;
            assert_in_order(&trail);
            assert_eq!(steps(&trail), ["pending", state], "{trail}");
            let last = &trail["trail"][1];
            assert!(last["error"].as_str().unwrap().contains(why), "{trail}");
            assert_eq!((&last["channel"], &last["device"]), (&json!("email"), &Value::Null), "{trail}");
            assert_eq!((&trail["delivery"]["error"], &trail["delivery"]["state"]), (&last["error"], &json!(state)));
            assert!(!trail.to_string().contains("host@example.org"), "{trail}");
        }
    }

    async fn what_nobody_saw_of_a_cancelled_booking_is_withdrawn(builder) {
        let sink = SmtpSink::start().await;
        let app = set_up(builder, &sink).with_all(&LONG).start().await;
        // Connected, so that no mail goes at once, and silent, so that nothing is confirmed.
        let silent = app.connect("host").await;
        let booked = app.book("guest", "host").await;
        let cancel = format!("/bookings/{}/cancel", booked["booking"]["id"].as_str().unwrap());
        app.post(&cancel, &app.token("guest", &[]), &json!({})).await.expect(200);
        let trail = trail_of(&app, &booked).await;
        assert_in_order(&trail);
        assert_eq!(steps(&trail), ["pending", "withdrawn"], "{trail}");
        let last = &trail["trail"][1];
        assert_eq!((&last["channel"], &last["device"], &last["error"]), (&Value::Null, &Value::Null, &Value::Null));
        assert_eq!(trail["delivery"]["state"], "withdrawn");
        drop(silent);
    }
}
