//! What the persistence actor is asked to write, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use serde::Serialize;

use crate::actors::hub::SessionRef;
use crate::domain::recipient::ChannelChoice;
use crate::domain::{
    AuditEntry, BookingId, BookingStatus, Broadcast, Device, Door, Draft, Identity, InboxState, NewBooking,
    Order, Preferences, Profile, Proven, RequestId, Role, Room, Selection, Timestamp, Transition, UpTo,
    UserId,
};
use crate::storage::append::Acceptance;
use crate::storage::history::Taken;
use crate::storage::idempotency::IdempotencyClaim;
use crate::storage::inboxes::Standing;
use crate::storage::revocations::Kept;
use crate::storage::tickets::Ticket;

/// Why something was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("too many writes are waiting")]
    Overloaded,
    #[error("the database is not available")]
    Unavailable,
    #[error("there is no such thing, or it is not yours")]
    NotFound,
    #[error("this is not yours to do")]
    Forbidden,
    #[error("the booking is {}", .0.as_str())]
    WrongStatus(BookingStatus),
    #[error("there is a booking of this id already")]
    BookingExists,
    #[error("the idempotency key was used for something else")]
    KeyReused,
    #[error("too many tickets are out that were not used: use them or wait until they expire")]
    TooManyTickets,
    #[error("choices are kept for as many categories as can be")]
    TooManyChoices,
    #[error("the write failed")]
    Failed,
}

impl WriteError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable => "database_unavailable",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::WrongStatus(_) => "wrong_status",
            Self::BookingExists => "booking_exists",
            Self::KeyReused => "idempotency_key_reused",
            Self::TooManyTickets => "too_many_tickets",
            Self::TooManyChoices => "too_many_choices",
            Self::Failed => "internal",
        }
    }
}

/// Something happened to a booking: it is written with what is said of it, in one transaction, and
/// only then answered and pushed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Acceptance, WriteError>")]
pub enum BookingEvent {
    /// A guest books, or a service for one.
    Created {
        /// None for one of our own making.
        id: Option<BookingId>,
        booking: NewBooking,
        /// Whose turn it takes.
        by: UserId,
        claim: Option<IdempotencyClaim>,
        request: Option<RequestId>,
    },
    /// A party moves a booking on.
    Moved {
        booking: BookingId,
        step: Transition,
        /// The party.
        by: UserId,
        /// Whose turn it takes; none for the party's own.
        sender: Option<UserId>,
        claim: Option<IdempotencyClaim>,
        request: Option<RequestId>,
    },
}

/// Stores notifications of any type; answered when they are durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<Acceptance, WriteError>")]
pub struct Notify {
    /// Whose turn it takes.
    pub by: UserId,
    pub drafts: Vec<Draft>,
    pub claim: Option<IdempotencyClaim>,
}

/// Stores one notification for everybody who holds a role; answers how many that are.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, WriteError>")]
pub struct NotifyRole {
    /// Whose turns it takes.
    pub by: UserId,
    pub role: String,
    /// What everybody gets; `id` and `user` are set anew for each.
    pub draft: Draft,
}

/// Pushes to whoever is in a room now and keeps nothing.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), WriteError>")]
pub struct Pass {
    /// Whose turn it takes.
    pub by: UserId,
    pub room: Room,
    /// `user` is not said to anybody.
    pub draft: Draft,
}

/// Keeps a broadcast, which is then worked off; answers its id, of a repeat the first one's.
#[derive(Debug, Message)]
#[rtype(result = "Result<uuid::Uuid, WriteError>")]
pub struct AcceptBroadcast {
    pub broadcast: Broadcast,
    pub claim: Option<IdempotencyClaim>,
    /// Kept with it, where an administrator ordered it.
    pub deed: Option<AuditEntry>,
}

/// Pushes to everybody who is connected, or to all who are and hold a role, and keeps nothing.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), WriteError>")]
pub struct Announce {
    /// Whose turn it takes.
    pub by: UserId,
    pub role: Option<Role>,
    /// `user` is not said to anybody.
    pub draft: Draft,
}

