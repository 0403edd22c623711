//! The outgoing side of one session: a queue bounded in bytes that its shard fills and its connection's
//! response body empties, on one thread. It knows the socket, so that a client that has stopped reading
//! can be cut off although its actor is never polled again.

mod delivery;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Services;
use super::cursor::Cursor;
use super::proof::Proof;
use super::queue::Queue;
use super::replay::Replay;
use super::shard::LocalShard;
use super::socket::Socket;
use crate::actors::hub::{Arrival, SessionRef};
use crate::auth::Tokens;
use crate::config::delivery::Proof as ProofMode;
use crate::domain::{
    Channel, CloseReason, Credential, Device, Identity, InboxState, Member, Room, Timestamp,
};
use crate::protocol::frame;
use crate::protocol::wire::{Said, Wire};
use crate::telemetry::Metrics;

/// How long a client has to answer a close frame before its connection is cut.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How far ahead a session's end is looked for: no connection lasts so long.
pub const LONGEST: Duration = Duration::from_hours(365 * 24);

/// What was agreed for one session when it began.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Bytes that may wait for the client.
    pub queue_bytes: usize,
    pub heartbeat_interval: Duration,
    /// How long the client may be silent.
    pub heartbeat_timeout: Duration,
    /// When the session ends whatever happens: its time to live.
    pub ends: Option<Instant>,
    /// The token it goes by.
    pub pass: RefCell<Pass>,
    /// Whether the first notification ends it.
    pub once: bool,
    pub proof: ProofMode,
    /// The door.
    pub channel: Channel,
    /// How the client is spoken to.
    pub wire: Wire,
    /// What the session is called where its token does not say; none for a name of the server's own.
    pub name: Option<Box<str>>,
    /// The newest seq that the client says it has; it is given what came after.
    pub since: Option<i64>,
    /// Above which seq that says that it has everything: 0 where it has its inbox whole. What was there before a
    /// connection began may be with nobody, so that a place where one is taken up again says nothing, or what that
    /// one was given.
    pub claims_above: Option<i64>,
}

/// By which token a session goes, and until when.
#[derive(Debug, Clone)]
pub struct Pass {
    pub credential: Credential,
    pub expires: Option<Instant>,
}

impl Pass {
    /// A token that is believed for so long from now on.
    pub fn new(identity: &Identity, believed_for: Option<Duration>) -> Self {
        let expires = believed_for.map(|left| Instant::now() + left.min(LONGEST));
        Self { credential: Credential::from(identity), expires }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not greeted yet: frames wait.
    Held,
    Open,
    /// The close frame is queued or sent.
    Closing(Instant),
    /// The socket is shut or gone.
    Dead,
}

/// See the module's documentation. Lives in an `Rc`, shared by the shard, the actor and the body.
#[derive(Debug)]
pub struct Outbox {
    reference: Cell<SessionRef>,
    terms: Terms,
    me: Arc<Member>,
    state: Cell<State>,
    /// Why the session ends, once it does; the first reason stays.
    reason: Cell<Option<CloseReason>>,
    queue: RefCell<Queue>,
    waker: RefCell<Option<Waker>>,
    socket: Socket,
    inbox: Cell<InboxState>,
    pub(super) cursor: RefCell<Cursor>,
    /// As the terms say, until the client turns out to remember another inbox.
    claims_above: Cell<Option<i64>>,
    pub(super) replay: RefCell<Option<Box<Replay>>>,
    /// Who waits for the queue to empty.
    pub(super) room: RefCell<Option<Waker>>,
    /// The inbox changed while a replay was due, and the client was not told its count.
    owes_count: Cell<bool>,
    proof: RefCell<Proof>,
    /// What follows the seq where the client is told its place: the rooms it is in beside its own, or what a stream's
    /// id says more.
    after_seq: RefCell<Box<str>>,
    /// Those rooms.
    joined: RefCell<Vec<Room>>,
    /// They changed, and the client was not told.
    owes_place: Cell<bool>,
    /// Its own rooms that it left.
    left_own: RefCell<Vec<Room>>,
    /// When the oldest notification was accepted that waits to be handed to the socket.
    pushed_since: Cell<Option<Instant>>,
    metrics: Metrics,
    /// How many pings the client may still answer.
    pings: Cell<u32>,
    /// The notification that ends a `once` session came before its greeting, which is owed first.
    ends_when_greeted: Cell<bool>,
    heard_at: Cell<Instant>,
    heartbeat_at: Cell<Instant>,
}

impl Outbox {
    pub fn new(
        terms: Terms,
        me: Arc<Member>,
        socket: Socket,
        reference: SessionRef,
        metrics: Metrics,
    ) -> Self {
        let now = Instant::now();
        Self {
            reference: Cell::new(reference),
            me,
            state: Cell::new(State::Held),
            reason: Cell::new(None),
            queue: RefCell::default(),
            waker: RefCell::default(),
            socket,
            inbox: Cell::default(),
            cursor: RefCell::new(if terms.wire.is_one_way() {
                Cursor::in_order(terms.since)
            } else {
                Cursor::new(terms.since)
            }),
            replay: RefCell::default(),
            claims_above: Cell::new(terms.claims_above),
            room: RefCell::default(),
            owes_count: Cell::new(false),
            proof: RefCell::default(),
            after_seq: RefCell::default(),
            joined: RefCell::default(),
            owes_place: Cell::new(false),
            left_own: RefCell::default(),
            pushed_since: Cell::new(None),
            metrics,
            pings: Cell::new(0),
            ends_when_greeted: Cell::new(false),
            heard_at: Cell::new(now),
            heartbeat_at: Cell::new(now + terms.heartbeat_interval),
            terms,
        }
    }

