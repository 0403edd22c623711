//! The queue of mails: kept while no mail server takes them and while the server itself is away, sent
//! once, and taken back with their bookings.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::mail::{prefer, set_up, start};
use crate::support::app::booking;
use crate::support::both::build_on_both_databases;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::raw_socket::RawSocket;
use crate::support::smtp_sink::{Behaviour, ReceivedMail, SmtpSink};

fn ids(mails: &[ReceivedMail]) -> BTreeSet<String> {
    mails.iter().map(ReceivedMail::message_id).collect()
}

build_on_both_databases! {
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
        let slow = set_up(builder, &sink).with("BELLHOP__MAIL__RETRY_FIRST_MS", "2000");
        let app = slow.with("BELLHOP__MAIL__RETRY_LONGEST_MS", "2000").start().await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        sink.set(Behaviour::Busy);
        let cancelled = app.book("guest-3", "host-7").await;
        // Its first try is over, the next is not begun.
        wait_until_async("a try", async || app.delivery(&cancelled["notification"]).error).await;
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

    async fn a_device_that_does_not_confirm_is_not_kept_waiting_by_a_crowd_that_is_away(builder) {
        const CROWD: usize = 100;
        let sink = SmtpSink::start().await;
        sink.set(Behaviour::Slow(Duration::from_millis(30)));
        let app = set_up(builder, &sink)
            .with("BELLHOP__MAIL__CONCURRENCY", "1")
            .with("BELLHOP__DELIVERY__CLAIM_SIZE", "4")
            .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "200")
            .start()
            .await;
        for user in ["host-7", "host-8"] {
            prefer(&app, user, json!({"email": format!("{user}@example.org")})).await;
        }
        // It answers no ping.
        let mut silent = RawSocket::open(app.address(), &app.token("host-8", &[])).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        app.book("guest-3", "host-8").await;
        stream::iter(0..CROWD).for_each_concurrent(8, async |_| drop(app.book("guest-3", "host-7").await)).await;

        let before = wait_until_async("the mail to host-8", async || {
            let mails = sink.mails();
            mails.iter().any(|mail| mail.to == ["host-8@example.org"]).then_some(mails.len())
        })
        .await;
        assert!(before < CROWD / 2, "{before} mails went before it");
        sink.wait_for(CROWD + 1, SOON).await;
    }

    async fn what_waits_for_its_turn_is_not_mailed_when_its_booking_is_cancelled(builder) {
        let sink = SmtpSink::start().await;
        sink.set(Behaviour::Slow(Duration::from_millis(200)));
        let app = set_up(builder, &sink).with("BELLHOP__MAIL__CONCURRENCY", "1").start().await;
        prefer(&app, "host-7", json!({"email": "host-7@example.org"})).await;
        let first = app.book("guest-3", "host-7").await;
        wait_until_async("the first to begin", async || (sink.connections() == 1).then_some(())).await;
        let cancelled = app.book("guest-3", "host-7").await;
        wait_until_async("the second to be claimed", async || {
            (app.delivery(&cancelled["notification"]).attempts == 1).then_some(())
        })
        .await;
        let path = format!("/bookings/{}/cancel", cancelled["booking"]["id"].as_str().unwrap());
        app.post(&path, &app.token("host-7", &[]), &json!({})).await.expect(200);
        let last = app.book("guest-3", "host-7").await;

        sink.set(Behaviour::Accept);
        app.wait_for_delivery(&first["notification"], "emailed").await;
        app.wait_for_delivery(&last["notification"], "emailed").await;
        assert_eq!(app.delivery(&cancelled["notification"]).state, "withdrawn");
        assert_eq!(sink.mails().len(), 2);
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
