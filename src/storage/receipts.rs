//! Receipts: every step of a notification's way, appended in the transaction that takes the step and
//! read as one trail. Nothing here is ever changed.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use std::borrow::Cow;
use std::collections::HashSet;

use diesel::prelude::*;

use super::arrays::{Column, Statement};
use super::connection::{AnyConnection, SQLITE_VARIABLES};
use super::deliveries::IDS_PER_STATEMENT;
use super::error::StorageError;
use super::schema::receipts;
use crate::domain::{Channel, Device, NotificationId, Step, Timestamp, UserId};

/// How much of a device's name is kept. It is the platform's, of any length, and part of the key: an
/// entry of PostgreSQL's index holds at most 2,704 bytes.
const DEVICE_MAX: usize = 200;

/// A step to be kept.
#[derive(Debug, Insertable)]
#[diesel(table_name = receipts, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    pub(super) notification_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) at: i64,
    pub(super) step: &'static str,
    pub(super) channel: &'static str,
    pub(super) device: Cow<'a, str>,
    pub(super) error: Option<&'a str>,
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 7;

impl<'a> NewRow<'a> {
    /// Something that a user did on a device.
    pub(super) fn on_device(notification: &'a str, device: &'a Device, step: Step, at: Timestamp) -> Self {
        Self {
            notification_id: notification,
            user_id: device.user.as_str(),
            at: at.as_micros(),
            step: step.as_str(),
            channel: device.channel.as_str(),
            device: device_name(device),
            error: None,
        }
    }

    /// Something that happened to what was meant for a user, without one of their devices.
    pub(super) fn without_device(notification: &'a str, user: &'a UserId, step: Step, at: Timestamp) -> Self {
        Self {
            notification_id: notification,
            user_id: user.as_str(),
            at: at.as_micros(),
            step: step.as_str(),
            channel: "",
            device: Cow::Borrowed(""),
            error: None,
        }
    }

    /// What became of the mail.
    pub(super) fn of_mail(self, error: Option<&'a str>) -> Self {
        Self { channel: Channel::Email.as_str(), error, ..self }
    }
}

/// A device's name as it is kept. A token may say anything there; what the database cannot hold must not
/// keep the receipts of others from being written with it.
pub(super) fn device_name(device: &Device) -> Cow<'_, str> {
    let name = &*device.name;
    let end = name.floor_char_boundary(DEVICE_MAX);
    let kept = name.get(..end).unwrap_or_default();
    if kept.contains('\0') { Cow::Owned(kept.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(kept) }
}

const INSERT: &str = "
INSERT INTO receipts (notification_id, user_id, at, step, channel, device, error)
SELECT * FROM unnest($, $, $, $, $, $, $)
ON CONFLICT DO NOTHING";

/// Keeps all of `rows`; those that are there already stay as they are.
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
                diesel::insert_into(receipts::table)
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
        Column::Text(rows.iter().map(|row| row.notification_id).collect()),
        Column::Text(rows.iter().map(|row| row.user_id).collect()),
        Column::BigInt(rows.iter().map(|row| row.at).collect()),
        Column::Text(rows.iter().map(|row| row.step).collect()),
        Column::Text(rows.iter().map(|row| row.channel).collect()),
        Column::Text(rows.iter().map(|row| &*row.device).collect()),
        Column::OptionalText(rows.iter().map(|row| row.error).collect()),
    ]
}

/// Keeps what a user did with these notifications on a device.
pub(super) fn keep(
    connection: &mut AnyConnection,
    notifications: &[&str],
    device: &Device,
    step: Step,
    at: Timestamp,
) -> Result<(), StorageError> {
    let rows: Vec<NewRow<'_>> =
        notifications.iter().map(|id| NewRow::on_device(id, device, step, at)).collect();
    insert(connection, &rows)
}

/// Which of these notifications so many devices have already.
pub(super) fn confirmed_by(
    connection: &mut AnyConnection,
    notifications: &[&str],
    count: i64,
) -> Result<HashSet<String>, StorageError> {
    let mut found = HashSet::new();
    for some in notifications.chunks(IDS_PER_STATEMENT) {
        let full = receipts::table
            .filter(receipts::notification_id.eq_any(some))
            .filter(receipts::step.eq(Step::Confirmed.as_str()))
            .group_by(receipts::notification_id)
            .having(diesel::dsl::count_star().ge(count))
            .select(receipts::notification_id);
        found.extend(full.load::<String>(connection)?);
    }
    Ok(found)
}

/// A step as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub at: Timestamp,
    /// A [`Step`]'s name.
    pub step: String,
    /// A [`Channel`]'s name.
    pub channel: Option<String>,
    pub device: Option<String>,
    pub error: Option<String>,
}

/// The newest `most` steps of a notification's way, in the order of time.
pub fn trail(
    connection: &mut AnyConnection,
    notification: NotificationId,
    most: i64,
) -> Result<Vec<Receipt>, StorageError> {
    let newest_first = receipts::table
        .filter(receipts::notification_id.eq(notification.to_string()))
        .order((receipts::at.desc(), receipts::step.desc(), receipts::device.desc()))
        .limit(most)
        .select((receipts::at, receipts::step, receipts::channel, receipts::device, receipts::error));
    let rows: Vec<(i64, String, String, String, Option<String>)> = newest_first.load(connection)?;
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    let receipts = rows.into_iter().rev().map(|(at, step, channel, device, error)| Receipt {
        at: Timestamp::from_micros(at),
        step,
        channel: present(channel),
        device: present(device),
        error,
    });
    Ok(receipts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_may_be_called_anything() {
        let kept = |name: &str| {
            let user = UserId::from_stored("host".to_owned());
            device_name(&Device { user, channel: Channel::Rest, name: name.into() }).into_owned()
        };
        assert_eq!(kept("phone"), "phone");
        assert_eq!(kept(""), "");
        assert_eq!(kept("a\0b"), "a\u{fffd}b");
        assert_eq!(kept(&"é".repeat(DEVICE_MAX)), "é".repeat(DEVICE_MAX / 2));
        assert_eq!(kept(&format!("x{}", "é".repeat(DEVICE_MAX))).len(), DEVICE_MAX - 1);
    }

    #[test]
    fn the_statement_has_a_place_for_every_column() {
        assert_eq!(INSERT.matches('$').count(), columns(&[]).len());
        assert_eq!(COLUMNS, columns(&[]).len());
    }
}