    /// How it came here, as the hub is told.
    pub(super) fn arrival(&self, since: Timestamp) -> Arrival {
        Arrival { door: self.terms.channel, since, name: self.terms.name.clone() }
    }

    pub fn reference(&self) -> SessionRef {
        self.reference.get()
    }

    /// What the session is called: the platform's session where the token names one, else a name of its own
    /// that no other session of any instance ever had.
    pub(super) fn name(&self, services: &Services) -> Box<str> {
        let own = || services.session_name(self.reference());
        self.me.session.clone().or_else(|| self.terms.name.clone()).unwrap_or_else(own)
    }

    /// What the other end comes by.
    pub(super) fn channel(&self) -> Channel {
        self.terms.channel
    }

    /// The device at the other end, as the audit names it.
    pub(super) fn device(&self, services: &Services) -> Arc<Device> {
        let name = self.name(services);
        Arc::new(Device { user: self.me.user.clone(), channel: self.terms.channel, name })
    }

    /// Why the session ended; a connection that just went away is the client's doing.
    pub fn reason(&self) -> CloseReason {
        self.reason.get().unwrap_or(CloseReason::ClientLeft)
    }

    /// Queues the first words before whatever was published meanwhile, then lets everything go. `preface` is
    /// what the door has to say before. What was published above `floor` may still be on its way.
    pub(super) fn greet(
        self: &Rc<Self>,
        shard: &Rc<LocalShard>,
        inbox: InboxState,
        preface: &[u8],
        connected: &Said,
        floor: Option<i64>,
    ) {
        if self.state.get() != State::Held {
            return;
        }
        self.inbox.set(self.inbox.get().merge(inbox));
        let gap = self.cursor.borrow_mut().greeted(inbox.last_seq);
        if gap.is_some() && self.is_one_way() {
            // What it claims to have is of another inbox, and what its ids say from now on is not.
            self.claims_above.set(None);
        }
        self.note_run();
        let known = self.first_given().min(inbox.last_seq);
        let place = floor.map_or(known, |floor| known.min(floor));
        let connected = self.terms.wire.event(connected, Some(&self.place_at(place)));
        self.queue.borrow_mut().push_front([preface, &connected].concat().into());
        self.state.set(State::Open);
        self.wake();
        if self.ends_when_greeted.get() {
            self.close(CloseReason::OnceDelivered);
            return;
        }
        self.begin_since(shard, self.terms.since, gap);
    }

    /// Ends a session that was never greeted: only the goodbye is said.
    pub fn refuse(&self, reason: CloseReason) {
        if self.state.get() == State::Held {
            self.close(reason);
        }
    }

    /// Queues frames, for example an answer; answers whether they were. What is alone may be of any size.
    pub fn write(&self, frames: Bytes) -> bool {
        self.put(frames, Queue::push_back)
    }

    fn put(&self, frames: Bytes, push: impl FnOnce(&mut Queue, Bytes)) -> bool {
        if !self.takes() {
            return false;
        }
        let queued = self.queue.borrow().bytes();
        if queued > 0 && queued + frames.len() > self.terms.queue_bytes {
            self.cut(CloseReason::SlowConsumer);
            return false;
        }
        push(&mut self.queue.borrow_mut(), frames);
        self.wake();
        true
    }

    /// Says goodbye with a reason; nothing is queued after it. Who was not greeted hears nothing else.
    pub fn close(&self, reason: CloseReason) {
        if !self.takes() {
            return;
        }
        if self.state.get() == State::Held {
            self.queue.borrow_mut().clear();
        }
        if let Some(goodbye) = self.terms.wire.goodbye(reason, &self.place_at(self.safe_place())) {
            self.put(goodbye, Queue::push_last);
        }
        if self.takes() {
            self.reason.set(Some(reason));
            self.state.set(State::Closing(Instant::now()));
            self.wake();
        }
    }

    /// A client that takes nothing need not be heard of to be gone: looks whether it has hung up.
    pub(super) fn end_if_hung_up(&self) {
        if self.terms.wire.is_one_way() && self.takes() && self.socket.is_hung_up() {
            self.cut(CloseReason::ClientLeft);
        }
    }

    /// The client said goodbye: the answer to its close frame is the last thing it gets.
    pub fn answer_close(&self, code: u16) {
        if self.takes() {
            self.write(frame::close(code, ""));
            self.state.set(State::Closing(Instant::now()));
        }
    }

