//! The write that everything hangs on: bookings, notifications and deliveries of a whole batch, in
//! one transaction. What it answers may be pushed.

mod batch;

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connection::AnyConnection;
use super::error::StorageError;
use super::idempotency::{self, Earlier, IdempotencyClaim};
use super::pool::Pool;
use crate::domain::{Booking, Draft, InboxState, Notification, NotificationId, Timestamp, UserId};
use batch::{Batch, Row};

/// One event of a batch: a booking or none, and what is said of it to whom.
#[derive(Debug, Clone)]
pub struct Entry {
    pub booking: Option<Booking>,
    pub drafts: Vec<Draft>,
    pub claim: Option<IdempotencyClaim>,
}

/// A notification that has its place, and what its user had unread just after it.
#[derive(Debug, Clone)]
pub struct Stamped {
    pub notification: Notification,
    pub unread: i64,
}

/// What the sender of an event is told; kept under the idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    pub booking: Option<Booking>,
    pub notifications: Vec<Place>,
}

/// Where a notification went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub id: NotificationId,
    #[serde(rename = "userId")]
    pub user: UserId,
    pub seq: i64,
}

/// What became of one entry.
#[derive(Debug)]
pub enum Outcome {
    Stored {
        acceptance: Acceptance,
        notifications: Vec<Stamped>,
    },
    /// The same was asked before under this key: the first answer.
    Repeated(Acceptance),
    /// Something else was asked before under this key.
    KeyReused,
}

/// Stores `entries` in a transaction of their own. A batch that is a single statement is one by itself:
/// on PostgreSQL, beginning and committing around it would cost two more round trips.
pub fn append_alone(
    pool: &Pool,
    entries: &[Entry],
    now: Timestamp,
    escalate_after: &dyn Fn(&str) -> Duration,
) -> Result<Vec<Outcome>, StorageError> {
    let write = |connection: &mut AnyConnection| append(connection, entries, now, escalate_after);
    if !pool.is_postgres() || entries.iter().any(|entry| entry.claim.is_some()) {
        return pool.write(write);
    }
    match pool.write_statement(write) {
        // The connection may have been dead before, or have died after the commit: the ids are unique, so
        // that writing again tells the two apart.
        Err(StorageError::Broken(broken)) => match pool.write(write) {
            Err(error) if error.is_duplicate() => Err(StorageError::Broken(broken)),
            again => again,
        },
        written => written,
    }
}

/// Stores `entries` in the transaction that the caller has begun. Outcomes come in the entries' order.
/// `escalate_after` says how long a category's devices have to confirm.
pub fn append(
    connection: &mut AnyConnection,
    entries: &[Entry],
    now: Timestamp,
    escalate_after: &dyn Fn(&str) -> Duration,
) -> Result<Vec<Outcome>, StorageError> {
    let mut slots: Vec<Slot> = Vec::with_capacity(entries.len());
    let mut fresh: Vec<&Entry> = Vec::with_capacity(entries.len());
    let mut seen: HashMap<(&UserId, &str), (usize, &str)> = HashMap::new();
    for entry in entries {
        let Some(claim) = &entry.claim else {
            slots.push(Slot::Fresh(fresh.len()));
            fresh.push(entry);
            continue;
        };
        let key = (&claim.user, claim.key.as_str());
        if let Some(earlier) = repeat_of(connection, claim)? {
            slots.push(Slot::Done(Box::new(earlier)));
        } else if let Some((first, fingerprint)) = seen.get(&key) {
            // The same key twice in one batch: the second gets what the first will get.
            let same = *fingerprint == claim.fingerprint;
            slots.push(if same { Slot::SameAs(*first) } else { Slot::Done(Box::new(Outcome::KeyReused)) });
        } else {
            seen.insert(key, (fresh.len(), &claim.fingerprint));
            slots.push(Slot::Fresh(fresh.len()));
            fresh.push(entry);
        }
    }
    let mut stored = store(connection, &fresh, now, escalate_after)?;
    Ok(slots
        .into_iter()
        .map(|slot| match slot {
            Slot::Done(outcome) => *outcome,
            Slot::Fresh(position) => stored.take(position),
            Slot::SameAs(position) => stored.repeat(position),
        })
        .collect())
}

