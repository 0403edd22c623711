//! Mail to whom no device answers, through a real SMTP conversation: once, to the right address, and
//! kept until a mail server takes it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::support::app::{TestApp, TestAppBuilder, booking, seconds_from_now, token_of};
use crate::support::both::build_on_both_databases;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::smtp_sink::{Behaviour, ReceivedMail, SmtpSink};

/// Starts the server with quick retries, sending to `sink`.
async fn start(builder: TestAppBuilder, sink: &SmtpSink) -> TestApp {
    builder
        .with("SMTP_URL", &sink.url())
        .with("BELLHOP__MAIL__RETRY_FIRST_MS", "20")
        .with("BELLHOP__MAIL__RETRY_LONGEST_MS", "100")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "20")
        .start()
        .await
}

/// Sets a user's preferences.
async fn prefer(app: &TestApp, user: &str, preferences: Value) {
    app.put("/notifications/preferences", &app.token(user, &[]), &preferences).await.expect(200);
}

/// Makes `user` known by a token with an address; the device is gone again when this returns.
async fn introduce(app: &TestApp, user: &str) {
    let exp = seconds_from_now(3_600);
    let claims = json!({"userId": user, "email": format!("{user}@example.org"), "name": "Hanna", "exp": exp});
    app.connect_with(&token_of(&claims), "").await.close().await;
    wait_until_gone(app).await;
}

/// Waits until the hub has noticed that every device has left.
async fn wait_until_gone(app: &TestApp) {
    wait_until_async("the sessions end", async || {
        let figures = app.get("/metrics", "").await.text;
        let sessions = figures.lines().filter(|line| line.starts_with("bellhop_sessions_open"));
        sessions.map(|line| line.rsplit(' ').next()).all(|count| count == Some("0")).then_some(())
    })
    .await;
}

fn ids(mails: &[ReceivedMail]) -> BTreeSet<String> {
    mails.iter().map(ReceivedMail::message_id).collect()
}

