//! Mail to whom no device answers, through a real SMTP conversation: once, and to the right address.

use serde_json::{Value, json};

use crate::support::app::{TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::build_on_both_databases;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::records::texts;
use crate::support::smtp_sink::{Behaviour, SmtpSink};

/// A server that retries quickly and sends to `sink`.
pub(super) fn set_up(builder: TestAppBuilder, sink: &SmtpSink) -> TestAppBuilder {
    builder
        .with("SMTP_URL", &sink.url())
        .with("BELLHOP__MAIL__RETRY_FIRST_MS", "20")
        .with("BELLHOP__MAIL__RETRY_LONGEST_MS", "100")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "20")
}

/// The same, running.
pub(super) async fn start(builder: TestAppBuilder, sink: &SmtpSink) -> TestApp {
    set_up(builder, sink).start().await
}

/// Sets a user's preferences.
pub(super) async fn prefer(app: &TestApp, user: &str, preferences: Value) {
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

    async fn who_uses_rest_alone_is_known_by_the_token(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        let claims = json!({"userId": "host-9", "email": "host-9@example.org", "exp": seconds_from_now(3_600)});
        app.get("/notifications/count", &token_of(&claims)).await.expect(200);
        wait_until_async("host-9 is known", async || {
            let known = texts(app.database_url(), "SELECT user_id AS value FROM recipients");
            known.contains(&"host-9".to_owned()).then_some(())
        })
        .await;

        app.book("guest-3", "host-9").await;
        assert_eq!(sink.wait_for(1, SOON).await.remove(0).to, ["host-9@example.org"]);
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
}
