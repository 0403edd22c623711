//! Figures of a stretch of time.

use std::pin::pin;

use futures_util::future::select;
use serde_json::{Value, json};

use crate::support::app::{TestApp, token_for};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::records::execute;

async fn stats(app: &TestApp, query: &str) -> Value {
    app.get(&format!("/admin/notifications/stats{query}"), &token_for("root", &["ADMIN"])).await.expect(200)
}

on_both_databases! {
    async fn what_there_was_is_counted_and_timed(app) {
        let mut online = app.connect("online").await;
        for _ in 0..3 {
            app.book("guest", "online").await;
            online.next_event("booking.created").await;
        }
        online.events_so_far().await;
        app.tell("hermit", 2).await;
        let mark = json!({"upTo": 1});
        app.post("/notifications/mark-read", &app.token("online", &[]), &mark).await.expect(200);
        let all = wait_until_async("everything has ended", async || {
            let all = stats(&app, "").await;
            let states = &all["byState"];
            (states["confirmed"] == 3 && states["suppressed"] == 2 && all["confirmation"]["count"] == 3)
                .then_some(all)
        })
        .await;
        assert_eq!((&all["total"], &all["complete"], &all["countedFrom"]), (&json!(5), &json!(true), &all["from"]));
        assert_eq!(all["byType"], json!({"booking.created": 3, "note": 2}), "{all}");
        assert_eq!(all["byCategory"], json!({"bookings": 3, "general": 2}), "{all}");
        assert_eq!((&all["otherTypes"], &all["byChannel"]), (&json!(0), &json!({"websocket": 3})), "{all}");
        let hours: u64 = all["byHour"].as_array().unwrap().iter().map(|hour| hour["count"].as_u64().unwrap()).sum();
        assert_eq!(hours, 5, "{all}");
        assert!(all["byHour"][0]["hour"].as_str().unwrap().ends_with(":00:00.000Z"), "{all}");
        for (name, count) in [("delivery", 3), ("confirmation", 3), ("mail", 0), ("reading", 1)] {
            let times = &all[name];
            assert_eq!(times["count"], count, "{all}");
            let parts = ["p50", "p90", "p95", "p99", "max"].map(|part| times[part].as_f64());
            assert!(parts.is_sorted() && parts.iter().all(|part| part.is_some() == (count > 0)), "{all}");
        }
        let none = stats(&app, "?to=2001-01-02T00:00:00Z").await;
        assert_eq!((&none["total"], &none["from"]), (&json!(0), &json!("2001-01-01T00:00:00.000Z")), "{none}");
        let root = token_for("root", &["ADMIN"]);
        for query in ["?from=2001-01-01T00:00:00Z&to=2001-03-01T00:00:00Z", "?from=x", "?to="] {
            let path = format!("/admin/notifications/stats{query}");
            app.get(&path, &root).await.expect_problem(400, "invalid_query");
        }
    }

    async fn a_delivery_that_is_gone_is_counted_as_unknown(app) {
        let silent = app.connect("host").await;
        app.tell("host", 2).await;
        execute(app.database_url(), "DELETE FROM deliveries");
        let all = stats(&app, "").await;
        assert_eq!(all["byState"], json!({"unknown": 2}), "{all}");
        drop(silent);
    }
}

#[tokio::test]
async fn one_at_a_time_counts_and_whoever_else_asks_is_told_to_come_back() {
    let app = TestApp::start(crate::support::app::Database::Postgres).await;
    app.tell("hermit", 1).await;
    let root = token_for("root", &["ADMIN"]);
    let hold = app.hold_readers();
    let path = "/admin/notifications/stats";
    // Whose turn it is cannot be answered while nobody reads, so that whoever is answered first was refused.
    let (one, other) = (pin!(app.get(path, &root)), pin!(app.get(path, &root)));
    let (refused, counting) = select(one, other).await.factor_first();
    assert!(refused.header("retry-after").is_some());
    refused.expect_problem(503, "overloaded");
    drop(hold);
    assert_eq!(counting.await.expect(200)["total"], 1);
    assert_eq!(app.get(path, &root).await.expect(200)["total"], 1, "the turn was given back");
}
