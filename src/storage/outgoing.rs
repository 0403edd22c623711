//! Events for the broker: kept in the transaction in which something happened, taken under a lease to be sent, and
//! removed when the broker has them.

use std::borrow::Cow;
use std::collections::HashMap;

use diesel::prelude::*;

use super::arrays::{Column, Statement};
use super::connection::{AnyConnection, SQLITE_VARIABLES, on_db};
use super::error::StorageError;
use super::receipts::device_name;
use super::schema::{notifications, outgoing_events};
use crate::domain::{Channel, Device, Timestamp, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A device has it, or the mail server took its mail.
    Delivered,
    /// Its user marked it as read.
    Read,
}

impl Happened {
    /// As it is stored.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// An event to be kept.
#[derive(Debug, Insertable)]
#[diesel(table_name = outgoing_events, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    id: String,
    event: &'static str,
    notification_id: &'a str,
    user_id: &'a str,
    channel: &'static str,
    device: Cow<'a, str>,
    at: i64,
    due_at: i64,
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 8;

impl<'a> NewRow<'a> {
    pub(super) fn on_device(
        notification: &'a str,
        what: Happened,
        device: &'a Device,
        at: Timestamp,
    ) -> Self {
        Self {
            id: id_of(notification, what, device.channel),
            event: what.as_str(),
            notification_id: notification,
            user_id: device.user.as_str(),
            channel: device.channel.as_str(),
            device: device_name(device),
            at: at.as_micros(),
            due_at: at.as_micros(),
        }
    }
}

/// The same for the same, whoever makes it.
fn id_of(notification: &str, what: Happened, channel: Channel) -> String {
    format!("{notification}:{}:{}", what.as_str(), channel.as_str())
}

const INSERT: &str = "
INSERT INTO outgoing_events (id, event, notification_id, user_id, channel, device, at, due_at)
SELECT * FROM unnest($, $, $, $, $, $, $, $)
ON CONFLICT DO NOTHING";

/// Keeps all of `rows` to be sent.
pub(super) fn insert(connection: &mut AnyConnection, rows: &[NewRow<'_>]) -> Result<(), StorageError> {
    if rows.is_empty() {
        return Ok(());
    }
    match connection {
        AnyConnection::Postgres(connection) => {
            Statement::<()>::new(INSERT, columns(rows)).execute(connection)?;
        }
        AnyConnection::Sqlite(connection) => {
            for rows in rows.chunks(SQLITE_VARIABLES / COLUMNS) {
                diesel::insert_into(outgoing_events::table)
                    .values(rows)
                    .on_conflict_do_nothing()
                    .execute(connection)?;
            }
        }
    }
    Ok(())
}

fn columns<'a>(rows: &'a [NewRow<'_>]) -> Vec<Column<'a>> {
    vec![
        Column::Text(rows.iter().map(|row| row.id.as_str()).collect()),
        Column::Text(rows.iter().map(|row| row.event).collect()),
        Column::Text(rows.iter().map(|row| row.notification_id).collect()),
        Column::Text(rows.iter().map(|row| row.user_id).collect()),
        Column::Text(rows.iter().map(|row| row.channel).collect()),
        Column::Text(rows.iter().map(|row| &*row.device).collect()),
        Column::BigInt(rows.iter().map(|row| row.at).collect()),
        Column::BigInt(rows.iter().map(|row| row.due_at).collect()),
    ]
}

/// Keeps that these were read, or reached somebody by a device.
pub fn keep(
    connection: &mut AnyConnection,
    notifications: &[String],
    what: Happened,
    device: &Device,
    at: Timestamp,
) -> Result<(), StorageError> {
    let rows: Vec<NewRow<'_>> =
        notifications.iter().map(|id| NewRow::on_device(id, what, device, at)).collect();
    insert(connection, &rows)
}

/// Keeps that this was mailed.
pub fn keep_mailed(
    connection: &mut AnyConnection,
    notification: &str,
    user: &UserId,
    at: Timestamp,
) -> Result<(), StorageError> {
    let device = Device { user: user.clone(), channel: Channel::Email, name: "".into() };
    insert(connection, &[NewRow::on_device(notification, Happened::Delivered, &device, at)])
}

/// An event that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = outgoing_events)]
pub struct OutgoingEvent {
    /// Unique, and the same however often it is sent.
    pub id: String,
    event: String,
    pub notification_id: String,
    pub user_id: String,
    pub channel: String,
    pub device: String,
    at: i64,
}

impl OutgoingEvent {
    pub fn is_read(&self) -> bool {
        self.event == Happened::Read.as_str()
    }

    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at)
    }
}

/// What a notification that is still there says of itself.
pub type Said = HashMap<String, (i64, String)>;

/// Takes what is due, oldest first, until `lease_until`; with it the seq and the type of what is still there.
pub fn claim(
    connection: &mut AnyConnection,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<(Vec<OutgoingEvent>, Said), StorageError> {
    let due = outgoing_events::table
        .filter(outgoing_events::due_at.le(now.as_micros()))
        .order(outgoing_events::due_at)
        .limit(limit);
    // Row locks are PostgreSQL's; SQLite has one writer at a time anyway.
    let events: Vec<OutgoingEvent> = match connection {
        AnyConnection::Postgres(c) => {
            due.select(OutgoingEvent::as_select()).for_update().skip_locked().load(c)?
        }
        AnyConnection::Sqlite(c) => due.select(OutgoingEvent::as_select()).load(c)?,
    };
    if events.is_empty() {
        return Ok((events, Said::new()));
    }
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    diesel::update(outgoing_events::table.filter(outgoing_events::id.eq_any(ids)))
        .set(outgoing_events::due_at.eq(lease_until.as_micros()))
        .execute(connection)?;
    let about: Vec<&str> = events.iter().map(|event| event.notification_id.as_str()).collect();
    let said: Vec<(String, i64, String)> = notifications::table
        .filter(notifications::id.eq_any(about))
        .select((notifications::id, notifications::seq, notifications::kind))
        .load(connection)?;
    Ok((events, said.into_iter().map(|(id, seq, kind)| (id, (seq, kind))).collect()))
}

/// Removes what the broker has.
pub fn remove(connection: &mut AnyConnection, ids: &[String]) -> Result<(), StorageError> {
    for some in ids.chunks(SQLITE_VARIABLES) {
        diesel::delete(outgoing_events::table.filter(outgoing_events::id.eq_any(some)))
            .execute(connection)?;
    }
    Ok(())
}

/// Removes at most `batch` that happened before `before`; answers how many.
pub fn trim(connection: &mut AnyConnection, before: Timestamp, batch: i64) -> Result<usize, StorageError> {
    let old: Vec<String> = outgoing_events::table
        .filter(outgoing_events::at.lt(before.as_micros()))
        .limit(batch)
        .select(outgoing_events::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    let old = outgoing_events::table.filter(outgoing_events::id.eq_any(old));
    Ok(on_db!(connection, |c| diesel::delete(old).execute(c))?)
}

/// How many wait, up to `limit`.
pub fn count(connection: &mut AnyConnection, limit: i64) -> Result<usize, StorageError> {
    let waiting: Vec<i64> =
        outgoing_events::table.select(outgoing_events::due_at).limit(limit).load(connection)?;
    Ok(waiting.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_has_a_place_for_every_column() {
        assert_eq!(INSERT.matches('$').count(), columns(&[]).len());
        assert_eq!(COLUMNS, columns(&[]).len());
    }
}
