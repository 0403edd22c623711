//! Work on a selection of an inbox: marking it as read, deleting it. It is done a step at a time, and the clerk
//! serves others between the steps; who asked is answered, and the user's devices are told, when all of it is
//! done.

use super::append_worker::{Reply, answer, report};
use super::messages::{Delete, Deleted, MarkRead, Read, WriteError};
use super::{Parts, publications};
use crate::actors::hub;
use crate::domain::Step;
use crate::protocol::events::IDS_MAX;
use crate::storage::deliveries::Ending;
use crate::storage::history::{self, Course, Taken};
use crate::storage::outgoing::{self, Happened};
use crate::storage::{AnyConnection, StorageError};

/// What is to be done with a selection, and who waits for it.
#[derive(Debug)]
pub(super) enum Task {
    Read(MarkRead, Reply<Read>),
    Delete(Delete, Reply<Deleted>),
}

/// A task that is under way.
#[derive(Debug)]
pub(super) struct Work {
    task: Task,
    course: Course,
    /// What all steps together changed, as far as it is told.
    ids: Vec<String>,
    /// What the last step left behind.
    reached: Option<Taken>,
}

impl Work {
    pub(super) fn new(task: Task) -> Self {
        Self { task, course: Course::default(), ids: Vec::new(), reached: None }
    }

    /// Answers without doing it. Who waits may have gone.
    pub(super) fn refuse(self, error: WriteError) {
        match self.task {
            Task::Read(_, reply) => answer(reply, Err(error)),
            Task::Delete(_, reply) => answer(reply, Err(error)),
        }
    }

    /// Takes one step; answers what is left of the work.
    pub(super) fn step(self, parts: &Parts) -> Option<Self> {
        let now = parts.clock.now();
        let (task, course) = (&self.task, self.course);
        let step = |connection: &mut AnyConnection| match task {
            Task::Read(asked, _) => {
                let taken = history::read(connection, &asked.device, &asked.selection, course, now)?;
                if parts.tells {
                    outgoing::keep(connection, &taken.ids, Happened::Read, &asked.device, now)?;
                }
                Ok(taken)
            }
            Task::Delete(asked, _) => {
                history::delete(connection, &asked.device, &asked.selection, course, now)
            }
        };
        match parts.pool.write(step) {
            Ok(taken) => self.go_on(taken, parts),
            Err(error) => {
                self.fail(&error, parts);
                None
            }
        }
    }

    fn go_on(mut self, mut taken: Taken, parts: &Parts) -> Option<Self> {
        let (how, device) = match &self.task {
            Task::Read(asked, _) => (Ending::Confirmed.as_str(), &asked.device),
            Task::Delete(asked, _) => (Step::Deleted.as_str(), &asked.device),
        };
        parts.metrics.deliveries_finished(how, device.channel.as_str()).inc_by(taken.ended as u64);
        let room = IDS_MAX.saturating_sub(self.ids.len());
        self.ids.extend(taken.ids.drain(..).take(room));
        let rest = taken.rest.take();
        self.reached = Some(taken);
        let Some(course) = rest else {
            self.finish(parts);
            return None;
        };
        self.course = course;
        Some(self)
    }

    /// Steps that were taken before stand, and are told.
    fn fail(mut self, error: &StorageError, parts: &Parts) {
        if let Some(taken) = self.reached.take() {
            self.tell(&Taken { up_to: Some(self.course.after()), ..taken }, parts);
        }
        self.refuse(report(error));
    }

    fn finish(mut self, parts: &Parts) {
        let taken = self.reached.take().unwrap_or_default();
        self.tell(&taken, parts);
        match self.task {
            Task::Read(_, reply) => answer(reply, Ok(Read::new(self.ids, &taken))),
            Task::Delete(_, reply) => answer(reply, Ok(Deleted::new(self.ids, &taken))),
        }
    }

    /// Nothing is told where nothing changed.
    fn tell(&self, taken: &Taken, parts: &Parts) {
        if self.ids.is_empty() {
            return;
        }
        let ids = self.ids.clone();
        let publications = match &self.task {
            Task::Read(asked, _) => {
                publications::of_read(&asked.device.user, &Read::new(ids, taken), asked.asker)
            }
            Task::Delete(asked, _) => publications::of_deleted(&asked.device.user, &Deleted::new(ids, taken)),
        };
        hub::publish(&parts.hub, publications, &parts.metrics);
    }
}
