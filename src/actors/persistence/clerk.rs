//! The worker for everything that lasts but appends to no inbox: confirmations, reading marks,
//! greetings, preferences, tickets. What is alike shares a transaction; what is not goes alone.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::prelude::*;
use uuid::Uuid;

use super::Parts;
use super::append_worker::{Reply, answer, report};
use super::broadcasts;
use super::errand::Errand;
use super::line::Weigh;
use super::messages::{
    AcceptBroadcast, Audit, Choice, Confirm, Delete, Deleted, Greet, IssueTicket, Issued, KeepOrder,
    MarkRead, Read, RedeemTicket, SavePreferences, WriteError,
};
use super::retention::Sweep;
use super::selections::{Task, Work};
use super::tickets;
use crate::domain::recipient::CATEGORIES_MAX;
use crate::domain::{Channel, Identity, InboxState, Preferences, Profile, Timestamp, UpTo, UserId};
use crate::storage::confirmations::{confirm, confirm_and_tell, confirm_up_to, confirm_up_to_and_tell};
use crate::storage::deliveries::Ending;
use crate::storage::revocations::Kept;
use crate::storage::{AnyConnection, StorageError, audit, idempotency, inboxes, recipients, revocations};

/// How many pages of one device's notifications are confirmed in a row. Others wait for it.
const UP_TO_PAGES_MAX: usize = 40;
/// How many steps of long work are taken in a row.
const STEPS_A_BATCH: usize = 4;

/// A piece of work and who waits for it.
#[derive(Debug)]
pub(super) enum ClericalJob {
    /// Boxed: it is far larger than the others.
    Select(Box<Work>),
    Greet(Greet, Reply<InboxState>),
    Confirm(Confirm, Reply<()>),
    SavePreferences(SavePreferences, Reply<Preferences>),
    Audit(Audit, Reply<()>),
    KeepOrder(KeepOrder, Reply<Kept>),
    AcceptBroadcast(Box<AcceptBroadcast>, Reply<Uuid>),
    /// Look whether there is something to work off.
    LookFor(Errand),
    /// For the front actor: there is something to work off.
    WorkOff(Errand),
    IssueTicket(IssueTicket, Reply<Issued>),
    RedeemTicket(RedeemTicket, Reply<Option<Identity>>),
    /// Remove tickets that have expired.
    ForgetTickets,
    /// Remove orders of before the one time that ended connections, and of before the other that revoked.
    ForgetOrders(Duration, Option<Duration>),
    /// Remove what has become too old.
    Sweep(Box<Sweep>),
    /// Forget idempotency keys that are older than this.
    ForgetKeys(Duration),
}

impl ClericalJob {
    pub(super) fn mark_read(message: MarkRead, reply: Reply<Read>) -> Self {
        Self::Select(Box::new(Work::new(Task::Read(message, reply))))
    }

    pub(super) fn delete(message: Delete, reply: Reply<Deleted>) -> Self {
        Self::Select(Box::new(Work::new(Task::Delete(message, reply))))
    }

    pub(super) fn accept_broadcast(message: AcceptBroadcast, reply: Reply<Uuid>) -> Self {
        Self::AcceptBroadcast(Box::new(message), reply)
    }

    pub(super) fn is_confirmation(&self) -> bool {
        matches!(self, Self::Confirm(..))
    }

    /// Answers without doing it. Who waits may have gone.
    pub(super) fn refuse(self, error: WriteError) {
        match self {
            Self::Select(work) => work.refuse(error),
            Self::Greet(_, reply) => answer(reply, Err(error)),
            Self::Confirm(_, reply) | Self::Audit(_, reply) => answer(reply, Err(error)),
            Self::SavePreferences(_, reply) => answer(reply, Err(error)),
            Self::KeepOrder(_, reply) => answer(reply, Err(error)),
            Self::AcceptBroadcast(_, reply) => answer(reply, Err(error)),
            Self::IssueTicket(_, reply) => answer(reply, Err(error)),
            Self::RedeemTicket(_, reply) => answer(reply, Err(error)),
            // Nobody waits; the next such job does it.
            Self::ForgetTickets
            | Self::ForgetOrders(..)
            | Self::ForgetKeys(_)
            | Self::Sweep(_)
            | Self::LookFor(_)
            | Self::WorkOff(_) => {}
        }
    }
}

impl Weigh for ClericalJob {
    fn weight(&self) -> usize {
        1
    }

    /// In the order in which all of it comes.
    fn sender(&self) -> Option<&UserId> {
        None
    }
}

