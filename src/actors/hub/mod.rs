//! The notification hub: owns the rooms and presence of this instance. It routes and does nothing
//! else: no SQL, no JSON of its own, no HTTP types. What it routes is already encoded.

pub mod messages;
mod news;
mod registry;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use messages::Announced;
pub use messages::{
    Admission, Announce, Arrival, Away, Batch, CallRoll, CloseSessions, CloseUser, Connect, Connection,
    Deliver, Disconnected, GetPresence, Join, Joined, Leave, ListUsers, Measure, Measured, Online, Parcel,
    Presence, Publication, Publish, Recast, RegisterShard, Relay, Roll, SessionRef, ShardId, TellOfEverybody,
};
use news::News;
use registry::{Registry, Seat};
use tokio::time::Instant;

use crate::bus::{Address, Bus, Post, PresenceNews, State};
use crate::config::{LimitSettings, PresenceSettings};
use crate::domain::request_id::shown;
use crate::domain::{Room, UserId};
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

/// Has the hub push what other instances told; answers whether it could take that.
pub fn relay(hub: &Addr<NotificationHub>, publications: Vec<Publication>, metrics: &Metrics) -> bool {
    if publications.is_empty() {
        return true;
    }
    metrics.queue_items(QUEUE).inc();
    let is_taken = hub.try_send(Relay { publications }).is_ok();
    if !is_taken {
        metrics.queue_items(QUEUE).dec();
        metrics.refused("hub_mailbox").inc();
    }
    is_taken
}

/// The hub of one instance.
#[derive(Debug)]
pub struct NotificationHub {
    registry: Registry,
    /// Where the sessions of each worker thread are reached.
    shards: HashMap<ShardId, Recipient<Deliver>>,
    /// Who takes over notifications whose user has no session anywhere.
    away: Recipient<Away>,
    /// The other instances.
    bus: Arc<dyn Bus>,
    /// What this one is called among them.
    instance: Box<str>,
    metrics: Metrics,
}

impl NotificationHub {
    pub fn new(
        limits: &LimitSettings,
        presence: &PresenceSettings,
        away: Recipient<Away>,
        bus: Arc<dyn Bus>,
        instance: Box<str>,
        metrics: Metrics,
    ) -> Self {
        let news = if bus.state() == State::Alone { News::none() } else { News::gathered() };
        let grace = Duration::from_millis(presence.grace_ms);
        let registry = Registry::new(limits.sessions, limits.sessions_per_user, grace, news);
        Self { registry, shards: HashMap::new(), away, bus, instance, metrics }
    }

    /// Listens to the rooms that somebody is in now, and no more to those that nobody is in.
    fn follow_rooms(&mut self) {
        for (room, is_peopled) in self.registry.news().take_rooms() {
            if is_peopled { self.bus.listen(&room) } else { self.bus.cease(&room) }
        }
    }

    /// Tells others who has come and gone.
    fn tell_presence(&mut self) {
        let people = self.registry.news().take_people(TOLD_AT_ONCE);
        if !people.is_empty() {
            let person = |user: UserId| {
                let is_online = self.registry.is_online(&user);
                let person = is_online.then(|| self.registry.online(&user).person(&self.instance));
                (user, person)
            };
            let people = people.into_iter().map(person).collect();
            self.bus.keep(PresenceNews { figures: self.registry.figures(), people });
        }
    }

