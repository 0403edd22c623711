//! Front ends as others have written them, run by Node with the official socket.io-client of both majors
//! against a real server: how each writes its URL, hands its token over, names its events and rooms, reads
//! notifications, comes back and cleans up. Over SQLite: what is stored is the same over both databases.

use serde_json::{Value, json};

use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::deadline::wait_until_async;
use crate::support::node::{Line, NodeClient, events};

mod answers;
mod coming_back;
mod gateway_jwt;
mod hybrid_roadmap;
mod presence_sse;
mod rabbitmq_bridge;
mod refusals;
mod visual_architecture;

/// A server where nobody speaks too fast, and which does not mail while a slow machine starts Node.
fn patient() -> TestAppBuilder {
    TestAppBuilder::new(Database::Sqlite)
        .with("RATE_LIMIT_MAX_REQUESTS", "100000")
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
}

/// What every script is told: where the server is and who the user is.
fn settings(app: &TestApp, user: &str) -> Value {
    json!({"server": app.url(""), "token": app.token(user, &["PROFESSIONAL"]), "user": user})
}

/// The same, with more.
fn settings_with(app: &TestApp, user: &str, more: &Value) -> Value {
    let mut settings = settings(app, user);
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// What a browser adds where the page's own code holds no token.
fn with_cookie(token: &str) -> Value {
    json!({"extraHeaders": {"Cookie": format!("theme=dark; token={token}")}})
}

/// Waits until the server knows of no connection but the one that asks.
async fn await_everybody_gone(app: &TestApp) {
    let mut admin = app.connect_with(&app.token("admin", &["ADMIN"]), "").await;
    wait_until_async("everybody else is gone", async || {
        admin.send("getPresence", Value::Null).await;
        let stats = admin.next_event("presenceStats").await;
        (stats["connections"] == 1 && stats["totalOnline"] == 1).then_some(())
    })
    .await;
}

/// Asserts that a notification came under these names only, once under each, the same every time.
fn assert_once_under(lines: &[Line], names: &[&str], notification: &Value) {
    let others = ["notification", "notification:new", "new_booking"];
    let kind = notification["type"].as_str().unwrap();
    for name in others.into_iter().chain([kind]) {
        let wanted = if names.contains(&name) { vec![notification] } else { Vec::new() };
        let got: Vec<&Value> =
            events(lines, name).into_iter().filter(|event| event["id"] == notification["id"]).collect();
        assert_eq!(got, wanted, "{name}");
    }
}

/// Ends a script that closes its socket when it is told to `leave`, and asserts that the socket is gone for
/// good and that nobody is online any more.
async fn leave(app: &TestApp, client: NodeClient, verb: &str) {
    client.leave(verb).await;
    await_everybody_gone(app).await;
}
