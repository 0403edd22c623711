//! Persistence: the one way into the database for everything that must last.
//!
//! The front actor gathers what arrives while its worker is busy and hands it over as one batch as soon
//! as the worker is free: no timer, so a lone event is written at once and a crowd shares one
//! transaction; whoever sends much takes turns with the others. Two lines lead to two workers: appends, whose order is
//! the order of every inbox and which therefore has exactly one worker, and clerical work, which must not hold a
//! booking up.

mod append_job;
mod append_worker;
mod broadcasts;
mod clerk;
mod errand;
mod line;
pub mod messages;
mod publications;
mod reminders;
mod retention;
mod roles;
mod selections;
mod tickets;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use append_job::PORTION;
use append_job::{AppendBatch, AppendJob, Arrived};
use append_worker::AppendWorker;
use clerk::{ClericalBatch, ClericalJob, Clerk};
use errand::Errand;
use line::Line;
pub use messages::{
    AcceptBroadcast, Announce, Audit, BookingEvent, Choice, Confirm, Delete, Deleted, Flush, Greet,
    IssueTicket, Issued, KeepOrder, MarkRead, Notify, NotifyRole, Pass, Read, RedeemTicket, SavePreferences,
    WriteError,
};
use retention::Sweep;

use super::hub::NotificationHub;
use crate::config::{DeliverySettings, LimitSettings, ReminderSettings, RetentionSettings};
use crate::domain::{Clock, IdGenerator};
use crate::storage::Pool;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::set;

/// How many messages may wait for the front actor itself, which does nothing that takes time.
const MAILBOX: usize = 32_768;

/// How often old idempotency keys and orders are looked for.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// How long an order to end connections is kept: an instance that has not read it by then has read nothing else, and
/// has none of those connections.
const DISCONNECTIONS_KEPT: Duration = Duration::from_hours(1);

/// What the workers are made of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub pool: Pool,
    pub hub: Addr<NotificationHub>,
    pub delivery: Arc<DeliverySettings>,
    /// Whether the broker is told what was delivered and read.
    pub tells: bool,
    pub retention: Arc<RetentionSettings>,
    pub reminders: Arc<ReminderSettings>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
    pub metrics: Metrics,
    pub health: WriteHealth,
    /// How long what was revoked has to be remembered; none for ever.
    pub revoked_for: Option<Duration>,
}

/// Whether the last write found the database willing; shared with whoever reports readiness.
#[derive(Debug, Clone, Default)]
pub struct WriteHealth(Arc<AtomicBool>);

impl WriteHealth {
    pub fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, failing: bool) {
        self.0.store(failing, Ordering::Relaxed);
    }
}

/// The front actor.
#[derive(Debug)]
pub struct Persistence {
    appends: Line<Arrived>,
    clerical: Line<ClericalJob>,
    append_worker: Addr<AppendWorker>,
    clerk: Addr<Clerk>,
    /// How long idempotency keys are kept.
    key_age: Duration,
    /// How long what was revoked is kept.
    revoked_for: Option<Duration>,
    retention: Arc<RetentionSettings>,
    reminders: Arc<ReminderSettings>,
    /// Alive while a sweep of what has become too old is under way.
    sweep: Weak<()>,
    /// Of which errands a portion is in the line or being written.
    errands: BTreeSet<Errand>,
    /// Who waits for everything to be written.
    flushes: Vec<oneshot::Sender<()>>,
    /// Set by [`Flush`]: nothing new is accepted.
    closing: bool,
    metrics: Metrics,
}

impl Persistence {
    /// Starts the workers; the actor itself is started by its caller, on an arbiter of its own.
    pub fn new(parts: &Parts, limits: &LimitSettings) -> Self {
        let append = parts.clone();
        let append_worker = SyncArbiter::start(1, move || AppendWorker::new(append.clone()));
        let clerical = parts.clone();
        let clerk = SyncArbiter::start(1, move || Clerk::new(clerical.clone()));
        Self {
            appends: Line::new(limits.write_queue, limits.write_batch),
            clerical: Line::new(limits.write_queue, limits.write_batch),
            append_worker,
            clerk,
            key_age: Duration::from_secs(limits.idempotency_hours.saturating_mul(3_600)),
            revoked_for: parts.revoked_for,
            retention: Arc::clone(&parts.retention),
            reminders: Arc::clone(&parts.reminders),
            sweep: Weak::new(),
            errands: BTreeSet::new(),
            flushes: Vec::new(),
            closing: false,
            metrics: parts.metrics.clone(),
        }
    }

