//! Sessions: one per connection, on the worker thread that accepted it. A door (in `transports/`) turns
//! bytes into events and the outbox's frames into bytes; what a session may do is decided here, once
//! for every door.

mod cursor;
mod lookups;
mod outbox;
mod oversight;
mod proof;
mod queue;
mod rate;
mod refresh;
mod replay;
mod rooms;
mod runs;
mod services;
mod shard;
mod socket;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use lookups::Lookups;
pub use outbox::{LONGEST, Outbox, Pass, Terms};
pub use rate::FrameRate;
use rate::{RateWindow, Verdict};
pub use services::{Services, instance_name};
pub use shard::{LocalShard, Shard};
pub use socket::{Socket, is_hung_up};

use super::hub::{Admission, Connect, Disconnected};
use super::persistence::{Greet, MarkRead, WriteError};
use crate::domain::{CloseReason, InboxState, Member, Profile};
use crate::protocol::events::{ClientEvent, Refusal};
use crate::protocol::wire::Said;
use crate::storage::inboxes;

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

/// One connection's side of the conversation, whatever its door.
#[derive(Debug)]
pub struct Session {
    /// Another one for each fresh token, always of the same user.
    me: Rc<RefCell<Arc<Member>>>,
    outbox: Rc<Outbox>,
    rate: RefCell<RateWindow>,
    frames: FrameRate,
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
    pub fn new(me: Arc<Member>, outbox: Rc<Outbox>, shard: Rc<LocalShard>, frames: FrameRate) -> Self {
        let services = Arc::clone(shard.services());
        let rate = RefCell::new(RateWindow::new(&services.settings));
        let (lookups, claimed) = (Lookups::default(), Cell::new(0));
        let me = Rc::new(RefCell::new(me));
        Self { me, outbox, rate, frames, lookups, claimed, shard, services }
    }

    fn me(&self) -> Arc<Member> {
        Arc::clone(&self.me.borrow())
    }

