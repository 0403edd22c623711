//! Removing what has become too old, a batch at a time. Ids are in the order of their making, so that the oldest
//! rows are found by the primary key, without an index that every booking would have to pay for. Several
//! instances may do this at once: whoever comes second finds less to remove.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::error::StorageError;
use super::schema::receipts;
use super::{deliveries, history, inboxes, notifications};
use crate::domain::{InboxState, NotificationId, Timestamp};

/// What a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// How many rows were removed.
    pub removed: usize,
    /// The last notification that was looked at, where there may be more behind it.
    pub rest: Option<String>,
    /// Where inboxes stand now of which something unread was removed, by user.
    pub recounted: Vec<(String, InboxState)>,
}

/// Looks at the `batch` oldest notifications behind `after` and removes those from before `before`, with their
/// deliveries. One whose delivery is pending stays: somebody is still to be told of it.
pub fn trim_notifications(
    connection: &mut AnyConnection,
    after: &str,
    before: Timestamp,
    batch: u32,
) -> Result<Trimmed, StorageError> {
    let oldest = notifications::oldest(connection, after, NotificationId::first_at(before), batch)?;
    let rest = is_full(oldest.len(), batch).then(|| oldest.last().map(|old| old.id.clone())).flatten();
    let old: Vec<_> = oldest.into_iter().filter(|old| old.is_from_before(before)).collect();
    let users: BTreeSet<&str> = old.iter().map(|old| old.user_id.as_str()).collect();
    inboxes::hold_all(connection, &Vec::from_iter(users))?;
    let ids: Vec<&str> = old.iter().map(|old| old.id.as_str()).collect();
    let pending = deliveries::pending_among(connection, &ids)?;
    let ids: Vec<&str> = ids.into_iter().filter(|id| !pending.contains(*id)).collect();
    // Read again, now that nobody changes them: they may have been read or deleted meanwhile.
    let items = notifications::items(connection, &ids)?;
    history::remove(connection, &items)?;
    let unread: BTreeSet<&str> =
        items.iter().filter(|item| item.is_unread()).map(|item| item.user_id.as_str()).collect();
    let recounted = inboxes::states(connection, &Vec::from_iter(unread))?;
    Ok(Trimmed { removed: items.len(), rest, recounted })
}

/// Looks at the `batch` oldest receipts behind those of the notification `after`, and removes those that are
/// themselves from before `before`, whether or not their notification is still there.
pub fn trim_receipts(
    connection: &mut AnyConnection,
    after: &str,
    before: Timestamp,
    batch: u32,
) -> Result<Trimmed, StorageError> {
    // No receipt is older than its notification.
    let oldest: Vec<String> = receipts::table
        .filter(receipts::notification_id.gt(after))
        .filter(receipts::notification_id.lt(NotificationId::first_at(before).to_string()))
        .order(receipts::notification_id)
        .limit(i64::from(batch))
        .select(receipts::notification_id)
        .load(connection)?;
    let Some(last) = oldest.last() else { return Ok(Trimmed::default()) };
    // A notification's receipts go together, so that none of them is passed over.
    let old = receipts::table
        .filter(receipts::notification_id.gt(after))
        .filter(receipts::notification_id.le(last))
        .filter(receipts::at.lt(before.as_micros()));
    let removed = diesel::delete(old).execute(connection)?;
    let rest = is_full(oldest.len(), batch).then(|| last.clone());
    Ok(Trimmed { removed, rest, recounted: Vec::new() })
}

fn is_full(found: usize, batch: u32) -> bool {
    u32::try_from(found).is_ok_and(|found| found >= batch)
}
