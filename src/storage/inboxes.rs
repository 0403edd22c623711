//! Inboxes: how far each user's sequence has come, how much of it is unread and how much is kept.

use std::collections::BTreeMap;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::arrays::{Column, Statement};
use super::categories::Less;
use super::connection::{AnyConnection, SQLITE_VARIABLES};
use super::error::StorageError;
use super::schema::inboxes::dsl;
use crate::domain::{InboxState, UserId};

#[derive(Insertable)]
#[diesel(table_name = super::schema::inboxes, treat_none_as_default_value = false)]
struct NewInbox<'a> {
    user_id: &'a str,
    last_seq: i64,
    unread: i64,
    total: i64,
}

/// The columns of [`NewInbox`].
const COLUMNS: usize = 4;

/// Takes the next numbers for a whole batch: `counts` says how many each user needs. Answers where
/// each inbox stands afterwards, so the numbers taken end at its `last_seq`.
pub(super) fn advance(
    connection: &mut SqliteConnection,
    counts: &[(&UserId, i64)],
) -> Result<Vec<(String, InboxState)>, StorageError> {
    let mut states = Vec::with_capacity(counts.len());
    for counts in counts.chunks(SQLITE_VARIABLES / COLUMNS) {
        let rows: Vec<NewInbox<'_>> = counts
            .iter()
            .map(|(user, count)| NewInbox {
                user_id: user.as_str(),
                last_seq: *count,
                unread: *count,
                total: *count,
            })
            .collect();
        let advanced: Vec<(String, i64, i64)> = diesel::insert_into(dsl::inboxes)
            .values(rows)
            .on_conflict(dsl::user_id)
            .do_update()
            .set((
                dsl::last_seq.eq(dsl::last_seq + excluded(dsl::last_seq)),
                dsl::unread.eq(dsl::unread + excluded(dsl::unread)),
                dsl::total.eq(dsl::total + excluded(dsl::total)),
            ))
            .returning((dsl::user_id, dsl::last_seq, dsl::unread))
            .get_results(connection)?;
        states.extend(advanced);
    }
    Ok(states.into_iter().map(|(user, last_seq, unread)| (user, InboxState { last_seq, unread })).collect())
}

/// Where one inbox stands.
pub fn state(connection: &mut AnyConnection, user: &UserId) -> Result<InboxState, StorageError> {
    let row: Option<(i64, i64)> =
        dsl::inboxes.find(user.as_str()).select((dsl::last_seq, dsl::unread)).first(connection).optional()?;
    Ok(row.map(|(last_seq, unread)| InboxState { last_seq, unread }).unwrap_or_default())
}

/// Where several inboxes stand; those nobody has written to are left out.
pub fn states(
    connection: &mut AnyConnection,
    users: &[&str],
) -> Result<Vec<(String, InboxState)>, StorageError> {
    let rows: Vec<(String, i64, i64)> = dsl::inboxes
        .filter(dsl::user_id.eq_any(users))
        .select((dsl::user_id, dsl::last_seq, dsl::unread))
        .load(connection)?;
    Ok(rows.into_iter().map(|(user, last_seq, unread)| (user, InboxState { last_seq, unread })).collect())
}

/// Where an inbox stands, and how much it keeps. Between two arrivals `unread` and `total` only fall, so that
/// the three figures together never come again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub inbox: InboxState,
    pub total: i64,
}

/// Where one inbox stands and how much it keeps; None where nobody has ever written to it.
pub fn standing(connection: &mut AnyConnection, user: &UserId) -> Result<Option<Standing>, StorageError> {
    let inbox = dsl::inboxes.find(user.as_str());
    let row: Option<Row> =
        inbox.select((dsl::last_seq, dsl::unread, dsl::total)).first(connection).optional()?;
    Ok(row.map(Standing::from))
}

/// Holds an inbox until the transaction ends, so that nobody else changes it meanwhile; to be done before
/// anything in it is touched, lest two who do so wait for each other. None where there is none to hold:
/// then nothing is in it. SQLite has one writer at a time anyway.
pub fn hold(connection: &mut AnyConnection, user: &UserId) -> Result<Option<Standing>, StorageError> {
    match connection {
        AnyConnection::Postgres(c) => {
            let inbox = dsl::inboxes.find(user.as_str()).for_update();
            let row: Option<Row> =
                inbox.select((dsl::last_seq, dsl::unread, dsl::total)).first(c).optional()?;
            Ok(row.map(Standing::from))
        }
        AnyConnection::Sqlite(_) => standing(connection, user),
    }
}

/// Holds several, in the order in which everybody holds more than one.
pub(super) fn hold_all(connection: &mut AnyConnection, users: &[&str]) -> Result<(), StorageError> {
    if let AnyConnection::Postgres(c) = connection {
        let rows = dsl::inboxes.filter(dsl::user_id.eq_any(users)).order(dsl::user_id).select(dsl::user_id);
        rows.for_update().load::<String>(c)?;
    }
    Ok(())
}

/// The columns of a [`Standing`].
type Row = (i64, i64, i64);

impl From<Row> for Standing {
    fn from((last_seq, unread, total): Row) -> Self {
        Self { inbox: InboxState { last_seq, unread }, total }
    }
}

const SUBTRACT: &str = "
UPDATE inboxes AS i SET total = i.total - less.total, unread = i.unread - less.unread
FROM unnest($, $, $) AS less (user_id, total, unread)
WHERE i.user_id = less.user_id";

/// Takes from the counts of inboxes that the transaction holds.
pub(super) fn subtract(
    connection: &mut AnyConnection,
    less: &BTreeMap<&str, Less>,
) -> Result<(), StorageError> {
    match connection {
        AnyConnection::Postgres(connection) => {
            Statement::<()>::new(SUBTRACT, columns(less)).execute(connection)?;
        }
        AnyConnection::Sqlite(connection) => {
            for (user, less) in less {
                diesel::update(dsl::inboxes.find(user))
                    .set((dsl::total.eq(dsl::total - less.total), dsl::unread.eq(dsl::unread - less.unread)))
                    .execute(connection)?;
            }
        }
    }
    Ok(())
}

fn columns<'a>(less: &BTreeMap<&'a str, Less>) -> Vec<Column<'a>> {
    vec![
        Column::Text(less.keys().copied().collect()),
        Column::BigInt(less.values().map(|less| less.total).collect()),
        Column::BigInt(less.values().map(|less| less.unread).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_has_a_place_for_every_column() {
        assert_eq!(SUBTRACT.matches('$').count(), columns(&BTreeMap::new()).len());
    }
}
