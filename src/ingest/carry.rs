//! From a message to the database: reads it, hands what it says to persistence, and says what became of it.

use std::sync::Arc;

use actix::dev::Request;
use actix::{Handler, Message};
use futures_util::future::{FutureExt, LocalBoxFuture, ready};

use super::claim::Claim;
use super::event::Event;
use super::{Parts, SENDER, envelope};
use crate::actors::persistence::{
    AcceptBroadcast, BookingEvent, MarkRead, Notify, Pass, Persistence, WriteError,
};
use crate::domain::{
    BookingId, Broadcast, Channel, Device, Draft, NewBooking, RequestId, Role, Room, Timestamp, Transition,
    UserId,
};
use crate::requests::{PublishRequest, Refused, Target, drafts_for};
use crate::storage::append::Acceptance;

/// A message as far as it matters what is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) body: &'a [u8],
    pub(super) routing_key: &'a str,
    /// The id that its sender gave it.
    pub(super) id: Option<&'a str>,
    /// What its notifications say that they come of.
    pub(super) request: &'a RequestId,
    /// When it came to us first.
    pub(super) since: Timestamp,
    /// Whether it may have been done before without our knowing: it was delivered to somebody, or an answer got lost.
    pub(super) in_doubt: bool,
}

/// What became of a message that is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It was done now.
    Now,
    /// It was done before.
    Before,
}

/// Why it was not done.
#[derive(Debug)]
pub(super) enum NotDone {
    /// It would be refused again.
    Refused(Refused),
    /// Ours is the trouble: later it may be done.
    Trouble(WriteError),
}

impl From<Refused> for NotDone {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<WriteError> for NotDone {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Overloaded
            | WriteError::Unavailable
            | WriteError::Failed
            | WriteError::TooManyTickets => Self::Trouble(error),
            WriteError::NotFound
            | WriteError::Forbidden
            | WriteError::WrongStatus(_)
            | WriteError::BookingExists
            | WriteError::KeyReused
            | WriteError::TooManyChoices => {
                Self::Refused(Refused::unprocessable(error.code(), error.to_string()))
            }
        }
    }
}

type Answer = Result<Done, NotDone>;
type Work = LocalBoxFuture<'static, Answer>;

/// Begins: what goes to persistence is in its mailbox when this returns, so that messages are begun in the order of the
/// calls. Its answer comes after the commit.
pub(super) fn begin(parts: &Arc<Parts>, text: Text<'_>) -> Work {
    prepare(parts, text).unwrap_or_else(|refused| ready(Err(refused.into())).boxed_local())
}

fn prepare(parts: &Arc<Parts>, text: Text<'_>) -> Result<Work, Refused> {
    if text.body.len() > parts.body_bytes {
        let detail = format!("at most {} bytes", parts.body_bytes);
        return Err(Refused::malformed("body_too_large", detail));
    }
    let envelope = envelope::open(text.body, text.routing_key)?;
    let claim = Claim::of(text.id, &envelope, text.since);
    let carrier = Carrier {
        parts: Arc::clone(parts),
        // What has a name is the same whenever it comes; what has none may be another one that says the same.
        may_be_another: !claim.is_named && !text.in_doubt,
        claim,
        request: text.request.clone(),
    };
    match Event::read(&envelope)? {
        Event::Publish(request) => carrier.publish(*request),
        Event::MarkRead { user, selection } => {
            // Named for the trail: there is no device of theirs that did it.
            let device = Device { user, channel: Channel::Amqp, name: "".into() };
            let message = MarkRead { device: Arc::new(device), selection, asker: None };
            let reading = carrier.send(message);
            Ok(async move { settled(reading.await).map(|_| Done::Now) }.boxed_local())
        }
        Event::Book { id, booking } => Ok(carrier.book(id, &booking)),
        Event::Move { booking, step, by } => Ok(carrier.move_on(booking, step, &by)),
    }
}

/// One message on its way.
struct Carrier {
    parts: Arc<Parts>,
    claim: Claim,
    may_be_another: bool,
    request: RequestId,
}

impl Carrier {
    fn send<M>(&self, message: M) -> Request<Persistence, M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Persistence: Handler<M>,
    {
        self.parts.persistence.send(message)
    }

    fn publish(self, request: PublishRequest) -> Result<Work, Refused> {
        let passing = request.passing;
        let target = request.target(self.parts.recipients)?;
        let draft = request.draft(&*self.parts.ids, Some(self.request.clone()))?;
        match target {
            target if passing => Ok(self.pass(target.rooms(), &draft)),
            Target::Users(users) => Ok(self.notify(users, draft)),
            Target::Role(role) => Ok(self.tell_role(role, draft)),
            Target::Room(_) => Err(Target::no_inbox()),
        }
    }

