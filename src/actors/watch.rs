//! The watch: every few seconds it asks the database what is pending, overdue and lost, and measures what nobody
//! counts in passing: queues, connections, memory. Whoever reads the figures asks nobody, so that reading them
//! costs nothing. Started by `app`; it changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::hub::Measure;
use super::reader::ReadError;
use super::session::{Outbox, Services, Session};
use crate::config::MetricsSettings;
use crate::domain::{NotificationId, Timestamp};
use crate::storage::lost::{self, Looked};
use crate::storage::{AnyConnection, Pool, StorageError, deliveries};
use crate::telemetry::metrics::set;
use crate::telemetry::process;

/// What is younger than this is not audited yet: its transaction may still be under way, with an id from before.
const UNDER_WAY: Duration = Duration::from_mins(1);
/// How many pages of what is new are audited at once, so that the audit keeps up with a busy server.
const NEW_PAGES_MAX: usize = 20;
/// How many that are lost are remembered one by one; more are as bad.
const KNOWN_MAX: usize = 1_000;
/// Up to how many are counted of what is pending and of what is overdue: what a count may cost.
const COUNTED_MAX: i64 = 10_000;

/// How far the audit of the whole table has come.
#[derive(Debug, Clone)]
struct Round {
    /// Everything before was looked at when it was new.
    new: String,
    /// The round by everything there is, which begins anew when it is over.
    all: String,
    /// What was lost when last looked at.
    known: BTreeSet<String>,
}

/// What one look at the database found.
#[derive(Debug)]
struct Seen {
    pending: usize,
    overdue: usize,
    audited: usize,
    round: Round,
}

impl Round {
    fn new(now: Timestamp) -> Self {
        let new = NotificationId::first_at(now.minus(UNDER_WAY)).to_string();
        Self { new, all: String::new(), known: BTreeSet::new() }
    }

    /// Goes on with what is new, then with a page of everything, then looks again at what was lost.
    fn go_on(
        mut self,
        connection: &mut AnyConnection,
        now: Timestamp,
    ) -> Result<(Self, usize), StorageError> {
        let end = NotificationId::first_at(now.minus(UNDER_WAY));
        let mut audited = 0;
        let mut suspects = std::mem::take(&mut self.known);
        for _ in 0..NEW_PAGES_MAX {
            let Looked { audited: more, suspects: some, rest } = lost::look(connection, &self.new, end)?;
            audited += more;
            suspects.extend(some);
            let is_over = rest.is_none();
            self.new = rest.unwrap_or_else(|| self.new.max(end.to_string()));
            if is_over {
                break;
            }
        }
        let Looked { audited: more, suspects: some, rest } = lost::look(connection, &self.all, end)?;
        audited += more;
        suspects.extend(some);
        self.all = rest.unwrap_or_default();
        self.known = lost::lost_among(connection, &suspects)?.into_iter().take(KNOWN_MAX).collect();
        Ok((self, audited))
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Watch {
    services: Arc<Services>,
    pool: Pool,
    interval: Duration,
    grace: Duration,
    round: Round,
    /// Whether a look at the database is under way: one that is slow is not joined by another.
    looking: bool,
}

impl Watch {
    pub fn new(services: Arc<Services>, pool: Pool, settings: &MetricsSettings) -> Self {
        let round = Round::new(services.clock.now());
        let [interval, grace] =
            [settings.watch_interval_ms, settings.overdue_grace_ms].map(Duration::from_millis);
        Self { services, pool, interval, grace, round, looking: false }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.measure(ctx);
        if !self.looking {
            self.look(ctx);
        }
    }

    /// What is known here, and what the hub knows.
    fn measure(&self, ctx: &mut Context<Self>) {
        let metrics = &self.services.metrics;
        process::measure(metrics);
        let (idle, in_use) = self.pool.connections();
        set(&metrics.database_connections("idle"), idle);
        set(&metrics.database_connections("in_use"), in_use);
        set(&metrics.queue_items("read"), self.services.reader.waiting());
        set(&metrics.queue_items("confirmations"), self.services.unreported());
        let asked = self.services.hub.send(Measure).into_actor(self);
        ctx.spawn(asked.map(|measured, watch, _| {
            // A hub that is gone has nothing to measure, and the server is stopping.
            let Ok(measured) = measured else { return };
            let each = size_of::<Outbox>() + size_of::<Session>();
            let metrics = &watch.services.metrics;
            set(&metrics.presence_bytes("registry"), measured.bytes);
            set(&metrics.presence_bytes("sessions"), measured.sessions.saturating_mul(each));
        }));
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.looking = true;
        let now = self.services.clock.now();
        let (late, round) = (now.minus(self.grace), self.round.clone());
        let query = move |connection: &mut AnyConnection| {
            let pending = deliveries::count_pending(connection, COUNTED_MAX)?;
            let overdue = deliveries::count_overdue(connection, late, COUNTED_MAX)?;
            let (round, audited) = round.go_on(connection, now)?;
            Ok(Seen { pending, overdue, audited, round })
        };
        let services = Arc::clone(&self.services);
        let looked = async move { services.reader.run_apart(query).await };
        ctx.spawn(looked.into_actor(self).map(move |seen, watch, _| {
            watch.looking = false;
            watch.show(seen, now);
        }));
    }

    fn show(&mut self, seen: Result<Seen, ReadError>, now: Timestamp) {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                // The figures stay as they were, and the one that says when they were looked up tells so.
                log::warn!("what is overdue could not be looked up: {error}");
                return;
            }
        };
        for lost in seen.round.known.difference(&self.round.known) {
            log::error!(notification = lost.as_str(); "a notification is lost: nothing would ever deliver it");
        }
        let metrics = &self.services.metrics;
        set(metrics.deliveries_pending(), seen.pending);
        set(metrics.deliveries_overdue(), seen.overdue);
        set(metrics.notifications_lost(), seen.round.known.len());
        metrics.notifications_audited().inc_by(seen.audited as u64);
        metrics.watched_at().set(now.as_seconds());
        self.round = seen.round;
    }
}

impl Actor for Watch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.tick(ctx);
        ctx.run_interval(self.interval, Self::tick);
    }
}
