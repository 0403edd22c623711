//! The notification hub: owns the rooms and presence of this instance. It routes and does nothing
//! else: no SQL, no JSON of its own, no HTTP types. What it routes is already encoded.

pub mod messages;
mod registry;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

pub use messages::{
    Admission, Announce, Arrival, Away, Batch, CallRoll, CloseSessions, CloseUser, Connect, Connection,
    Deliver, Disconnected, GetPresence, Join, Joined, Leave, Measure, Measured, Online, Parcel, Presence,
    Publication, Publish, Recast, RegisterShard, Roll, SessionRef, ShardId,
};
use registry::{Registry, Seat};

use crate::config::LimitSettings;
use crate::domain::request_id::shown;
use crate::telemetry::Metrics;

/// How many messages may wait for the hub; what comes on top is refused at its sender.
const MAILBOX: usize = 16_384;

/// What the hub's mailbox is called among the queues.
const QUEUE: &str = "hub";

/// Sends publications to the hub. What it cannot take is not lost: the deadlines in the database bring notifications
/// home, and the next change of a count tells it.
pub fn publish(hub: &Addr<NotificationHub>, publications: Vec<Publication>, metrics: &Metrics) {
    if publications.is_empty() {
        return;
    }
    // Before it is sent, for it may be taken at once.
    metrics.queue_items(QUEUE).inc();
    if hub.try_send(Publish { publications }).is_err() {
        metrics.queue_items(QUEUE).dec();
        metrics.refused("hub_mailbox").inc();
    }
}

/// The hub of one instance.
#[derive(Debug)]
pub struct NotificationHub {
    registry: Registry,
    /// Where the sessions of each worker thread are reached.
    shards: HashMap<ShardId, Recipient<Deliver>>,
    /// Who takes over notifications whose user has no session here.
    away: Recipient<Away>,
    metrics: Metrics,
}

impl NotificationHub {
    pub fn new(limits: &LimitSettings, away: Recipient<Away>, metrics: Metrics) -> Self {
        let registry = Registry::new(limits.sessions, limits.sessions_per_user);
        Self { registry, shards: HashMap::new(), away, metrics }
    }

    /// Hands `batch` to one worker's shard. A shard whose mailbox is full is a thread that hangs: what
    /// it misses stays unconfirmed in the database, whose deadline brings it home.
    fn deliver(&self, shard: ShardId, batch: Batch) {
        let Some(recipient) = self.shards.get(&shard) else { return };
        if recipient.try_send(Deliver { batch }).is_err() {
            self.metrics.refused("shard_mailbox").inc();
            log::warn!(shard = shard.0; "a worker does not take deliveries");
        }
    }

    /// Tells the last of these, and the others later.
    fn announce(&self, parcel: Arc<Parcel>, mut sessions: Vec<SessionRef>, ctx: &mut Context<Self>) {
        let told = sessions.split_off(sessions.len().saturating_sub(ANNOUNCED_AT_ONCE));
        for (shard, sessions) in group_by_shard(&told) {
            self.deliver(shard, vec![(Arc::clone(&parcel), sessions)]);
        }
        if !sessions.is_empty() {
            ctx.run_later(ANNOUNCE_PAUSE, |hub, ctx| hub.announce(parcel, sessions, ctx));
        }
    }

    fn publish(&self, publications: Vec<Publication>) {
        let mut by_shard: HashMap<ShardId, Batch> = HashMap::new();
        let mut away = Vec::new();
        for Publication { room, parcel } in publications {
            let members = self.registry.members(&room);
            if let Some(id) = parcel.notification {
                log::debug!(notification:% = id, request = shown(parcel.request.as_ref()),
                    sessions = members.len(); "routed");
            }
            if members.is_empty() {
                away.extend(parcel.notification);
                continue;
            }
            let parcel = Arc::new(parcel);
            for (shard, sessions) in group_by_shard(members) {
                by_shard.entry(shard).or_default().push((Arc::clone(&parcel), sessions));
            }
        }
        for (shard, batch) in by_shard {
            self.deliver(shard, batch);
        }
        if !away.is_empty() && self.away.try_send(Away { notifications: away }).is_err() {
            // Nothing is lost: the deadline in the database brings these mails a few seconds later.
            self.metrics.refused("email_mailbox").inc();
        }
    }
}

/// How many sessions are told of an announcement at once; others are served before the next.
const ANNOUNCED_AT_ONCE: usize = 1_000;
/// The pause between two such portions.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(1);

