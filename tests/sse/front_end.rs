//! The front end of the presence and SSE document, in Node with a standard `EventSource`: it shows what comes, comes
//! back by itself after the server was away, with what it missed, and stays away when it is told to.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, JWT_SECRET, TestAppBuilder, booking, token_for};
use crate::support::node::{Client, Line, NodeClient, count};
use crate::support::process::{Process, ProcessBuilder};

const SCRIPT: &str = "presence_sse_events.mjs";
/// `EventSource.CLOSED`: it does not come back.
const CLOSED: i64 = 2;

fn run(settings: &Value) -> NodeClient {
    Client::new(4).run(SCRIPT, settings)
}

async fn status(page: &mut NodeClient) -> Value {
    page.tell_to("status").await;
    page.await_line("status").await
}

async fn leave(mut page: NodeClient) -> Vec<Line> {
    page.tell_to("disconnect").await;
    page.finish().await
}

#[tokio::test]
async fn each_type_has_its_handler() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
        .start()
        .await;
    let mut page = run(&json!({"server": app.url(""), "token": app.token("7", &["PROFESSIONAL"])}));
    page.await_line("SSE connection opened").await;
    // What is published before it is let in is in its inbox, not in its stream.
    crate::support::deadline::wait_until_async("the session", async || {
        let token = app.token("admin", &["ADMIN"]);
        let mut admin = app.connect_with(&token, "").await;
        (admin.ask("getPresence", json!({"userIds": ["7"]})).await["users"]["7"] == true).then_some(())
    })
    .await;
    let booked = app.book("guest", "7").await;
    let booking = page.await_line("New booking:").await;
    assert_eq!((&booking["id"], &booking["seq"]), (&booked["notification"]["id"], &json!(1)));
    for (kind, line) in [("review.created", "New review:"), ("nearby-job", "Nearby job:")] {
        let body = json!({"type": kind, "userId": "7", "data": {"a": 1}});
        app.post("/notifications", &app.service(), &body).await.expect(201);
        assert_eq!(page.await_line(line).await["data"], json!({"a": 1}));
    }
    assert_eq!(status(&mut page).await, json!({"connected": true, "readyState": 1}));
    let rest = leave(page).await;
    assert_eq!(count(&rest, "New booking:"), 0, "each once");
}

async fn server() -> Process {
    ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", "10")
        .with("BELLHOP__SSE__RETRY_MS", "300")
        .serve()
        .await
}

async fn book(server: &Process) -> i64 {
    let request = reqwest::Client::new().post(server.url("/bookings")).json(&booking("7"));
    let booked = Answer::of(request.bearer_auth(token_for("guest", &["CUSTOMER"]))).await.expect(201);
    booked["notification"]["seq"].as_i64().unwrap()
}

/// What a page shows that was open when the server went away, by `end`, and came again.
async fn seqs_after(end: impl FnOnce(&mut Process)) -> Vec<i64> {
    let mut server = server().await;
    let mut page =
        run(&json!({"server": server.url(""), "token": token_for("7", &[]), "wishes": "&since=0"}));
    page.await_line("SSE connection opened").await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        book(&server).await;
        seen.push(page.await_line("New booking:").await["seq"].as_i64().unwrap());
    }
    end(&mut server);
    page.await_line("SSE connection error:").await;
    server.restart().await;
    // Whether it is there already or not: what comes is what it does not have.
    let last = book(&server).await;
    while seen.last() != Some(&last) {
        seen.push(page.await_line("New booking:").await["seq"].as_i64().unwrap());
    }
    leave(page).await;
    seen
}

#[tokio::test]
async fn a_page_comes_back_to_a_server_that_was_stopped_and_shows_each_booking_once() {
    let seqs = seqs_after(|server| assert_eq!(server.terminate().code(), Some(0))).await;
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test]
async fn a_page_comes_back_to_a_server_that_was_killed_and_shows_each_booking_once() {
    assert_eq!(seqs_after(Process::kill).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_page_stays_away_once_its_time_is_over() {
    let app = TestAppBuilder::new(Database::Sqlite).with("BELLHOP__SSE__RETRY_MS", "100").start().await;
    let wishes = json!({"server": app.url(""), "token": app.token("7", &[]), "wishes": "&ttl=0.5"});
    let mut page = run(&wishes);
    page.await_line("SSE connection opened").await;
    crate::support::deadline::wait_until_async("the page to give up", async || {
        (status(&mut page).await["readyState"] == CLOSED).then_some(())
    })
    .await;
    let lines = page.finish().await;
    assert_eq!(count(&lines, "SSE connection opened"), 0, "it was sent away when it came back");
}
