//! The worker that appends to inboxes: one thread, one connection, one batch at a time, so that the
//! order of commits is the order of every inbox and of what is pushed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::append_job::{AppendBatch, AppendJob, Arrived};
use super::errand::Errand;
use super::messages::{Announce, BookingEvent, Notify, Pass, WriteError};
use super::{Parts, publications};
use crate::actors::hub::{self, Publication};
use crate::domain::request_id::shown;
use crate::domain::{
    Booking, BookingId, BookingStatus, Draft, Notification, NotificationId, RequestId, Room, Timestamp,
    Transition, UserId,
};
use crate::storage::append::{Acceptance, Entry, Outcome, append, append_alone, repeat_of};
use crate::storage::deliveries::Ending;
use crate::storage::idempotency::IdempotencyClaim;
use crate::storage::{AnyConnection, StorageError, bookings, deliveries, inboxes};

pub(super) type Reply<T> = oneshot::Sender<Result<T, WriteError>>;

/// What a figure says of a delivery that ended by no channel.
const NO_CHANNEL: &str = "none";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct AppendWorker {
    pub(super) parts: Parts,
}

impl Actor for AppendWorker {
    type Context = SyncContext<Self>;
}

impl Handler<AppendBatch> for AppendWorker {
    type Result = MessageResult<AppendBatch>;

    /// A panic must not end the thread: it stops this actor, and the arbiter makes a new one. Who waited
    /// for the batch is told that the write failed, because their replies are dropped.
    fn handle(&mut self, message: AppendBatch, ctx: &mut SyncContext<Self>) -> Self::Result {
        let left = catch_unwind(AssertUnwindSafe(|| self.run(message.jobs)));
        MessageResult(left.unwrap_or_else(|_| {
            log::error!("the append worker panicked and is replaced");
            self.parts.metrics.refused("worker_panic").inc();
            ctx.stop();
            Vec::new()
        }))
    }
}

impl AppendWorker {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Answers what is left.
    fn run(&self, jobs: Vec<Arrived>) -> Vec<Arrived> {
        let mut left = Vec::new();
        let mut gathered = Gathered::default();
        for Arrived { at, job } in jobs {
            match job {
                AppendJob::Booking(BookingEvent::Created { id, booking, claim, request, .. }, reply) => {
                    let now = self.parts.clock.now();
                    let booking = booking
                        .into_booking(id.unwrap_or_else(|| BookingId::from_uuid(self.parts.ids.next())), now);
                    let draft = Draft::booking_created(self.next_notification(), &booking);
                    let drafts = vec![Draft { request, ..draft }];
                    let entry = Entry { booking: Some(booking), drafts, claim };
                    gathered.push(entry, Waiting { at, reply, has_named_it: id.is_some() });
                }
                AppendJob::Notify(Notify { drafts, claim, .. }, reply) => {
                    let entry = Entry { booking: None, drafts, claim };
                    gathered.push(entry, Waiting { at, reply, has_named_it: false });
                }
                // The rest goes alone, after what came before it.
                AppendJob::Booking(BookingEvent::Moved { booking, step, by, claim, request, .. }, reply) => {
                    self.write_gathered(&mut gathered);
                    let moving = Moving { booking, step, by, claim, request };
                    answer(reply, self.move_booking(&moving, at));
                }
                AppendJob::NotifyRole(telling) => {
                    self.write_gathered(&mut gathered);
                    let rest = self.tell_role(telling, at);
                    left.extend(rest.map(|rest| Arrived { at, job: AppendJob::NotifyRole(rest) }));
                }
                AppendJob::Pass(Pass { room, draft, .. }, reply) => {
                    self.write_gathered(&mut gathered);
                    let notification = draft.at(0, self.parts.clock.now());
                    self.publish(vec![publications::of_passing(room, &notification)]);
                    answer(reply, Ok(()));
                }
                AppendJob::Announce(message, reply) => {
                    self.write_gathered(&mut gathered);
                    answer(reply, self.announce(message));
                }
                AppendJob::WorkOff(errand) => {
                    self.write_gathered(&mut gathered);
                    if self.work_off(errand) {
                        left.push(Arrived { at, job: AppendJob::WorkOff(errand) });
                    }
                }
            }
        }
        self.write_gathered(&mut gathered);
        left
    }

    /// Does a portion; answers whether there may be more to do.
    fn work_off(&self, errand: Errand) -> bool {
        match errand {
            Errand::Broadcasts => self.broadcast(),
            Errand::Reminders => self.remind(),
        }
    }

    fn announce(&self, Announce { role, draft, .. }: Announce) -> Result<(), WriteError> {
        let notification = draft.at(0, self.parts.clock.now());
        let parcel = publications::parcel_of_passing(&notification);
        let announced =
            self.parts.hub.try_send(hub::Announce { room: role.map(Room::Role), parcel, is_relayed: false });
        announced.map_err(|_| {
            self.parts.metrics.refused("hub_mailbox").inc();
            WriteError::Overloaded
        })
    }

