//! The write that everything hangs on: bookings, notifications and deliveries of a whole batch, in
//! one transaction and one statement per table. What it answers may be pushed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connection::AnyConnection;
use super::deliveries::NewRow as NewDelivery;
use super::error::StorageError;
use super::idempotency::{self, Earlier, IdempotencyClaim};
use super::inboxes;
use super::notifications::NewRow as NewNotification;
use super::{bookings, deliveries, notifications};
use crate::domain::{Booking, Draft, Notification, NotificationId, Timestamp, UserId};

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
pub struct Receipt {
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
        receipt: Receipt,
        notifications: Vec<Stamped>,
    },
    /// The same was asked before under this key: the first answer.
    Repeated(Receipt),
    /// Something else was asked before under this key.
    KeyReused,
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
        if let Some(earlier) = idempotency::find(connection, claim)? {
            slots.push(Slot::Done(Box::new(answer_again(claim, &earlier)?)));
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

fn answer_again(claim: &IdempotencyClaim, earlier: &Earlier) -> Result<Outcome, StorageError> {
    if earlier.fingerprint != claim.fingerprint {
        return Ok(Outcome::KeyReused);
    }
    let receipt = serde_json::from_str(&earlier.answer)
        .map_err(|error| StorageError::Corrupt(format!("an earlier answer: {error}")))?;
    Ok(Outcome::Repeated(receipt))
}

/// What was stored, entry by entry.
struct Stored(Vec<(Receipt, Vec<Stamped>)>);

impl Stored {
    fn take(&mut self, position: usize) -> Outcome {
        match self.0.get_mut(position) {
            Some((receipt, notifications)) => {
                Outcome::Stored { receipt: receipt.clone(), notifications: std::mem::take(notifications) }
            }
            None => Outcome::KeyReused,
        }
    }

    fn repeat(&self, position: usize) -> Outcome {
        self.0.get(position).map_or(Outcome::KeyReused, |(receipt, _)| Outcome::Repeated(receipt.clone()))
    }
}

fn store(
    connection: &mut AnyConnection,
    entries: &[&Entry],
    now: Timestamp,
    escalate_after: &dyn Fn(&str) -> Duration,
) -> Result<Stored, StorageError> {
    let mut numbers = Numbers::take(connection, entries)?;
    let new_bookings: Vec<&Booking> = entries.iter().filter_map(|entry| entry.booking.as_ref()).collect();
    if !new_bookings.is_empty() {
        bookings::insert(connection, &new_bookings)?;
    }
    let mut stored = Vec::with_capacity(entries.len());
    for entry in entries {
        let notifications: Vec<Stamped> =
            entry.drafts.iter().map(|draft| numbers.stamp(draft, now)).collect::<Result<_, _>>()?;
        let places = notifications.iter().map(|stamped| Place::of(&stamped.notification)).collect();
        stored.push((Receipt { booking: entry.booking.clone(), notifications: places }, notifications));
    }
    insert_notifications(connection, entries, &stored, escalate_after)?;
    keep_answers(connection, entries, &stored, now)?;
    Ok(Stored(stored))
}

fn insert_notifications(
    connection: &mut AnyConnection,
    entries: &[&Entry],
    stored: &[(Receipt, Vec<Stamped>)],
    escalate_after: &dyn Fn(&str) -> Duration,
) -> Result<(), StorageError> {
    let drafts = entries.iter().flat_map(|entry| &entry.drafts);
    let stamped = stored.iter().flat_map(|(_, stamped)| stamped);
    let mut rows = Vec::new();
    let mut due = Vec::new();
    for (draft, Stamped { notification, .. }) in drafts.zip(stamped) {
        let payload = serde_json::to_string(&notification.content)
            .map_err(|error| StorageError::Corrupt(format!("a notification: {error}")))?;
        rows.push(NewNotification {
            id: notification.id.to_string(),
            user_id: notification.user.as_str(),
            seq: notification.seq,
            kind: &notification.kind,
            category: notification.category.as_str(),
            booking_id: draft.booking.map(|id| id.to_string()),
            payload,
            created_at: notification.created_at.as_micros(),
        });
        let escalate_at = notification.created_at.plus(escalate_after(notification.category.as_str()));
        due.push(NewDelivery::pending(notification.id, escalate_at));
    }
    if rows.is_empty() {
        return Ok(());
    }
    notifications::insert(connection, &rows)?;
    deliveries::insert(connection, &due)
}

fn keep_answers(
    connection: &mut AnyConnection,
    entries: &[&Entry],
    stored: &[(Receipt, Vec<Stamped>)],
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut rows = Vec::new();
    for (entry, (receipt, _)) in entries.iter().zip(stored) {
        let Some(claim) = &entry.claim else { continue };
        let answer = serde_json::to_string(receipt)
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

/// The numbers a batch took, handed out in order: per user the next seq and the unread count with it.
struct Numbers(HashMap<String, (i64, i64)>);

impl Numbers {
    fn take(connection: &mut AnyConnection, entries: &[&Entry]) -> Result<Self, StorageError> {
        let mut counts: BTreeMap<&UserId, i64> = BTreeMap::new();
        for draft in entries.iter().flat_map(|entry| &entry.drafts) {
            *counts.entry(&draft.user).or_default() += 1;
        }
        if counts.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let states = inboxes::advance(connection, &counts)?;
        let before = states.into_iter().map(|(user, state)| {
            let taken = counts.get(&UserId::from_stored(user.clone())).copied().unwrap_or_default();
            (user, (state.last_seq - taken, state.unread - taken))
        });
        Ok(Self(before.collect()))
    }

    fn stamp(&mut self, draft: &Draft, now: Timestamp) -> Result<Stamped, StorageError> {
        let (seq, unread) = self
            .0
            .get_mut(draft.user.as_str())
            .ok_or_else(|| StorageError::Corrupt("an inbox gave no numbers".to_owned()))?;
        *seq += 1;
        *unread += 1;
        Ok(Stamped { notification: draft.clone().at(*seq, now), unread: *unread })
    }
}
