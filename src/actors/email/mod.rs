//! The e-mail actor: takes over notifications that no device confirmed. The queue is in the database;
//! what is here is only what this instance has claimed and is sending, a few at a time. A recipient
//! whose mail is slow has one place at most, and no more than a share of what waits.

mod choices;
mod courier;
mod queue;
mod settle;
mod surplus;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use choices::Choices;
use courier::Letter;
pub use courier::{Courier, MailHealth};
use queue::Queue;
use settle::Settle;
use surplus::Surplus;

use super::hub::Away;
use crate::config::DeliverySettings;
use crate::domain::{NotificationId, UserId};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::set;

/// How many messages may wait for the actor.
const MAILBOX: usize = 4_096;
/// How many ids of users who are away are remembered; the rest is found by its deadline.
const HANDED_MAX: usize = 20_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct EmailActor {
    courier: Arc<Courier>,
    metrics: Metrics,
    sweep_interval: Duration,
    settle: Settle,
    /// Handed over by the hub and not claimed yet.
    handed: VecDeque<NotificationId>,
    /// Claimed and waiting for a place, and who has a mail under way.
    queue: Queue<Letter>,
    surplus: Surplus,
    /// How many writes are under way that give claims back.
    giving_back: usize,
    claiming: bool,
    /// Whether the database may hold overdue deliveries that were not looked at yet.
    sweep_due: bool,
    /// Whether deadlines that a clock set wrongly, before the start, were put right.
    pulled_in: bool,
    /// What was claimed last: neither kind may starve the other.
    last_claim: Claim,
    /// Set when the server stops: nothing new is claimed.
    stopping: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Handed,
    Overdue,
}

impl EmailActor {
    pub fn new(courier: Courier, concurrency: usize, delivery: &DeliverySettings, metrics: Metrics) -> Self {
        let settle = Settle::new(Duration::from_millis(delivery.settle_ms), Instant::now());
        Self {
            courier: Arc::new(courier),
            metrics,
            sweep_interval: Duration::from_millis(delivery.sweep_interval_ms),
            settle,
            handed: VecDeque::new(),
            queue: Queue::new(concurrency.max(1)),
            surplus: Surplus::default(),
            giving_back: 0,
            claiming: false,
            sweep_due: true,
            pulled_in: false,
            last_claim: Claim::Handed,
            stopping: None,
        }
    }

