//! The figures of `/metrics`: that what happens is counted and timed, and who may read them.

use serde_json::json;

use crate::mail::{prefer, set_up};
use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::both::{build_on_both_databases, on_both_databases};
use crate::support::deadline::wait_until_async;
use crate::support::smtp_sink::{Behaviour, SmtpSink};
use crate::trail::id_of;

/// So long that nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

/// The value of a figure, named with its labels as the page writes it; zero where it is not there.
pub(super) async fn figure(app: &TestApp, name: &str) -> f64 {
    let page = app.get("/metrics", "").await.expect_text(200);
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until it has at least this value.
pub(super) async fn await_figure(app: &TestApp, name: &str, least: f64) {
    wait_until_async(format_args!("{name} to be {least}"), async || {
        (figure(app, name).await >= least).then_some(())
    })
    .await;
}

on_both_databases! {
    async fn what_ends_a_delivery_is_counted_by_how_and_where(app, super::LONG) {
        let silent = app.connect("host").await;
        let (mut read, mut deleted) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            read.push(id_of(&app.book("guest", "host").await).to_owned());
            deleted.push(id_of(&app.book("guest", "host").await).to_owned());
        }
        let host = app.token("host", &[]);
        for _ in 0..2 {
            // Again changes nothing.
            app.post("/notifications/mark-read", &host, &json!({ "ids": read })).await.expect(200);
            app.post("/notifications/delete", &host, &json!({ "ids": deleted })).await.expect(200);
        }
        for state in ["confirmed", "deleted"] {
            let name = format!("bellhop_deliveries_finished_total{{channel=\"rest\",state=\"{state}\"}}");
            assert!((figure(&app, &name).await - 2.0).abs() < 0.1, "{name}");
        }
        drop(silent);
    }
}

build_on_both_databases! {
    async fn a_bookings_way_is_timed_to_the_device_and_to_the_mail(builder) {
        let sink = SmtpSink::start().await;
        let app = set_up(builder, &sink).with_all(&LONG).start().await;
        prefer(&app, "away", json!({"email": "away@example.org"})).await;
        let mut phone = app.connect("here").await;
        app.book("guest", "here").await;
        phone.next_event("booking.created").await;
        phone.events_so_far().await;
        app.get("/notifications/count", &app.token("here", &[])).await.expect(200);
        sink.set(Behaviour::Busy);
        app.book("guest", "away").await;
        await_figure(&app, "bellhop_mail_retries_total", 1.0).await;
        sink.set(Behaviour::Accept);
        for (name, least) in [
            ("bellhop_accepted_to_commit_seconds_count", 2.0),
            ("bellhop_accepted_to_push_seconds_count", 1.0),
            ("bellhop_created_to_confirm_seconds_count", 1.0),
            ("bellhop_created_to_mail_seconds_count", 1.0),
            ("bellhop_escalations_total{cause=\"away\"}", 1.0),
            ("bellhop_deliveries_finished_total{channel=\"websocket\",state=\"confirmed\"}", 1.0),
            ("bellhop_deliveries_finished_total{channel=\"email\",state=\"emailed\"}", 1.0),
            ("bellhop_mail_attempts_total{outcome=\"sent\"}", 1.0),
            ("bellhop_database_wait_seconds_count{whom=\"pool\"}", 1.0),
            ("bellhop_database_wait_seconds_count{whom=\"readers\"}", 1.0),
            ("bellhop_database_wait_seconds_count{whom=\"apart\"}", 1.0),
            ("bellhop_database_connections{state=\"idle\"}", 1.0),
            ("bellhop_http_request_seconds_count{route=\"bookings\"}", 2.0),
            ("bellhop_presence_bytes{part=\"registry\"}", 100.0),
            ("bellhop_watch_last_success_timestamp_seconds", 1.0),
            ("process_resident_memory_bytes", 1_000_000.0),
            ("process_open_fds", 3.0),
        ] {
            await_figure(&app, name, least).await;
        }
        for name in ["commit", "push"].map(|step| format!("bellhop_accepted_to_{step}_seconds_sum")) {
            assert!(figure(&app, &name).await > 0.0, "{name}");
        }
        for queue in ["write", "clerical", "read", "hub", "mail", "confirmations"] {
            let name = format!("bellhop_queue_items{{queue=\"{queue}\"}}");
            wait_until_async(&name, async || (figure(&app, &name).await < 1.5).then_some(())).await;
        }
        assert_eq!(sink.mails().len(), 1);
    }
}

#[tokio::test]
async fn figures_are_shown_to_who_has_their_token() {
    let builder = TestAppBuilder::new(Database::Sqlite).with("BELLHOP__METRICS__TOKEN", "the-figures-token");
    let app = builder.start().await;
    app.get("/metrics", "").await.expect_problem(401, "token_missing");
    for wrong in ["the-figures-toke", "the-figures-tokens", &app.token("root", &["ADMIN"])] {
        app.get("/metrics", wrong).await.expect_problem(401, "token_signature");
    }
    assert!(app.get("/metrics", "the-figures-token").await.expect_text(200).contains("bellhop_build_info"));
}

#[tokio::test]
async fn production_shows_no_figures_unless_it_is_told_to_whom() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP_MODE", "production")
        .with("BELLHOP__SERVER__DRAIN_NOTICE_MS", "0")
        .start()
        .await;
    app.get("/metrics", "").await.expect_problem(404, "not_found");
    app.get("/metrics", &app.token("root", &["ADMIN"])).await.expect_problem(404, "not_found");
    app.get("/health", "").await.expect(200);
}
