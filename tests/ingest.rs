//! Events from a real RabbitMQ: what back ends send as messages ends where it would by HTTP, whatever fails on the way.

use serde_json::{Value, json};

use crate::support::app::{TestApp, TestAppBuilder};
use crate::support::back_end::BackEnd;
use crate::support::deadline::wait_until_async;
use crate::support::rabbitmq;

mod events;
mod nestjs;
mod outages;
mod outgoing;
mod poison;
mod repeats;

/// A server that takes its messages from the shared broker, from names that are this test's own.
async fn fed(builder: TestAppBuilder) -> (TestApp, BackEnd) {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let app = back_end.feed(patient(builder)).start().await;
    await_ready(&app).await;
    (app, back_end)
}

/// Which does not mail while a test looks.
fn patient(builder: TestAppBuilder) -> TestAppBuilder {
    builder.with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
}

/// Waits until it consumes.
async fn await_ready(app: &TestApp) {
    wait_until_async("messages to be taken", async || {
        let ready = app.get("/ready", "").await.expect(200);
        (ready["parts"]["rabbitmq"] == "ok").then_some(())
    })
    .await;
}

/// What a back end says to a user.
fn note(user: &str, title: &str) -> Value {
    json!({"userId": user, "type": "note", "title": title})
}

/// The titles in a user's inbox, oldest first.
async fn titles(app: &TestApp, user: &str) -> Vec<String> {
    let page = app.get("/notifications?since=0&limit=100", &app.token(user, &[])).await.expect(200);
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

/// Waits until so many are in a user's inbox.
async fn await_titles(app: &TestApp, user: &str, count: usize) -> Vec<String> {
    wait_until_async(format_args!("{count} in the inbox of {user}"), async || {
        Some(titles(app, user).await).filter(|titles| titles.len() >= count)
    })
    .await
}

/// A figure of ingest's, by outcome.
async fn outcomes(app: &TestApp, outcome: &str) -> u64 {
    let figures = app.get("/metrics", "").await.text;
    let name = format!("bellhop_ingest_messages_total{{outcome=\"{outcome}\"}} ");
    figures.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

/// Waits until so many messages came to this outcome.
async fn await_outcome(app: &TestApp, outcome: &str, count: u64) {
    wait_until_async(format_args!("{count} {outcome}"), async || {
        (outcomes(app, outcome).await >= count).then_some(())
    })
    .await;
}
