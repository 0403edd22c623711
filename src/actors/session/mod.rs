//! Sessions: one per connection, on the worker thread that accepted it. A door (in `transports/`) turns
//! bytes into events and the outbox's frames into bytes; what a session may do is decided here, once
//! for every door.

mod cursor;
mod lookups;
mod outbox;
mod proof;
mod queue;
mod rate;
mod replay;
mod services;
mod shard;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use lookups::Lookups;
pub use outbox::{Outbox, Terms};
use rate::{RateWindow, Verdict};
pub use services::Services;
pub use shard::{LocalShard, Shard};

use super::hub::{Admission, Connect, Disconnected, GetPresence, Join, Joined, Leave, Presence, SessionRef};
use super::persistence::{ConfirmUpTo, Greet, MarkRead, WriteError};
use crate::domain::{BookingId, CloseReason, InboxState, Member, Profile, Role, Room, UserId};
use crate::protocol::events::{ClientEvent, Refusal};
use crate::storage::bookings;

/// What a session says back to one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub event: &'static str,
    pub data: Value,
}

impl Answer {
    fn new(event: &'static str, data: Value) -> Self {
        Self { event, data }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::new("error", json!({ "code": refusal.code, "message": refusal.message }))
    }
}

/// What an event leads to.
#[expect(missing_debug_implementations, reason = "a future has none")]
pub enum Reaction {
    Answer(Answer),
    /// The answer needs somebody else's.
    Later(LocalBoxFuture<'static, Answer>),
    Close(CloseReason),
}

/// What `getPresence` is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PresenceStats<'a> {
    total_online: usize,
    by_role: &'a BTreeMap<Role, usize>,
    connections: usize,
    sessions: usize,
    /// Of the users that were asked about, who is online.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<&'a str, bool>,
}

impl<'a> PresenceStats<'a> {
    fn new(presence: &'a Presence, asked: &'a [UserId]) -> Self {
        Self {
            total_online: presence.users,
            by_role: &presence.by_role,
            connections: presence.connections,
            sessions: presence.sessions,
            users: asked.iter().map(|user| (user.as_str(), presence.online.contains(user))).collect(),
        }
    }
}

/// One connection's side of the conversation, whatever its door.
#[derive(Debug)]
pub struct Session {
    me: Arc<Member>,
    outbox: Rc<Outbox>,
    rate: RateWindow,
    frames: RateWindow,
    lookups: Lookups,
    /// Up to where the client has claimed what other connections gave it.
    claimed: Cell<i64>,
    shard: Rc<LocalShard>,
    services: Arc<Services>,
}

/// Why a session could not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAdmitted(pub CloseReason);

impl Session {
    pub fn new(me: Arc<Member>, outbox: Rc<Outbox>, shard: Rc<LocalShard>) -> Self {
        let services = Arc::clone(shard.services());
        let rate = RateWindow::new(&services.settings);
        let frames = RateWindow::of_frames(&services.settings);
        let (lookups, claimed) = (Lookups::default(), Cell::new(0));
        Self { me, outbox, rate, frames, lookups, claimed, shard, services }
    }

