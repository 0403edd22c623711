//! The actor on a bench, with a probe where sessions and mail would be.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use bellhop::actors::hub::{
    Arrival, Away, Connect, Deliver, NotificationHub, RegisterShard, SessionRef, ShardId,
};
use bellhop::actors::persistence::{BookingEvent, Confirm, Notify, Parts, Persistence, WriteError};
use bellhop::bus::LocalBus;
use bellhop::config::LimitSettings;
use bellhop::domain::{
    Draft, IdGenerator, Member, NewBooking, NotificationId, Proven, SystemClock, TimeOrderedIds,
};
use bellhop::storage::append::Acceptance;
use bellhop::telemetry::Metrics;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::deadline::{SOON, soon, wait_until_async};
use crate::support::store::{NOW, TestStore, device, user};

/// What came out of the hub.
#[derive(Debug)]
pub(super) enum Seen {
    Delivered(Deliver),
    Away(Vec<NotificationId>),
}

#[derive(Debug)]
struct Probe(mpsc::UnboundedSender<Seen>);

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Probe {
    type Result = ();

    fn handle(&mut self, message: Deliver, _: &mut Context<Self>) {
        let _ = self.0.send(Seen::Delivered(message));
    }
}

impl Handler<Away> for Probe {
    type Result = ();

    fn handle(&mut self, message: Away, _: &mut Context<Self>) {
        let _ = self.0.send(Seen::Away(message.notifications));
    }
}

/// Ids as usual, until a test stops or spoils them. Making an id is the first thing that the worker does
/// with a booking, so stopping here holds the worker while a test fills the line behind it.
#[derive(Debug, Default)]
pub(super) struct Ids {
    gate: Mutex<bool>,
    moved: Condvar,
    waiting: AtomicBool,
    spoilt: Mutex<Option<Spoilt>>,
    usual: TimeOrderedIds,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Spoilt {
    Panics,
    /// Every id is this one.
    Always(Uuid),
}

impl Ids {
    pub(super) fn close(&self) {
        *self.gate() = true;
    }

    pub(super) fn open(&self) {
        *self.gate() = false;
        self.moved.notify_all();
    }

    pub(super) fn spoil(&self, how: Option<Spoilt>) {
        *self.spoilt.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, bool> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdGenerator for Ids {
    fn next(&self) -> Uuid {
        let mut closed = self.gate();
        while *closed {
            self.waiting.store(true, Ordering::SeqCst);
            let (again, waited) =
                self.moved.wait_timeout(closed, SOON).unwrap_or_else(PoisonError::into_inner);
            assert!(!waited.timed_out(), "the test never opened the gate");
            closed = again;
        }
        drop(closed);
        self.waiting.store(false, Ordering::SeqCst);
        let spoilt = *self.spoilt.lock().unwrap_or_else(PoisonError::into_inner);
        match spoilt {
            None => self.usual.next(),
            Some(Spoilt::Always(id)) => id,
            Some(Spoilt::Panics) => panic!("an id generator that panics"),
        }
    }
}

pub(super) struct Bench {
    pub(super) store: TestStore,
    pub(super) persistence: Addr<Persistence>,
    pub(super) hub: Addr<NotificationHub>,
    pub(super) metrics: Metrics,
    pub(super) ids: Arc<Ids>,
    probe: Addr<Probe>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").finish_non_exhaustive()
    }
}

/// Runs a test's body in an actix system.
pub(super) fn on_bench<F: Future<Output = ()>>(store: TestStore, body: impl FnOnce(Bench) -> F) {
    on_bench_with(store, |_| {}, body);
}

/// The same with other limits than the usual ones.
pub(super) fn on_bench_with<F: Future<Output = ()>>(
    store: TestStore,
    change: impl FnOnce(&mut LimitSettings),
    body: impl FnOnce(Bench) -> F,
) {
    System::new().block_on(async {
        let mut limits = store.settings().limits.clone();
        change(&mut limits);
        body(Bench::start(store, &limits)).await;
    });
}

impl Bench {
    fn start(store: TestStore, limits: &LimitSettings) -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let metrics = Metrics::new().unwrap();
        let probe = Probe(tell).start();
        let (presence, (bus, _)) = (&store.settings().presence, LocalBus::alone());
        let away = probe.clone().recipient();
        let hub = NotificationHub::new(limits, presence, away, bus, "a".into(), metrics.clone()).start();
        let ids = Arc::new(Ids::default());
        let parts = Parts {
            tells: false,
            pool: store.pool.clone(),
            hub: hub.clone(),
            delivery: Arc::new(store.settings().delivery.clone()),
            retention: Arc::new(store.settings().retention.clone()),
            reminders: Arc::new(store.settings().reminders.clone()),
            clock: Arc::new(SystemClock),
            ids: ids.clone(),
            metrics: metrics.clone(),
            health: bellhop::actors::persistence::WriteHealth::default(),
            revoked_for: None,
        };
        let persistence = Persistence::new(&parts, limits).start();
        Self { store, persistence, hub, metrics, ids, probe, seen }
    }

