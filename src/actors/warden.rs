//! Carries out what administrators order of tokens and connections, on this instance: orders that were taken here at
//! once, those of others as soon as they are found in the database. While that is away, what is known stays in force.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::hub::{CloseUser, NotificationHub};
use super::reader::{ReadError, Reader};
use crate::auth::Tokens;
use crate::domain::{CloseReason, Demand};
use crate::storage::revocations::{self, Kept};
use crate::storage::{Pool, StorageError};
use crate::telemetry::Metrics;

/// How many orders are read at once.
const PAGE: u32 = 1_000;
/// How often it is looked for what need not be remembered any more.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// An order was taken here and is kept; answered when it is in force here.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOut(pub Kept);

/// See the module's documentation.
#[derive(Debug)]
pub struct Warden {
    reader: Reader,
    tokens: Arc<Tokens>,
    hub: Addr<NotificationHub>,
    metrics: Metrics,
    /// The pause between two looks at the database.
    interval: Duration,
    /// Everything up to this id was read.
    read: i64,
    /// What was carried out before it was read.
    ahead: BTreeSet<i64>,
    /// Whether the last look failed, which is said once.
    is_blind: bool,
}

/// Has everything that was ever revoked be in force; answers up to which order that was read. Blocks.
pub fn recall(pool: &Pool, tokens: &Tokens) -> Result<i64, StorageError> {
    let mut read = 0;
    loop {
        let page = pool.read(|connection| revocations::after(connection, read, PAGE))?;
        let Some(last) = page.last() else { return Ok(read) };
        read = last.id;
        tokens.revoke(page.iter().map(|kept| &kept.order));
    }
}

impl Warden {
    /// `read` is how far [`recall`] came.
    pub fn new(
        reader: Reader,
        tokens: Arc<Tokens>,
        hub: Addr<NotificationHub>,
        metrics: Metrics,
        interval: Duration,
        read: i64,
    ) -> Self {
        Self { reader, tokens, hub, metrics, interval, read, ahead: BTreeSet::new(), is_blind: false }
    }

    fn look_later(pause: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(pause, |warden, ctx| {
            let (reader, read) = (warden.reader.clone(), warden.read);
            let look = async move {
                reader.run_apart(move |connection| revocations::after(connection, read, PAGE)).await
            };
            ctx.spawn(look.into_actor(warden).map(|found, warden, ctx| {
                let is_more = warden.found(found);
                Self::look_later(if is_more { Duration::ZERO } else { warden.interval }, ctx);
            }));
        });
    }

    /// Answers whether there is more.
    fn found(&mut self, found: Result<Vec<Kept>, ReadError>) -> bool {
        let orders = match found {
            Ok(orders) => orders,
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
        self.read = orders.last().map_or(self.read, |last| last.id);
        let fresh: Vec<Kept> = orders.into_iter().filter(|kept| !self.ahead.remove(&kept.id)).collect();
        self.carry_out(&fresh);
        self.show();
        is_more
    }

    fn show(&self) {
        self.metrics.revocations().set(i64::try_from(self.tokens.revoked()).unwrap_or(i64::MAX));
    }

    fn carry_out(&self, orders: &[Kept]) {
        if orders.is_empty() {
            return;
        }
        self.tokens.revoke(orders.iter().map(|kept| &kept.order));
        for Kept { id, order } in orders {
            let (order_id, user) = (*id, order.user.clone());
            log::info!(order = order_id, user = user.as_str(); "an order to {} is in force", what(&order.demand));
            if order.demand == Demand::Disconnect {
                self.hub.do_send(CloseUser { user, reason: CloseReason::Disconnected });
            }
        }
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
        Self::look_later(self.interval, ctx);
    }
}

impl Handler<CarryOut> for Warden {
    type Result = ();

    fn handle(&mut self, CarryOut(kept): CarryOut, _: &mut Context<Self>) {
        // It may have been read meanwhile.
        if kept.id > self.read && self.ahead.insert(kept.id) {
            self.carry_out(&[kept]);
        }
    }
}
