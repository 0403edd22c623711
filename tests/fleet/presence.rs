//! Who is online is the same answer on every instance: the sum, without those whose instance died, and without a
//! moment's absence of who only reloads a page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::app::token_for;
use crate::support::clock::start;
use crate::support::deadline::wait_until_async;
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder, THREE, administrator};

fn ids(presence: &Value) -> Vec<&str> {
    presence["users"].as_array().unwrap().iter().map(|user| user["userId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_instance_tells_the_sum_and_each_ones_own() {
    let fleet = FleetBuilder::new().with("BELLHOP__PRESENCE__GRACE_MS", "100").start(THREE).await;
    let role = |user, role| token_for(user, &[role]);
    // Ann on two instances, which each count her, Bob twice on one.
    let _ann = [fleet.connect(0, "ann").await, fleet.connect(1, "ann").await];
    let bob = [fleet.connect(2, "bob").await, fleet.connect(2, "bob").await];
    let mut guest = fleet.connect_through(1, Door::WebSocket, &role("guest", "CUSTOMER")).await;
    fleet.await_online(&[0, 1, 2], 4, 5).await;
    for instance in fleet.numbers() {
        let now = fleet.presence(instance).await;
        assert_eq!(now["byRole"], json!({"CUSTOMER": 1, "PROFESSIONAL": 3}), "{now}");
        assert_eq!(now["byDoor"], json!({"socketio": 1, "websocket": 4}), "{now}");
        assert_eq!(ids(&now), ["ann", "bob", "guest"], "{now}");
        let instances = now["instances"].as_array().unwrap();
        let mut own: Vec<u64> = instances.iter().map(|one| one["connections"].as_u64().unwrap()).collect();
        own.sort_unstable();
        assert_eq!(own, [1, 2, 2], "{now}");
        assert!(instances.iter().any(|one| one["instance"] == now["instance"]), "{now}");
        // A list names everybody once, with all that they have.
        assert_eq!(now["users"][0]["connections"], 2, "{now}");
        assert_eq!(now["complete"], true, "{now}");
    }
    let stats = guest.ask("getPresence", Value::Null).await;
    assert_eq!((&stats["totalOnline"], &stats["connections"]), (&json!(4), &json!(5)), "{stats}");

    for device in bob {
        device.close().await;
    }
    fleet.await_online(&[0, 1, 2], 3, 3).await;
}

#[tokio::test]
async fn who_was_on_an_instance_that_died_is_gone_with_its_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    let mut fleet = FleetBuilder::new()
        .with("BELLHOP__BUS__TIMEOUT_MS", "500")
        .with("BELLHOP__PRESENCE__LEASE_MS", &LEASE.as_millis().to_string())
        .with("BELLHOP__PRESENCE__GRACE_MS", "100")
        .start(THREE)
        .await;
    let _stays = [fleet.connect(0, "ann").await, fleet.connect(1, "bob").await];
    let _gone = [fleet.connect(2, "ann").await, fleet.connect(2, "eve").await];
    fleet.await_online(&[0, 1, 2], 4, 4).await;
    fleet.kill(2);
    let begun = start();
    fleet.await_online(&[0, 1], 2, 2).await;
    let took = begun.elapsed();
    println!("an instance's presence was gone {took:?} after it died, with a lease of {LEASE:?}");
    assert!(took < LEASE * 3, "{took:?}");
    assert_eq!(fleet.presence(0).await["instances"].as_array().unwrap().len(), 2);

    fleet.restart(2).await;
    let _back = fleet.connect(2, "eve").await;
    fleet.await_online(&[0, 1, 2], 3, 3).await;
}

#[tokio::test]
async fn who_stops_in_order_takes_their_presence_along_at_once() {
    let mut fleet = FleetBuilder::new()
        .with("BELLHOP__PRESENCE__LEASE_MS", "600000")
        .with("BELLHOP__PRESENCE__GRACE_MS", "100")
        .start(THREE)
        .await;
    let _stays = fleet.connect(0, "ann").await;
    let _goes = fleet.connect(2, "eve").await;
    fleet.await_online(&[0, 1, 2], 2, 2).await;
    assert!(fleet.terminate(2).success());
    fleet.await_online(&[0, 1], 1, 1).await;
}

/// Whether an instance says that Ann is online.
async fn sees_ann(fleet: &Fleet, instance: usize) -> bool {
    let path = "/admin/presence?userId=ann";
    let now = fleet.get(instance, path, &administrator()).await.expect(200);
    ids(&now) == ["ann"] && now["totalOnline"] != 0
}

#[tokio::test]
async fn who_reloads_a_page_is_never_offline() {
    const RELOADS: usize = 8;
    let fleet = FleetBuilder::new().with("BELLHOP__PRESENCE__GRACE_MS", "5000").start(THREE).await;
    let first = fleet.connect(0, "ann").await;
    for instance in fleet.numbers() {
        wait_until_async("Ann to be online", async || sees_ann(&fleet, instance).await.then_some(())).await;
    }
    let is_over = AtomicBool::new(false);
    let reload = async {
        let mut device = first;
        for number in 1..=RELOADS {
            device.close().await;
            device = fleet.connect(number % THREE, "ann").await;
        }
        is_over.store(true, Ordering::Relaxed);
        device
    };
    let watch = async {
        let mut looks = 0;
        while !is_over.load(Ordering::Relaxed) {
            for instance in fleet.numbers() {
                assert!(sees_ann(&fleet, instance).await, "offline on {instance} after {looks} looks");
                looks += 1;
            }
        }
        looks
    };
    let (device, looks) = join(reload, watch).await;
    assert!(looks >= THREE, "{looks}");
    device.close().await;
    for instance in fleet.numbers() {
        wait_until_async("Ann to be offline", async || (!sees_ann(&fleet, instance).await).then_some(()))
            .await;
    }
}