    fn append(&mut self, job: AppendJob, ctx: &mut Context<Self>) {
        let job = Arrived { at: Instant::now(), job };
        if self.closing || !self.appends.has_room_for(&job) {
            self.metrics.refused("write_queue").inc();
            job.job.refuse(WriteError::Overloaded);
            return;
        }
        self.appends.push(job);
        self.feed_append_worker(ctx);
        self.show_depth();
    }

    fn clerical(&mut self, job: ClericalJob, ctx: &mut Context<Self>) {
        // Confirmations are still taken while closing: they end what would otherwise become mail.
        let refused = self.closing && !job.is_confirmation();
        if refused || !self.clerical.has_room_for(&job) {
            self.metrics.refused("clerical_queue").inc();
            job.refuse(WriteError::Overloaded);
            return;
        }
        self.clerical.push(job);
        self.feed_clerk(ctx);
        self.show_clerical_depth();
    }

    fn feed_append_worker(&mut self, ctx: &mut Context<Self>) {
        let Some(jobs) = self.appends.next_batch() else { return };
        self.show_depth();
        let portions: Vec<Errand> = jobs.iter().filter_map(|arrived| arrived.job.errand()).collect();
        let request = self.append_worker.send(AppendBatch { jobs });
        let done = request.into_actor(self).map(move |left, front, ctx| {
            front.appends.worker_is_free();
            front.errands.retain(|errand| !portions.contains(errand));
            for rest in left.unwrap_or_default() {
                match rest.job.errand() {
                    Some(errand) => front.work_off(errand, ctx),
                    // They were accepted before, and are not refused.
                    None => front.appends.push_rest(rest),
                }
            }
            front.feed_append_worker(ctx);
            front.show_depth();
            front.answer_flushes();
        });
        ctx.spawn(done);
    }

    fn show_depth(&self) {
        set(&self.metrics.write_queue_depth(), self.appends.weight());
    }

    fn show_clerical_depth(&self) {
        set(&self.metrics.queue_items("clerical"), self.clerical.weight());
    }

    fn feed_clerk(&mut self, ctx: &mut Context<Self>) {
        let Some(jobs) = self.clerical.next_batch() else { return };
        self.show_clerical_depth();
        let request = self.clerk.send(ClericalBatch { jobs });
        let done = request.into_actor(self).map(|left, front, ctx| {
            front.clerical.worker_is_free();
            left.unwrap_or_default().into_iter().for_each(|job| front.resume(job, ctx));
            front.feed_clerk(ctx);
            front.answer_flushes();
        });
        ctx.spawn(done);
    }

    /// What the clerk left of a job goes behind what waits by now. It was accepted before, and is not refused;
    /// but a sweep leaves the database to others for a while, and ends when the server does.
    fn resume(&mut self, job: ClericalJob, ctx: &mut Context<Self>) {
        match job {
            ClericalJob::Sweep(_) => {
                let pause = Duration::from_millis(self.retention.pause_ms);
                ctx.run_later(pause, |front, ctx| front.clerical(job, ctx));
            }
            ClericalJob::WorkOff(errand) => self.work_off(errand, ctx),
            job => self.clerical.push(job),
        }
    }

    /// Has the next portion of an errand written, behind what waits by now.
    fn work_off(&mut self, errand: Errand, ctx: &mut Context<Self>) {
        if !self.closing && self.errands.insert(errand) {
            self.appends.push(Arrived { at: Instant::now(), job: AppendJob::WorkOff(errand) });
            self.feed_append_worker(ctx);
        }
    }

    /// Has it looked from now on whether there is something to do, unless something is being done.
    fn look_for(errand: Errand, every: Duration, ctx: &mut Context<Self>) {
        ctx.run_interval(every, move |front, ctx| {
            if !front.errands.contains(&errand) {
                front.clerical(ClericalJob::LookFor(errand), ctx);
            }
        });
    }

    /// Begins a sweep, unless the last one takes longer than it should.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if self.sweep.strong_count() == 0 {
            let under_way = Arc::new(());
            self.sweep = Arc::downgrade(&under_way);
            self.clerical(ClericalJob::Sweep(Box::new(Sweep::new(under_way))), ctx);
        }
    }

    fn answer_flushes(&mut self) {
        if self.appends.is_idle() && self.clerical.is_idle() {
            for waiting in self.flushes.drain(..) {
                // Whoever waited may have given up at its own deadline.
                let _ = waiting.send(());
            }
        }
    }
}