/// Splits a room's members by the worker that holds them. Members of one shard stay in order.
fn group_by_shard(members: &[SessionRef]) -> Vec<(ShardId, Vec<SessionRef>)> {
    let mut groups: Vec<(ShardId, Vec<SessionRef>)> = Vec::new();
    for session in members {
        match groups.iter_mut().find(|(shard, _)| *shard == session.shard) {
            Some((_, group)) => group.push(*session),
            None => groups.push((session.shard, vec![*session])),
        }
    }
    groups
}

impl Actor for NotificationHub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<RegisterShard> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: RegisterShard, _: &mut Context<Self>) {
        self.shards.insert(message.shard, message.deliveries);
    }
}

impl Handler<Connect> for NotificationHub {
    type Result = MessageResult<Connect>;

    fn handle(&mut self, message: Connect, _: &mut Context<Self>) -> MessageResult<Connect> {
        let Connect { session, member, arrival } = message;
        MessageResult(self.registry.connect(session, Seat::new(member, arrival)))
    }
}

impl Handler<Recast> for NotificationHub {
    type Result = MessageResult<Recast>;

    fn handle(&mut self, message: Recast, _: &mut Context<Self>) -> MessageResult<Recast> {
        MessageResult(self.registry.recast(message.session, &message.member))
    }
}

impl Handler<CloseUser> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: CloseUser, _: &mut Context<Self>) {
        let parcel = Arc::new(Parcel::close(message.reason));
        for (shard, sessions) in group_by_shard(self.registry.sessions_of(&message.user)) {
            self.deliver(shard, vec![(Arc::clone(&parcel), sessions)]);
        }
    }
}

impl Handler<Disconnected> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: Disconnected, _: &mut Context<Self>) {
        self.registry.disconnect(message.session);
    }
}

impl Handler<Join> for NotificationHub {
    type Result = MessageResult<Join>;

    fn handle(&mut self, message: Join, _: &mut Context<Self>) -> MessageResult<Join> {
        MessageResult(self.registry.join(message.session, message.room, message.most))
    }
}

impl Handler<Leave> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: Leave, _: &mut Context<Self>) {
        self.registry.leave(message.session, &message.room);
    }
}

impl Handler<Publish> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: Publish, _: &mut Context<Self>) {
        self.metrics.queue_items(QUEUE).dec();
        self.publish(message.publications);
    }
}

impl Handler<Announce> for NotificationHub {
    type Result = ();

    fn handle(&mut self, Announce { room, parcel }: Announce, ctx: &mut Context<Self>) {
        let sessions = match room {
            Some(room) => self.registry.members(&room).to_vec(),
            None => self.registry.sessions(),
        };
        self.announce(Arc::new(parcel), sessions, ctx);
    }
}

impl Handler<Measure> for NotificationHub {
    type Result = MessageResult<Measure>;

    fn handle(&mut self, _: Measure, _: &mut Context<Self>) -> MessageResult<Measure> {
        MessageResult(Measured { sessions: self.registry.len(), bytes: self.registry.bytes() })
    }
}

impl Handler<GetPresence> for NotificationHub {
    type Result = MessageResult<GetPresence>;

    fn handle(&mut self, message: GetPresence, _: &mut Context<Self>) -> MessageResult<GetPresence> {
        MessageResult(self.registry.presence(&message.users))
    }
}

impl Handler<CallRoll> for NotificationHub {
    type Result = MessageResult<CallRoll>;

    fn handle(&mut self, message: CallRoll, _: &mut Context<Self>) -> MessageResult<CallRoll> {
        MessageResult(self.registry.roll(&message))
    }
}

impl Handler<CloseSessions> for NotificationHub {
    type Result = MessageResult<CloseSessions>;

    /// Each session has a random moment of the asked time as its turn, so that clients do not come back in waves.
    fn handle(&mut self, message: CloseSessions, ctx: &mut Context<Self>) -> MessageResult<CloseSessions> {
        /// How fine the moments are, and how many there are at most.
        const STEP: Duration = Duration::from_millis(20);
        const STEPS_MAX: u128 = 1_000;
        let steps = (message.over.as_millis() / STEP.as_millis()).clamp(1, STEPS_MAX);
        let steps = u32::try_from(steps).unwrap_or(1);
        let sessions = self.registry.sessions();
        let told = sessions.len();
        let mut turns: BTreeMap<u32, Vec<SessionRef>> = BTreeMap::new();
        for session in sessions {
            turns.entry(rand::random_range(0..steps)).or_default().push(session);
        }
        let parcel = Arc::new(Parcel::close(message.reason));
        for (step, sessions) in turns {
            let parcel = Arc::clone(&parcel);
            ctx.run_later(message.over / steps * step, move |hub, _| {
                for (shard, sessions) in group_by_shard(&sessions) {
                    hub.deliver(shard, vec![(Arc::clone(&parcel), sessions)]);
                }
            });
        }
        MessageResult(told)
    }
}