    /// Registers with the hub, then asks where the inbox stands. What is published in between waits in
    /// the outbox, which is held until [`Session::greet`]: nothing falls between the two.
    pub fn begin(&self, profile: Profile) -> LocalBoxFuture<'static, Result<InboxState, NotAdmitted>> {
        let services = Arc::clone(&self.services);
        let session = self.outbox.reference();
        let (me, arrival) = (self.me(), self.outbox.arrival(self.services.clock.now()));
        async move {
            let connect = Connect { session, member: me, arrival };
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

    /// Says the first words, `connected` after the door's own `preface`, then gives what the client missed, if it
    /// said what it has. `floor` is where the inbox stood before the session began.
    pub fn greet(&self, inbox: InboxState, preface: &[u8], floor: Option<i64>) {
        let data = json!({
            "userId": self.outbox.user(),
            "sessionId": self.outbox.name(&self.services),
            "seq": inbox.last_seq,
            "unread": inbox.unread,
            "serverTime": self.services.clock.now(),
        });
        self.outbox.greet(&self.shard, inbox, preface, &Said::event("connected", data), floor);
        if self.outbox.is_one_way() {
            let (number, name) = (self.outbox.reference().number, self.outbox.name(&self.services));
            self.services.runs.begin(self.outbox.user(), number, name, self.outbox.run());
        }
        if let Some((above, seq)) = self.outbox.claimed() {
            self.claim(above, seq);
        }
    }

    /// Takes a pong: it proves what was sent before its ping.
    pub fn pong(&self, payload: &[u8]) {
        self.shard.confirm(&self.outbox, self.outbox.pong(payload));
    }

    /// Tells the hub that this session is over, and gives its place back.
    pub fn end(&self) {
        let session = self.outbox.reference();
        if self.outbox.is_one_way() {
            self.services.runs.end(self.outbox.user(), session.number, self.outbox.given());
        }
        self.services.hub.do_send(Disconnected { session });
        self.shard.close(session);
    }

    /// Takes one event. A client over its rate is told so, and who goes on regardless is closed.
    pub fn handle(&self, event: Result<ClientEvent, Refusal>) -> Reaction {
        // As many as there are notifications are welcome: they are what a pong is from other clients.
        if let Ok(ClientEvent::Ack(seq)) = event
            && self.proves_news(seq)
        {
            self.frames.forgive();
            return Reaction::Answer(self.acked(seq));
        }
        if self.outbox.is_distrusted() {
            // However long the goodbye takes.
            return Reaction::Answer(Refusal::new("closing", "the session has ended").into());
        }
        let verdict = self.rate.borrow_mut().count(tokio::time::Instant::now());
        match verdict {
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
            ClientEvent::Ack(seq) if seq > self.outbox.inbox().last_seq => Ok(self.ack_ahead(seq)),
            ClientEvent::Ack(seq) => Ok(Reaction::Answer(self.acked(seq))),
            ClientEvent::Resume(since) => self.resume(since),
            ClientEvent::RefreshToken(token) => self.refresh(&token),
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

    /// Takes an ack; answers whether it proves anything that this connection gave.
    fn proves_news(&self, seq: i64) -> bool {
        if seq > self.outbox.inbox().last_seq {
            return false;
        }
        let proven = self.outbox.acked(seq);
        let news = !proven.is_empty();
        self.shard.confirm(&self.outbox, proven);
        news
    }

    /// The client's own code says that it has the notification with this seq.
    pub fn acknowledged(&self, seq: i64) {
        let proven = self.outbox.acked_one(seq);
        if !proven.is_empty() {
            self.frames.forgive();
        }
        self.shard.confirm(&self.outbox, proven);
    }

    /// What is ahead of what was said here may have been read elsewhere: the database knows.
    fn ack_ahead(&self, seq: i64) -> Reaction {
        let user = self.outbox.user().clone();
        let services = Arc::clone(&self.services);
        let (shard, outbox) = (Rc::clone(&self.shard), Rc::clone(&self.outbox));
        let answer = async move {
            match services.reader.run(move |connection| inboxes::state(connection, &user)).await {
                Ok(inbox) if seq <= inbox.last_seq => {
                    if !outbox.is_narrowed() {
                        shard.confirm_up_to(&outbox, 0, seq);
                    }
                    acknowledged(seq)
                }
                Ok(_) => Refusal::new("seq_ahead", "the inbox has not come so far").into(),
                Err(error) => Refusal::new(error.code(), "could not be recorded: try again").into(),
            }
        };
        Reaction::Later(answer.boxed_local())
    }

    fn acked(&self, seq: i64) -> Answer {
        self.claim(0, seq.min(self.outbox.first_given()));
        acknowledged(seq)
    }

    /// Confirms what the client says it got otherwise than on this connection, which knows what it gave: everything
    /// above one seq up to another.
    fn claim(&self, above: i64, seq: i64) {
        if seq > above.max(self.claimed.get()) && !self.outbox.is_narrowed() {
            // What is ahead of the inbox is looked at by whoever writes it, and counts for nothing then.
            if seq <= self.outbox.inbox().last_seq {
                self.claimed.set(seq);
            }
            self.shard.confirm_up_to(&self.outbox, above, seq);
        }
    }

    fn resume(&self, since: i64) -> Result<Reaction, Refusal> {
        let (answer, ended) = oneshot::channel();
        if !self.outbox.resume(&self.shard, since, answer) {
            return Err(Refusal::new("resuming", "a replay is under way: wait for its end"));
        }
        self.claim(0, since);
        let answer = async move {
            match ended.await {
                Ok(resumed) => Answer::new("resumed", json!(resumed)),
                Err(_) => Refusal::new("unavailable", "the connection ended before the replay did").into(),
            }
        };
        Ok(Reaction::Later(answer.boxed_local()))
    }
}

fn acknowledged(seq: i64) -> Answer {
    Answer::new("acked", json!({ "seq": seq }))
}
