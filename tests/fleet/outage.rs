//! Redis fails, in each of its ways: no request is refused or slower for it, whoever is connected stays so and is
//! told all the same, `/ready` says what is the matter, and all is as before soon after Redis is.

use std::time::Duration;

use serde_json::json;

use super::follower::Follower;
use super::median;
use crate::support::clock::start;
use crate::support::deadline::wait_until_async;
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::port::free_port;
use crate::support::redis::{RedisCluster, RedisServer};

/// What a booking may take while Redis is away: less than anybody would wait for Redis.
const NORMAL: Duration = Duration::from_millis(500);
/// As many bookings as are made of each host at a time.
const BOOKINGS: usize = 5;

fn builder(redis_url: &str) -> FleetBuilder {
    FleetBuilder::new()
        .over(redis_url)
        .with("BELLHOP__BUS__TIMEOUT_MS", "1000")
        .with("BELLHOP__BUS__POLL_MS", "500")
        .with("BELLHOP__PRESENCE__LEASE_MS", "3000")
        .with("BELLHOP__PRESENCE__GRACE_MS", "100")
}

/// A fleet, with a host on the instance that is booked on and another elsewhere.
struct Scene {
    fleet: Fleet,
    hosts: [Follower; 2],
    booked: usize,
}

const HOSTS: [&str; 2] = ["ann", "bob"];

impl Scene {
    async fn set(builder: FleetBuilder) -> Self {
        let fleet = builder.start(THREE).await;
        fleet.await_status("ok").await;
        // Away when it matters, and with an address.
        fleet.give_address("away").await;
        let hosts = [
            Follower::follow(&fleet, 0, Door::Raw, HOSTS[0]),
            Follower::follow(&fleet, 1, Door::WebSocket, HOSTS[1]),
        ];
        let mut scene = Self { fleet, hosts, booked: 0 };
        scene.fleet.await_online(&[0, 1, 2], HOSTS.len(), HOSTS.len()).await;
        scene.book(0).await;
        scene
    }

    /// Guests book with each host on this instance, at the pace of every day; the hosts are told of everything.
    async fn book(&mut self, instance: usize) {
        let mut times = Vec::new();
        for _ in 0..BOOKINGS {
            for host in HOSTS {
                let begun = start();
                self.fleet.book(instance, "guest", host).await;
                times.push(begun.elapsed());
            }
        }
        let median = median(times);
        assert!(median < NORMAL, "bookings on {instance} took {median:?}");
        self.booked += BOOKINGS;
        for host in &self.hosts {
            host.await_all(self.booked).await;
        }
    }

    /// While Redis is away, which every instance must have noticed before this ends.
    async fn goes_on_alone(&mut self) {
        // At once, before anybody knows, and when everybody does.
        self.book(0).await;
        self.fleet.await_status("degraded").await;
        for instance in self.fleet.numbers() {
            assert_eq!(self.fleet.ready(instance).await["parts"]["bus"], "degraded");
            self.book(instance).await;
        }
        let last = json!({"userId": "ann", "type": "note", "passing": true});
        self.fleet.publish(0, &last).await;
        self.fleet.book(2, "guest", "away").await;
    }

    /// After Redis came back: the same connections, the same figures everywhere, nothing missed and nothing twice.
    async fn is_as_before(&mut self) {
        let begun = start();
        self.fleet.await_status("ok").await;
        self.fleet.await_online(&[0, 1, 2], HOSTS.len(), HOSTS.len()).await;
        println!("as before {:?} after Redis was", begun.elapsed());
        for instance in self.fleet.numbers() {
            self.book(instance).await;
        }
        for (host, name) in self.hosts.iter().zip(HOSTS) {
            assert_eq!(host.connections(), 1, "{name} had to come back");
            let all = texts_of(&self.fleet, name);
            assert_eq!(host.ids(), all, "{name}");
        }
        for user in HOSTS {
            assert!(self.fleet.mails(user).is_empty(), "{user} was there all the time");
        }
    }
}

/// The ids of an inbox, in order.
fn texts_of(fleet: &Fleet, user: &str) -> Vec<String> {
    let sql = format!("SELECT id AS value FROM notifications WHERE user_id = '{user}' ORDER BY seq");
    crate::support::records::texts(fleet.database_url(), &sql)
}

