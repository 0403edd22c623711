//! The audit of what must never be: a notification that nothing would ever deliver. Looks at the tables a page at a
//! time by their primary keys, so that it costs the same however much there is. Reads only.

use std::collections::BTreeSet;

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::connection::AnyConnection;
use super::deliveries::PENDING;
use super::error::StorageError;
use super::schema::{deliveries, notifications, receipts};
use crate::domain::{NotificationId, Step};

/// How many notifications one look is about.
pub const PAGE: i64 = 1_000;

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many notifications were looked at.
    pub audited: usize,
    /// Notifications without a delivery, and deliveries without a notification. Each was read by itself, so that
    /// one that was deleted in between is here too: see [`lost_among`].
    pub suspects: Vec<String>,
    /// Where to go on, where there may be more.
    pub rest: Option<String>,
}

/// Looks at the next [`PAGE`] notifications behind `after` and before `end`, and at their deliveries.
pub fn look(
    connection: &mut AnyConnection,
    after: &str,
    end: NotificationId,
) -> Result<Looked, StorageError> {
    let end = end.to_string();
    let said: Vec<String> = notifications::table
        .filter(notifications::id.gt(after))
        .filter(notifications::id.lt(&end))
        .order(notifications::id)
        .limit(PAGE)
        .select(notifications::id)
        .load(connection)?;
    let is_full = i64::try_from(said.len()).is_ok_and(|count| count >= PAGE);
    let rest = said.last().filter(|_| is_full).cloned();
    let last = rest.as_ref().unwrap_or(&end);
    // Twice as many: where more have no notification, the next round finds what this one leaves out.
    let due: Vec<String> = deliveries::table
        .filter(deliveries::notification_id.gt(after))
        .filter(deliveries::notification_id.le(last))
        .order(deliveries::notification_id)
        .limit(PAGE * 2)
        .select(deliveries::notification_id)
        .load(connection)?;
    let (said, due) = (BTreeSet::from_iter(said), BTreeSet::from_iter(due));
    let suspects = said.symmetric_difference(&due).cloned().collect();
    Ok(Looked { audited: said.len(), suspects, rest })
}

/// Which of these are lost: notifications with neither a delivery nor a receipt that says how it ended, and pending
/// deliveries of which there is nothing to say any more, which would be claimed again and again.
pub fn lost_among(
    connection: &mut AnyConnection,
    suspects: &BTreeSet<String>,
) -> Result<BTreeSet<String>, StorageError> {
    if suspects.is_empty() {
        return Ok(BTreeSet::new());
    }
    let delivery = deliveries::table.filter(deliveries::notification_id.eq(notifications::id));
    let ended = receipts::table
        .filter(receipts::notification_id.eq(notifications::id))
        .filter(receipts::step.ne(Step::Deferred.as_str()));
    let undelivered: Vec<String> = notifications::table
        .filter(notifications::id.eq_any(suspects))
        .filter(not(exists(delivery)))
        .filter(not(exists(ended)))
        .select(notifications::id)
        .load(connection)?;
    let notification = notifications::table.filter(notifications::id.eq(deliveries::notification_id));
    let unsaid: Vec<String> = deliveries::table
        .filter(deliveries::notification_id.eq_any(suspects))
        .filter(deliveries::state.eq(PENDING))
        .filter(not(exists(notification)))
        .select(deliveries::notification_id)
        .load(connection)?;
    Ok(undelivered.into_iter().chain(unsaid).collect())
}
