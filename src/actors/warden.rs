//! Carries out what administrators order of tokens and connections, on this instance: orders that were taken here at
//! once, those of others as soon as they are found in the database, where it is looked now and then, and as soon as
//! another instance says so. While that is away, what is known stays in force.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::hub::{CloseUser, NotificationHub};
use super::reader::{ReadError, Reader};
use crate::auth::Tokens;
use crate::bus::{Address, Bus, Post};
use crate::domain::{CloseReason, Demand, Order, Timestamp};
use crate::protocol::letter::Word;
use crate::storage::revocations::{self, Kept};
use crate::storage::{Pool, StorageError};
use crate::telemetry::Metrics;

/// How many orders are read at once.
const PAGE: u32 = 1_000;
/// How often it is looked for what need not be remembered any more.
const FORGET_EVERY: Duration = Duration::from_mins(10);
/// How many orders are remembered as carried out: more than are given between two looks.
const LATELY_MAX: usize = 1_000;

/// An order was taken here and is kept; answered when it is in force here.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOut(pub Kept);

/// Another instance took an order: it is looked for at once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LookNow;

/// See the module's documentation.
#[derive(Debug)]
pub struct Warden {
    reader: Reader,
    tokens: Arc<Tokens>,
    hub: Addr<NotificationHub>,
    metrics: Metrics,
    /// The pause between two looks at the database.
    interval: Duration,
    /// The newest order that was read, with all before it.
    read: Option<Kept>,
    /// When that was.
    looked: Timestamp,
    /// Whether everything is read once more, because the table was set back.
    is_rereading: bool,
    /// What was carried out last, so that nobody is disconnected twice by what is both taken and read here.
    lately: VecDeque<Kept>,
    /// Whether the last look failed, which is said once.
    is_blind: bool,
    /// The next look; none while one is under way.
    next_look: Option<SpawnHandle>,
    /// Whether it is to be looked again as soon as that is over.
    is_hurried: bool,
    /// The other instances, which are told of what is taken here.
    bus: Arc<dyn Bus>,
}

/// Has everything that was ever revoked be in force; answers which order was the last. Blocks.
pub fn recall(pool: &Pool, tokens: &Tokens) -> Result<Option<Kept>, StorageError> {
    let mut read: Option<Kept> = None;
    loop {
        let behind = read.as_ref().map_or(0, |last| last.id);
        let mut page = pool.read(|connection| revocations::after(connection, behind, PAGE))?;
        tokens.revoke(page.iter().map(|kept| &kept.order));
        let Some(last) = page.pop() else { return Ok(read) };
        read = Some(last);
    }
}

impl Warden {
    /// `read` is how far [`recall`] came.
    pub fn new(
        reader: Reader,
        tokens: Arc<Tokens>,
        hub: Addr<NotificationHub>,
        bus: Arc<dyn Bus>,
        metrics: Metrics,
        interval: Duration,
        read: Option<Kept>,
    ) -> Self {
        let (looked, lately) = (tokens.now(), VecDeque::new());
        Self {
            reader,
            tokens,
            hub,
            metrics,
            interval,
            read,
            looked,
            is_rereading: false,
            lately,
            is_blind: false,
            next_look: None,
            is_hurried: false,
            bus,
        }
    }

    fn look_in(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        self.next_look = Some(ctx.run_later(pause, |warden, ctx| {
            warden.next_look = None;
            let (reader, read, now) = (warden.reader.clone(), warden.read.clone(), warden.tokens.now());
            let look = async move {
                let query = move |connection: &mut _| revocations::behind(connection, read.as_ref(), PAGE);
                reader.run_apart(query).await
            };
            ctx.spawn(look.into_actor(warden).map(move |found, warden, ctx| {
                let is_more = warden.found(found, now) || std::mem::take(&mut warden.is_hurried);
                let pause = if is_more { Duration::ZERO } else { warden.interval };
                warden.look_in(pause, ctx);
            }));
        }));
    }

    /// Takes what a look that began at this time found; answers whether there is more.
    fn found(&mut self, found: Result<Option<Vec<Kept>>, ReadError>, began: Timestamp) -> bool {
        let orders = match found {
            Ok(Some(orders)) => orders,
            Ok(None) => {
                log::warn!(
                    "orders that were read are gone from the database, as if it was set back to a copy of before: \
                     those known stay in force, and all that are there are read again"
                );
                (self.read, self.is_rereading) = (None, true);
                return true;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_blind, true) {
                    log::warn!(
                        "orders of other instances cannot be read, those known stay in force: {error}"
                    );
                }
                return false;
            }
        };
        if std::mem::take(&mut self.is_blind) {
            log::info!("orders of other instances can be read again");
        }
        let is_more = u32::try_from(orders.len()).is_ok_and(|found| found >= PAGE);
        self.read = orders.last().cloned().or_else(|| self.read.take());
        self.carry_out(orders);
        self.show();
        if !is_more {
            (self.looked, self.is_rereading) = (began, false);
        }
        is_more
    }

    fn show(&self) {
        self.metrics.revocations().set(i64::try_from(self.tokens.revoked()).unwrap_or(i64::MAX));
    }

    /// An order is in force whatever its id: revoking what is revoked changes nothing.
    fn carry_out(&mut self, orders: Vec<Kept>) {
        let fresh: Vec<Kept> = orders.into_iter().filter(|kept| !self.lately.contains(kept)).collect();
        if fresh.is_empty() {
            return;
        }
        self.tokens.revoke(fresh.iter().map(|kept| &kept.order));
        for kept in fresh {
            let Kept { id, order } = &kept;
            let (order_id, user) = (*id, order.user.clone());
            log::info!(order = order_id, user = user.as_str(); "an order to {} is in force", what(&order.demand));
            if order.demand == Demand::Disconnect && !self.is_over(order) {
                self.hub.do_send(CloseUser { user, reason: CloseReason::Disconnected });
            }
            if self.lately.len() >= LATELY_MAX {
                self.lately.pop_front();
            }
            self.lately.push_back(kept);
        }
    }

    /// Whether an order that is read once more was surely carried out before: who came back since is to stay.
    fn is_over(&self, order: &Order) -> bool {
        self.is_rereading && order.at < self.looked.minus(self.tokens.leeway())
    }
}

fn what(demand: &Demand) -> &'static str {
    match demand {
        Demand::Disconnect => "disconnect a user",
        Demand::RevokeToken(_) => "revoke a token",
        Demand::RevokeIssuedBefore(_) => "revoke a user's tokens",
    }
}

impl Actor for Warden {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.show();
        ctx.run_interval(FORGET_EVERY, |warden, _| warden.tokens.forget_revocations());
        self.look_in(self.interval, ctx);
    }
}

impl Handler<CarryOut> for Warden {
    type Result = ();

    fn handle(&mut self, CarryOut(kept): CarryOut, _: &mut Context<Self>) {
        self.carry_out(vec![kept]);
        self.show();
        let orders = Post { to: Address::All, speech: Arc::new(Word::Orders), unless_heard: None };
        self.bus.publish(vec![orders]);
    }
}

impl Handler<LookNow> for Warden {
    type Result = ();

    fn handle(&mut self, _: LookNow, ctx: &mut Context<Self>) {
        match self.next_look.take() {
            Some(look) => {
                ctx.cancel_future(look);
                self.look_in(Duration::ZERO, ctx);
            }
            None => self.is_hurried = true,
        }
    }
}
