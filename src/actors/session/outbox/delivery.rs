//! What an outbox does with notifications: which it takes, how it asks for proof of them, and what it
//! says of the inbox.

use std::rc::Rc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Outbox, State};
use crate::actors::hub::Parcel;
use crate::actors::session::cursor::Arrival;
use crate::actors::session::proof::Sent;
use crate::actors::session::shard::LocalShard;
use crate::config::delivery::Proof as ProofMode;
use crate::domain::request_id::shown;
use crate::domain::{CloseReason, InboxState, Room, Timestamp, UserId};
use crate::protocol::frame;
use crate::protocol::json::{UNREAD_COUNT, UnreadCount};
use crate::protocol::offset::Rooms;
use crate::protocol::sse::rest_of_id;
use crate::protocol::wire::{Said, Wire};

impl Outbox {
    /// Queues what the hub routed here; answers what counts as confirmed by being sent, where that is
    /// how the configuration counts.
    pub(in crate::actors::session) fn push(
        self: &Rc<Self>,
        shard: &Rc<LocalShard>,
        parcel: &Parcel,
    ) -> Option<Sent> {
        if !self.takes() || parcel.except == Some(self.reference()) {
            return None;
        }
        if let Some(reason) = parcel.close {
            self.close(reason);
            return None;
        }
        if self.ends_when_greeted.get() {
            return None;
        }
        if parcel.is_standing {
            self.stands_at(shard, parcel.inbox.unwrap_or_default());
            return None;
        }
        if let Some((_, seq)) = parcel.stored() {
            let arrival = self.cursor.borrow_mut().arrived(seq);
            self.note_run();
            if arrival != Arrival::Next {
                self.leave_out(arrival, parcel.inbox);
                self.catch_up(shard);
                return None;
            }
        }
        let frames = parcel.words.frames(&self.terms.wire, &self.after_seq.borrow());
        if !frames.is_empty() && !self.write(frames) {
            return None;
        }
        if self.pushed_since.get().is_none() {
            self.pushed_since.set(parcel.accepted);
        }
        self.note_inbox(parcel.inbox);
        // Who asked for other names only was not told of this one, and does not have it.
        if !parcel.words.notifies(&self.terms.wire) {
            return None;
        }
        let mut confirmed = None;
        if let Some((id, seq)) = parcel.stored() {
            log::debug!(notification:% = id, request = shown(parcel.request.as_ref()), seq = seq,
                door = self.terms.channel.as_str(), session = self.reference().number; "pushed");
            confirmed = self.note_sent(Sent { id, seq, replayed: false });
            self.ask_for_proof();
        }
        self.count_notification();
        confirmed
    }

    /// The inbox stands there, in the database: what the client was not given is read, and its count told if it is
    /// another than it knows.
    fn stands_at(self: &Rc<Self>, shard: &Rc<LocalShard>, inbox: InboxState) {
        self.cursor.borrow_mut().stands_at(inbox.last_seq);
        if self.state.get() == State::Held {
            // It is greeted with the count.
            self.inbox.set(self.inbox.get().merge(inbox));
            return;
        }
        self.learn(inbox);
        self.catch_up(shard);
        if !self.cursor.borrow().is_behind() {
            self.pay_count();
        }
    }

    /// Says an event.
    pub(in crate::actors::session) fn say(&self, said: &Said) -> bool {
        self.write(self.encode(said))
    }

    /// Says that a replay is over. A stream's client goes on from there, also where nothing was left to give.
    pub(in crate::actors::session) fn say_resumed(&self, said: &Said) {
        let place = self.terms.wire.is_one_way().then(|| self.place_at(self.safe_place()));
        self.write(self.terms.wire.event(said, place.as_deref()));
    }

    pub(in crate::actors::session) fn encode(&self, said: &Said) -> Bytes {
        self.terms.wire.event(said, None)
    }

    /// Up to where the client need not be given anything again. Of what it is to acknowledge, only what it has.
    pub(super) fn safe_place(&self) -> i64 {
        let given = self.cursor.borrow().place();
        let waits = self.proof.borrow().first_waiting().filter(|_| self.terms.wire.asks_for_acks());
        waits.map_or(given, |first| given.min(first - 1))
    }

    /// A seq as the client is told it to come back with.
    pub(in crate::actors::session) fn place_at(&self, seq: i64) -> String {
        format!("{seq}{}", self.after_seq.borrow())
    }

    /// The session is in a room; a client that comes back to its session is told so, should it break off now.
    pub(in crate::actors::session) fn joined(&self, room: Room) {
        if is_own(&room) {
            self.left_own.borrow_mut().retain(|own| *own != room);
        } else if !self.joined.borrow().contains(&room) {
            self.joined.borrow_mut().push(room);
        }
        self.rename_rooms();
    }

