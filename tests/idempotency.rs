//! `Idempotency-Key`: a request that is sent again happens once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{TestApp, booking};
use crate::support::both::on_both_databases;

async fn post_with_key(app: &TestApp, path: &str, token: &str, key: &str, body: &Value) -> Answer {
    let request = app.client().post(app.url(path)).header("idempotency-key", key).json(body);
    app.send(request, token).await
}

async fn book_with_key(app: &TestApp, guest: &str, key: &str, body: &Value) -> Answer {
    post_with_key(app, "/bookings", &app.token(guest, &[]), key, body).await
}

/// How many notifications a user has ever got.
async fn total(app: &TestApp, user: &str) -> Value {
    app.get("/notifications/count", &app.token(user, &[])).await.expect(200)["total"].take()
}

on_both_databases! {
    async fn a_repeat_gets_the_first_answer_and_books_nothing(mut app) {
        let first = book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await;
        let location = first.header("location").map(ToOwned::to_owned);
        let first = first.expect(201);

        let again = book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await;
        assert_eq!(again.header("location").map(ToOwned::to_owned), location);
        assert_eq!(again.expect(201), first);

        app.restart().await;
        assert_eq!(book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201), first);
        assert_eq!(total(&app, "host-7").await, 1);
    }

    async fn only_what_was_stored_is_counted(app) {
        let first = book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
        book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
        let path = format!("/bookings/{}/cancel", first["booking"]["id"].as_str().unwrap());
        app.post(&path, &app.token("guest-3", &[]), &json!({})).await.expect(200);

        let figures = app.get("/metrics", "").await.text;
        for line in [
            "bellhop_bookings_accepted_total 1",
            // The booking and its cancellation.
            "bellhop_notifications_stored_total 2",
        ] {
            assert!(figures.lines().any(|found| found == line), "{line} in\n{figures}");
        }
    }

    async fn a_repeat_is_answered_as_at_first_also_when_the_booking_has_moved_on(app) {
        let first = book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
        let path = format!("/bookings/{}/accept", first["booking"]["id"].as_str().unwrap());
        app.post(&path, &app.token("host-7", &[]), &json!({})).await.expect(200);
        assert_eq!(book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201), first);
    }

    async fn another_body_or_path_under_the_same_key_is_refused(app) {
        book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
        let other = book_with_key(&app, "guest-3", "key-1", &booking("host-8")).await;
        other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(total(&app, "host-8").await, 0);

        let service = app.service();
        let notification = json!({"type": "LIKE", "userId": "host-7"});
        post_with_key(&app, "/notifications", &service, "key-2", &notification).await.expect(201);
        let other = post_with_key(&app, "/bookings", &service, "key-2", &booking("host-7")).await;
        other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(total(&app, "host-7").await, 2);
    }

    async fn a_key_is_its_users_own(app) {
        let first = book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
        let second = book_with_key(&app, "guest-4", "key-1", &booking("host-7")).await.expect(201);
        assert_ne!(first["booking"]["id"], second["booking"]["id"]);
        assert_eq!(second["booking"]["guestId"], "guest-4");
        assert_eq!(total(&app, "host-7").await, 2);
    }

    async fn many_requests_with_one_key_at_once_make_one_booking(app) {
        let mut host = app.connect("host-7").await;
        let body = booking("host-7");
        let requests = (0..40).map(|_| book_with_key(&app, "guest-3", "key-1", &body));
        let answers: BTreeSet<String> =
            join_all(requests).await.into_iter().map(|answer| answer.expect(201).to_string()).collect();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(total(&app, "host-7").await, 1);
        let told = host.events_so_far().await;
        assert_eq!(told.iter().filter(|event| event.name == "booking.created").count(), 1, "{told:?}");
    }

    async fn of_different_requests_with_one_key_at_once_one_succeeds(app) {
        let bodies: Vec<Value> = (0..20).map(|number| booking(&format!("host-{number}"))).collect();
        let requests = bodies.iter().map(|body| book_with_key(&app, "guest-3", "key-1", body));
        let answers = join_all(requests).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            answer.expect_problem(422, "idempotency_key_reused");
        }
    }

    async fn a_refused_request_uses_no_key_up(app) {
        let mut wrong = booking("host-7");
        wrong["guests"] = json!(0);
        book_with_key(&app, "guest-3", "key-1", &wrong).await.expect_problem(422, "invalid_field");
        book_with_key(&app, "guest-3", "key-1", &booking("host-7")).await.expect(201);
    }

    async fn a_key_that_does_not_fit_is_refused(app) {
        for key in ["", &"k".repeat(256), "sch\u{f6}n", "a\tb"] {
            let answer = book_with_key(&app, "guest-3", key, &booking("host-7")).await;
            answer.expect_problem(400, "idempotency_key_invalid");
        }
        assert_eq!(total(&app, "host-7").await, 0);
        book_with_key(&app, "guest-3", &"k".repeat(255), &booking("host-7")).await.expect(201);
    }

    async fn a_notification_with_a_key_is_sent_once(app) {
        let body = json!({"type": "LIKE", "userIds": ["a", "b"]});
        let service = app.service();
        let requests = (0..10).map(|_| post_with_key(&app, "/notifications", &service, "key-1", &body));
        let answers: BTreeSet<String> =
            join_all(requests).await.into_iter().map(|answer| answer.expect(201).to_string()).collect();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!((total(&app, "a").await, total(&app, "b").await), (json!(1), json!(1)));

    }

    async fn a_key_is_refused_where_no_repeat_could_be_told(app) {
        let mut ann = app.connect_with(&app.token("ann", &["CUSTOMER"]), "").await;
        for body in [
            json!({"type": "LIKE", "role": "CUSTOMER"}),
            json!({"type": "LIKE", "role": "CUSTOMER", "passing": true}),
            json!({"type": "LIKE", "userId": "ann", "passing": true}),
            json!({"type": "LIKE", "room": "listing:9", "passing": true}),
        ] {
            let refused = post_with_key(&app, "/notifications", &app.service(), "key-1", &body).await;
            refused.expect_problem(400, "idempotency_key_unsupported");
        }
        assert_eq!(ann.events_so_far().await, []);
        assert_eq!(total(&app, "ann").await, 0);
    }
}