/// Where an entry's outcome will come from.
enum Slot {
    Done(Box<Outcome>),
    Fresh(usize),
    SameAs(usize),
}

/// What was answered before under this key, if anything was.
pub fn repeat_of(
    connection: &mut AnyConnection,
    claim: &IdempotencyClaim,
) -> Result<Option<Outcome>, StorageError> {
    let earlier = idempotency::find(connection, claim)?;
    earlier.map(|earlier| answer_again(claim, &earlier)).transpose()
}

fn answer_again(claim: &IdempotencyClaim, earlier: &Earlier) -> Result<Outcome, StorageError> {
    if earlier.fingerprint != claim.fingerprint {
        return Ok(Outcome::KeyReused);
    }
    let acceptance = serde_json::from_str(&earlier.answer)
        .map_err(|error| StorageError::Corrupt(format!("an earlier answer: {error}")))?;
    Ok(Outcome::Repeated(acceptance))
}

/// What was stored, entry by entry.
struct Stored(Vec<(Acceptance, Vec<Stamped>)>);

impl Stored {
    fn take(&mut self, position: usize) -> Outcome {
        match self.0.get_mut(position) {
            Some((acceptance, notifications)) => Outcome::Stored {
                acceptance: acceptance.clone(),
                notifications: std::mem::take(notifications),
            },
            None => Outcome::KeyReused,
        }
    }

    fn repeat(&self, position: usize) -> Outcome {
        self.0
            .get(position)
            .map_or(Outcome::KeyReused, |(acceptance, _)| Outcome::Repeated(acceptance.clone()))
    }
}

fn store(
    connection: &mut AnyConnection,
    entries: &[&Entry],
    now: Timestamp,
    escalate_after: &dyn Fn(&str) -> Duration,
) -> Result<Stored, StorageError> {
    let batch = Batch::plan(entries, now, escalate_after)?;
    let states = batch.write(connection)?;
    let mut rows = batch.rows.iter();
    let mut stored = Vec::with_capacity(entries.len());
    for entry in entries {
        let notifications: Vec<Stamped> = rows
            .by_ref()
            .take(entry.drafts.len())
            .map(|row| stamp(row, &states, now))
            .collect::<Result<_, _>>()?;
        let places = notifications.iter().map(|stamped| Place::of(&stamped.notification)).collect();
        stored.push((Acceptance { booking: entry.booking.clone(), notifications: places }, notifications));
    }
    keep_answers(connection, entries, &stored, now)?;
    Ok(Stored(stored))
}

/// Gives a row its place: so far behind the newest of what the batch put into its inbox.
fn stamp(
    row: &Row<'_>,
    states: &HashMap<String, InboxState>,
    now: Timestamp,
) -> Result<Stamped, StorageError> {
    let state = states
        .get(row.draft.user.as_str())
        .ok_or_else(|| StorageError::Corrupt("an inbox gave no numbers".to_owned()))?;
    let notification = row.draft.clone().at(state.last_seq - row.behind, now);
    Ok(Stamped { notification, unread: state.unread - row.behind })
}

fn keep_answers(
    connection: &mut AnyConnection,
    entries: &[&Entry],
    stored: &[(Acceptance, Vec<Stamped>)],
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut rows = Vec::new();
    for (entry, (acceptance, _)) in entries.iter().zip(stored) {
        let Some(claim) = &entry.claim else { continue };
        let answer = serde_json::to_string(acceptance)
            .map_err(|error| StorageError::Corrupt(format!("an answer: {error}")))?;
        rows.push(idempotency::NewRow {
            user_id: claim.user.as_str(),
            key: &claim.key,
            fingerprint: &claim.fingerprint,
            answer,
            created_at: now.as_micros(),
        });
    }
    if rows.is_empty() { Ok(()) } else { idempotency::insert(connection, rows) }
}

impl Place {
    fn of(notification: &Notification) -> Self {
        Self { id: notification.id, user: notification.user.clone(), seq: notification.seq }
    }
}