    /// Ends the connection in the kernel: works on a client that reads nothing.
    fn cut(&self, reason: CloseReason) {
        if self.reason.get().is_none() {
            self.reason.set(Some(reason));
        }
        self.state.set(State::Dead);
        self.queue.borrow_mut().clear();
        self.socket.cut();
        self.wake();
    }

    /// Everything was written: the client hears that nothing more will come. It waits for that, as RFC 6455
    /// §7.1.1 tells it to, while the HTTP server would wait a second for the client.
    pub fn hang_up(&self) {
        self.socket.hang_up();
    }

    /// The connection is gone and its descriptor may soon be somebody else's.
    pub fn gone(&self) {
        self.socket.forget();
        self.over();
    }

    /// Nothing more is said in this session, while its connection may go on.
    pub fn over(&self) {
        self.state.set(State::Dead);
        self.queue.borrow_mut().clear();
        self.wake();
    }

    /// Something was heard from the client.
    pub fn heard(&self) {
        self.heard_at.set(Instant::now());
    }

    /// Keeps the session's deadlines. Called by the shard, because a stalled session runs no timers.
    pub(super) fn tick(&self, now: Instant, wall: Timestamp) {
        match self.state.get() {
            State::Dead => {}
            State::Closing(since) => {
                if now >= since + CLOSE_GRACE {
                    self.cut(self.reason());
                }
            }
            State::Held | State::Open => {
                if let Some(reason) = self.end_by(now) {
                    self.close(reason);
                } else if now >= self.heard_at.get() + self.terms.heartbeat_timeout {
                    self.close(CloseReason::HeartbeatTimeout);
                } else if now >= self.heartbeat_at.get() && self.state.get() == State::Open {
                    self.heartbeat_at.set(now + self.terms.heartbeat_interval);
                    self.heartbeat(wall);
                }
            }
        }
    }

    /// Why the session has ended by a time, if it has; of two ends the first.
    fn end_by(&self, now: Instant) -> Option<CloseReason> {
        let ttl = self.terms.ends.map(|ends| (ends, CloseReason::TtlElapsed));
        let token = self.terms.pass.borrow().expires.map(|expires| (expires, CloseReason::TokenExpired));
        let first = [ttl, token].into_iter().flatten().min_by_key(|(ends, _)| *ends);
        first.filter(|(ends, _)| now >= *ends).map(|(_, reason)| reason)
    }

    /// Has the session go by another token.
    pub(super) fn renew(&self, pass: Pass) {
        *self.terms.pass.borrow_mut() = pass;
    }

    /// Ends the session if its token was taken back. What waits for its client is not its to read any more.
    pub(super) fn review(&self, tokens: &Tokens) {
        if !self.takes() {
            return;
        }
        let objection = tokens.objection(&self.me.user, &self.terms.pass.borrow().credential);
        if let Some(reason) = objection {
            self.queue.borrow_mut().keep_greeting();
            self.close(reason);
        }
    }

    /// Whether the session has ended because its token is good no more.
    pub(super) fn is_distrusted(&self) -> bool {
        self.is_over() && self.reason().is_of_token()
    }

    /// Whether frames are still taken.
    fn takes(&self) -> bool {
        matches!(self.state.get(), State::Held | State::Open)
    }

    /// Why the session ended, once nothing of it is left to be written.
    pub fn ended(&self) -> Option<CloseReason> {
        let is_silent = self.is_over() && self.queue.borrow().bytes() == 0;
        is_silent.then(|| self.reason())
    }

    /// Whether nothing more will be said.
    pub(super) fn is_over(&self) -> bool {
        !self.takes()
    }

    /// Whether a replay may go on: when the client has taken all there was, for then something always fits.
    pub(super) fn takes_replay(&self) -> bool {
        self.state.get() == State::Open && self.queue.borrow().bytes() == 0
    }

    /// Whether a replay may queue so many bytes more: half of the room is left to what is said live. A
    /// frame that is alone may take all of it.
    pub(super) fn fits_replay(&self, bytes: usize) -> bool {
        let queued = self.queue.borrow().bytes();
        queued == 0 || queued + bytes <= self.terms.queue_bytes / 2
    }

    fn wake(&self) {
        self.wake_replay();
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn wake_replay(&self) {
        if let Some(waker) = self.room.borrow_mut().take() {
            waker.wake();
        }
    }

    /// What the connection should write next: one frame as it is, or many as one run of bytes.
    /// `Ready(None)` when nothing will ever come again.
    pub fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.state.get() {
            State::Dead => return Poll::Ready(None),
            State::Held => {}
            State::Open | State::Closing(_) => {
                let chunk = self.queue.borrow_mut().take_chunk();
                if let Some(bytes) = chunk {
                    if let Some(accepted) = self.pushed_since.take() {
                        self.metrics.accepted_to_push().observe(accepted.elapsed().as_secs_f64());
                    }
                    self.wake_replay();
                    return Poll::Ready(Some(bytes));
                }
            }
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
