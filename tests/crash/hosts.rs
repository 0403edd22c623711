//! Hosts' devices, as they are: each comes, listens for a while, and then stalls, leaves, breaks off or
//! vanishes, over and over. What it receives goes into the ledger before it answers any ping or polls again.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::conversation::{Conversation, Told};
use super::ledger::SharedLedger;
use crate::support::door::{Call, Close, Door};
use crate::support::socket::Link;
use crate::support::socketio::{Place, SocketIo};

/// What a device waits for a connection, and for the end of one that it has closed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many devices at once may have vanished; the system of the one before forgets its connection.
const GRAVES: usize = 200;
/// How often a device that returns asks for what it missed.
const RESUMES: f64 = 0.8;
/// How often a device that does so shows what its library keeps by itself: a Socket.IO device's recovery, an event
/// stream's last id.
const RECOVERS: f64 = 0.5;
/// How often a device says itself what it received, over Socket.IO or beside its event stream.
const ACKNOWLEDGES: f64 = 0.3;
/// How often what was received is read at once.
const READS: f64 = 0.05;

/// Connections of devices that are gone without a word: open, and neither read nor answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Graveyard(Arc<Mutex<VecDeque<Link>>>);

impl Graveyard {
    fn bury(&self, link: Link) {
        let mut graves = self.0.lock().unwrap();
        graves.push_back(link);
        if graves.len() > GRAVES {
            graves.pop_front();
        }
    }
}

/// What a device has of its host's inbox.
#[derive(Debug, Default)]
struct Held {
    /// It has everything up to this seq.
    whole: i64,
    /// What it has beyond a hole.
    beyond: BTreeSet<i64>,
}

impl Held {
    fn insert(&mut self, seq: i64) {
        self.beyond.insert(seq);
        while self.beyond.remove(&(self.whole + 1)) {
            self.whole += 1;
        }
    }

    fn highest(&self) -> i64 {
        self.beyond.last().copied().unwrap_or(self.whole).max(self.whole)
    }
}

/// What a device's library keeps between two connections.
#[derive(Debug, Default)]
struct Kept {
    place: Option<Place>,
    last_id: Option<String>,
}

impl Kept {
    fn keep(&mut self, link: &Link) {
        match link {
            Link::Raw(_) => {}
            Link::SocketIo(device) => self.place = device.place().or_else(|| self.place.take()),
            Link::Sse(device) => {
                self.last_id = device.last_id().map(str::to_owned).or_else(|| self.last_id.take());
            }
        }
    }
}

/// One connection of a device.
#[derive(Debug)]
struct Visit {
    link: Link,
    conversation: Conversation,
    /// Whether what came is acknowledged.
    acknowledges: bool,
}

impl Visit {
    fn is_recovered(&self) -> bool {
        matches!(&self.link, Link::SocketIo(device) if device.is_recovered())
    }
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) number: usize,
    pub(super) door: Door,
    pub(super) host: String,
    pub(super) token: String,
    /// Each connection is to any of these.
    pub(super) servers: Vec<SocketAddr>,
    pub(super) ledger: SharedLedger,
    pub(super) graveyard: Graveyard,
    /// Whether the day is over, after which half of the devices are not seen again.
    pub(super) evening: watch::Receiver<bool>,
    pub(super) choices: StdRng,
}

impl Device {
    /// One life after the other, until the task is ended.
    pub(super) async fn live(mut self) {
        let mut held = Held::default();
        let mut kept = Kept::default();
        loop {
            if let Some(visit) = self.connect(&held, &kept).await {
                self.visit(visit, &mut held, &mut kept).await;
            }
            if self.is_gone_for_good() {
                return std::future::pending().await;
            }
            let away = if self.choices.random_bool(0.4) { 500..4_000 } else { 20..300 };
            sleep(Duration::from_millis(self.choices.random_range(away))).await;
        }
    }

    /// In the evening every other device vanishes, and never asks for what it missed.
    fn is_gone_for_good(&self) -> bool {
        *self.evening.borrow() && self.number % 2 == 1
    }

    /// A server that is down, starting or full is no news here.
    async fn connect(&mut self, held: &Held, kept: &Kept) -> Option<Visit> {
        let server = self.servers[self.choices.random_range(0..self.servers.len())];
        let mut call = Call::new(self.door, server, &self.token);
        call.narrow = self.choices.random_bool(0.3);
        let resumes = self.choices.random_bool(RESUMES);
        let recovers = self.choices.random_bool(RECOVERS);
        let acknowledges = self.choices.random_bool(ACKNOWLEDGES) && self.door != Door::Raw;
        let mut since = resumes.then_some(held.whole);
        let place = kept.place.as_ref().filter(|_| resumes && recovers);
        let last_id = kept.last_id.as_ref().filter(|_| resumes && recovers);
        if let Some(last_id) = last_id {
            // The seq comes first, whatever else it says.
            since = last_id.split(['-', '.']).next().and_then(|seq| seq.parse().ok());
            call = call.with("lastEventId", json!(last_id));
        } else if let Some(place) = place {
            since = Some(place.seq());
            call = call.with("pid", json!(place.pid)).with("offset", json!(place.offset));
        } else if let Some(since) = since {
            call = call.with("since", json!(since));
        }
        if acknowledges {
            call = call.with("acks", json!(true));
        }
        let link = timeout(PATIENCE, Link::open(&call)).await.ok()?.ok()?;
        let conversation = Conversation::new(&self.host, since, held.highest());
        Some(Visit { link, conversation, acknowledges })
    }

