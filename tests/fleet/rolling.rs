//! All instances are replaced one after the other while guests book: clients that come back miss nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use super::follower::Follower;
use crate::support::app::{booking, token_for};
use crate::support::door::Door;
use crate::support::fleet::Fleet;

const DOORS: [Door; 5] = [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse];
const GUESTS: usize = 3;
/// Of one guest.
const PACE: Duration = Duration::from_millis(20);

fn host(number: usize) -> String {
    format!("host-{number}")
}

/// Guests who book until told to stop, and ask another instance when one does not answer.
#[derive(Debug, Default)]
struct Load {
    over: AtomicBool,
    /// The ids of what was answered with 201, by host.
    accepted: Mutex<Vec<Vec<String>>>,
}

impl Load {
    async fn book(self: Arc<Self>, urls: Vec<String>, guest: usize) {
        let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        let token = token_for(&format!("guest-{guest}"), &["CUSTOMER"]);
        let mut at = guest;
        while !self.over.load(Ordering::Relaxed) {
            let number = at % DOORS.len();
            let key = Uuid::now_v7().to_string();
            // Until it is known what became of it.
            let id = loop {
                let request = client.post(&urls[at % urls.len()]).bearer_auth(&token);
                let request = request.header("idempotency-key", &key).json(&booking(&host(number)));
                at += 1;
                if let Ok(answer) = request.send().await
                    && answer.status() == 201
                    && let Ok(body) = answer.json::<Value>().await
                {
                    break body["notification"]["id"].as_str().unwrap().to_owned();
                }
                sleep(PACE).await;
            };
            self.accepted.lock().unwrap()[number].push(id);
            sleep(PACE).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_all_instances_is_noticed_by_nobody_who_comes_back() {
    let mut fleet = Fleet::start().await;
    let followers: Vec<Follower> = DOORS
        .into_iter()
        .enumerate()
        .map(|(number, door)| Follower::follow(&fleet, number, door, &host(number)))
        .collect();
    for follower in &followers {
        follower.await_connected().await;
    }
    let load = Arc::new(Load { accepted: Mutex::new(vec![Vec::new(); DOORS.len()]), ..Load::default() });
    let urls: Vec<String> = fleet.instances.iter().map(|instance| instance.url("/bookings")).collect();
    let mut guests = JoinSet::new();
    for guest in 0..GUESTS {
        guests.spawn(Arc::clone(&load).book(urls.clone(), guest));
    }

    restart_all(&mut fleet).await;
    load.over.store(true, Ordering::Relaxed);
    while let Some(guest) = guests.join_next().await {
        guest.unwrap();
    }
    let accepted = load.accepted.lock().unwrap().clone();
    for (number, (follower, accepted)) in followers.iter().zip(&accepted).enumerate() {
        let connections = follower.await_all(accepted.len()).await;
        let (mut told, mut wanted) = (follower.ids(), accepted.clone());
        told.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(told, wanted, "{:?}", DOORS[number]);
        println!("{:?}: {} bookings over {connections} connections", DOORS[number], wanted.len());
        assert!(connections > 1, "{:?} was never asked to leave", DOORS[number]);
    }
}

async fn restart_all(fleet: &mut Fleet) {
    for instance in fleet.numbers() {
        // Long enough for bookings to go through each set of instances.
        sleep(PACE * 20).await;
        let status = fleet.terminate(instance);
        assert!(status.success(), "instance {instance} ended with {status}");
        fleet.restart(instance).await;
    }
    sleep(PACE * 20).await;
}