    pub(in crate::actors::session) fn left(&self, room: &Room) {
        if !is_own(room) {
            self.joined.borrow_mut().retain(|known| known != room);
        } else if !self.left_own.borrow().contains(room) {
            self.left_own.borrow_mut().push(room.clone());
        }
        self.rename_rooms();
    }

    /// The session may not be in a room any more, which is its own no longer if it was.
    pub(in crate::actors::session) fn lost(&self, room: &Room) {
        self.left_own.borrow_mut().retain(|own| own != room);
        self.joined.borrow_mut().retain(|known| known != room);
        self.rename_rooms();
    }

    /// What follows the client's seqs from now on. The client keeps what it was told last, so it is told with the
    /// answer to what it asked for.
    fn rename_rooms(&self) {
        // Only who can come back to a session is told its rooms.
        if !matches!(self.terms.wire, Wire::SocketIo(_)) {
            return;
        }
        // An offset cannot say that a session is out of one of its own: such a one is not recovered.
        let is_whole = self.left_own.borrow().is_empty();
        let rooms = if is_whole { Rooms::All(self.joined.borrow().clone()) } else { Rooms::TooMany };
        let text = rooms.to_string().into_boxed_str();
        if *self.after_seq.borrow() != text {
            *self.after_seq.borrow_mut() = text;
            self.owes_place.set(true);
        }
    }

    /// Above which seq a client that proves by coming back was given everything. None for others, and for one that
    /// wants some types only.
    pub(in crate::actors::session) fn run(&self) -> Option<i64> {
        let proves = self.is_one_way() && !self.is_narrowed();
        proves.then(|| self.claims_above.get().unwrap_or_else(|| self.first_given()))
    }

    /// Whether nothing can be heard from the client on its connection.
    pub(in crate::actors::session) fn is_one_way(&self) -> bool {
        self.terms.wire.is_one_way()
    }

    /// Up to where.
    pub(in crate::actors::session) fn given(&self) -> i64 {
        self.safe_place()
    }

    /// What follows the seqs of a client that proves by coming back, see `protocol/sse.rs`.
    pub(in crate::actors::session) fn note_run(&self) {
        if self.terms.wire.is_one_way() {
            *self.after_seq.borrow_mut() = rest_of_id(&self.me.user, self.run()).into_boxed_str();
        }
    }

    /// Where the client may come back to, if its rooms have changed since it was told.
    pub fn take_owed_place(&self) -> Option<String> {
        self.owes_place.take().then(|| self.place_at(self.safe_place()))
    }

    /// Says a heartbeat as soon as the shard looks at the times again.
    pub fn hasten_heartbeat(&self) {
        self.heartbeat_at.set(Instant::now());
    }

    /// How the client is spoken to, and what follows its seqs.
    pub(in crate::actors::session) fn speech(&self) -> (Wire, Box<str>) {
        (self.terms.wire.clone(), self.after_seq.borrow().clone())
    }

    /// Notes that a notification was queued; answers it where that alone confirms it.
    pub(in crate::actors::session) fn note_sent(&self, sent: Sent) -> Option<Sent> {
        match self.terms.proof {
            ProofMode::Sent => Some(sent),
            // It is proven by what the client says elsewhere.
            ProofMode::Pong if self.terms.wire.is_one_way() => None,
            ProofMode::Pong => {
                self.proof.borrow_mut().sent(sent);
                None
            }
        }
    }

    /// Asks the client to prove what was sent, unless it is being asked already.
    pub(in crate::actors::session) fn ask_for_proof(&self) {
        if self.terms.wire.asks_for_acks() || self.terms.wire.is_one_way() {
            return;
        }
        let ping = self.proof.borrow_mut().ask_first(self.cursor.borrow().high());
        if let Some(payload) = ping {
            self.ping(&payload);
        }
    }

    /// A notification was queued: one ends a `once` session.
    pub(in crate::actors::session) fn count_notification(&self) {
        if !self.terms.once {
            return;
        }
        if self.state.get() == State::Held {
            self.ends_when_greeted.set(true);
        } else {
            self.close(CloseReason::OnceDelivered);
        }
    }

    /// A notification is not given now; the count that it made is told, during a replay at its end.
    fn leave_out(&self, arrival: Arrival, reported: Option<InboxState>) {
        self.learn(reported.unwrap_or_default());
        self.owes_count.set(true);
        if arrival == Arrival::Known {
            self.pay_count();
        }
    }

