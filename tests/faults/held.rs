//! A database that somebody else holds for longer than anybody waits: refused in the configured time,
//! nobody is disconnected, and it is over when the other lets go.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{Database, TestAppBuilder, booking};
use crate::support::both::on_both_databases;
use crate::support::clock;
use crate::support::deadline::wait_until_async;

/// What must be over in a second at most, on a machine that is busy with something else.
const IN_TIME: Duration = Duration::from_secs(5);

fn refused(answer: Answer) {
    let pause = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(pause.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
    answer.expect_problem(503, "database_unavailable");
}

on_both_databases! {
    async fn a_writer_who_does_not_let_go_costs_refusals_in_time_and_nothing_else(app, [
        ("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "500"),
        ("BELLHOP__DATABASE__BUSY_TIMEOUT_MS", "500"),
        ("BELLHOP__DATABASE__STATEMENT_TIMEOUT_MS", "500"),
    ]) {
        let mut host = app.connect("host-7").await;
        let token = app.token("host-7", &[]);
        let first = app.book("guest-3", "host-7").await;
        host.next_event("booking.created").await;
        let hold = app.hold_writers();

        let body = booking("host-7");
        let began = clock::start();
        for answer in join_all((0..20).map(|_| app.post_booking("guest-3", &body))).await {
            refused(answer);
        }
        let waited = began.elapsed();
        assert!(waited < IN_TIME, "{waited:?}");
        refused(app.post("/notifications/mark-read", &token, &json!({"all": true})).await);
        host.send("markNotificationRead", first["notification"]["id"].clone()).await;
        assert_eq!(host.next_event("error").await["code"], "database_unavailable");
        assert_eq!(app.get("/notifications/count", &token).await.expect(200)["total"], 1);
        assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["database"], "degraded");
        assert!(host.events_so_far().await.iter().all(|event| event.name != "booking.created"));

        drop(hold);
        let again = wait_until_async("a booking is accepted again", async || {
            Some(app.post_booking("guest-3", &body).await).filter(|answer| answer.status == 201)
        })
        .await
        .json();
        assert_eq!(again["notification"]["seq"], 2, "what was refused left no hole");
        assert_eq!(host.next_event("booking.created").await["seq"], 2);
        let read = app.post("/notifications/mark-read", &token, &json!({"all": true})).await.expect(200);
        assert_eq!(read["unread"], 0);
        assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["database"], "ok");
    }
}

#[tokio::test]
async fn readers_whose_connections_are_all_held_are_refused_in_the_configured_time() {
    let app = TestAppBuilder::new(Database::Postgres)
        .with("BELLHOP__DATABASE__READ_CONNECTIONS", "2")
        .with("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "500")
        .with("BELLHOP__DATABASE__STATEMENT_TIMEOUT_MS", "1000")
        .start()
        .await;
    let mut host = app.connect("host-7").await;
    let token = app.token("host-7", &[]);
    let hold = app.hold_readers();

    let began = clock::start();
    // Two at a time, with a second each, they would take twenty.
    for answer in join_all((0..40).map(|_| app.get("/notifications/count", &token))).await {
        refused(answer);
    }
    let waited = began.elapsed();
    assert!(waited < IN_TIME, "{waited:?}");
    app.get("/health", "").await.expect(200);
    assert_eq!(host.events_so_far().await, [], "who is connected stays so");

    drop(hold);
    app.get("/notifications/count", &token).await.expect(200);
    app.book("guest-3", "host-7").await;
    assert_eq!(host.next_event("booking.created").await["seq"], 1);
}