    /// Registers with the hub, then asks where the inbox stands. What is published in between waits in
    /// the outbox, which is held until [`Outbox::greet`]: nothing falls between the two.
    pub fn begin(&self, profile: Profile) -> LocalBoxFuture<'static, Result<InboxState, NotAdmitted>> {
        let services = Arc::clone(&self.services);
        let session = self.outbox.reference();
        let me = Arc::clone(&self.me);
        async move {
            let connect = Connect { session, member: me };
            match services.hub.send(connect).await {
                Ok(Admission::Welcome) => {}
                Ok(Admission::TooManyOfUser) => return Err(NotAdmitted(CloseReason::TooManySessions)),
                Ok(Admission::Full) | Err(_) => return Err(NotAdmitted(CloseReason::TryAgainLater)),
            }
            match services.persistence.send(Greet { profile }).await {
                Ok(Ok(inbox)) => Ok(inbox),
                Ok(Err(_)) | Err(_) => Err(NotAdmitted(CloseReason::TryAgainLater)),
            }
        }
        .boxed_local()
    }

    /// The `connected` event, said first of all.
    pub fn connected(&self, inbox: InboxState) -> Answer {
        let session = self.services.session_name(&self.me, self.outbox.reference());
        let data = json!({
            "userId": self.me.user,
            "sessionId": session,
            "seq": inbox.last_seq,
            "unread": inbox.unread,
            "serverTime": self.services.clock.now(),
        });
        Answer::new("connected", data)
    }

    /// Says the first words, then gives what the client missed, if it said what it has.
    pub fn greet(&self, inbox: InboxState, connected: &str) {
        self.outbox.greet(&self.shard, inbox, connected);
        if let Some(since) = self.outbox.since() {
            self.claim(since.min(inbox.last_seq));
        }
    }

    /// Takes a pong: it proves what was sent before its ping.
    pub fn pong(&self, payload: &[u8]) {
        self.shard.confirm(&self.outbox, self.outbox.pong(payload));
    }

    /// Tells the hub that this session is over, and gives its place back.
    pub fn end(&self) {
        let session = self.outbox.reference();
        self.services.hub.do_send(Disconnected { session });
        self.shard.close(session);
    }

    /// Counts a frame, whatever it is; answers whether there were too many of them.
    pub fn counts_one_frame_too_many(&mut self) -> bool {
        self.frames.count(tokio::time::Instant::now()) != Verdict::Fits
    }

    /// Takes one event. A client over its rate is told so, and who goes on regardless is closed.
    pub fn handle(&mut self, event: Result<ClientEvent, Refusal>) -> Reaction {
        // As many as there are notifications are welcome: they are what a pong is from other clients.
        if let Ok(ClientEvent::Ack(seq)) = event
            && let Some(acked) = self.ack_news(seq)
        {
            return Reaction::Answer(acked);
        }
        match self.rate.count(tokio::time::Instant::now()) {
            Verdict::Fits => {}
            Verdict::Over { retry_after } => {
                let data = json!({
                    "code": "rate_limited",
                    "message": "too many events: wait, then go on",
                    "retryAfterMs": u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX),
                });
                return Reaction::Answer(Answer::new("error", data));
            }
            Verdict::Struck => return Reaction::Close(CloseReason::RateLimited),
        }
        match event.and_then(|event| self.react(event)) {
            Ok(reaction) => reaction,
            Err(refusal) => Reaction::Answer(refusal.into()),
        }
    }

    fn react(&self, event: ClientEvent) -> Result<Reaction, Refusal> {
        match event {
            ClientEvent::Ping(data) => Ok(Reaction::Answer(Answer::new("pong", data))),
            ClientEvent::Subscribe(user) => self.subscribe(user),
            ClientEvent::Unsubscribe(user) => self.unsubscribe(user),
            ClientEvent::JoinRoom(name) => self.join_room(&name),
            ClientEvent::LeaveRoom(name) => self.leave_room(&name),
            ClientEvent::GetPresence(users) => Ok(Reaction::Later(self.presence(users))),
            ClientEvent::Ack(seq) => Ok(Reaction::Answer(self.ack(seq))),
            ClientEvent::Resume(since) => self.resume(since),
            ClientEvent::MarkRead(selection) => {
                let message = MarkRead {
                    device: self.outbox.device(&self.services),
                    selection,
                    asker: Some(self.outbox.reference()),
                };
                let request = self.services.persistence.send(message);
                let answer = async move {
                    match request.await.unwrap_or(Err(WriteError::Overloaded)) {
                        Ok(read) => Answer::new("notificationRead", json!(read)),
                        Err(error) => Refusal::new(error.code(), "could not be recorded: try again").into(),
                    }
                };
                Ok(Reaction::Later(answer.boxed_local()))
            }
        }
    }

    /// Takes an ack that proves what this connection gave; none if it proves nothing of that.
    fn ack_news(&self, seq: i64) -> Option<Answer> {
        let proven = self.outbox.acked(seq);
        if proven.is_empty() {
            return None;
        }
        self.shard.confirm(&self.outbox, proven);
        Some(self.ack(seq))
    }

    /// What the client has is at most what it can have: a seq that is ahead of the inbox is cut to it.
    fn ack(&self, seq: i64) -> Answer {
        let seq = seq.min(self.outbox.inbox().last_seq);
        self.claim(seq.min(self.outbox.first_given()));
        Answer::new("acked", json!({ "seq": seq }))
    }

    /// Confirms what the client says it got otherwise than on this connection, which knows what it gave.
    fn claim(&self, seq: i64) {
        if seq <= self.claimed.get() {
            return;
        }
        self.claimed.set(seq);
        let claim = ConfirmUpTo { device: self.outbox.device(&self.services), seq };
        let request = self.services.persistence.send(claim);
        let metrics = self.services.metrics.clone();
        actix::spawn(async move {
            if !matches!(request.await, Ok(Ok(()))) {
                // What stays unconfirmed is mailed: one too many rather than none.
                metrics.refused("confirm_up_to").inc();
            }
        });
    }

    fn resume(&self, since: i64) -> Result<Reaction, Refusal> {
        let (answer, ended) = oneshot::channel();
        if !self.outbox.resume(&self.shard, since, answer) {
            return Err(Refusal::new("resuming", "a replay is under way: wait for its end"));
        }
        self.claim(since.min(self.outbox.inbox().last_seq));
        let answer = async move {
            match ended.await {
                Ok(resumed) => Answer::new("resumed", json!(resumed)),
                Err(_) => Refusal::new("unavailable", "the connection ended before the replay did").into(),
            }
        };
        Ok(Reaction::Later(answer.boxed_local()))
    }

    fn own_room(&self, user: Option<String>) -> Result<(String, Room), Refusal> {
        let user = user.unwrap_or_else(|| self.me.user.to_string());
        if user != self.me.user.as_str() {
            return Err(Refusal::new("forbidden", "only one's own notifications can be subscribed to"));
        }
        Ok((user, Room::User(self.me.user.clone())))
    }

    fn subscribe(&self, user: Option<String>) -> Result<Reaction, Refusal> {
        let (user, room) = self.own_room(user)?;
        let data = json!({ "userId": user, "room": room.to_string() });
        Ok(Reaction::Later(self.join(room, Answer::new("subscribed", data))))
    }

    fn unsubscribe(&self, user: Option<String>) -> Result<Reaction, Refusal> {
        let (user, room) = self.own_room(user)?;
        let data = json!({ "userId": user, "room": room.to_string() });
        self.leave(room);
        Ok(Reaction::Answer(Answer::new("unsubscribed", data)))
    }

    fn join_room(&self, name: &str) -> Result<Reaction, Refusal> {
        let room = self.parse_room(name)?;
        let joined = Answer::new("joinedRoom", json!({ "room": name }));
        if room.admits(&self.me) {
            return Ok(Reaction::Later(self.join(room, joined)));
        }
        let forbidden = Refusal::new("forbidden", "this room is not open to you");
        // A booking's own parties are let in, which the database knows.
        let Room::Other(canonical) = &room else { return Err(forbidden) };
        let id = canonical.strip_prefix("booking:").and_then(|id| BookingId::parse("room", id).ok());
        let Some(id) = id else { return Err(forbidden) };
        let party = self.is_party(id);
        let (services, session) = (Arc::clone(&self.services), self.outbox.reference());
        let (lookups, ticket) = (self.lookups.clone(), self.lookups.begin(room.clone()));
        let answer = async move {
            let party = party.await;
            let wanted = lookups.end(ticket);
            match party {
                Ok(true) if !wanted => Refusal::new("left", "the room was left before it was joined").into(),
                // Not a moment earlier: the hub is told when this is called, not when it is awaited.
                Ok(true) => join(&services, session, room, joined).await,
                Ok(false) => forbidden.into(),
                Err(error) => Refusal::new(error.code(), "the room could not be looked up: try again").into(),
            }
        };
        Ok(Reaction::Later(answer.boxed_local()))
    }

    fn leave_room(&self, name: &str) -> Result<Reaction, Refusal> {
        let room = self.parse_room(name)?;
        self.leave(room);
        Ok(Reaction::Answer(Answer::new("leftRoom", json!({ "room": name }))))
    }

    /// A room as the client spells it; one's own user id alone is one's own room.
    fn parse_room(&self, name: &str) -> Result<Room, Refusal> {
        if name == self.me.user.as_str() {
            return Ok(Room::User(self.me.user.clone()));
        }
        Room::parse(name).map_err(|error| Refusal::new("bad_room", error.to_string()))
    }

    fn join(&self, room: Room, done: Answer) -> LocalBoxFuture<'static, Answer> {
        join(&self.services, self.outbox.reference(), room, done)
    }

    fn leave(&self, room: Room) {
        self.lookups.cancel(&room);
        self.services.hub.do_send(Leave { session: self.outbox.reference(), room });
    }

    fn is_party(&self, id: BookingId) -> LocalBoxFuture<'static, Result<bool, super::reader::ReadError>> {
        let user = self.me.user.clone();
        let services = Arc::clone(&self.services);
        async move {
            let booking = services.reader.run(move |connection| bookings::find(connection, id)).await?;
            Ok(booking.is_some_and(|booking| booking.is_party(&user)))
        }
        .boxed_local()
    }

    /// Totals for everybody; of single users, administrators and services learn all, others only of
    /// themselves: a stranger looks the same whether online, offline or unknown.
    fn presence(&self, asked: Vec<UserId>) -> LocalBoxFuture<'static, Answer> {
        let all = self.me.has_role(Role::ADMIN) || self.me.has_role(Role::SERVICE);
        let me = self.me.user.clone();
        let visible = asked.iter().filter(|user| all || **user == me).cloned().collect();
        let request = self.services.hub.send(GetPresence { users: visible });
        async move {
            let Ok(presence) = request.await else {
                return Refusal::new("unavailable", "presence is not known: try again").into();
            };
            Answer::new("presenceStats", json!(PresenceStats::new(&presence, &asked)))
        }
        .boxed_local()
    }
}

/// Asks the hub at once; `done` is the answer when the session is in the room.
fn join(
    services: &Services,
    session: SessionRef,
    room: Room,
    done: Answer,
) -> LocalBoxFuture<'static, Answer> {
    let most = services.settings.max_rooms;
    let request = services.hub.send(Join { session, room, most });
    async move {
        match request.await {
            Ok(Joined::In) => done,
            Ok(Joined::TooManyRooms) => {
                Refusal::new("too_many_rooms", format!("at most {most} rooms: leave one first")).into()
            }
            Ok(Joined::Gone) | Err(_) => {
                Refusal::new("unavailable", "the room could not be joined: try again").into()
            }
        }
    }
    .boxed_local()
}
