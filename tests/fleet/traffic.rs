//! What a booking costs Redis does not grow with how many people are online, nor with how many instances have
//! nobody in the room.

use futures_util::{StreamExt, stream};

use crate::support::app::token_for;
use crate::support::deadline::{wait_until, wait_until_async};
use crate::support::door::Call;
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::redis::RedisServer;
use crate::support::redis::traffic::Traffic;
use crate::support::socket::TestSocket;

const BOOKINGS: u64 = 50;
/// What is done now and then, whoever is there: this test looks, connections are kept alive and
/// leases are renewed.
const NOW_AND_THEN: [&str; 8] = ["info", "ping", "hello", "sadd", "set", "pexpire", "hexists", "zscore"];

/// What one booking costs.
#[derive(Debug)]
struct Cost {
    commands: f64,
    /// What Redis was told.
    bytes_in: f64,
    /// What Redis told, of which most are the figures that the test asks for itself.
    bytes_out: f64,
}

/// A fleet with so many people online over all instances, beside the host.
async fn cost(instances: usize, people: usize) -> Cost {
    let redis = RedisServer::start_new();
    let fleet = FleetBuilder::new()
        .over(&redis.url())
        // Nothing is renewed while it is counted, and nobody asks whether Redis is there.
        .with("BELLHOP__PRESENCE__LEASE_MS", "600000")
        .with("BELLHOP__BUS__TIMEOUT_MS", "60000")
        .start(instances)
        .await;
    let fleet = &fleet;
    let crowd: Vec<TestSocket> = stream::iter(0..people)
        .map(async |number| {
            let token = token_for(&format!("user-{number}"), &["CUSTOMER"]);
            fleet.call(&Call::new(Door::Raw, fleet.address(number % instances), &token)).await
        })
        .buffer_unordered(32)
        .collect()
        .await;
    let mut host = fleet.connect(0, "ann").await;
    let all: Vec<usize> = fleet.numbers().collect();
    fleet.await_online(&all, people + 1, people + 1).await;
    await_written(&redis, people + 1);
    // A first one, after which everything is prepared.
    book(fleet, &mut host).await;
    let look = when_quiet(&redis).await;
    let before = redis.traffic();
    // What a look costs itself, which is not a booking's.
    let (look_in, look_out) = (before.bytes_in - look.bytes_in, before.bytes_out - look.bytes_out);
    for _ in 0..BOOKINGS {
        book(fleet, &mut host).await;
    }
    let published = |traffic: &Traffic| traffic.commands.get("publish").copied().unwrap_or(0);
    let mut looks = 0;
    let mut passed = wait_until_async("everything to be published", async || {
        looks += 1;
        let passed = &redis.traffic() - &before;
        (published(&passed) >= BOOKINGS).then_some(passed)
    })
    .await;
    passed.bytes_in -= looks * look_in;
    passed.bytes_out = passed.bytes_out.saturating_sub(looks * look_out);
    println!("{instances} instances, {people} people: {passed:?}");
    drop(crowd);
    #[expect(clippy::cast_precision_loss, reason = "small figures")]
    let of_each = |count: u64| count as f64 / BOOKINGS as f64;
    Cost {
        commands: of_each(passed.commands_without(&NOW_AND_THEN)),
        bytes_in: of_each(passed.bytes_in),
        bytes_out: of_each(passed.bytes_out),
    }
}

async fn book(fleet: &Fleet, host: &mut TestSocket) {
    fleet.book(0, "guest", "ann").await;
    host.next_event("booking.created").await;
}

/// Waits until Redis has been told of everybody, which an instance knows by itself before.
fn await_written(redis: &RedisServer, people: usize) {
    wait_until("Redis to know everybody", || {
        let lists = redis.keys("*:people:*");
        // One of each is no person, but the list's own.
        let known: i64 = lists.iter().map(|list| redis.ask(&["HLEN", list]).unwrap().number() - 1).sum();
        (usize::try_from(known) == Ok(people)).then_some(())
    });
}

/// The figures, as soon as two looks are the same but for the looks themselves.
async fn when_quiet(redis: &RedisServer) -> Traffic {
    let mut last = redis.traffic();
    wait_until_async("Redis to have nothing to do", async || {
        let now = redis.traffic();
        let is_quiet = now.commands == last.commands;
        let before = std::mem::replace(&mut last, now.clone());
        (is_quiet && before.commands == now.commands).then_some(now)
    })
    .await
}

/// A command or two between the bookings are the house's, not theirs.
fn assert_alike(one: &Cost, other: &Cost) {
    assert!((one.commands - other.commands).abs() < 0.2, "{one:?} is not {other:?}");
    assert!((one.bytes_in - other.bytes_in).abs() < 0.04 * one.bytes_in, "{one:?} is not {other:?}");
    assert!((one.bytes_out - other.bytes_out).abs() < one.bytes_in, "{one:?} is not {other:?}");
}

#[tokio::test]
async fn a_booking_costs_redis_the_same_with_one_and_with_a_thousand_users_online() {
    let (one, thousand) = (cost(1, 0).await, cost(1, 1_000).await);
    assert_alike(&one, &thousand);
}

#[tokio::test]
async fn a_booking_costs_redis_the_same_with_one_and_with_three_instances() {
    let (one, three) = (cost(1, 30).await, cost(THREE, 30).await);
    assert_alike(&one, &three);
}
