//! A wall clock that is set back while the server runs, and between two runs of it: what is pending
//! goes out in time all the same, and no timestamp is older than the one before it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::mail::{prefer, set_up};
use crate::support::app::{TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::build_on_both_databases;
use crate::support::clock::{self, SteppedClock};
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::raw_socket::RawSocket;
use crate::support::smtp_sink::{Behaviour, SmtpSink};

const HOUR: Duration = Duration::from_hours(1);

fn set_up_with_clock(builder: TestAppBuilder, sink: &SmtpSink) -> (TestAppBuilder, Arc<SteppedClock>) {
    let clock = Arc::new(SteppedClock::default());
    (set_up(builder, sink).with_clock(Arc::clone(&clock) as _), clock)
}

build_on_both_databases! {
    async fn a_clock_that_is_set_back_delays_no_mail_and_turns_no_timestamp_back(builder) {
        let deadline = Duration::from_secs(2);
        let sink = SmtpSink::start().await;
        let (builder, clock) = set_up_with_clock(builder, &sink);
        let app = builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "2000").start().await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        // It answers no ping.
        let mut silent = RawSocket::open(app.address(), &app.token("host-7", &[])).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        let booked_at = clock::start();
        let before = app.book("guest-3", "host-7").await;
        assert_eq!(app.delivery(&before["notification"]).state, "pending");

        clock.step_back(HOUR);
        let after = app.book("guest-3", "host-7").await;
        let mails = sink.wait_for(2, SOON).await;
        assert!(booked_at.elapsed() >= deadline, "the device has its time to confirm");
        for (mail, made) in mails.iter().zip([&before, &after]) {
            assert!(mail.message_id().contains(made["notification"]["id"].as_str().unwrap()));
            app.wait_for_delivery(&made["notification"], "emailed").await;
        }

        let list = app.get("/notifications?since=0", &app.token("host-7", &[])).await.expect(200);
        let items = list["items"].as_array().unwrap();
        let seqs: Vec<i64> = items.iter().map(|item| item["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, [1, 2]);
        let times: Vec<&str> = items.iter().map(|item| item["timestamp"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    async fn tokens_are_judged_by_the_clock_that_was_set_right(builder) {
        let clock = Arc::new(SteppedClock::default());
        let app = builder.with_clock(Arc::clone(&clock) as _).start().await;
        let claims = json!({"userId": "host-7", "exp": seconds_from_now(-1_800)});
        let expired = token_of(&claims);
        app.get("/notifications/count", &expired).await.expect(401);
        clock.step_back(HOUR);
        app.get("/notifications/count", &expired).await.expect(200);
        app.connect_with(&expired, "").await.close().await;

        let handed_out = app.post("/dev/token", "", &json!({"userId": "host-7", "expiresIn": 60})).await;
        let expires_at: Value = handed_out.expect(200)["expiresAt"].clone();
        let expires_at: chrono::DateTime<chrono::Utc> = expires_at.as_str().unwrap().parse().unwrap();
        assert!(expires_at < clock::now(), "an hour ago, by the clock of the test");
    }

    async fn what_a_clock_that_was_a_day_ahead_put_off_goes_out_after_a_restart(builder) {
        let sink = SmtpSink::start().await;
        sink.set(Behaviour::Busy);
        let (builder, clock) = set_up_with_clock(builder, &sink);
        let builder = builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000");
        let builder = builder.with("BELLHOP__MAIL__RETRY_FIRST_MS", "60000");
        let mut app = builder.with("BELLHOP__MAIL__RETRY_LONGEST_MS", "60000").start().await;
        for user in ["host-7", "host-8"] {
            prefer(&app, user, json!({"email": format!("{user}@example.org")})).await;
        }
        let mut silent = RawSocket::open(app.address(), &app.token("host-8", &[])).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        let unconfirmed = app.book("guest-3", "host-8").await;
        let tried = app.book("guest-3", "host-7").await;
        wait_until_async("a try", async || app.delivery(&tried["notification"]).error).await;
        app.stop().await;

        sink.set(Behaviour::Accept);
        clock.step_back(HOUR * 24);
        app.start_again().await;
        sink.wait_for(2, SOON).await;
        app.wait_for_delivery(&unconfirmed["notification"], "emailed").await;
        app.wait_for_delivery(&tried["notification"], "emailed").await;
        assert_eq!(sink.mails().len(), 2);
    }

    async fn what_is_put_off_as_it_should_be_is_left_alone_by_a_restart(builder) {
        let sink = SmtpSink::start().await;
        let builder = set_up(builder, &sink).with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000");
        let mut app = builder.start().await;
        prefer(&app, "host-8", json!({"email": "host-8@example.org"})).await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        let mut silent = RawSocket::open(app.address(), &app.token("host-8", &[])).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        let unconfirmed = app.book("guest-3", "host-8").await;
        app.restart().await;
        // By the time this one is mailed, the first sweep is over.
        let later = app.book("guest-3", "host-7").await;
        app.wait_for_delivery(&later["notification"], "emailed").await;
        assert_eq!(app.delivery(&unconfirmed["notification"]).state, "pending");
        assert_eq!(sink.mails().len(), 1);
    }
}