    /// Does whatever can be done now; called whenever something changed.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        self.work(ctx);
        set(&self.metrics.queue_items("mail"), self.queue.len() + self.handed.len());
    }

    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            // So that nobody waits for the end of a lease.
            let waiting = self.queue.take(|_| true);
            self.give_back(waiting, Duration::ZERO, ctx);
            if self.queue.under_way() == 0
                && self.giving_back == 0
                && !self.claiming
                && let Some(waiting) = self.stopping.take()
            {
                // Whoever waited may have given up at its own deadline.
                let _ = waiting.send(());
                ctx.stop();
            }
            return;
        }
        while let Some((user, letter)) = self.queue.begin() {
            self.send(user, letter, ctx);
        }
        if self.queue.wants_more() && !self.claiming {
            self.claim(ctx);
        }
    }

    fn send(&mut self, user: UserId, letter: Letter, ctx: &mut Context<Self>) {
        let courier = Arc::clone(&self.courier);
        let sent = async move { courier.deliver(letter).await };
        ctx.spawn(sent.into_actor(self).map(move |(), actor, ctx| {
            actor.queue.end(&user);
            actor.pump(ctx);
        }));
    }

    /// Gives up claims that came to nothing; they may be claimed again after `pause`.
    fn give_back(&mut self, letters: Vec<Letter>, pause: Duration, ctx: &mut Context<Self>) {
        if letters.is_empty() {
            return;
        }
        self.giving_back += 1;
        let courier = Arc::clone(&self.courier);
        let released = async move { courier.release(letters, pause).await };
        ctx.spawn(released.into_actor(self).map(|released, actor, ctx| {
            if let Err(error) = released {
                log::warn!("claimed mail could not be handed back, its lease will end: {error}");
            }
            actor.giving_back -= 1;
            actor.pump(ctx);
        }));
    }

    /// Claims the next portion: in turn what the hub handed over and what is overdue.
    fn claim(&mut self, ctx: &mut Context<Self>) {
        let sweep = self.sweep_due && (self.handed.is_empty() || self.last_claim == Claim::Handed);
        let is_settled = self.settle.is_over(Instant::now());
        if !is_settled || (self.handed.is_empty() && !sweep) {
            return;
        }
        self.claiming = true;
        self.last_claim = if sweep { Claim::Overdue } else { Claim::Handed };
        let portion = if sweep { 0 } else { self.courier.claim_size().min(self.handed.len()) };
        let handed: Vec<NotificationId> = self.handed.drain(..portion).collect();
        let courier = Arc::clone(&self.courier);
        let pull_in = sweep && !self.pulled_in;
        let began = Instant::now();
        let claimed = async move {
            if pull_in {
                courier.pull_in().await?;
            }
            if sweep { courier.claim_overdue().await } else { courier.claim_handed(handed).await }
        };
        ctx.spawn(claimed.into_actor(self).map(move |claimed, actor, ctx| {
            actor.claiming = false;
            actor.pulled_in |= pull_in && claimed.is_ok();
            if sweep {
                // A full portion means that there may be more.
                actor.sweep_due = claimed.as_ref().is_ok_and(|letters| !letters.is_empty());
            }
            match claimed {
                Ok(letters) if actor.settle.must_wait(began.elapsed(), Instant::now()) => {
                    actor.give_back(letters, actor.settle.pause(), ctx);
                }
                Ok(letters) => actor.line_up(letters, ctx),
                // What could not be claimed is still in the database, and is found by a later sweep.
                Err(error) => {
                    log::warn!("mail could not be claimed: {error}");
                    actor.settle.begin(Instant::now());
                }
            }
            actor.pump(ctx);
        }));
    }

    /// Puts claimed mails in line; those of a recipient for whom enough wait are put off.
    fn line_up(&mut self, letters: Vec<Letter>, ctx: &mut Context<Self>) {
        let mut surplus = Vec::new();
        for letter in letters {
            let user = letter.user().clone();
            surplus.extend(self.queue.push(&user, letter).err());
        }
        if !surplus.is_empty() {
            let pause = self.surplus.pause(surplus.len(), Instant::now());
            self.give_back(surplus, pause, ctx);
        }
    }
}

impl Actor for EmailActor {
    type Context = Context<Self>;

    /// Begins with a sweep, once devices had time to come back: what an earlier run left pending goes on
    /// its way.
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(self.sweep_interval, |actor, ctx| {
            // Behind a slow mail to the same recipient, some wait until they are not theirs to send any
            // more. Given back they are claimed anew; kept, they would be claimed a second time.
            let late = actor.queue.take(|letter| actor.courier.is_late(letter));
            actor.give_back(late, Duration::ZERO, ctx);
            actor.sweep_due = true;
            actor.pump(ctx);
        });
        ctx.run_later(self.settle.pause(), Self::pump);
    }
}

impl Handler<Away> for EmailActor {
    type Result = ();

    fn handle(&mut self, message: Away, ctx: &mut Context<Self>) {
        let places = HANDED_MAX.saturating_sub(self.handed.len());
        if message.notifications.len() > places {
            // Nothing is lost: their deadlines bring them here in a few seconds.
            self.metrics.refused("mail_queue").inc();
        }
        self.handed.extend(message.notifications.into_iter().take(places));
        self.pump(ctx);
    }
}

/// Devices are about to come here from elsewhere: no mail is begun before they had time to.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AwaitDevices;

impl Handler<AwaitDevices> for EmailActor {
    type Result = ();

    fn handle(&mut self, _: AwaitDevices, ctx: &mut Context<Self>) {
        self.settle.begin(Instant::now());
        ctx.run_later(self.settle.pause(), Self::pump);
    }
}

/// Claims nothing more, hands back what was claimed and not begun, and answers when the mails under
/// way are done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopMail;

impl Handler<StopMail> for EmailActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopMail, ctx: &mut Context<Self>) -> Self::Result {
        let (done, waiting) = oneshot::channel();
        self.stopping = Some(done);
        self.pump(ctx);
        Box::pin(async move {
            // A dropped sender means that the actor is gone, and with it whatever it was doing.
            let _ = waiting.await;
        })
    }
}