/// A batch from the front actor; answered with what is left of it, for which others are not to wait.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ClericalJob>")]
pub(super) struct ClericalBatch {
    pub(super) jobs: Vec<ClericalJob>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Clerk {
    parts: Parts,
}

impl Actor for Clerk {
    type Context = SyncContext<Self>;
}

impl Handler<ClericalBatch> for Clerk {
    type Result = Vec<ClericalJob>;

    /// A panic stops this actor and the arbiter makes a new one; see the append worker.
    fn handle(&mut self, message: ClericalBatch, ctx: &mut SyncContext<Self>) -> Vec<ClericalJob> {
        catch_unwind(AssertUnwindSafe(|| self.run(message.jobs))).unwrap_or_else(|_| {
            log::error!("the clerk panicked and is replaced");
            self.parts.metrics.refused("worker_panic").inc();
            ctx.stop();
            Vec::new()
        })
    }
}

impl Clerk {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Answers what is left to do.
    fn run(&self, jobs: Vec<ClericalJob>) -> Vec<ClericalJob> {
        let (mut confirmed, mut confirmers) = (Confirm::default(), Vec::new());
        let (mut profiles, mut greeters) = (Vec::new(), Vec::new());
        let (mut wanted_tickets, mut shown_tickets) = (Vec::new(), Vec::new());
        let mut single = Vec::new();
        for job in jobs {
            match job {
                ClericalJob::Confirm(message, reply) => {
                    confirmed.proofs.extend(message.proofs);
                    confirmed.up_to.extend(message.up_to);
                    confirmers.push(reply);
                }
                ClericalJob::Greet(message, reply) => {
                    profiles.push(message.profile);
                    greeters.push(reply);
                }
                ClericalJob::IssueTicket(message, reply) => wanted_tickets.push((message, reply)),
                ClericalJob::RedeemTicket(message, reply) => shown_tickets.push((message, reply)),
                other => single.push(other),
            }
        }
        self.greet(&profiles, greeters);
        self.confirm(&confirmed, confirmers);
        tickets::redeem(&self.parts, shown_tickets);
        tickets::issue(&self.parts, wanted_tickets);
        let mut left = Vec::new();
        let mut steps = 0;
        for job in single {
            match job {
                // Others are served between them.
                ClericalJob::Select(_) | ClericalJob::Sweep(_) if steps >= STEPS_A_BATCH => left.push(job),
                ClericalJob::Select(work) => {
                    steps += 1;
                    left.extend(work.step(&self.parts).map(|work| ClericalJob::Select(Box::new(work))));
                }
                ClericalJob::SavePreferences(message, reply) => {
                    answer(reply, self.save_preferences(&message));
                }
                ClericalJob::Audit(Audit { entry }, reply) => {
                    answer(reply, self.write(|connection| audit::record(connection, &entry)));
                }
                ClericalJob::AcceptBroadcast(message, reply) => {
                    answer(reply, broadcasts::accept(&self.parts, &message));
                    left.push(ClericalJob::WorkOff(Errand::Broadcasts));
                }
                ClericalJob::LookFor(errand) => {
                    left.extend(errand.is_due(&self.parts).then_some(ClericalJob::WorkOff(errand)));
                }
                ClericalJob::Sweep(sweep) => {
                    steps += 1;
                    left.extend(sweep.step(&self.parts).map(|sweep| ClericalJob::Sweep(Box::new(sweep))));
                }
                ClericalJob::ForgetKeys(age) => self.forget_keys(age),
                ClericalJob::KeepOrder(KeepOrder { order, entry }, reply) => {
                    let kept = self.write(|connection| {
                        audit::record(connection, &entry)?;
                        revocations::add(connection, &order)
                    });
                    answer(reply, kept);
                }
                ClericalJob::ForgetOrders(ended, revoked) => self.forget_orders(ended, revoked),
                ClericalJob::ForgetTickets => tickets::forget(&self.parts),
                // Gathered above, or the front actor's own.
                ClericalJob::WorkOff(_)
                | ClericalJob::Confirm(..)
                | ClericalJob::Greet(..)
                | ClericalJob::IssueTicket(..)
                | ClericalJob::RedeemTicket(..) => {}
            }
        }
        left
    }

    fn write<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, WriteError> {
        self.parts.pool.write(body).map_err(|error| report(&error))
    }