    /// Opens a session of `of` whose deliveries the probe gets.
    pub(super) async fn connect(&self, of: &str, slot: u32) -> SessionRef {
        let shard = ShardId(1);
        let deliveries = self.probe.clone().recipient();
        self.hub.send(RegisterShard { shard, deliveries }).await.unwrap();
        let session = SessionRef { shard, slot, number: u64::from(slot) };
        let member = Member { user: user(of), roles: Box::default(), session: None, rooms: Box::default() };
        let member = std::sync::Arc::new(member);
        let arrival = Arrival { door: bellhop::domain::Channel::WebSocket, since: NOW, name: None };
        self.hub.send(Connect { session, member, arrival }).await.unwrap();
        session
    }

    /// The next thing that came out of the hub.
    pub(super) async fn next(&mut self) -> Seen {
        soon("something from the hub", self.seen.recv()).await.expect("the probe lives")
    }

    /// Asks for a booking without waiting; the answer comes later.
    pub(super) fn book(&self, host: &str) -> tokio::task::JoinHandle<Result<Acceptance, WriteError>> {
        let request = self.persistence.send(BookingEvent::Created {
            id: None,
            booking: new_booking(host),
            by: user("guest"),
            claim: None,
            request: None,
        });
        actix::spawn(async move { soon("an answer", request).await.expect("the actor lives") })
    }

    /// Asks for a notification from this draft.
    pub(super) fn notify(&self, draft: Draft) -> tokio::task::JoinHandle<Result<Acceptance, WriteError>> {
        let request = self.persistence.send(Notify { by: user("backend"), drafts: vec![draft], claim: None });
        actix::spawn(async move { soon("an answer", request).await.expect("the actor lives") })
    }

    /// Gives the worker a booking that it cannot finish before the gate is opened, and waits until it is
    /// at the gate.
    pub(super) async fn hold_worker(&self) -> tokio::task::JoinHandle<Result<Acceptance, WriteError>> {
        self.ids.close();
        let held = self.book("held");
        wait_until_async("the worker is held", async || {
            self.ids.waiting.load(Ordering::SeqCst).then_some(())
        })
        .await;
        held
    }

    /// Waits until so many events wait behind the worker.
    pub(super) async fn until_waiting(&self, count: i64) {
        wait_until_async(format_args!("{count} events wait"), async || {
            (self.metrics.write_queue_depth().get() == count).then_some(())
        })
        .await;
    }

    /// How many batches were written, and how many events they held.
    pub(super) fn batches(&self) -> (u64, f64) {
        let histogram = self.metrics.write_batch();
        (histogram.get_sample_count(), histogram.get_sample_sum())
    }
}

/// What a task answered, which must come soon.
pub(super) async fn answer<T>(task: tokio::task::JoinHandle<T>) -> T {
    tokio::time::timeout(SOON + Duration::from_secs(1), task).await.expect("in time").expect("no panic")
}

pub(super) fn new_booking(host: &str) -> NewBooking {
    NewBooking {
        host: user(host),
        guest: user("guest"),
        guest_name: None,
        listing_id: "sea-view".to_owned(),
        listing_name: None,
        check_in: "2031-12-03".parse().unwrap(),
        check_out: "2031-12-05".parse().unwrap(),
        guests: 2,
        note: None,
    }
}

/// The device of the first recipient has the notification.
pub(super) fn confirm(accepted: &Acceptance) -> Confirm {
    let place = &accepted.notifications[0];
    let device = device(place.user.as_str(), "phone");
    let proof = Proven { notification: place.id, device, at: NOW, replayed: false };
    Confirm { proofs: vec![proof], up_to: Vec::new() }
}