    /// One connection, from its beginning to one of its many ends.
    async fn visit(&mut self, mut visit: Visit, held: &mut Held, kept: &mut Kept) {
        loop {
            let stay = Duration::from_millis(self.choices.random_range(200..3_000));
            let goes_on = self.listen(&mut visit, held, stay).await;
            kept.keep(&visit.link);
            if !goes_on {
                return;
            }
            if self.is_gone_for_good() {
                return self.graveyard.bury(visit.link);
            }
            match self.choices.random_range(0..10) {
                // Goes on.
                0..=2 => {}
                // Stalls and goes on: as long as it takes to become overdue, or not quite.
                3..=5 => sleep(Duration::from_millis(self.choices.random_range(500..2_500))).await,
                6 | 7 => return self.graveyard.bury(visit.link),
                8 => return visit.link.reset_when_dropped(),
                _ => {
                    if let Ok(Ok(())) = timeout(PATIENCE, visit.link.close()).await {
                        self.listen(&mut visit, held, PATIENCE).await;
                    }
                    return;
                }
            }
        }
    }

    /// Reads, which is what answers pings and polls, for as long as this; false when the connection has ended.
    async fn listen(&mut self, visit: &mut Visit, held: &mut Held, time: Duration) -> bool {
        let end = Instant::now() + time;
        while let Ok(heard) = timeout_at(end, visit.link.receive()).await {
            let event = match heard {
                Ok(event) => event,
                Err(ended) => {
                    if let Close::Refused(why) = ended.close {
                        self.wrong(format_args!("not let in: {why}"));
                    }
                    return false;
                }
            };
            let told = match visit.conversation.hear(&event) {
                Ok(told) => told,
                Err(why) => {
                    self.wrong(why);
                    return false;
                }
            };
            if let Link::SocketIo(device) = &visit.link
                && let Some(why) = wrong_place(device, &visit.conversation)
            {
                self.wrong(why);
                return false;
            }
            if visit.is_recovered() && event.name == "connected" {
                self.ledger.lock().unwrap().recovered();
            }
            let Some(told) = told else { continue };
            let id = told.id.clone();
            held.insert(told.seq);
            self.write_down(told);
            // A server that does not even take these any more is heard of next.
            let reads = self.choices.random_bool(READS);
            let selection = json!({"id": id});
            match &mut visit.link {
                Link::SocketIo(device) if visit.acknowledges => {
                    let _ = timeout_at(end, device.acknowledge()).await;
                }
                Link::Sse(device) if reads => {
                    let _ = timeout_at(end, device.mark_read(&selection)).await;
                    continue;
                }
                Link::Sse(device) if visit.acknowledges => {
                    let _ = timeout_at(end, device.acknowledge(held.whole)).await;
                }
                _ => {}
            }
            if reads {
                visit.conversation.ask();
                let _ = timeout_at(end, visit.link.send("markNotificationRead", selection)).await;
            }
        }
        true
    }

    fn wrong(&self, why: impl std::fmt::Display) {
        let (number, door) = (self.number, self.door);
        self.ledger.lock().unwrap().wrong(format_args!("device {number} over {door:?}: {why}"));
    }

    fn write_down(&self, told: Told) {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.received(self.number, &self.host, &told.id, told.seq);
        ledger.left_out(self.number, &self.host, told.left_out);
    }
}

/// Why a connection cannot be as the device knows it: it was to be recovered and is not, or its place is beyond
/// where what was told ended. It may be before, as long as what is told is on its way or not acknowledged.
fn wrong_place(device: &SocketIo, conversation: &Conversation) -> Option<String> {
    if device.wants_recovery() && !device.is_recovered() {
        return Some(format!("not recovered: {device:?}"));
    }
    let place = device.place().filter(|_| device.is_whole())?;
    let is_elsewhere = conversation.last().is_some_and(|last| last < place.seq());
    is_elsewhere.then(|| format!("its place is {place:?}: {conversation:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_whole_up_to_the_first_hole() {
        let mut held = Held::default();
        for (seq, whole, highest) in [(2, 0, 2), (5, 0, 5), (1, 2, 5), (4, 2, 5), (3, 5, 5), (6, 6, 6)] {
            held.insert(seq);
            assert_eq!((held.whole, held.highest()), (whole, highest), "after {seq}");
        }
    }
}