    fn is_alone(&self) -> bool {
        self.bus.state() == State::Alone
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

    /// Pushes to who is here, tells the other instances, and hands on what is for somebody who is nowhere. Of one who
    /// has gone only just now, or may be at an instance that cannot be reached, the deadline decides.
    fn publish(&self, publications: Vec<Publication>) {
        let is_alone = self.is_alone();
        let mut posts = Vec::new();
        let mut away = Vec::new();
        let mut here = Vec::new();
        for Publication { room, parcel } in publications {
            let parcel = Arc::new(parcel);
            let is_away = self.registry.members(&room).is_empty() && !self.registry.is_leaving(&room);
            let unless_heard = parcel.notification.filter(|_| is_away);
            if is_alone {
                away.extend(unless_heard);
            } else {
                let (to, speech) = (Address::Room(room.clone()), Arc::clone(&parcel) as Arc<_>);
                posts.push(Post { to, speech, unless_heard });
            }
            here.push((room, parcel));
        }
        // Those who are here first: it is they who wait.
        self.push(here);
        if !posts.is_empty() {
            self.bus.publish(posts);
        }
        if !away.is_empty() && self.away.try_send(Away { notifications: away }).is_err() {
            // Nothing is lost: the deadline in the database brings these mails a few seconds later.
            self.metrics.refused("email_mailbox").inc();
        }
    }

    /// Pushes to who is here.
    fn push(&self, parcels: Vec<(Room, Arc<Parcel>)>) {
        let mut by_shard: HashMap<ShardId, Batch> = HashMap::new();
        for (room, parcel) in parcels {
            let members = self.registry.members(&room);
            if let Some(id) = parcel.notification {
                log::debug!(notification:% = id, request = shown(parcel.request.as_ref()),
                    sessions = members.len(); "routed");
            }
            for (shard, sessions) in group_by_shard(members) {
                by_shard.entry(shard).or_default().push((Arc::clone(&parcel), sessions));
            }
        }
        for (shard, batch) in by_shard {
            self.deliver(shard, batch);
        }
    }
}

/// How many people others are told of at once.
const TOLD_AT_ONCE: usize = 1_000;
/// How often others are told who has come and gone, and who has gone for good.
const TELL_EVERY: Duration = Duration::from_millis(100);

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
        ctx.run_interval(TELL_EVERY, |hub, _| {
            hub.registry.expire(Instant::now());
            hub.follow_rooms();
            hub.tell_presence();
        });
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
        let admission = self.registry.connect(session, Seat::new(member, arrival));
        self.follow_rooms();
        MessageResult(admission)
    }
}

impl Handler<Recast> for NotificationHub {
    type Result = MessageResult<Recast>;

    fn handle(&mut self, message: Recast, _: &mut Context<Self>) -> MessageResult<Recast> {
        let lost = self.registry.recast(message.session, &message.member);
        self.follow_rooms();
        MessageResult(lost)
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
        self.registry.disconnect(message.session, Instant::now());
        self.follow_rooms();
    }
}

impl Handler<Join> for NotificationHub {
    type Result = MessageResult<Join>;

    fn handle(&mut self, message: Join, _: &mut Context<Self>) -> MessageResult<Join> {
        let joined = self.registry.join(message.session, message.room, message.most);
        self.follow_rooms();
        MessageResult(joined)
    }
}

impl Handler<Leave> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: Leave, _: &mut Context<Self>) {
        self.registry.leave(message.session, &message.room);
        self.follow_rooms();
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

    fn handle(&mut self, Announce { room, parcel, is_relayed }: Announce, ctx: &mut Context<Self>) {
        let sessions = match &room {
            Some(room) => self.registry.members(room).to_vec(),
            None => self.registry.sessions(),
        };
        let parcel = Arc::new(parcel);
        if !is_relayed && !self.is_alone() {
            let to = room.map_or(Address::All, Address::Room);
            let speech = Arc::new(Announced(Arc::clone(&parcel)));
            self.bus.publish(vec![Post { to, speech, unless_heard: None }]);
        }
        self.announce(parcel, sessions, ctx);
    }
}

impl Handler<Relay> for NotificationHub {
    type Result = ();

    fn handle(&mut self, message: Relay, _: &mut Context<Self>) {
        self.metrics.queue_items(QUEUE).dec();
        let parcels = message.publications.into_iter();
        self.push(parcels.map(|Publication { room, parcel }| (room, Arc::new(parcel))).collect());
    }
}

impl Handler<ListUsers> for NotificationHub {
    type Result = MessageResult<ListUsers>;

    fn handle(&mut self, message: ListUsers, _: &mut Context<Self>) -> MessageResult<ListUsers> {
        MessageResult(self.registry.users_after(message.after.as_ref(), message.limit))
    }
}

impl Handler<TellOfEverybody> for NotificationHub {
    type Result = ();

    fn handle(&mut self, _: TellOfEverybody, _: &mut Context<Self>) {
        self.registry.tell_of_everybody();
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