    /// Writes what was gathered in one transaction. If that fails for a reason of its own, each entry is
    /// tried alone, so that a bad one fails alone.
    fn write_gathered(&self, gathered: &mut Gathered) {
        let Gathered { entries, waiting } = std::mem::take(gathered);
        if entries.is_empty() {
            return;
        }
        self.parts.metrics.write_batch().observe(f64::from(u32::try_from(entries.len()).unwrap_or(u32::MAX)));
        match self.write(&entries) {
            Ok(outcomes) => self.settle(outcomes, waiting),
            Err(error) if error.is_unavailable() => {
                let error = report_of(&error, &requests_of(&entries));
                for Waiting { reply, .. } in waiting {
                    answer(reply, Err(error.clone()));
                }
            }
            Err(error) => {
                if entries.len() > 1 {
                    log::warn!("a batch failed and is written one by one: {error}");
                }
                for (entry, waiting) in entries.iter().zip(waiting) {
                    match self.write_alone(entry) {
                        Ok(outcomes) => self.settle(outcomes, vec![waiting]),
                        Err(error) if waiting.has_named_it && error.is_duplicate() => {
                            answer(waiting.reply, Err(WriteError::BookingExists));
                        }
                        Err(error) => {
                            let requests = requests_of(std::slice::from_ref(entry));
                            answer(waiting.reply, Err(report_of(&error, &requests)));
                        }
                    }
                }
            }
        }
    }

    /// Another instance may have taken the same idempotency key since it was looked for: looking again
    /// finds its answer.
    fn write_alone(&self, entry: &Entry) -> Result<Vec<Outcome>, StorageError> {
        let entry_alone = std::slice::from_ref(entry);
        match self.write(entry_alone) {
            Err(error) if entry.claim.is_some() && error.is_duplicate() => self.write(entry_alone),
            written => written,
        }
    }

    fn write(&self, entries: &[Entry]) -> Result<Vec<Outcome>, StorageError> {
        let began = Instant::now();
        let now = self.parts.clock.now();
        let outcomes = append_alone(&self.parts.pool, entries, now, &|c| self.escalate_after(c));
        self.parts.metrics.commit().observe(began.elapsed().as_secs_f64());
        self.parts.health.note(outcomes.as_ref().is_err_and(StorageError::is_unavailable));
        outcomes
    }

    /// Pushes first, then answers: both only after the commit.
    fn settle(&self, outcomes: Vec<Outcome>, waiting: Vec<Waiting>) {
        self.push_accepted(outcomes.iter().zip(waiting.iter().map(|waiting| Some(waiting.at))));
        for (outcome, waiting) in outcomes.into_iter().zip(waiting) {
            answer(waiting.reply, acceptance_of(outcome));
        }
    }

    /// Another instance may have taken the same idempotency key since it was looked for: looking again finds its
    /// answer.
    fn move_booking(&self, moving: &Moving, at: Instant) -> Result<Acceptance, WriteError> {
        let moved = match self.try_to_move(moving) {
            Err(error) if moving.claim.is_some() && error.is_duplicate() => self.try_to_move(moving),
            moved => moved,
        };
        let moved = moved.map_err(|error| report_of(&error, shown(moving.request.as_ref())))??;
        let Moved { booking, outcomes, withdrawn } = match moved {
            Moved { booking: None, outcomes, .. } => {
                return outcomes.into_iter().next().map_or(Err(WriteError::Failed), acceptance_of);
            }
            moved => moved,
        };
        self.parts
            .metrics
            .deliveries_finished(Ending::Withdrawn.as_str(), NO_CHANNEL)
            .inc_by(withdrawn as u64);
        self.push_accepted(outcomes.iter().map(|outcome| (outcome, Some(at))));
        let acceptance = outcomes.into_iter().next().map_or(Err(WriteError::Failed), acceptance_of)?;
        Ok(Acceptance { booking, ..acceptance })
    }

    fn try_to_move(&self, moving: &Moving) -> Result<Result<Moved, WriteError>, StorageError> {
        let Moving { booking: id, step, by, claim, request } = moving;
        let id = *id;
        self.transaction(|connection, now| {
            if let Some(claim) = claim
                && let Some(earlier) = repeat_of(connection, claim)?
            {
                return Ok(Ok(Moved { booking: None, outcomes: vec![earlier], withdrawn: 0 }));
            }
            let Some(mut booking) = bookings::find(connection, id)?.filter(|booking| booking.is_party(by))
            else {
                return Ok(Err(WriteError::NotFound));
            };
            if !step.allowed_to(by, &booking) {
                return Ok(Err(WriteError::Forbidden));
            }
            let from = booking.status;
            let Some(to) = step.from(from) else { return Ok(Err(WriteError::WrongStatus(from))) };
            if !bookings::change_status(connection, id, from, to, now)? {
                // Somebody else moved it between the two statements.
                let status = bookings::find(connection, id)?.map_or(from, |booking| booking.status);
                return Ok(Err(WriteError::WrongStatus(status)));
            }
            booking.status = to;
            booking.updated_at = now;
            let request = request.clone();
            let draft = Draft { request, ..Draft::booking_moved(self.next_notification(), &booking, by) };
            let mut withdrawn = 0;
            if to == BookingStatus::Cancelled {
                // Before the deliveries in it, as whoever marks them as read does.
                inboxes::hold(connection, &draft.user)?;
                withdrawn = deliveries::withdraw(connection, id, now)?;
            }
            let drafts = vec![draft];
            let entry = Entry { booking: None, drafts, claim: claim.clone() };
            let outcomes = append(connection, &[entry], now, &|category| self.escalate_after(category))?;
            Ok(Ok(Moved { booking: Some(booking), outcomes, withdrawn }))
        })
    }

