//! What an administrator orders of one instance is done by all of them at once, without the database being asked.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AT_ONCE, median};
use crate::support::app::{seconds_from_now, token_of};
use crate::support::clock::start;
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::socket::TestSocket;

/// No instance finds the order in the database while the test runs.
async fn fleet() -> Fleet {
    FleetBuilder::new().with("BELLHOP__AUTH__REVOCATION_POLL_MS", "600000").start(THREE).await
}

fn token_named(user: &str, id: &str) -> String {
    let exp = seconds_from_now(3_600);
    token_of(&json!({"userId": user, "roles": [], "jti": id, "iat": seconds_from_now(0) - 1, "exp": exp}))
}

async fn on_every_instance(fleet: &Fleet, door: Door, token: &str) -> Vec<TestSocket> {
    let mut devices = Vec::new();
    for instance in fleet.numbers() {
        devices.push(fleet.connect_through(instance, door, token).await);
    }
    devices
}

/// Orders something of one instance; answers how long it took until every device was ended by it.
async fn end_all(
    fleet: &Fleet,
    from: usize,
    order: (&str, &Value),
    devices: &mut [TestSocket],
    end: (u16, &str),
) -> Duration {
    let begun = start();
    fleet.order(from, order.0, order.1).await;
    for device in devices {
        device.expect_end(end.0, end.1).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn who_is_disconnected_is_on_every_instance() {
    let fleet = fleet().await;
    let mut stays = on_every_instance(&fleet, Door::Raw, &token_named("bob", "b")).await;
    let mut times = Vec::new();
    for (from, door) in [(0, Door::Raw), (1, Door::WebSocket), (2, Door::Sse)] {
        let mut devices = on_every_instance(&fleet, door, &token_named("ann", "a")).await;
        let order = ("/admin/users/ann/disconnect", &json!({}));
        times.push(end_all(&fleet, from, order, &mut devices, (4004, "disconnected")).await);
    }
    println!("until every device was disconnected: {times:?}");
    assert!(median(times) < AT_ONCE);
    for device in &mut stays {
        assert_eq!(device.events_so_far().await, []);
    }
}

#[tokio::test]
async fn what_is_revoked_is_on_every_instance() {
    let fleet = fleet().await;
    let good = token_named("ann", "good");
    let mut stays = on_every_instance(&fleet, Door::Raw, &good).await;
    let mut times = Vec::new();
    for from in fleet.numbers() {
        let id = format!("bad-{from}");
        let bad = token_named("ann", &id);
        let mut devices = on_every_instance(&fleet, Door::Raw, &bad).await;
        let order = ("/admin/users/ann/revoke", &json!({"jti": id}));
        times.push(end_all(&fleet, from, order, &mut devices, (4003, "token_revoked")).await);
        for instance in fleet.numbers() {
            let refused = fleet.get(instance, "/notifications/count", &bad).await;
            refused.expect_problem(401, "token_revoked");
        }
    }
    println!("until every device's token was revoked: {times:?}");
    assert!(median(times) < AT_ONCE);
    for device in &mut stays {
        assert_eq!(device.events_so_far().await, []);
    }

    end_all(&fleet, 1, ("/admin/users/ann/revoke", &json!({})), &mut stays, (4003, "token_revoked")).await;
    for instance in fleet.numbers() {
        fleet.get(instance, "/notifications/count", &good).await.expect_problem(401, "token_revoked");
    }
}