/// Marks notifications as read and tells every device of the user.
#[derive(Debug, Message)]
#[rtype(result = "Result<Read, WriteError>")]
pub struct MarkRead {
    /// Where they are read, and by whom.
    pub device: Arc<Device>,
    pub selection: Selection,
    /// The session that asked: it gets the answer, the others are told.
    pub asker: Option<SessionRef>,
}

/// What was marked as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// The ids that changed, at most a thousand of them.
    pub ids: Vec<String>,
    /// Set where a whole stretch was marked: everything up to this seq.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    pub unread: i64,
    pub seq: i64,
}

impl Read {
    pub(super) fn new(ids: Vec<String>, taken: &Taken) -> Self {
        let InboxState { last_seq, unread } = taken.standing.inbox;
        Self { ids, up_to: taken.up_to, unread, seq: last_seq }
    }
}

/// Deletes notifications and tells every device of the user.
#[derive(Debug, Message)]
#[rtype(result = "Result<Deleted, WriteError>")]
pub struct Delete {
    /// Where they are deleted, and by whom.
    pub device: Arc<Device>,
    pub selection: Selection,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The ids that are gone, at most a thousand of them.
    pub ids: Vec<String>,
    /// Set where a whole stretch was deleted: everything up to this seq.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    pub unread: i64,
    /// How many are kept.
    pub total: i64,
    pub seq: i64,
}

impl Deleted {
    pub(super) fn new(ids: Vec<String>, taken: &Taken) -> Self {
        let Standing { inbox: InboxState { last_seq, unread }, total } = taken.standing;
        Self { ids, up_to: taken.up_to, unread, total, seq: last_seq }
    }
}

/// A session begins: keeps what its token says of the person and answers where the inbox stands.
#[derive(Debug, Message)]
#[rtype(result = "Result<InboxState, WriteError>")]
pub struct Greet {
    pub profile: Profile,
}

/// What devices have proven or said that they have.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "Result<(), WriteError>")]
pub struct Confirm {
    pub proofs: Vec<Proven>,
    pub up_to: Vec<UpTo>,
}

impl Confirm {
    /// How much there is to write.
    pub fn len(&self) -> usize {
        self.proofs.len() + self.up_to.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps what a person chose; answers all that is chosen then.
#[derive(Debug, Message)]
#[rtype(result = "Result<Preferences, WriteError>")]
pub struct SavePreferences {
    pub user: UserId,
    pub choice: Choice,
}

/// What of somebody's preferences is replaced.
#[derive(Debug)]
pub enum Choice {
    Everything(Preferences),
    /// By category; the others stay, and so does everything else.
    Channels(BTreeMap<String, ChannelChoice>),
}

/// Issues a ticket that lets its bearer in at one door.
#[derive(Debug, Message)]
#[rtype(result = "Result<Issued, WriteError>")]
pub struct IssueTicket {
    pub bearer: Identity,
    pub door: Door,
    pub lifetime: Duration,
    /// How many that have not expired the bearer may hold.
    pub at_most: usize,
}

/// A ticket, and until when it is good.
#[derive(Debug)]
pub struct Issued {
    pub ticket: Ticket,
    pub expires_at: Timestamp,
}

/// Uses a ticket up; answers whom it lets in at this door, if anybody.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Identity>, WriteError>")]
pub struct RedeemTicket {
    pub ticket: Ticket,
    pub door: Door,
}

/// Keeps what an administrator is about to do or to be shown; nothing is done or shown that could not be kept.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), WriteError>")]
pub struct Audit {
    pub entry: AuditEntry,
}

/// Keeps an order concerning a user's tokens or connections, and the note of who gave it, or neither.
#[derive(Debug, Message)]
#[rtype(result = "Result<Kept, WriteError>")]
pub struct KeepOrder {
    pub order: Order,
    pub entry: AuditEntry,
}

/// Answered when everything that was accepted before has been written; nothing is accepted after it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Flush;