impl Actor for Persistence {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        let age = self.key_age;
        ctx.run_interval(FORGET_EVERY, move |front, ctx| front.clerical(ClericalJob::ForgetKeys(age), ctx));
        let revoked_for = self.revoked_for;
        ctx.run_interval(FORGET_EVERY, move |front, ctx| {
            front.clerical(ClericalJob::ForgetOrders(DISCONNECTIONS_KEPT, revoked_for), ctx);
        });
        let interval = Duration::from_millis(self.retention.interval_ms);
        ctx.run_later(interval.min(retention::FIRST_AFTER), Self::sweep);
        ctx.run_interval(interval, Self::sweep);
        Self::look_for(Errand::Broadcasts, broadcasts::LOOK_EVERY, ctx);
        if self.reminders.is_on() {
            Self::look_for(Errand::Reminders, Duration::from_millis(self.reminders.interval_ms), ctx);
        }
        ctx.run_interval(tickets::FORGET_EVERY, |front, ctx| front.clerical(ClericalJob::ForgetTickets, ctx));
    }
}

/// Makes a message a job of one of the two lines and answers when the job is done.
macro_rules! job {
    ($message:ty => $answer:ty, $line:ident, $job:path) => {
        impl Handler<$message> for Persistence {
            type Result = Pending<Result<$answer, WriteError>>;

            fn handle(&mut self, message: $message, ctx: &mut Context<Self>) -> Self::Result {
                let (reply, answer) = oneshot::channel();
                self.$line($job(message, reply), ctx);
                Pending(answer)
            }
        }
    };
}

job!(BookingEvent => crate::storage::append::Acceptance, append, AppendJob::Booking);
job!(Notify => crate::storage::append::Acceptance, append, AppendJob::Notify);
job!(NotifyRole => usize, append, AppendJob::notify_role);
job!(Pass => (), append, AppendJob::Pass);
job!(Announce => (), append, AppendJob::Announce);
job!(AcceptBroadcast => uuid::Uuid, clerical, ClericalJob::accept_broadcast);
job!(MarkRead => Read, clerical, ClericalJob::mark_read);
job!(Delete => Deleted, clerical, ClericalJob::delete);
job!(Greet => crate::domain::InboxState, clerical, ClericalJob::Greet);
job!(Confirm => (), clerical, ClericalJob::Confirm);
job!(SavePreferences => crate::domain::Preferences, clerical, ClericalJob::SavePreferences);
job!(Audit => (), clerical, ClericalJob::Audit);
job!(KeepOrder => crate::storage::revocations::Kept, clerical, ClericalJob::KeepOrder);
job!(IssueTicket => Issued, clerical, ClericalJob::IssueTicket);
job!(RedeemTicket => Option<crate::domain::Identity>, clerical, ClericalJob::RedeemTicket);

impl Handler<Flush> for Persistence {
    type Result = Pending<()>;

    fn handle(&mut self, _: Flush, _: &mut Context<Self>) -> Self::Result {
        self.closing = true;
        let (reply, answer) = oneshot::channel();
        self.flushes.push(reply);
        self.answer_flushes();
        Pending(answer)
    }
}

/// An answer that a worker will give. The actor itself goes on; if the worker dies with the job, the
/// asker is told that the write failed.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<T>);

/// What is answered when a job was dropped without an answer.
trait WhenDropped {
    fn when_dropped() -> Self;
}

impl<T> WhenDropped for Result<T, WriteError> {
    fn when_dropped() -> Self {
        Err(WriteError::Failed)
    }
}

impl WhenDropped for () {
    fn when_dropped() -> Self {}
}

impl<M, T> actix::dev::MessageResponse<Persistence, M> for Pending<T>
where
    M: Message<Result = T>,
    T: WhenDropped + Send + 'static,
    Context<Persistence>: ToEnvelope<Persistence, M>,
    Persistence: Handler<M>,
{
    fn handle(self, _: &mut Context<Persistence>, reply: Option<actix::dev::OneshotSender<T>>) {
        actix::spawn(async move {
            let answer = self.0.await.unwrap_or_else(|_| T::when_dropped());
            if let Some(reply) = reply {
                // The asker may have gone; the write stands.
                let _ = reply.send(answer);
            }
        });
    }
}