    /// One transaction on a connection of the pool.
    pub(super) fn transaction<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection, Timestamp) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let began = Instant::now();
        let result = self.parts.pool.write(|connection| body(connection, self.parts.clock.now()));
        self.parts.metrics.commit().observe(began.elapsed().as_secs_f64());
        self.parts.health.note(result.as_ref().is_err_and(StorageError::is_unavailable));
        result
    }

    /// Counts and pushes what was written in portions, of which nobody waits for one.
    pub(super) fn push_stored(&self, outcomes: &[Outcome]) {
        self.push_accepted(outcomes.iter().map(|outcome| (outcome, None)));
    }

    /// Counts and pushes what is new, with when it was accepted: a repeat was counted and pushed when it came first.
    pub(super) fn push_accepted<'a>(&self, outcomes: impl Iterator<Item = (&'a Outcome, Option<Instant>)>) {
        let metrics = &self.parts.metrics;
        let mut publications = Vec::new();
        for (outcome, at) in outcomes {
            let Outcome::Stored { acceptance, notifications } = outcome else { continue };
            if let Some(at) = at {
                metrics.accepted_to_commit().observe(at.elapsed().as_secs_f64());
            }
            metrics.bookings_accepted().inc_by(u64::from(acceptance.booking.is_some()));
            metrics.notifications_stored().inc_by(notifications.len() as u64);
            for stamped in notifications {
                tell_stored(&stamped.notification);
            }
            publications.extend(notifications.iter().map(|stamped| publications::of_stored(stamped, at)));
        }
        self.publish(publications);
    }

    fn publish(&self, publications: Vec<Publication>) {
        hub::publish(&self.parts.hub, publications, &self.parts.metrics);
    }

    pub(super) fn next_notification(&self) -> NotificationId {
        NotificationId::from_uuid(self.parts.ids.next())
    }

    pub(super) fn escalate_after(&self, category: &str) -> Duration {
        self.parts.delivery.escalate_after(category)
    }
}

/// A step that a party asked for.
struct Moving {
    booking: BookingId,
    step: Transition,
    by: UserId,
    claim: Option<IdempotencyClaim>,
    request: Option<RequestId>,
}

/// What came of it.
struct Moved {
    /// None for a repeat.
    booking: Option<Booking>,
    outcomes: Vec<Outcome>,
    /// How many deliveries a cancellation took back.
    withdrawn: usize,
}

/// Who waits for an entry, and since when.
#[derive(Debug)]
struct Waiting {
    at: Instant,
    reply: Reply<Acceptance>,
    /// Whether the booking's id is the sender's choice: every other id is of our own making.
    has_named_it: bool,
}

/// Entries that will share a transaction, and who waits for each.
#[derive(Debug, Default)]
struct Gathered {
    entries: Vec<Entry>,
    waiting: Vec<Waiting>,
}

impl Gathered {
    fn push(&mut self, entry: Entry, waiting: Waiting) {
        self.entries.push(entry);
        self.waiting.push(waiting);
    }
}

fn tell_stored(notification: &Notification) {
    log::debug!(notification:% = notification.id, request = shown(notification.request.as_ref()),
        user = notification.user.as_str(), seq = notification.seq; "stored");
}

fn acceptance_of(outcome: Outcome) -> Result<Acceptance, WriteError> {
    match outcome {
        Outcome::Stored { acceptance, .. } | Outcome::Repeated(acceptance) => Ok(acceptance),
        Outcome::KeyReused => Err(WriteError::KeyReused),
    }
}

/// The requests that entries come of, as a log line shows them: the first few.
fn requests_of(entries: &[Entry]) -> String {
    /// More make a line that nobody reads; the others' answers name theirs.
    const SHOWN_MAX: usize = 8;
    let requests = entries.iter().filter_map(|entry| entry.drafts.first()?.request.as_ref());
    requests.take(SHOWN_MAX).map(RequestId::as_str).collect::<Vec<_>>().join(",")
}

/// Logs a failure once, here, and answers what its asker is told.
pub(super) fn report(error: &StorageError) -> WriteError {
    report_of(error, "-")
}

/// The same with the requests that it befell.
pub(super) fn report_of(error: &StorageError, requests: &str) -> WriteError {
    if error.is_unavailable() {
        log::warn!(request = requests; "a write failed: {error}");
        WriteError::Unavailable
    } else {
        log::error!(request = requests; "a write failed: {error}");
        WriteError::Failed
    }
}

/// Answers who waits; they may have gone, the write stands.
pub(super) fn answer<T>(reply: Reply<T>, result: Result<T, WriteError>) {
    drop(reply.send(result));
}