    /// Takes where the inbox stands from the database; what is new to the client it is told later.
    pub(in crate::actors::session) fn learn(&self, reported: InboxState) {
        let merged = self.inbox.get().merge(reported);
        if merged != self.inbox.replace(merged) {
            self.owes_count.set(true);
        }
    }

    /// Tells the count, if the client is owed it.
    pub(in crate::actors::session) fn pay_count(&self) {
        if self.owes_count.take() {
            self.say(&Said::event(UNREAD_COUNT, UnreadCount::from(self.inbox.get())));
        }
    }

    pub(in crate::actors::session) fn inbox(&self) -> InboxState {
        self.inbox.get()
    }

    pub(in crate::actors::session) fn user(&self) -> &UserId {
        &self.me.user
    }

    pub(in crate::actors::session) fn is_once(&self) -> bool {
        self.terms.once
    }

    /// What the client says, by coming, that it has: everything above the one seq up to the other.
    pub(in crate::actors::session) fn claimed(&self) -> Option<(i64, i64)> {
        self.claims_above.get().zip(self.terms.since)
    }

    /// Everything that came on this connection is newer than this seq.
    pub(in crate::actors::session) fn first_given(&self) -> i64 {
        self.cursor.borrow().low()
    }

    /// The client's code acknowledges one notification; answers what that proves.
    pub(in crate::actors::session) fn acked_one(&self, seq: i64) -> Vec<Sent> {
        // Which tells it its place.
        self.hasten_heartbeat();
        self.proof.borrow_mut().acked_one(seq)
    }

    /// Whether a client that says how far it got may lack what it did not want.
    pub(in crate::actors::session) fn is_narrowed(&self) -> bool {
        self.terms.wire.is_narrowed()
    }

    /// The client itself says that it has everything up to a seq; answers what that proves.
    pub(in crate::actors::session) fn acked(&self, seq: i64) -> Vec<Sent> {
        self.proof.borrow_mut().acked(seq)
    }

    /// Takes an inbox's state from a parcel. A report that was overtaken by a newer one is put right.
    fn note_inbox(&self, reported: Option<InboxState>) {
        let Some(reported) = reported else { return };
        let merged = self.inbox.get().merge(reported);
        self.inbox.set(merged);
        if merged != reported {
            self.say(&Said::event(UNREAD_COUNT, UnreadCount::from(merged)));
        }
    }

    /// Takes a pong; answers the notifications that it proves the device has.
    pub(in crate::actors::session) fn pong(&self, payload: &[u8]) -> Vec<Sent> {
        let mark = self.mark();
        let Some(payload) = payload.strip_prefix(mark.as_bytes()) else { return Vec::new() };
        let (proven, next) = self.proof.borrow_mut().answered(payload, self.cursor.borrow().high());
        if let Some(payload) = next {
            self.ping(&payload);
        }
        proven
    }

    /// An event for the client's code and a ping for its WebSocket stack, if it has one, which must answer.
    pub(super) fn heartbeat(&self, wall: Timestamp) {
        self.say_heartbeat(wall);
        if self.terms.wire.is_one_way() {
            return;
        }
        let ask = self.proof.borrow_mut().ask_again(self.cursor.borrow().high());
        let ask = ask.filter(|_| !self.terms.wire.asks_for_acks());
        self.ping(ask.as_deref().unwrap_or(b"heartbeat"));
    }

    fn say_heartbeat(&self, wall: Timestamp) {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Heartbeat {
            seq: i64,
            unread: i64,
            server_time: Timestamp,
        }
        let InboxState { last_seq, unread } = self.inbox.get();
        let data = Heartbeat { seq: last_seq, unread, server_time: wall };
        self.owes_place.set(false);
        let place = self.place_at(self.safe_place());
        self.write(self.terms.wire.event(&Said::event("heartbeat", data), Some(&place)));
    }

    fn ping(&self, payload: &[u8]) {
        self.pings.set(self.pings.get().saturating_add(1));
        self.write(frame::ping(&[self.mark().as_bytes(), payload].concat()));
    }

    /// What a session's pings carry before their own payload where its connection may have other sessions, beside it
    /// or before it: a late pong must prove nothing of theirs.
    fn mark(&self) -> String {
        match self.terms.wire {
            Wire::Raw(_) | Wire::Sse(_) => String::new(),
            Wire::SocketIo(_) => format!("{}:", self.reference().number),
        }
    }

    /// Whether a pong that came can be the answer to a ping; each ping has one.
    pub fn awaited_pong(&self) -> bool {
        let left = self.pings.get().checked_sub(1);
        self.pings.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// Whether a session is in a room without having joined it.
fn is_own(room: &Room) -> bool {
    !matches!(room, Room::Other(_))
}
