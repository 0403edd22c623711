//! Broadcasts: the clerk accepts them and looks for what is to be worked off, the append worker tells a portion of
//! their recipients at a time, and whoever books in between is served in between.

use std::time::Duration;

use super::Parts;
use super::append_job::portion_of;
use super::append_worker::{AppendWorker, report};
use super::messages::{AcceptBroadcast, WriteError};
use crate::domain::{Draft, Timestamp};
use crate::storage::append::{Entry, Outcome, append};
use crate::storage::broadcasts::{self, Accepted, Progress};
use crate::storage::{AnyConnection, StorageError};

/// How often it is looked for broadcasts that nobody works off: after a start, or of an instance that has ended.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one waits that could not be worked off.
const SET_ASIDE_FOR: Duration = Duration::from_secs(30);

/// Another instance may have taken the same idempotency key since it was looked for: looking again finds its answer.
pub(super) fn accept(parts: &Parts, message: &AcceptBroadcast) -> Result<uuid::Uuid, WriteError> {
    let AcceptBroadcast { broadcast, claim, deed } = message;
    let write = |connection: &mut AnyConnection| {
        broadcasts::accept(connection, broadcast, claim.as_ref(), deed.as_ref())
    };
    let accepted = match parts.pool.write(write) {
        Err(error) if claim.is_some() && error.is_duplicate() => parts.pool.write(write),
        accepted => accepted,
    };
    match accepted.map_err(|error| report(&error))? {
        Accepted::As(id) => Ok(id),
        Accepted::KeyReused => Err(WriteError::KeyReused),
    }
}

/// Whether there is something to work off.
pub(super) fn is_any_due(parts: &Parts) -> Result<bool, StorageError> {
    let now = parts.clock.now();
    parts.pool.read(|connection| broadcasts::is_any_due(connection, now))
}

impl AppendWorker {
    /// Tells the next portion of one broadcast; answers whether there may be more to do.
    pub(super) fn broadcast(&self) -> bool {
        match self.transaction(|connection, now| self.portion(connection, now)) {
            Ok(None) => false,
            Ok(Some((progress, outcomes))) => {
                self.push_stored(&outcomes);
                if outcomes.is_empty() {
                    let Progress { broadcast, told, .. } = progress;
                    log::info!(broadcast = broadcast.id.to_string().as_str(), told = told; "a broadcast is done");
                }
                true
            }
            Err(error) => {
                report(&error);
                if !error.is_unavailable() {
                    self.set_aside();
                }
                false
            }
        }
    }

    /// The portion and the place that it reaches stand or fall together.
    fn portion(
        &self,
        connection: &mut AnyConnection,
        now: Timestamp,
    ) -> Result<Option<(Progress, Vec<Outcome>)>, StorageError> {
        let Some(progress) = broadcasts::take_due(connection, now)? else { return Ok(None) };
        let broadcast = &progress.broadcast;
        let limit = i64::try_from(portion_of(&broadcast.content)).unwrap_or(i64::MAX);
        let users = broadcasts::next_recipients(connection, &progress, limit)?;
        broadcasts::advance(connection, &progress, &users, now)?;
        let drafts = users.into_iter().map(|user| Draft {
            id: self.next_notification(),
            user,
            kind: broadcast.kind.clone(),
            category: broadcast.category.clone(),
            booking: None,
            content: broadcast.content.clone(),
            request: broadcast.request.clone(),
        });
        let drafts: Vec<Draft> = drafts.collect();
        if drafts.is_empty() {
            return Ok(Some((progress, Vec::new())));
        }
        let entry = Entry { booking: None, drafts, claim: None };
        let outcomes = append(connection, &[entry], now, &|category| self.escalate_after(category))?;
        Ok(Some((progress, outcomes)))
    }

    /// What fails must not keep the others waiting.
    fn set_aside(&self) {
        let postponed = self.transaction(|connection, now| {
            broadcasts::postpone_due(connection, now, now.plus(SET_ASIDE_FOR))
        });
        if let Err(error) = postponed {
            report(&error);
        }
    }
}
