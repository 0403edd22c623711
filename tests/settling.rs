//! After a start, and after the database was away, devices come back and say what they have before mail is
//! begun: who was there all along causes none.

use serde_json::json;

use crate::mail;
use crate::support::app::{Database, TestAppBuilder, token_with_mail};
use crate::support::both::build_on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::postgres::{Cluster, Durability};
use crate::support::raw_socket::{PONG, RawSocket};
use crate::support::smtp_sink::{Behaviour, SmtpSink};

/// Deadlines that are over when the devices have just come back.
const SHORT: [(&str, &str); 3] = [
    ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "100"),
    ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "50"),
    ("BELLHOP__DELIVERY__SETTLE_MS", "3000"),
];

build_on_both_databases! {
    async fn a_device_that_comes_back_after_a_restart_needs_no_mail(builder) {
        let mut app = builder.with_all(&SHORT).start().await;
        let token = token_with_mail("host");
        let mut silent = RawSocket::open(app.address(), &token).await;
        assert_eq!(silent.next_event().await["event"], "connected");
        let booked = app.book("guest", "host").await;
        app.stop().await;
        app.start_again().await;
        assert_eq!(app.delivery(&booked["notification"]).state, "pending");
        let mut back = app.connect_with(&token, "?since=1").await;
        assert_eq!(back.next_event("resumed").await, json!({"from": 2, "to": 1}));
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
        assert_eq!(app.unread_mails(), Vec::<std::path::PathBuf>::new());
    }

    async fn what_is_proven_while_a_report_is_written_is_written_before_the_stop(builder) {
        let builder = builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000");
        let builder = builder.with("BELLHOP__SERVER__DRAIN_TIMEOUT_MS", "10000");
        let mut app = builder.with("BELLHOP__SERVER__WORKERS", "1").start().await;
        let mut devices = Vec::new();
        for host in ["first", "second"] {
            let mut device = RawSocket::open(app.address(), &token_with_mail(host)).await;
            assert_eq!(device.next_event().await["event"], "connected");
            let booked = app.book("guest", host).await;
            while device.next_event().await["event"] != "booking.created" {}
            devices.push((device, booked));
        }
        let hold = app.hold_writers();
        for (device, _) in &mut devices {
            device.send(PONG, b"1").await;
            // What is answered came after the pong, which therefore was heard; the first is under way by then.
            device.send_event("ping", &json!(null)).await;
            while device.next_event().await["event"] != "pong" {}
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        let bookings: Vec<_> = devices.into_iter().map(|(_, booked)| booked).collect();
        let release = async {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            tokio::task::spawn_blocking(move || drop(hold)).await.unwrap();
        };
        tokio::join!(app.stop(), release);
        for booked in &bookings {
            assert_eq!(app.delivery(&booked["notification"]).state, "confirmed");
        }
    }

    async fn a_mail_server_that_takes_nothing_shows(builder) {
        let sink = SmtpSink::start().await;
        sink.set(Behaviour::Busy);
        let app = mail::start(builder, &sink).await;
        mail::prefer(&app, "host", json!({"email": "host@example.org"})).await;
        let parts = async || app.get("/ready", "").await.expect(200)["parts"].clone();
        assert_eq!(parts().await["mail"], "ok");
        app.book("guest", "host").await;
        wait_until_async("/ready to tell", async || (parts().await["mail"] == "degraded").then_some(())).await;
        sink.set(Behaviour::Accept);
        wait_until_async("/ready to tell", async || (parts().await["mail"] == "ok").then_some(())).await;
    }
}

#[tokio::test]
async fn what_was_proven_while_the_database_was_away_is_not_mailed() {
    let cluster = Cluster::start_new(Durability::NoFsync);
    let builder = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", &cluster.url("postgres"));
    let app = builder.with_all(&SHORT).with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1000").start().await;
    let token = token_with_mail("host");
    let mut device = RawSocket::open(app.address(), &token).await;
    assert_eq!(device.next_event().await["event"], "connected");
    // Long enough after the start that this is not what holds mail back.
    wait_until_async("the start to be over", async || {
        let other = app.book("guest", "nobody").await;
        (app.delivery(&other["notification"]).state == "suppressed").then_some(())
    })
    .await;
    let booked = app.book("guest", "host").await;
    while device.next_event().await["event"] != "booking.created" {}
    cluster.stop();
    device.send(PONG, b"1").await;
    wait_until_async("the sweep to notice", async || {
        (app.get("/ready", "").await.status == 503).then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    cluster.start();
    app.wait_for_delivery(&booked["notification"], "confirmed").await;
    assert_eq!(app.unread_mails(), Vec::<std::path::PathBuf>::new());
}