build_on_both_databases! {
    async fn a_host_who_is_away_gets_one_mail_that_names_the_booking(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        introduce(&app, "host-7").await;

        let made = app.book("guest-3", "host-7").await;
        let mail = sink.wait_for(1, SOON).await.remove(0);
        assert_eq!(mail.to, ["host-7@example.org"]);
        assert!(mail.subject().contains("New booking"), "{}", mail.subject());
        let text = mail.text();
        for wanted in [made["booking"]["id"].as_str().unwrap(), "Sea View", "Hanna"] {
            assert!(text.contains(wanted) && mail.html().contains(wanted), "{wanted} is not in {text}");
        }
        let id = made["notification"]["id"].as_str().unwrap();
        assert!(mail.message_id().starts_with(&format!("<{id}@")), "{}", mail.message_id());

        assert_eq!(app.wait_for_delivery(&made["notification"], "emailed").await.attempts, 1);
        assert_eq!(sink.mails().len(), 1);
    }

    async fn a_device_that_confirms_leaves_nothing_to_mail(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1000"), &sink).await;
        prefer(&app, "host-7", json!({"email": "seven@example.org"})).await;
        prefer(&app, "host-8", json!({"email": "eight@example.org"})).await;
        let mut host = app.connect("host-7").await;
        let mut deaf = app.connect("host-8").await;
        let seen = app.book("guest-3", "host-7").await;
        host.next_event("booking.created").await;
        host.events_so_far().await;
        app.wait_for_delivery(&seen["notification"], "confirmed").await;

        // Whose device is silent is mailed at the deadline, which the other's is then past as well.
        let unseen = app.book("guest-3", "host-8").await;
        let mails = sink.wait_for(1, SOON).await;
        assert_eq!(mails[0].to, ["eight@example.org"]);
        app.wait_for_delivery(&unseen["notification"], "emailed").await;
        assert_eq!(app.delivery(&seen["notification"]).state, "confirmed");
        assert_eq!(sink.mails().len(), 1);
        deaf.events_so_far().await;
    }

    async fn who_has_no_address_is_recorded_as_such(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        let made = app.book("guest-3", "host-7").await;
        let delivery = app.wait_for_delivery(&made["notification"], "suppressed").await;
        assert_eq!(delivery.error.as_deref(), Some("no_address"));

        app.connect("host-8").await.close().await;
        wait_until_gone(&app).await;
        let made = app.book("guest-3", "host-8").await;
        let delivery = app.wait_for_delivery(&made["notification"], "suppressed").await;
        assert_eq!(delivery.error.as_deref(), Some("no_address"));
        assert_eq!(sink.connections(), 0);
    }

    async fn a_mail_server_that_is_down_gets_the_mail_once_it_is_back(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        for down in [Behaviour::CloseOnConnect, Behaviour::Busy] {
            sink.clear();
            sink.set(down);
            let made = app.book("guest-3", "host-7").await;
            let tried = wait_until_async("three tries", async || {
                Some(app.delivery(&made["notification"])).filter(|delivery| delivery.attempts >= 3)
            })
            .await;
            assert_eq!(tried.state, "pending", "{tried:?}");
            assert!(tried.error.is_some_and(|error| !error.is_empty()));

            sink.set(Behaviour::Accept);
            app.wait_for_delivery(&made["notification"], "emailed").await;
            let mails = sink.mails();
            assert_eq!(mails.len(), 1);
            assert!(mails[0].message_id().contains(made["notification"]["id"].as_str().unwrap()));
        }
    }

    async fn a_cancelled_booking_is_not_mailed_when_the_mail_server_is_back(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        sink.set(Behaviour::Busy);
        let cancelled = app.book("guest-3", "host-7").await;
        let path = format!("/bookings/{}/cancel", cancelled["booking"]["id"].as_str().unwrap());
        app.post(&path, &app.token("host-7", &[]), &json!({})).await.expect(200);
        app.wait_for_delivery(&cancelled["notification"], "withdrawn").await;
        let stands = app.book("guest-3", "host-7").await;

        sink.set(Behaviour::Accept);
        app.wait_for_delivery(&stands["notification"], "emailed").await;
        assert_eq!(app.delivery(&cancelled["notification"]).state, "withdrawn");
        let told = ids(&sink.mails());
        assert!(told.len() == 1 && told.iter().all(|id| id.contains(stands["notification"]["id"].as_str().unwrap())));
    }

    async fn a_refusal_for_good_is_recorded_as_failed(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        prefer(&app, "host-7", json!({"email": "gone@example.org"})).await;
        prefer(&app, "host-8", json!({"email": "here@example.org"})).await;
        sink.set(Behaviour::RejectRecipient("gone@example.org".to_owned()));
        let refused = app.book("guest-3", "host-7").await;
        let taken = app.book("guest-3", "host-8").await;
        let delivery = app.wait_for_delivery(&refused["notification"], "failed").await;
        assert_eq!(delivery.attempts, 1);
        let error = delivery.error.expect("an error");
        assert!(error.contains("550") && !error.contains("gone@example.org"), "{error}");
        app.wait_for_delivery(&taken["notification"], "emailed").await;
        assert_eq!(sink.mails().len(), 1);
    }

    async fn what_is_tried_for_too_long_has_failed(builder) {
        let sink = SmtpSink::start().await;
        sink.set(Behaviour::Busy);
        let app = start(builder.with("BELLHOP__MAIL__GIVE_UP_AFTER_MS", "300"), &sink).await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        let made = app.book("guest-3", "host-7").await;
        let delivery = app.wait_for_delivery(&made["notification"], "failed").await;
        assert!(delivery.attempts > 1 && delivery.error.unwrap().starts_with("gave up"));
        assert_eq!(sink.mails(), []);
    }

    async fn what_was_chosen_goes_before_what_a_token_says(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        introduce(&app, "host-7").await;
        prefer(&app, "host-7", json!({"email": "desk@hotel.example"})).await;
        app.book("guest-3", "host-7").await;
        assert_eq!(sink.wait_for(1, SOON).await[0].to, ["desk@hotel.example"]);

        // A token that comes later does not change it.
        introduce(&app, "host-7").await;
        let chosen = app.get("/notifications/preferences", &app.token("host-7", &[])).await.expect(200);
        assert_eq!(chosen["email"], "desk@hotel.example");
        prefer(&app, "host-7", json!({})).await;
        let made = app.book("guest-3", "host-7").await;
        assert_eq!(sink.wait_for(2, SOON).await[1].to, ["host-7@example.org"]);
        app.wait_for_delivery(&made["notification"], "emailed").await;
    }

    async fn a_category_that_is_switched_off_is_not_mailed(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        let off = json!({"email": "host-7@example.org", "channels": {"bookings": {"email": false}}});
        prefer(&app, "host-7", off).await;
        let unwanted = app.book("guest-3", "host-7").await;
        let body = json!({"type": "review.created", "userId": "host-7"});
        let wanted = app.post("/notifications", &app.service(), &body).await.expect(201);
        let delivery = app.wait_for_delivery(&unwanted["notification"], "suppressed").await;
        assert_eq!(delivery.error.as_deref(), Some("not_wanted"));
        app.wait_for_delivery(&wanted["notifications"][0], "emailed").await;
        assert_eq!(sink.mails().len(), 1);
    }

    async fn what_was_left_pending_goes_out_after_a_restart(builder) {
        let sink = SmtpSink::start().await;
        let mut app = start(builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"), &sink).await;
        prefer(&app, "host-7", json!({"email": "seven@example.org"})).await;
        prefer(&app, "host-8", json!({"email": "eight@example.org"})).await;
        sink.set(Behaviour::Busy);
        let tried = app.book("guest-3", "host-7").await;
        wait_until_async("a try", async || (app.delivery(&tried["notification"]).attempts > 0).then_some(())).await;
        let deaf = app.connect("host-8").await;
        let waiting = app.book("guest-3", "host-8").await;
        app.stop().await;
        drop(deaf);
        assert_eq!(app.delivery(&waiting["notification"]).state, "pending");
        assert_eq!(app.delivery(&tried["notification"]).state, "pending");

        sink.set(Behaviour::Accept);
        app.start_again().await;
        app.wait_for_delivery(&tried["notification"], "emailed").await;
        app.wait_for_delivery(&waiting["notification"], "emailed").await;
        assert_eq!(sink.mails().len(), 2);
        assert_eq!(ids(&sink.mails()).len(), 2);
    }

    async fn what_was_claimed_and_not_begun_at_a_stop_is_free_at_once(builder) {
        let sink = SmtpSink::start().await;
        let builder = builder.with("BELLHOP__MAIL__CONCURRENCY", "1");
        let mut app = start(builder.with("BELLHOP__SERVER__DRAIN_TIMEOUT_MS", "10000"), &sink).await;
        prefer(&app, "host-7", json!({"email": "seven@example.org"})).await;
        sink.set(Behaviour::Slow(Duration::from_millis(200)));
        for _ in 0..5 {
            app.book("guest-3", "host-7").await;
        }
        wait_until_async("all are claimed", async || {
            app.deliveries().iter().all(|delivery| delivery.attempts == 1).then_some(())
        })
        .await;
        app.stop().await;
        let begun = app.deliveries().iter().filter(|delivery| delivery.attempts == 1).count();
        assert_eq!(begun, sink.mails().len());
        assert!(begun < 5, "the mail server was too quick to prove anything");

        sink.set(Behaviour::Accept);
        app.start_again().await;
        sink.wait_for(5, SOON).await;
        app.stop().await;
        assert_eq!((sink.mails().len(), ids(&sink.mails()).len()), (5, 5));
    }

    async fn two_hundred_bookings_of_hosts_who_are_away_are_mailed_once_each(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        for host in 0..10 {
            prefer(&app, &format!("host-{host}"), json!({"email": format!("host-{host}@example.org")})).await;
        }
        let made: Vec<Value> = stream::iter(0..200)
            .map(|number| {
                let (app, body) = (&app, booking(&format!("host-{}", number % 10)));
                async move { app.post_booking("guest-3", &body).await.expect(201) }
            })
            .buffer_unordered(16)
            .collect()
            .await;
        wait_until_async("every delivery to end", async || {
            app.deliveries().iter().all(|delivery| delivery.state == "emailed").then_some(())
        })
        .await;
        let mails = sink.mails();
        assert_eq!(mails.len(), 200);
        let wanted: BTreeSet<&str> = made.iter().map(|one| one["notification"]["id"].as_str().unwrap()).collect();
        let got = ids(&mails);
        let got: BTreeSet<&str> = got.iter().map(|id| id[1..].split('@').next().unwrap()).collect();
        assert_eq!(got, wanted);
    }
}
