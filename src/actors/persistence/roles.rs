//! Telling everybody who holds a role: a portion of them at a time, and whoever books in between is served in between.
//! Who asked is answered when all of them have it.

use tokio::time::Instant;

use super::append_job::portion_of;
use super::append_worker::{AppendWorker, Reply, answer, report_of};
use super::messages::{NotifyRole, WriteError};
use crate::domain::request_id::shown;
use crate::domain::{Draft, Timestamp, UserId};
use crate::storage::append::{Entry, Outcome, append};
use crate::storage::{AnyConnection, StorageError, recipients};

/// A role that is being told, and who waits for it.
#[derive(Debug)]
pub(super) struct Telling {
    message: NotifyRole,
    reply: Reply<usize>,
    /// Everybody up to and with this user has it.
    reached: String,
    told: usize,
}

impl Telling {
    pub(super) fn new(message: NotifyRole, reply: Reply<usize>) -> Self {
        Self { message, reply, reached: String::new(), told: 0 }
    }

    pub(super) fn sender(&self) -> &UserId {
        &self.message.by
    }

    /// Answers without doing it, or the rest of it.
    pub(super) fn refuse(self, error: WriteError) {
        answer(self.reply, Err(error));
    }
}

impl AppendWorker {
    /// Tells the next portion; answers what is left. A portion that fails ends it: those before it have theirs, and
    /// the asker is told that not everybody has.
    pub(super) fn tell_role(&self, mut telling: Telling, at: Instant) -> Option<Telling> {
        match self.transaction(|connection, now| self.portion_of_role(connection, &telling, now)) {
            Ok((users, outcomes)) => {
                self.push_accepted(outcomes.iter().map(|outcome| (outcome, Some(at))));
                telling.told += users.len();
                let is_full = users.len() >= portion_of(&telling.message.draft.content);
                let Some(last) = users.last().filter(|_| is_full) else {
                    answer(telling.reply, Ok(telling.told));
                    return None;
                };
                last.as_str().clone_into(&mut telling.reached);
                Some(telling)
            }
            Err(error) => {
                let request = telling.message.draft.request.clone();
                telling.refuse(report_of(&error, shown(request.as_ref())));
                None
            }
        }
    }

    fn portion_of_role(
        &self,
        connection: &mut AnyConnection,
        Telling { message, reached, .. }: &Telling,
        now: Timestamp,
    ) -> Result<(Vec<UserId>, Vec<Outcome>), StorageError> {
        let most = i64::try_from(portion_of(&message.draft.content)).unwrap_or(i64::MAX);
        let users = recipients::with_role(connection, &message.role, reached, most)?;
        let drafts = users.iter().map(|user| Draft {
            id: self.next_notification(),
            user: user.clone(),
            ..message.draft.clone()
        });
        let entry = Entry { booking: None, drafts: drafts.collect(), claim: None };
        let outcomes = append(connection, &[entry], now, &|category| self.escalate_after(category))?;
        Ok((users, outcomes))
    }
}