#[tokio::test]
async fn a_redis_that_dies_is_missed_by_nobody_and_comes_back_empty() {
    let redis = RedisServer::start_new();
    let mut scene = Scene::set(builder(&redis.url())).await;
    redis.kill();
    scene.goes_on_alone().await;
    redis.start();
    scene.is_as_before().await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_missed_by_nobody() {
    let redis = RedisServer::start_new();
    let mut scene = Scene::set(builder(&redis.url())).await;
    redis.pause();
    scene.goes_on_alone().await;
    redis.resume();
    scene.is_as_before().await;
}

/// So fast that hardly anybody notices: what it knew is gone all the same.
#[tokio::test]
async fn a_redis_that_is_restarted_with_nothing_in_it_is_told_everything_again() {
    let redis = RedisServer::start_new();
    let mut scene = Scene::set(builder(&redis.url())).await;
    for _ in 0..3 {
        redis.stop();
        redis.start();
        scene.book(0).await;
        scene.is_as_before().await;
    }
    // An operator's mistake, which breaks no connection.
    redis.command(&["FLUSHALL"]);
    scene.is_as_before().await;
}

/// Who comes at once is told of as ever, and hides nobody.
#[tokio::test]
async fn everybody_is_online_again_when_redis_was_emptied_in_part_or_altogether() {
    let redis = RedisServer::start_new();
    let scene = Scene::set(builder(&redis.url())).await;
    let mut everybody = HOSTS.map(str::to_owned).to_vec();
    let mut devices = Vec::new();
    for number in 0..2 {
        match number {
            0 => redis.command(&["FLUSHALL"]),
            _ => redis.command(
                &[&["DEL"][..], &redis.keys("*:order:*").iter().map(String::as_str).collect::<Vec<_>>()]
                    .concat(),
            ),
        };
        let guest = format!("guest-{number}");
        devices.push(scene.fleet.connect(0, &guest).await);
        everybody.push(guest);
        for instance in scene.fleet.numbers() {
            wait_until_async(format_args!("{everybody:?} on {instance}"), async || {
                let users = scene.fleet.presence(instance).await["users"].clone();
                let ids = users.as_array()?.iter().map(|user| user["userId"].as_str());
                ids.eq(everybody.iter().map(|id| Some(id.as_str()))).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn another_redis_takes_over_when_the_master_dies() {
    let master = RedisServer::start_new();
    let replica = master.start_replica();
    let mut scene = Scene::set(builder(&format!("{},{}", master.url(), replica.url()))).await;
    master.kill();
    scene.goes_on_alone().await;
    replica.promote();
    scene.is_as_before().await;
}

#[tokio::test]
async fn a_cluster_goes_on_when_a_master_dies() {
    let cluster = RedisCluster::start_new();
    let builder = builder(&cluster.url()).with("BELLHOP__BUS__CLUSTER", "true");
    let mut scene = Scene::set(builder).await;
    for instance in [0, 1, 2] {
        scene.book(instance).await;
    }
    cluster.masters()[0].kill();
    scene.book(0).await;
    cluster.await_heir(0);
    scene.is_as_before().await;
}

/// Nobody can know whether a host is elsewhere: the deadline decides, as for one who is there and silent.
#[tokio::test]
async fn who_is_nowhere_is_mailed_by_the_deadline_while_redis_is_away() {
    let redis = RedisServer::start_new();
    let builder = builder(&redis.url())
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "200");
    let mut scene = Scene::set(builder).await;
    redis.kill();
    scene.goes_on_alone().await;
    assert_eq!(scene.fleet.await_mails("away", 1).await.len(), 1);
    // A host whose device confirms what it finds is not mailed, wherever it is.
    redis.start();
    scene.is_as_before().await;
}

/// It knows, and the others do not: they are told what it takes by the database all the same, and the other way round.
#[tokio::test]
async fn who_is_cut_off_alone_takes_bookings_that_reach_hosts_elsewhere() {
    let redis = RedisServer::start_new();
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    let fleet = builder(&redis.url()).with_at(2, "REDIS_URL", &nowhere).start(THREE).await;
    let states = ["ok", "ok", "degraded"];
    for (instance, state) in states.into_iter().enumerate() {
        wait_until_async(format_args!("{instance} to be {state}"), async || {
            (fleet.ready(instance).await["parts"]["bus"] == state).then_some(())
        })
        .await;
    }
    let hosts =
        [Follower::follow(&fleet, 0, Door::Raw, HOSTS[0]), Follower::follow(&fleet, 2, Door::Raw, HOSTS[1])];
    for host in &hosts {
        host.await_connected().await;
    }
    for instance in [2, 0] {
        for host in HOSTS {
            fleet.book(instance, "guest", host).await;
        }
    }
    for host in &hosts {
        assert_eq!(host.await_all(2).await, 1);
    }
}

#[tokio::test]
async fn a_fleet_starts_without_redis_and_joins_when_it_is_there() {
    let redis = RedisServer::start_new();
    redis.stop();
    let fleet = builder(&redis.url()).start(2).await;
    fleet.await_status("degraded").await;
    let follower = Follower::follow(&fleet, 1, Door::Raw, "ann");
    follower.await_connected().await;
    fleet.book(0, "guest", "ann").await;
    follower.await_all(1).await;
    redis.start();
    fleet.await_status("ok").await;
    fleet.await_online(&[0, 1], 1, 1).await;
    fleet.book(0, "guest", "ann").await;
    follower.await_all(2).await;
    assert_eq!(follower.connections(), 1);
}
