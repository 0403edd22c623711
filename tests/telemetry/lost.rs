//! What must never be: that something accepted would never be delivered. The watch finds it, whoever did it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::figures::{await_figure, figure};
use crate::support::app::TestApp;
use crate::support::both::build_on_both_databases;
use crate::support::clock::SteppedClock;
use crate::support::deadline::wait_until_async;
use crate::support::records::execute;
use crate::trail::id_of;

const LOST: &str = "bellhop_notifications_lost";

async fn await_lost(app: &TestApp, count: f64) {
    wait_until_async(format_args!("{count} to be lost"), async || {
        ((figure(app, LOST).await - count).abs() < 0.1).then_some(())
    })
    .await;
}

/// Waits until everything was looked at again.
async fn await_audit(app: &TestApp) {
    const AUDITED: &str = "bellhop_notifications_audited_total";
    let so_far = figure(app, AUDITED).await;
    await_figure(app, AUDITED, so_far + 20.0).await;
}

build_on_both_databases! {
    async fn what_nothing_would_deliver_is_found_counted_and_forgotten_when_it_is_mended(builder) {
        // What is younger than a minute is not looked at.
        let clock = Arc::new(SteppedClock::default());
        clock.step_forward(Duration::from_mins(10));
        let app = builder
            .with_clock(clock)
            .with("BELLHOP__METRICS__WATCH_INTERVAL_MS", "50")
            .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000")
            .start()
            .await;
        let silent = app.connect("host").await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(id_of(&app.book("guest", "host").await).to_owned());
        }
        await_audit(&app).await;
        assert!(figure(&app, LOST).await < 0.5, "all is well");
        assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["audit"], "ok");

        let url = app.database_url();
        let without_delivery = |id: &str| execute(url, &format!("DELETE FROM deliveries WHERE notification_id = '{id}'"));
        without_delivery(&ids[0]);
        await_lost(&app, 1.0).await;
        assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["audit"], "degraded");
        execute(url, &format!("DELETE FROM notifications WHERE id = '{}'", ids[1]));
        await_lost(&app, 2.0).await;

        // Somebody has read this one, so that its delivery has come to an end whoever removes it.
        let body = json!({"ids": [ids[2]]});
        app.post("/notifications/mark-read", &app.token("host", &[]), &body).await.expect(200);
        without_delivery(&ids[2]);
        await_audit(&app).await;
        await_lost(&app, 2.0).await;

        execute(url, &format!(
            "INSERT INTO deliveries (notification_id, channel, state, attempts, escalate_at, finished_at) \
             VALUES ('{}', 'email', 'withdrawn', 0, 0, 0)", ids[0]));
        await_lost(&app, 1.0).await;
        without_delivery(&ids[1]);
        await_lost(&app, 0.0).await;
        assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["audit"], "ok");
        drop(silent);
    }

    async fn what_nobody_looks_at_after_its_time_is_overdue(builder) {
        let app = builder
            .with("BELLHOP__METRICS__WATCH_INTERVAL_MS", "50")
            .with("BELLHOP__METRICS__OVERDUE_GRACE_MS", "100")
            .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "100")
            // As if no mail were ever begun.
            .with("BELLHOP__DELIVERY__SETTLE_MS", "3600000")
            .start()
            .await;
        let booked = app.book("guest", "host").await;
        await_figure(&app, "bellhop_deliveries_pending", 1.0).await;
        await_figure(&app, "bellhop_deliveries_overdue", 1.0).await;
        let body = json!({"ids": [id_of(&booked)]});
        app.post("/notifications/mark-read", &app.token("host", &[]), &body).await.expect(200);
        for name in ["bellhop_deliveries_pending", "bellhop_deliveries_overdue"] {
            wait_until_async(name, async || (figure(&app, name).await < 0.5).then_some(())).await;
        }
    }
}
