//! Inboxes: how far each user's sequence has come and how much of it is unread.

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::connection::{AnyConnection, SQLITE_VARIABLES, on_db};
use super::error::StorageError;
use super::schema::inboxes::dsl;
use crate::domain::{InboxState, UserId};

#[derive(Insertable)]
#[diesel(table_name = super::schema::inboxes, treat_none_as_default_value = false)]
struct NewInbox<'a> {
    user_id: &'a str,
    last_seq: i64,
    unread: i64,
}

/// The columns of [`NewInbox`].
const COLUMNS: usize = 3;

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
            .map(|(user, count)| NewInbox { user_id: user.as_str(), last_seq: *count, unread: *count })
            .collect();
        let advanced: Vec<(String, i64, i64)> = diesel::insert_into(dsl::inboxes)
            .values(rows)
            .on_conflict(dsl::user_id)
            .do_update()
            .set((
                dsl::last_seq.eq(dsl::last_seq + excluded(dsl::last_seq)),
                dsl::unread.eq(dsl::unread + excluded(dsl::unread)),
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

/// Holds an inbox until the transaction ends, so that nobody else changes it meanwhile; to be done before
/// anything in it is touched, lest two who do so wait for each other. False where there is none to hold:
/// then nothing is in it. SQLite has one writer at a time anyway.
pub fn lock(connection: &mut AnyConnection, user: &UserId) -> Result<bool, StorageError> {
    match connection {
        AnyConnection::Postgres(c) => {
            let row = dsl::inboxes.find(user.as_str()).select(dsl::last_seq).for_update();
            Ok(row.first::<i64>(c).optional()?.is_some())
        }
        AnyConnection::Sqlite(_) => Ok(true),
    }
}

/// Takes `read` from the unread count; answers where the inbox stands afterwards.
pub fn count_read(
    connection: &mut AnyConnection,
    user: &UserId,
    read: i64,
) -> Result<InboxState, StorageError> {
    let row: Option<(i64, i64)> = on_db!(connection, |c| diesel::update(dsl::inboxes.find(user.as_str()))
        .set(dsl::unread.eq(dsl::unread - read))
        .returning((dsl::last_seq, dsl::unread))
        .get_result(c)
        .optional())?;
    Ok(row.map(|(last_seq, unread)| InboxState { last_seq, unread }).unwrap_or_default())
}
