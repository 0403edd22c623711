//! Removing what has become too old: a job of the clerk's like any other, a batch at a time, with pauses in which
//! others have the database to themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::append_worker::report;
use super::{Parts, publications};
use crate::actors::hub;
use crate::domain::UserId;
use crate::storage::retention::{Trimmed, trim_notifications, trim_receipts};
use crate::storage::{StorageError, audit, broadcasts};

/// How long a server has been up before it looks for the first time, at most: a start is busy enough.
pub(super) const FIRST_AFTER: Duration = Duration::from_mins(1);

/// A sweep over the tables, oldest rows first.
#[derive(Debug)]
pub(super) struct Sweep {
    table: Table,
    /// The last notification that was looked at in this table.
    after: String,
    removed: BTreeMap<&'static str, usize>,
    /// Gone when the sweep is, whichever way it ends: then the next may begin.
    _under_way: Arc<()>,
}

#[derive(Debug, Clone, Copy)]
enum Table {
    Notifications,
    Receipts,
    Audit,
    Broadcasts,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Notifications => "notifications",
            Self::Receipts => "receipts",
            Self::Audit => "audit",
            Self::Broadcasts => "broadcasts",
        }
    }

    /// The one that is looked at after it.
    const fn next(self) -> Option<Self> {
        match self {
            Self::Notifications => Some(Self::Receipts),
            Self::Receipts => Some(Self::Audit),
            Self::Audit => Some(Self::Broadcasts),
            Self::Broadcasts => None,
        }
    }
}

impl Sweep {
    pub(super) fn new(under_way: Arc<()>) -> Self {
        let (after, table) = (String::new(), Table::Notifications);
        Self { table, after, removed: BTreeMap::new(), _under_way: under_way }
    }

    /// Takes one batch; answers what is left of the sweep.
    pub(super) fn step(mut self, parts: &Parts) -> Option<Self> {
        match self.trim(parts) {
            Ok(trimmed) => {
                self.count(&trimmed, parts);
                tell(&trimmed, parts);
                self.go_on(trimmed.rest)
            }
            Err(error) => {
                // Said as every failed write is; the next sweep begins anew.
                report(&error);
                None
            }
        }
    }

    fn trim(&self, parts: &Parts) -> Result<Trimmed, StorageError> {
        let (now, settings) = (parts.clock.now(), &parts.retention);
        let age = match self.table {
            Table::Notifications | Table::Broadcasts => settings.of_notifications(),
            Table::Receipts => settings.of_receipts(),
            Table::Audit => settings.of_audit(),
        };
        let Some(before) = age.map(|age| now.minus(age)) else { return Ok(Trimmed::default()) };
        parts.pool.write(|connection| match self.table {
            Table::Notifications => trim_notifications(connection, &self.after, before, settings.batch),
            Table::Receipts => trim_receipts(connection, &self.after, before, settings.batch),
            Table::Audit => Ok(of_batch(audit::trim(connection, before, settings.batch)?, settings.batch)),
            Table::Broadcasts => {
                Ok(of_batch(broadcasts::trim(connection, before, settings.batch)?, settings.batch))
            }
        })
    }

    fn count(&mut self, trimmed: &Trimmed, parts: &Parts) {
        let name = self.table.name();
        *self.removed.entry(name).or_default() += trimmed.removed;
        parts.metrics.retention_removed(name).inc_by(trimmed.removed as u64);
    }

    fn go_on(mut self, rest: Option<String>) -> Option<Self> {
        match (rest, self.table.next()) {
            (Some(after), _) => self.after = after,
            (None, Some(table)) => (self.table, self.after) = (table, String::new()),
            (None, None) => {
                let of = |table: Table| self.removed.get(table.name()).copied().unwrap_or_default();
                if self.removed.values().any(|count| *count > 0) {
                    log::info!(notifications = of(Table::Notifications), receipts = of(Table::Receipts),
                        audit = of(Table::Audit), broadcasts = of(Table::Broadcasts);
                        "what had become too old was removed");
                }
                return None;
            }
        }
        Some(self)
    }
}

/// What a batch did that always begins with the oldest.
fn of_batch(removed: usize, batch: u32) -> Trimmed {
    let is_full = u32::try_from(removed).is_ok_and(|removed| removed >= batch);
    Trimmed { removed, rest: is_full.then(String::new), recounted: Vec::new() }
}

/// Devices whose user had something unread that is gone are told the new count.
fn tell(trimmed: &Trimmed, parts: &Parts) {
    let recounted = trimmed.recounted.iter();
    let publications: Vec<_> = recounted
        .map(|(user, inbox)| publications::of_count(&UserId::from_stored(user.clone()), *inbox))
        .collect();
    hub::publish(&parts.hub, publications, &parts.metrics);
}
