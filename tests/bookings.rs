//! A booking's life over REST: made, looked at, accepted, completed, cancelled; by whom; and who is told.

use bellhop::storage::bookings;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{TestApp, booking, seconds_from_now, token_of};
use crate::support::both::on_both_databases;
use crate::support::socket::TestSocket;

/// `who` takes a step with a booking.
async fn step(app: &TestApp, who: &str, booking: &Value, step: &str) -> Answer {
    let path = format!("/bookings/{}/{step}", id_of(booking));
    app.post(&path, &app.token(who, &[]), &json!({})).await
}

fn id_of(booking: &Value) -> &str {
    booking["id"].as_str().expect("an id")
}

/// A device of `user`, who has an address, that never answers a ping: its TCP window is read by nobody.
async fn connect_deaf(app: &TestApp, user: &str) -> TestSocket {
    let exp = seconds_from_now(3_600);
    let email = format!("{user}@example.org");
    let token = token_of(&json!({"userId": user, "roles": ["PROFESSIONAL"], "email": email, "exp": exp}));
    app.connect_with(&token, "").await
}

on_both_databases! {
    async fn a_booking_is_answered_with_its_place_and_reaches_the_hosts_socket(app) {
        let mut host = app.connect("host-7").await;
        let answer = app.post_booking("guest-3", &booking("host-7")).await;

        let location = answer.header("location").map(ToOwned::to_owned);
        let body = answer.expect(201);
        let made = &body["booking"];
        assert_eq!(location, Some(format!("/bookings/{}", id_of(made))));
        for (field, wanted) in [
            ("hostId", json!("host-7")),
            ("guestId", json!("guest-3")),
            ("listingId", json!("sea-view")),
            ("listingName", json!("Sea View")),
            ("checkIn", json!("2031-12-03")),
            ("checkOut", json!("2031-12-05")),
            ("guests", json!(2)),
            ("note", Value::Null),
            ("status", json!("pending")),
        ] {
            assert_eq!(made[field], wanted, "{field} of {body}");
        }
        assert_eq!(body["notification"]["seq"], 1);

        let event = host.next_event("booking.created").await;
        for field in ["id", "seq"] {
            assert_eq!(event[field], body["notification"][field], "{field}");
        }
        assert_eq!(event["data"]["bookingId"], made["id"]);
        assert_eq!(event["userId"], "host-7");
        assert_eq!(event["actorId"], "guest-3");
        assert_eq!(event["message"], "Sea View is booked, 3–5 Dec, 2 guests");
        assert_eq!(host.next_event("notification:unread_count").await, json!({"unread": 1, "seq": 1}));
        // Reading on answers the ping that asks for proof.
        assert_eq!(host.events_so_far().await, []);
        app.wait_for_delivery(&event, "confirmed").await;
    }

    async fn a_booking_is_still_there_after_a_restart(mut app) {
        let made = app.book("guest-3", "host-7").await;
        app.restart().await;
        let path = format!("/bookings/{}", id_of(&made["booking"]));
        let token = app.token("guest-3", &[]);
        assert_eq!(app.get(&path, &token).await.expect(200), made["booking"]);
        let list = app.get("/notifications", &app.token("host-7", &[])).await.expect(200);
        assert_eq!(list["items"][0]["id"], made["notification"]["id"]);
        assert_eq!(list["items"][0]["seq"], 1);
    }

    async fn a_booking_is_shown_to_its_parties_and_back_ends_and_to_nobody_else(app) {
        let made = app.book("guest-3", "host-7").await["booking"].take();
        let path = format!("/bookings/{}", id_of(&made));
        for (user, role) in
            [("guest-3", "CUSTOMER"), ("host-7", "PROFESSIONAL"), ("backend", "service"), ("root", "ADMIN")]
        {
            assert_eq!(app.get(&path, &app.token(user, &[role])).await.expect(200), made, "{user}");
        }
        let stranger = app.token("guest-4", &["CUSTOMER", "PROFESSIONAL"]);
        app.get(&path, &stranger).await.expect_problem(404, "not_found");
        app.get(&path, "").await.expect_problem(401, "token_missing");
        for id in ["0198a1b2-0000-7000-8000-000000000001", "17", "%00", "%FF", "..%2f"] {
            let path = format!("/bookings/{id}");
            app.get(&path, &stranger).await.expect_problem(404, "not_found");
        }
    }

    async fn each_step_is_told_to_the_other_party(app) {
        let mut host = app.connect("host-7").await;
        let mut guest = app.connect("guest-3").await;
        let made = app.book("guest-3", "host-7").await["booking"].take();
        host.next_event("booking.created").await;

        for (verb, status) in [("accept", "accepted"), ("complete", "completed")] {
            let body = step(&app, "host-7", &made, verb).await.expect(200);
            assert_eq!(body["booking"]["status"], status);
            let event = guest.next_event(&format!("booking.{status}")).await;
            assert_eq!((&event["id"], &event["seq"]), (&body["notification"]["id"], &body["notification"]["seq"]));
            assert_eq!(event["actorId"], "host-7");
            assert_eq!(event["data"], json!({
                "bookingId": made["id"], "listingId": "sea-view", "listingName": "Sea View",
                "checkIn": "2031-12-03", "checkOut": "2031-12-05", "guests": 2, "status": status
            }));
        }
        // Whoever takes the step is not told of it.
        assert!(host.events_so_far().await.iter().all(|event| !event.name.starts_with("booking.")));
    }

    async fn either_party_cancels_and_the_other_is_told(app) {
        let mut host = app.connect("host-7").await;
        let mut guest = app.connect("guest-3").await;
        let first = app.book("guest-3", "host-7").await["booking"].take();
        step(&app, "guest-3", &first, "cancel").await.expect(200);
        let event = host.next_event("booking.cancelled").await;
        assert_eq!((&event["actorId"], &event["data"]["bookingId"]), (&json!("guest-3"), &first["id"]));

        let second = app.book("guest-3", "host-7").await["booking"].take();
        step(&app, "host-7", &second, "accept").await.expect(200);
        step(&app, "host-7", &second, "cancel").await.expect(200);
        let event = guest.next_event("booking.cancelled").await;
        assert_eq!((&event["actorId"], &event["data"]["bookingId"]), (&json!("host-7"), &second["id"]));
        assert_eq!(event["seq"], 2);
    }

    async fn a_step_that_does_not_fit_is_refused_with_the_status(app) {
        let cases: [(&[&str], &[&str], &str); 4] = [
            (&[], &["complete"], "pending"),
            (&["accept"], &["accept"], "accepted"),
            (&["accept", "complete"], &["accept", "complete", "cancel"], "completed"),
            (&["cancel"], &["accept", "complete", "cancel"], "cancelled"),
        ];
        for (taken, refused, status) in cases {
            let made = app.book("guest-3", "host-7").await["booking"].take();
            for verb in taken {
                step(&app, "host-7", &made, verb).await.expect(200);
            }
            for verb in refused {
                let problem = step(&app, "host-7", &made, verb).await.expect_problem(409, "wrong_status");
                assert_eq!(problem["detail"], format!("the booking is {status}"), "{verb}");
            }
            let path = format!("/bookings/{}", id_of(&made));
            let now = app.get(&path, &app.token("host-7", &[])).await.expect(200);
            assert_eq!(now["status"], status);
        }
    }

    async fn a_step_is_taken_by_whom_it_belongs_to(app) {
        let made = app.book("guest-3", "host-7").await["booking"].take();
        for verb in ["accept", "complete"] {
            step(&app, "guest-3", &made, verb).await.expect_problem(403, "forbidden");
        }
        for verb in ["accept", "complete", "cancel"] {
            step(&app, "guest-4", &made, verb).await.expect_problem(404, "not_found");
            let path = format!("/bookings/{}/{verb}", id_of(&made));
            app.post(&path, "", &json!({})).await.expect_problem(401, "token_missing");
            let unknown = json!({"id": "0198a1b2-0000-7000-8000-000000000001"});
            step(&app, "host-7", &unknown, verb).await.expect_problem(404, "not_found");
        }
        let path = format!("/bookings/{}", id_of(&made));
        assert_eq!(app.get(&path, &app.token("host-7", &[])).await.expect(200), made);
    }

    async fn a_foreign_page_moves_nothing_with_its_visitors_cookie(app) {
        let made = app.book("guest-3", "host-7").await["booking"].take();
        let url = app.url(&format!("/bookings/{}/accept", id_of(&made)));
        let token = app.token("host-7", &[]);
        let form = |origin: &str| {
            let request = app.client().post(&url).header("cookie", format!("token={token}"));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request.header("origin", origin).body("a=1")
        };
        for origin in ["https://evil.example", "null", ""] {
            app.send(form(origin), "").await.expect_problem(403, "origin_not_allowed");
        }
        let look = app.client().get(app.url(&format!("/bookings/{}", id_of(&made))));
        let look = look.header("cookie", format!("token={token}")).header("origin", "https://evil.example");
        assert_eq!(app.send(look, "").await.expect(200)["status"], "pending", "CORS keeps the answer from it");

        app.send(form("http://localhost:5173"), "").await.expect(200);
        // A header is sent by who has the token, never by a browser alone.
        let cancel = app.client().post(app.url(&format!("/bookings/{}/cancel", id_of(&made))));
        app.send(cancel.header("origin", "https://evil.example"), &token).await.expect(200);
    }

    async fn of_many_who_move_a_booking_at_once_one_succeeds(app) {
        let made = app.book("guest-3", "host-7").await["booking"].take();
        let steps = (0..16).map(|number| {
            let (who, verb) = if number % 2 == 0 { ("host-7", "accept") } else { ("guest-3", "cancel") };
            let (app, made) = (&app, &made);
            async move { (verb, step(app, who, made, verb).await.status) }
        });
        let statuses = futures_util::future::join_all(steps).await;
        let succeeded = |verb| statuses.iter().filter(|&&(v, status)| v == verb && status == 200).count();
        // Accepting first leaves it to be cancelled; the other way round it ends there.
        assert!(succeeded("accept") <= 1, "{statuses:?}");
        assert_eq!(succeeded("cancel"), 1, "{statuses:?}");
        assert!(statuses.iter().all(|(_, status)| [200, 409].contains(status)), "{statuses:?}");
    }

    async fn only_a_back_end_books_for_somebody_else(app) {
        let mut wanted = booking("host-7");
        wanted["guestId"] = json!("guest-9");
        let problem = app.post_booking("guest-3", &wanted).await.expect_problem(403, "forbidden");
        assert_eq!(problem["field"], "guestId");

        let made = app.post("/bookings", &app.service(), &wanted).await.expect(201);
        assert_eq!(made["booking"]["guestId"], "guest-9");
        // One's own id says nothing new.
        app.post_booking("guest-9", &wanted).await.expect(201);
    }

    async fn the_guests_name_comes_from_the_token_where_it_fits(app) {
        let exp = seconds_from_now(3_600);
        for (name, wanted) in [("Zo\u{eb}", json!("Zo\u{eb}")), (&*"n".repeat(201), Value::Null), (" ", Value::Null)] {
            let token = token_of(&json!({"userId": "guest-3", "name": name, "exp": exp}));
            let made = app.post("/bookings", &token, &booking("host-7")).await.expect(201);
            assert_eq!(made["booking"]["guestName"], wanted);
        }
    }

    async fn a_cancelled_booking_takes_back_what_no_device_has_seen(app, [
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"),
        ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "50"),
    ]) {
        let deaf = connect_deaf(&app, "host-7").await;
        let taken_back = app.book("guest-3", "host-7").await;
        step(&app, "host-7", &taken_back["booking"], "cancel").await.expect(200);
        assert_eq!(app.delivery(&taken_back["notification"]).state, "withdrawn");
        let figures = app.get("/metrics", "").await.text;
        let counted = "bellhop_deliveries_finished_total{channel=\"none\",state=\"withdrawn\"} 1";
        assert!(figures.lines().any(|line| line == counted), "{figures}");

        // What is due later has been mailed: the deadline of the first is over.
        let stands = app.book("guest-3", "host-7").await;
        let mail = app.next_mail("host-7@example.org").await;
        assert!(mail.contains(stands["booking"]["id"].as_str().unwrap()), "{mail}");
        assert_eq!(app.delivery(&taken_back["notification"]).state, "withdrawn");
        assert_eq!(app.unread_mails(), Vec::<std::path::PathBuf>::new());
        drop(deaf);
    }

    async fn what_is_kept_reads_back_as_it_was_answered(app) {
        let mut wanted = booking("host-7");
        wanted["note"] = json!("Late arrival \u{2013} \u{1f319}\nThanks");
        wanted["guestName"] = json!("Zo\u{eb} O'Neil \"Z\"");
        wanted["checkIn"] = json!("2031-12-03T14:00:00+01:00");
        let made = app.post_booking("guest-3", &wanted).await.expect(201)["booking"].take();
        assert_eq!((&made["note"], &made["checkIn"]), (&wanted["note"], &json!("2031-12-03")));

        let id = bellhop::domain::BookingId::parse("id", id_of(&made)).unwrap();
        let kept = bookings::find(&mut app.database().get().unwrap(), id).unwrap().unwrap();
        assert_eq!(serde_json::to_value(kept).unwrap(), made);
    }
}
