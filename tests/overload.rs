//! More than can be written, and a database that goes away: refused clearly, nothing accepted is lost,
//! and it recovers by itself.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, booking};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::postgres::{Cluster, Durability};

/// Asserts a clear refusal that may be tried again.
fn refused(answer: Answer, code: &str) {
    let pause = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(pause.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
    answer.expect_problem(503, code);
}

/// The id of a booking that was accepted.
fn id_of(answer: Answer) -> String {
    answer.expect(201)["booking"]["id"].as_str().expect("an id").to_owned()
}

/// Asserts that every one of these bookings is there, and its notification in the host's inbox.
async fn assert_all_there(app: &TestApp, accepted: &[String]) {
    let (host, mut query) = (app.token("host-7", &[]), "?limit=100".to_owned());
    let mut told = BTreeSet::new();
    loop {
        let page = app.get(&format!("/notifications/list{query}"), &host).await.expect(200);
        let items = page["items"].as_array().unwrap();
        told.extend(items.iter().map(|item| item["data"]["bookingId"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("?limit=100&cursor={cursor}");
    }
    for id in accepted {
        assert!(told.contains(id), "{id} is not in the inbox");
        assert_eq!(app.get(&format!("/bookings/{id}"), &host).await.expect(200)["id"], *id);
    }
}

on_both_databases! {
    async fn a_full_queue_is_refused_and_what_was_accepted_is_there(app, [
        // Half of it for one sender.
        ("BELLHOP__LIMITS__WRITE_QUEUE", "8"),
        ("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "5000"),
        ("BELLHOP__DATABASE__BUSY_TIMEOUT_MS", "15000"),
    ]) {
        let hold = app.hold_writers();
        let body = booking("host-7");
        let posts = join_all((0..40).map(|_| app.post_booking("guest-3", &body)));
        let release = async {
            let refused = |text: &str| {
                let line = text.lines().find(|line| line.contains("write_queue") && line.contains("refused"))?;
                line.rsplit(' ').next()?.parse::<f64>().ok()
            };
            // One is being written and four wait, at most: the others are refused.
            wait_until_async("35 refusals", async || {
                let figures = app.get("/metrics", "").await.text;
                refused(&figures).filter(|count| *count >= 35.0)
            })
            .await;
            drop(hold);
        };
        let (answers, ()) = tokio::join!(posts, release);
        let mut accepted = Vec::new();
        for answer in answers {
            if answer.status == 201 { accepted.push(id_of(answer)) } else { self::refused(answer, "overloaded") }
        }
        assert_eq!(accepted.len(), 5);
        assert_all_there(&app, &accepted).await;
        let count = app.get("/notifications/count", &app.token("host-7", &[])).await.expect(200);
        assert_eq!(count["total"], 5);
        app.post_booking("guest-3", &body).await.expect(201);
    }

    async fn a_crowd_is_served_or_refused_and_nothing_in_between(app, [
        ("BELLHOP__LIMITS__WRITE_QUEUE", "1"), ("BELLHOP__LIMITS__WRITE_BATCH", "1"),
    ]) {
        let body = booking("host-7");
        let answers = join_all((0..200).map(|_| app.post_booking("guest-3", &body))).await;
        let mut accepted = Vec::new();
        for answer in answers {
            if answer.status == 201 { accepted.push(id_of(answer)) } else { refused(answer, "overloaded") }
        }
        assert!(!accepted.is_empty());
        assert_all_there(&app, &accepted).await;
        let count = app.get("/notifications/count", &app.token("host-7", &[])).await.expect(200);
        assert_eq!(count["total"].as_u64().unwrap(), accepted.len() as u64);
    }
}

/// A server over a cluster of its own, which the test may stop.
async fn app_over(url: &str) -> TestApp {
    let builder = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", url);
    builder.with("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "300").start().await
}

#[tokio::test]
async fn a_lost_database_is_said_clearly_and_comes_back_without_a_restart() {
    let cluster = Cluster::start_new(Durability::Fsync);
    let database = cluster.create_database();
    let app = app_over(database.url()).await;
    let mut host = app.connect("host-7").await;
    let token = app.token("host-7", &[]);
    let mut accepted = vec![id_of(app.post_booking("guest-3", &booking("host-7")).await)];
    host.next_event("booking.created").await;

    cluster.stop();
    for _ in 0..2 {
        refused(app.post_booking("guest-3", &booking("host-7")).await, "database_unavailable");
        refused(app.get("/notifications/count", &token).await, "database_unavailable");
        let mark = app.post("/notifications/mark-read", &token, &json!({"all": true})).await;
        refused(mark, "database_unavailable");
        refused(app.get("/ready", "").await, "database_unavailable");
        app.get("/health", "").await.expect(200);
    }
    host.send("ping", json!(7)).await;
    assert_eq!(host.next_event("pong").await, 7, "who is connected stays connected");

    cluster.start();
    wait_until_async("it is ready again", async || (app.get("/ready", "").await.status == 200).then_some(()))
        .await;
    let again = wait_until_async("a booking is accepted again", async || {
        let answer = app.post_booking("guest-3", &booking("host-7")).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    let again = id_of(again);
    assert_eq!(host.next_event("booking.created").await["data"]["bookingId"], *again);
    accepted.push(again);
    assert_all_there(&app, &accepted).await;
}

#[tokio::test]
async fn nothing_that_was_answered_201_is_missing_after_a_crash_of_the_database() {
    let cluster = Cluster::start_new(Durability::Fsync);
    let database = cluster.create_database();
    let app = app_over(database.url()).await;
    let posting = async |until_refused: bool| {
        let mut accepted = Vec::new();
        loop {
            let answer = app.post_booking("guest-3", &booking("host-7")).await;
            match (answer.status, until_refused) {
                (201, _) => accepted.push(id_of(answer)),
                (503, true) => return accepted,
                (503, false) => {}
                _ => panic!("{}: {}", answer.status, answer.text),
            }
            if !until_refused && accepted.len() == 10 {
                return accepted;
            }
        }
    };
    let crash = async {
        let host = app.token("host-7", &[]);
        wait_until_async("some bookings", async || {
            let count = app.get("/notifications/count", &host).await.json();
            (count["total"].as_u64()? >= 30).then_some(())
        })
        .await;
        cluster.stop();
    };
    let clients = join_all((0..8).map(|_| posting(true)));
    let (before, ()) = tokio::join!(clients, crash);
    cluster.start();
    let after = posting(false).await;

    let accepted: Vec<String> = before.into_iter().flatten().chain(after).collect();
    assert!(accepted.len() >= 20, "{}", accepted.len());
    assert_all_there(&app, &accepted).await;
}
