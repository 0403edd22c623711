//! Notifications: appended to inboxes, listed by keyset, marked as read.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use diesel::SqliteConnection;
use diesel::prelude::*;

use super::connection::{AnyConnection, SQLITE_VARIABLES, on_db};
use super::error::StorageError;
use super::schema::notifications;
use crate::domain::{Category, Content, Notification, NotificationId, Selection, Timestamp, UserId};

#[derive(Insertable)]
#[diesel(table_name = notifications, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    pub(super) id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) seq: i64,
    pub(super) kind: &'a str,
    pub(super) category: &'a str,
    pub(super) booking_id: Option<&'a str>,
    pub(super) payload: &'a str,
    pub(super) created_at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications)]
pub(super) struct Row {
    id: String,
    user_id: String,
    seq: i64,
    kind: String,
    category: String,
    payload: String,
    created_at: i64,
    read_at: Option<i64>,
}

impl TryFrom<Row> for Notification {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let corrupt =
            |error: &dyn std::fmt::Display| StorageError::Corrupt(format!("a notification: {error}"));
        let content: Content = serde_json::from_str(&row.payload).map_err(|error| corrupt(&error))?;
        Ok(Self {
            id: NotificationId::parse("id", &row.id).map_err(|error| corrupt(&error))?,
            user: UserId::from_stored(row.user_id),
            seq: row.seq,
            kind: row.kind,
            category: Category::from_stored(row.category),
            content,
            created_at: Timestamp::from_micros(row.created_at),
            read_at: row.read_at.map(Timestamp::from_micros),
        })
    }
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 8;

/// Keeps all of `rows`, in one statement unless they are more than SQLite takes; see `append` for PostgreSQL.
pub(super) fn insert(connection: &mut SqliteConnection, rows: &[NewRow<'_>]) -> Result<(), StorageError> {
    for rows in rows.chunks(SQLITE_VARIABLES / COLUMNS) {
        diesel::insert_into(notifications::table).values(rows).execute(connection)?;
    }
    Ok(())
}

/// Which notifications a page is made of.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub unread: bool,
    pub category: Option<String>,
    pub kind: Option<String>,
}

/// The direction of a page and the seq it starts beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Newest first, below this seq.
    Before(i64),
    /// Oldest first, above this seq.
    After(i64),
}

/// One page of a user's inbox, at most `limit` items after skipping `skip`.
pub fn page(
    connection: &mut AnyConnection,
    user: &UserId,
    filter: &Filter,
    position: Position,
    limit: i64,
    skip: i64,
) -> Result<Vec<Notification>, StorageError> {
    let mut query = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .select(Row::as_select())
        .into_boxed();
    if filter.unread {
        query = query.filter(notifications::read_at.is_null());
    }
    if let Some(category) = &filter.category {
        query = query.filter(notifications::category.eq(category));
    }
    if let Some(kind) = &filter.kind {
        query = query.filter(notifications::kind.eq(kind));
    }
    query = match position {
        Position::Before(seq) => query.filter(notifications::seq.lt(seq)).order(notifications::seq.desc()),
        Position::After(seq) => query.filter(notifications::seq.gt(seq)).order(notifications::seq.asc()),
    };
    let rows: Vec<Row> = query.limit(limit).offset(skip).load(connection)?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// Reads notifications by id, in no order; what does not exist is left out.
pub fn find_all(
    connection: &mut AnyConnection,
    ids: &[NotificationId],
) -> Result<Vec<Notification>, StorageError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<Row> = notifications::table
        .filter(notifications::id.eq_any(ids))
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Notification::try_from).collect()
}

/// The ids and seqs of the newest `most` unread notifications of a user's above one seq and up to another, newest
/// first.
pub fn newest_unread(
    connection: &mut AnyConnection,
    user: &UserId,
    above: i64,
    seq: i64,
    most: i64,
) -> Result<Vec<(String, i64)>, StorageError> {
    let ids = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::read_at.is_null())
        .filter(notifications::seq.le(seq))
        .filter(notifications::seq.gt(above))
        .order(notifications::seq.desc())
        .limit(most)
        .select((notifications::id, notifications::seq));
    Ok(ids.load(connection)?)
}

/// Marks what is selected and unread of this user's as read; answers the ids that changed.
pub fn mark_read(
    connection: &mut AnyConnection,
    user: &UserId,
    selection: &Selection,
    now: Timestamp,
) -> Result<Vec<String>, StorageError> {
    let unread = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::read_at.is_null());
    let set = notifications::read_at.eq(now.as_micros());
    let changed = match selection {
        Selection::All => {
            on_db!(connection, |c| diesel::update(unread)
                .set(set)
                .returning(notifications::id)
                .get_results(c))
        }
        Selection::UpTo(seq) => {
            on_db!(connection, |c| diesel::update(unread.filter(notifications::seq.le(*seq)))
                .set(set)
                .returning(notifications::id)
                .get_results(c))
        }
        Selection::Ids(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            on_db!(connection, |c| diesel::update(unread.filter(notifications::id.eq_any(ids)))
                .set(set)
                .returning(notifications::id)
                .get_results(c))
        }
    };
    Ok(changed?)
}
