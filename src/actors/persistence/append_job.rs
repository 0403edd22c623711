//! What the append worker is given to do, and what each piece of it weighs.

use actix::prelude::*;
use tokio::time::Instant;

use super::append_worker::Reply;
use super::errand::Errand;
use super::line::Weigh;
use super::messages::{Announce, BookingEvent, Notify, NotifyRole, Pass, WriteError};
use super::roles::Telling;
use crate::domain::{Content, UserId};
use crate::storage::append::Acceptance;

/// A piece of work and who waits for it.
#[derive(Debug)]
pub(super) enum AppendJob {
    Booking(BookingEvent, Reply<Acceptance>),
    Notify(Notify, Reply<Acceptance>),
    NotifyRole(Telling),
    Pass(Pass, Reply<()>),
    Announce(Announce, Reply<()>),
    /// A portion of what nobody waits for.
    WorkOff(Errand),
}

impl AppendJob {
    pub(super) fn notify_role(message: NotifyRole, reply: Reply<usize>) -> Self {
        Self::NotifyRole(Telling::new(message, reply))
    }

    /// What it is a portion of, where nobody waits for it.
    pub(super) fn errand(&self) -> Option<Errand> {
        if let Self::WorkOff(errand) = self { Some(*errand) } else { None }
    }

    /// Answers without doing it. Who waits may have gone.
    pub(super) fn refuse(self, error: WriteError) {
        match self {
            Self::Booking(_, reply) | Self::Notify(_, reply) => drop(reply.send(Err(error))),
            Self::NotifyRole(telling) => telling.refuse(error),
            Self::Pass(_, reply) | Self::Announce(_, reply) => drop(reply.send(Err(error))),
            // Nobody waits, and it is looked for again.
            Self::WorkOff(_) => {}
        }
    }
}

/// How many recipients of a role or a broadcast one transaction tells; fewer where the notification is large.
pub const PORTION: usize = 256;
/// The fewest.
const PORTION_MIN: usize = 16;

/// How many are told this by one transaction.
pub(super) fn portion_of(content: &Content) -> usize {
    (PORTION / content.rows()).max(PORTION_MIN)
}

impl Weigh for AppendJob {
    fn weight(&self) -> usize {
        match self {
            // All drafts of one message say the same.
            Self::Notify(Notify { drafts, .. }, _) => {
                let each = drafts.first().map_or(1, |draft| draft.content.rows());
                drafts.len().max(1).saturating_mul(each)
            }
            Self::NotifyRole(_) => PORTION,
            Self::Pass(Pass { draft, .. }, _) | Self::Announce(Announce { draft, .. }, _) => {
                draft.content.rows()
            }
            Self::Booking(..) => 1,
            // There is one of each at most, and it takes nobody's place.
            Self::WorkOff(_) => 0,
        }
    }

    fn sender(&self) -> Option<&UserId> {
        match self {
            Self::Booking(BookingEvent::Moved { by, sender, .. }, _) => Some(sender.as_ref().unwrap_or(by)),
            Self::Booking(BookingEvent::Created { by, .. }, _)
            | Self::Notify(Notify { by, .. }, _)
            | Self::Pass(Pass { by, .. }, _)
            | Self::Announce(Announce { by, .. }, _) => Some(by),
            Self::NotifyRole(telling) => Some(telling.sender()),
            Self::WorkOff(_) => None,
        }
    }
}

/// A job, and when it was accepted.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) at: Instant,
    pub(super) job: AppendJob,
}

impl Weigh for Arrived {
    fn weight(&self) -> usize {
        self.job.weight()
    }

    fn sender(&self) -> Option<&UserId> {
        self.job.sender()
    }
}

/// A batch from the front actor; answered when all of it is done, with what is left, for which others are not to wait.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Arrived>")]
pub(super) struct AppendBatch {
    pub(super) jobs: Vec<Arrived>,
}
