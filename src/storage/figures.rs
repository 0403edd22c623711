//! What became of the notifications of a stretch of time, a portion at a time, newest first: the rows of which the
//! administrators' figures are made. A portion is three stretches of primary keys, so that it costs the same however
//! much is kept.

use std::collections::HashMap;

use diesel::dsl::min;
use diesel::prelude::*;

use super::connection::AnyConnection;
use super::error::StorageError;
use super::schema::{deliveries, notifications, receipts};
use crate::domain::{Channel, NotificationId, Step, Timestamp};

/// A notification as the figures count it; times in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub kind: String,
    pub category: String,
    pub created_at: i64,
    pub read_at: Option<i64>,
    /// None where nothing is known of its delivery.
    pub state: Option<String>,
    /// When the delivery ended.
    pub finished_at: Option<i64>,
    /// When the first device confirmed it.
    pub confirmed_at: Option<i64>,
    /// Through what it first reached its user, if it did.
    pub channel: Option<String>,
}

/// A portion, and where the next begins; none behind the last.
#[derive(Debug)]
pub struct Portion {
    pub rows: Vec<Counted>,
    pub next: Option<String>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = notifications)]
struct Row {
    id: String,
    kind: String,
    category: String,
    created_at: i64,
    read_at: Option<i64>,
}

/// The next `limit` notifications below `below` of those whose ids were made from `from` on.
pub fn portion(
    connection: &mut AnyConnection,
    from: Timestamp,
    below: &str,
    limit: i64,
) -> Result<Portion, StorageError> {
    let rows: Vec<Row> = notifications::table
        .filter(notifications::id.ge(NotificationId::first_at(from).to_string()))
        .filter(notifications::id.lt(below))
        .order(notifications::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) else {
        return Ok(Portion { rows: Vec::new(), next: None });
    };
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
    let next = is_full.then(|| oldest.id.clone());
    let mut states = states(connection, &oldest.id, &newest.id)?;
    let mut ways = ways(connection, &oldest.id, &newest.id)?;
    let counted = rows.into_iter().map(|row| {
        let (state, finished_at) = states.remove(&row.id).unzip();
        let way = ways.remove(&row.id).unwrap_or_default();
        Counted {
            kind: row.kind,
            category: row.category,
            created_at: row.created_at,
            read_at: row.read_at,
            state,
            finished_at: finished_at.flatten(),
            confirmed_at: way.confirmed_at,
            channel: way.first.map(|(_, channel)| channel),
        }
    });
    Ok(Portion { rows: counted.collect(), next })
}

/// Every delivery's state and end between two ids, by id.
fn states(
    connection: &mut AnyConnection,
    oldest: &str,
    newest: &str,
) -> Result<HashMap<String, (String, Option<i64>)>, StorageError> {
    let rows: Vec<(String, String, Option<i64>)> = deliveries::table
        .filter(deliveries::notification_id.ge(oldest))
        .filter(deliveries::notification_id.le(newest))
        .filter(deliveries::channel.eq(Channel::Email.as_str()))
        .select((deliveries::notification_id, deliveries::state, deliveries::finished_at))
        .load(connection)?;
    Ok(rows.into_iter().map(|(id, state, finished_at)| (id, (state, finished_at))).collect())
}

/// How a notification first reached its user.
#[derive(Debug, Default)]
struct Way {
    confirmed_at: Option<i64>,
    first: Option<(i64, String)>,
}

fn ways(
    connection: &mut AnyConnection,
    oldest: &str,
    newest: &str,
) -> Result<HashMap<String, Way>, StorageError> {
    let reached = [Step::Confirmed, Step::Read, Step::Emailed].map(Step::as_str);
    // However often a device has confirmed, there are few rows for each.
    let rows: Vec<(String, String, String, Option<i64>)> = receipts::table
        .filter(receipts::notification_id.ge(oldest))
        .filter(receipts::notification_id.le(newest))
        .filter(receipts::step.eq_any(reached))
        .group_by((receipts::notification_id, receipts::step, receipts::channel))
        .select((receipts::notification_id, receipts::step, receipts::channel, min(receipts::at)))
        .load(connection)?;
    let mut ways: HashMap<String, Way> = HashMap::with_capacity(rows.len());
    for (id, step, channel, at) in rows {
        let Some(at) = at else { continue };
        let way = ways.entry(id).or_default();
        if step == Step::Confirmed.as_str() {
            way.confirmed_at = Some(way.confirmed_at.map_or(at, |known| known.min(at)));
        }
        let found = (at, channel);
        if way.first.as_ref().is_none_or(|first| found < *first) {
            way.first = Some(found);
        }
    }
    Ok(ways)
}
