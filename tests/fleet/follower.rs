//! A host with one device that stays: it reads all the time, and comes back to another instance with the last seq
//! it has when its connection ends. What it is told must go on where it was, without a hole or a repeat.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::app::token_for;
use crate::support::deadline::wait_until_async;
use crate::support::door::{Call, Door};
use crate::support::fleet::Fleet;
use crate::support::socket::{Event, Link};

/// What a connection may take to be made before another instance is tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits before it comes back, as clients do.
const PAUSE: Duration = Duration::from_millis(50);

/// What a device was told.
#[derive(Debug, Default)]
struct Diary {
    /// Of every booking, id and seq, in the order in which they came.
    told: Vec<(String, i64)>,
    connections: usize,
    wrongs: Vec<String>,
}

/// A device that is followed until this is dropped.
#[derive(Debug)]
pub(super) struct Follower {
    diary: Arc<Mutex<Diary>>,
    task: JoinHandle<()>,
}

impl Follower {
    /// A device of `host`, at first on one instance of those at these addresses.
    pub(super) fn follow(fleet: &Fleet, first: usize, door: Door, host: &str) -> Self {
        let addresses: Vec<SocketAddr> = fleet.numbers().map(|instance| fleet.address(instance)).collect();
        let token = token_for(host, &["PROFESSIONAL"]);
        let diary = Arc::new(Mutex::new(Diary::default()));
        let task = tokio::spawn(live(addresses, first, door, token, Arc::clone(&diary)));
        Self { diary, task }
    }

    /// Waits until it was told of so many bookings, which must be the first ones, in order and once each; answers
    /// over how many connections.
    pub(super) async fn await_all(&self, count: usize) -> usize {
        wait_until_async(format_args!("{count} bookings on a device: {:?}", self.task), async || {
            (self.diary.lock().unwrap().told.len() >= count).then_some(())
        })
        .await;
        let diary = self.diary.lock().unwrap();
        assert_eq!(diary.wrongs, Vec::<String>::new());
        let seqs: Vec<i64> = diary.told.iter().map(|(_, seq)| *seq).collect();
        assert_eq!(seqs, (1..=i64::try_from(count).unwrap()).collect::<Vec<_>>());
        diary.connections
    }

    /// Waits until it is connected for the first time.
    pub(super) async fn await_connected(&self) {
        wait_until_async("a device to be connected", async || (self.connections() > 0).then_some(())).await;
    }

    /// How often it was connected.
    pub(super) fn connections(&self) -> usize {
        self.diary.lock().unwrap().connections
    }

    /// The ids of what it was told of, in order.
    pub(super) fn ids(&self) -> Vec<String> {
        self.diary.lock().unwrap().told.iter().map(|(id, _)| id.clone()).collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(
    addresses: Vec<SocketAddr>,
    mut at: usize,
    door: Door,
    token: String,
    diary: Arc<Mutex<Diary>>,
) {
    loop {
        let since = diary.lock().unwrap().told.last().map_or(0, |(_, seq)| *seq);
        let call = Call::new(door, addresses[at % addresses.len()], &token).with("since", json!(since));
        at += 1;
        if let Ok(Ok(mut link)) = timeout(PATIENCE, Link::open(&call)).await {
            while let Ok(event) = link.receive().await {
                diary.lock().unwrap().hear(&event);
            }
        }
        sleep(PAUSE).await;
    }
}

impl Diary {
    fn hear(&mut self, event: &Event) {
        match event.name.as_str() {
            "connected" => self.connections += 1,
            "booking.created" => {
                let (id, seq) = (event.data["id"].as_str(), event.data["seq"].as_i64());
                let (Some(id), Some(seq)) = (id, seq) else { return self.wrong("no id or seq", event) };
                if seq != self.told.last().map_or(0, |(_, last)| *last) + 1 {
                    self.wrong("a hole or a repeat", event);
                }
                self.told.push((id.to_owned(), seq));
            }
            "gap" => self.wrong("nothing was removed", event),
            _ => {}
        }
    }

    fn wrong(&mut self, why: &str, event: &Event) {
        let last = self.told.last();
        self.wrongs.push(format!("{why}: {event:?} after {last:?}"));
    }
}
