//! Redis's password opens the bus and is seen by nobody.

use crate::support::fleet::FleetBuilder;
use crate::support::redis::{RedisOptions, RedisServer};

const PASSWORD: &str = "a-password-that-nothing-else-is";

fn redis() -> RedisServer {
    RedisServer::start_with(RedisOptions { password: Some(PASSWORD.to_owned()), ..RedisOptions::default() })
}

#[tokio::test]
async fn a_redis_with_a_password_serves_and_no_line_tells_it() {
    let redis = redis();
    let fleet = FleetBuilder::new()
        .over(&redis.url())
        .with("LOG_LEVEL", "trace")
        .with("BELLHOP__BUS__TIMEOUT_MS", "300")
        .start(2)
        .await;
    fleet.await_status("ok").await;
    let mut device = fleet.connect(1, "ann").await;
    fleet.book(0, "guest", "ann").await;
    device.next_event("booking.created").await;

    // Most is said of what fails.
    redis.kill();
    fleet.await_status("degraded").await;
    redis.start();
    fleet.await_status("ok").await;
    let mut said = fleet.output();
    for instance in fleet.numbers() {
        said += &fleet.get(instance, "/metrics", "").await.text;
        said += &fleet.get(instance, "/ready", "").await.text;
    }
    assert!(!said.contains(PASSWORD), "{}", line_with(&said, PASSWORD));
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_without_being_told() {
    const WRONG: &str = "a-password-that-is-not-the-one";
    let redis = redis();
    let fleet = FleetBuilder::new().over(&redis.url().replace(PASSWORD, WRONG)).start(1).await;
    fleet.await_status("degraded").await;
    fleet.book(0, "guest", "ann").await;
    let said = fleet.output();
    assert!(!said.contains(WRONG), "{}", line_with(&said, WRONG));
    assert!(said.to_ascii_lowercase().contains("redis"), "nothing is said of why: {said}");
}

fn line_with<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines().find(|line| line.contains(word)).unwrap_or_default()
}