    /// Writes what devices have. Who is refused says all of it again, which changes nothing of what was
    /// written.
    fn confirm(&self, confirmed: &Confirm, replies: Vec<Reply<()>>) {
        if replies.is_empty() {
            return;
        }
        let (pool, now) = (&self.parts.pool, self.parts.clock.now());
        let count = |channels: Vec<Channel>| {
            for channel in channels {
                self.parts.metrics.deliveries_finished(Ending::Confirmed.as_str(), channel.as_str()).inc();
            }
        };
        let proven = if self.parts.tells {
            pool.write(|connection| confirm_and_tell(connection, &confirmed.proofs, now))
        } else {
            pool.write_batch(|connection| confirm(connection, &confirmed.proofs, now))
        };
        let done = proven
            .map(count)
            .and_then(|()| self.confirm_up_to(&confirmed.up_to, now).map(count))
            .map_err(|error| report(&error));
        for reply in replies {
            answer(reply, done.clone());
        }
    }

    /// A page of older and older notifications at a time, while there is something to confirm.
    fn confirm_up_to(&self, devices: &[UpTo], now: Timestamp) -> Result<Vec<Channel>, StorageError> {
        let mut rest = devices.to_vec();
        let mut channels = Vec::new();
        for _ in 0..UP_TO_PAGES_MAX {
            if rest.is_empty() {
                break;
            }
            let devices = std::mem::take(&mut rest);
            let pool = &self.parts.pool;
            let next = if self.parts.tells {
                pool.write(|connection| confirm_up_to_and_tell(connection, &devices, now))?
            } else {
                pool.write_batch(|connection| confirm_up_to(connection, &devices, now))?
            };
            channels.extend(next.channels);
            rest = next.rest;
        }
        Ok(channels)
    }

    /// Answers where the inboxes stand and keeps what the tokens say, where that is new: in the usual
    /// case, a person coming back, two statements for the whole batch and nothing written.
    fn greet(&self, profiles: &[Profile], replies: Vec<Reply<InboxState>>) {
        if replies.is_empty() {
            return;
        }
        let users: Vec<&str> = profiles.iter().map(|profile| profile.user.as_str()).collect();
        let known = self.look_up(profiles, &users).map_err(|error| report(&error));
        let states: Result<HashMap<String, InboxState>, WriteError> =
            known.map(|rows| rows.into_iter().collect());
        for (profile, reply) in profiles.iter().zip(replies) {
            let state = states
                .as_ref()
                .map(|states| states.get(profile.user.as_str()).copied().unwrap_or_default())
                .map_err(Clone::clone);
            answer(reply, state);
        }
    }

    fn look_up(
        &self,
        profiles: &[Profile],
        users: &[&str],
    ) -> Result<Vec<(String, InboxState)>, StorageError> {
        let pool = &self.parts.pool;
        let known = pool.read(|connection| recipients::profiles(connection, users))?;
        let is_new = |profile: &&Profile| !profile.is_known_by(known.get(profile.user.as_str()));
        let news: Vec<&Profile> = profiles.iter().filter(is_new).collect();
        if !news.is_empty() {
            let now = self.parts.clock.now();
            pool.write(|connection| {
                news.iter().try_for_each(|profile| recipients::remember(connection, profile, now))
            })?;
        }
        pool.read(|connection| inboxes::states(connection, users))
    }

    fn forget_keys(&self, age: Duration) {
        let before = self.parts.clock.now().minus(age);
        // A failure was logged where it is turned into an answer; the next hour's job tries again.
        if let Ok(forgotten @ 1..) = self.write(|connection| idempotency::forget(connection, before)) {
            log::info!(forgotten = forgotten; "old idempotency keys were forgotten");
        }
    }

    fn forget_orders(&self, ended: Duration, revoked: Option<Duration>) {
        let now = self.parts.clock.now();
        let (ended, revoked) = (now.minus(ended), revoked.map(|age| now.minus(age)));
        // A failure is logged as with the keys.
        if let Ok(forgotten @ 1..) = self.write(|connection| revocations::forget(connection, ended, revoked))
        {
            log::info!(forgotten = forgotten; "old orders to revoke and to disconnect were forgotten");
        }
    }

    fn save_preferences(&self, message: &SavePreferences) -> Result<Preferences, WriteError> {
        let (now, user) = (self.parts.clock.now(), &message.user);
        let saved = self.write(|connection| {
            let chosen = match &message.choice {
                Choice::Everything(preferences) => preferences.clone(),
                Choice::Channels(channels) => {
                    let known = recipients::find_held(connection, user)?;
                    let mut chosen = known.map(|known| known.preferences).unwrap_or_default();
                    chosen.channels.extend(channels.clone());
                    chosen
                }
            };
            if chosen.channels.len() > CATEGORIES_MAX {
                return Ok(None);
            }
            recipients::save_preferences(connection, user, &chosen, now)?;
            Ok(Some(chosen))
        })?;
        saved.ok_or(WriteError::TooManyChoices)
    }
}
