//! What the append worker is given to do, and what each piece of it weighs.

use actix::prelude::*;
use tokio::time::Instant;

use super::append_worker::Reply;
use super::line::Weigh;
use super::messages::{Announce, BookingEvent, Notify, NotifyRole, Pass, WriteError};
use crate::storage::append::Acceptance;

/// A piece of work and who waits for it.
#[derive(Debug)]
pub(super) enum AppendJob {
    Booking(BookingEvent, Reply<Acceptance>),
    Notify(Notify, Reply<Acceptance>),
    NotifyRole(NotifyRole, Reply<usize>),
    Pass(Pass, Reply<()>),
    Announce(Announce, Reply<()>),
    /// A portion of what is broadcast.
    WorkOff,
}

impl AppendJob {
    /// Answers without doing it. Who waits may have gone.
    pub(super) fn refuse(self, error: WriteError) {
        match self {
            Self::Booking(_, reply) | Self::Notify(_, reply) => drop(reply.send(Err(error))),
            Self::NotifyRole(_, reply) => drop(reply.send(Err(error))),
            Self::Pass(_, reply) | Self::Announce(_, reply) => drop(reply.send(Err(error))),
            // Nobody waits, and it is looked for again.
            Self::WorkOff => {}
        }
    }
}

/// So many bytes of a notification weigh as much as a row.
pub(super) const ROW_BYTES: usize = 4_096;

impl Weigh for AppendJob {
    fn weight(&self) -> usize {
        match self {
            // All drafts of one message say the same.
            Self::Notify(Notify { drafts, .. }, _) => {
                let each = drafts.first().map_or(0, |draft| draft.content.bytes() / ROW_BYTES);
                drafts.len().max(1).saturating_mul(1 + each)
            }
            // A role is written a chunk at a time.
            Self::NotifyRole(NotifyRole { draft, .. }, _)
            | Self::Pass(Pass { draft, .. }, _)
            | Self::Announce(Announce { draft, .. }, _) => 1 + draft.content.bytes() / ROW_BYTES,
            Self::Booking(..) => 1,
            // There is one at most, and it takes nobody's place.
            Self::WorkOff => 0,
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
}

/// A batch from the front actor; answered when all of it is done, with whether there is more to work off.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(super) struct AppendBatch {
    pub(super) jobs: Vec<Arrived>,
}