    fn pass(self, rooms: Vec<Room>, draft: &Draft) -> Work {
        let sent: Vec<_> = rooms
            .into_iter()
            .map(|room| self.send(Pass { by: sender(), room, draft: draft.clone() }))
            .collect();
        let passing = async move {
            for passed in sent {
                settled(passed.await)?;
            }
            Ok(Done::Now)
        };
        passing.boxed_local()
    }

    fn notify(self, users: Vec<UserId>, draft: Draft) -> Work {
        let make = move |carrier: &Self, claim| {
            let drafts = drafts_for(users.clone(), &draft, &*carrier.parts.ids);
            let first = drafts.first().map(|draft| draft.id);
            (carrier.send(Notify { by: sender(), drafts, claim }), first)
        };
        let (sent, first) = make(&self, Some(self.claim.kept.clone()));
        let telling = async move {
            let acceptance = settled(sent.await)?;
            let is_new = acceptance.notifications.first().map(|place| place.id) == first;
            if is_new {
                return Ok(Done::Now);
            }
            if !self.may_be_another {
                return Ok(Done::Before);
            }
            settled(make(&self, None).0.await).map(|_| Done::Now)
        };
        telling.boxed_local()
    }

    /// Kept as a broadcast and worked off in portions: who holds the role is told once, whatever ends in between.
    fn tell_role(self, role: Role, draft: Draft) -> Work {
        let make = move |carrier: &Self, claim| {
            let Draft { kind, category, content, request, .. } = draft.clone();
            let (id, created_at) = (carrier.parts.ids.next(), carrier.parts.clock.now());
            let role = Some(role.clone());
            let broadcast =
                Broadcast { id, role, kind, category, content, actor: sender(), request, created_at };
            (carrier.send(AcceptBroadcast { broadcast, claim, deed: None }), id)
        };
        let (sent, id) = make(&self, Some(self.claim.kept.clone()));
        let telling = async move {
            if settled(sent.await)? == id {
                return Ok(Done::Now);
            }
            if !self.may_be_another {
                return Ok(Done::Before);
            }
            settled(make(&self, None).0.await).map(|_| Done::Now)
        };
        telling.boxed_local()
    }

    fn book(self, named: Option<BookingId>, booking: &NewBooking) -> Work {
        // An id in either case, by which a repeat is told from what was done now.
        let id = named.unwrap_or_else(|| BookingId::from_uuid(self.parts.ids.next()));
        let make = |carrier: &Self, id, claim| {
            let (booking, request) = (booking.clone(), Some(carrier.request.clone()));
            carrier.send(BookingEvent::Created { id: Some(id), booking, by: sender(), claim, request })
        };
        let sent = make(&self, id, Some(self.claim.kept.clone()));
        let again = (self.may_be_another && named.is_none()).then(|| booking.clone());
        let booking = async move {
            let acceptance = settled(sent.await)?;
            let is_new = acceptance.booking.as_ref().is_some_and(|booking| booking.id == id);
            // A name's second booking is a repeat whether or not anybody can tell.
            if is_new || named.is_some() {
                return Ok(Done::Now);
            }
            let Some(booking) = again else { return Ok(Done::Before) };
            let event = BookingEvent::Created {
                id: None,
                booking,
                by: sender(),
                claim: None,
                request: Some(self.request.clone()),
            };
            settled(self.send(event).await).map(|_| Done::Now)
        };
        booking.boxed_local()
    }

    fn move_on(self, booking: BookingId, step: Transition, by: &UserId) -> Work {
        let make = |carrier: &Self, by, claim| {
            let request = Some(carrier.request.clone());
            carrier.send(BookingEvent::Moved { booking, step, by, sender: Some(sender()), claim, request })
        };
        let (sent, by) = (make(&self, by.clone(), Some(self.claim.kept.clone())), by.clone());
        let moving = async move {
            let acceptance: Acceptance = settled(sent.await)?;
            if acceptance.booking.is_some() {
                return Ok(Done::Now);
            }
            if !self.may_be_another {
                return Ok(Done::Before);
            }
            // The step was taken before, and is another one's now: it fits no more, which its sender should know.
            let request = Some(self.request.clone());
            let sender = Some(sender());
            let event = BookingEvent::Moved { booking, step, by, sender, claim: None, request };
            settled(self.send(event).await).map(|_| Done::Now)
        };
        moving.boxed_local()
    }
}

fn sender() -> UserId {
    UserId::from_stored(SENDER.to_owned())
}

/// A mailbox that is closed is that of a server that stops.
fn settled<T>(answer: Result<Result<T, WriteError>, actix::MailboxError>) -> Result<T, NotDone> {
    Ok(answer.unwrap_or(Err(WriteError::Overloaded))?)
}
