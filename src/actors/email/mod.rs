//! The e-mail actor: takes over notifications that no device confirmed. The queue is in the database;
//! what is here is only what this instance has claimed and is sending, a few at a time. One slow mail
//! holds up nothing but its own place.

mod backoff;
mod courier;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

pub use courier::Courier;
use courier::Letter;

use super::hub::Away;
use crate::domain::NotificationId;
use crate::telemetry::Metrics;

/// How many messages may wait for the actor.
const MAILBOX: usize = 4_096;
/// How many ids of users who are away are remembered; the rest is found by its deadline.
const HANDED_MAX: usize = 20_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct EmailActor {
    courier: Arc<Courier>,
    metrics: Metrics,
    /// Mails under way at once.
    concurrency: usize,
    sweep_interval: Duration,
    /// Handed over by the hub and not claimed yet.
    handed: VecDeque<NotificationId>,
    /// Claimed and waiting for a place.
    ready: VecDeque<Letter>,
    under_way: usize,
    claiming: bool,
    /// Whether the database may hold overdue deliveries that were not looked at yet.
    sweep_due: bool,
    /// Whether the last claim was a sweep: neither kind of claim may starve the other.
    swept_last: bool,
    /// Set when the server stops: nothing new is claimed.
    stopping: Option<oneshot::Sender<()>>,
}

impl EmailActor {
    pub fn new(courier: Courier, concurrency: usize, sweep_interval: Duration, metrics: Metrics) -> Self {
        Self {
            courier: Arc::new(courier),
            metrics,
            concurrency: concurrency.max(1),
            sweep_interval,
            handed: VecDeque::new(),
            ready: VecDeque::new(),
            under_way: 0,
            claiming: false,
            sweep_due: true,
            swept_last: false,
            stopping: None,
        }
    }

    /// Does whatever can be done now; called whenever something changed.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            self.hand_back(ctx);
            if self.under_way == 0
                && !self.claiming
                && let Some(waiting) = self.stopping.take()
            {
                // Whoever waited may have given up at its own deadline.
                let _ = waiting.send(());
                ctx.stop();
            }
            return;
        }
        while self.under_way < self.concurrency {
            let Some(letter) = self.ready.pop_front() else { break };
            self.send(letter, ctx);
        }
        if self.ready.is_empty() && !self.claiming {
            self.claim(ctx);
        }
    }

    fn send(&mut self, letter: Letter, ctx: &mut Context<Self>) {
        self.under_way += 1;
        let courier = Arc::clone(&self.courier);
        let sent = async move { courier.deliver(letter).await };
        ctx.spawn(sent.into_actor(self).map(|(), actor, ctx| {
            actor.under_way -= 1;
            actor.pump(ctx);
        }));
    }

    /// Gives up what was claimed and not begun, so that nobody waits for its lease to end.
    fn hand_back(&mut self, ctx: &mut Context<Self>) {
        if self.ready.is_empty() {
            return;
        }
        self.under_way += 1;
        let letters = self.ready.drain(..).collect();
        let courier = Arc::clone(&self.courier);
        let released = async move { courier.release(letters).await };
        ctx.spawn(released.into_actor(self).map(|released, actor, ctx| {
            if let Err(error) = released {
                log::warn!("claimed mail could not be handed back, its lease will end: {error}");
            }
            actor.under_way -= 1;
            actor.pump(ctx);
        }));
    }

    /// Claims the next portion: in turn what the hub handed over and what is overdue.
    fn claim(&mut self, ctx: &mut Context<Self>) {
        let sweep = self.sweep_due && (self.handed.is_empty() || !self.swept_last);
        if self.handed.is_empty() && !sweep {
            return;
        }
        self.claiming = true;
        self.swept_last = sweep;
        let portion = if sweep { 0 } else { self.courier.claim_size().min(self.handed.len()) };
        let handed: Vec<NotificationId> = self.handed.drain(..portion).collect();
        let courier = Arc::clone(&self.courier);
        let claimed = async move {
            if sweep { courier.claim_overdue().await } else { courier.claim_handed(handed).await }
        };
        ctx.spawn(claimed.into_actor(self).map(move |claimed, actor, ctx| {
            actor.claiming = false;
            if sweep {
                // A full portion means that there may be more.
                actor.sweep_due = claimed.as_ref().is_ok_and(|letters| !letters.is_empty());
            }
            match claimed {
                Ok(letters) => actor.ready.extend(letters),
                // What could not be claimed is still in the database, and is found by the next sweep.
                Err(error) => log::warn!("mail could not be claimed: {error}"),
            }
            actor.pump(ctx);
        }));
    }
}

impl Actor for EmailActor {
    type Context = Context<Self>;

    /// Starts with a sweep: what an earlier run left pending goes on its way.
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(self.sweep_interval, |actor, ctx| {
            actor.sweep_due = true;
            actor.pump(ctx);
        });
        self.pump(ctx);
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
