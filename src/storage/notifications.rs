//! Notifications: appended to inboxes, listed by keyset, marked as read.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use diesel::SqliteConnection;
use diesel::prelude::*;

use super::connection::{AnyConnection, SQLITE_VARIABLES};
use super::error::StorageError;
use super::schema::notifications;
use crate::domain::{Category, Content, Notification, NotificationId, RequestId, Timestamp, UserId};

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
    pub(super) request_id: Option<&'a str>,
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
    request_id: Option<String>,
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
            request: row.request_id.map(RequestId::from_stored),
        })
    }
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 9;

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

/// One of a user's own notifications.
pub fn find_own(
    connection: &mut AnyConnection,
    user: &UserId,
    id: NotificationId,
) -> Result<Option<Notification>, StorageError> {
    let row: Option<Row> = notifications::table
        .find(id.to_string())
        .filter(notifications::user_id.eq(user.as_str()))
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Notification::try_from).transpose()
}

/// What counting needs to know of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = notifications)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) seq: i64,
    pub(super) category: String,
    read_at: Option<i64>,
}

impl Item {
    pub(super) fn is_unread(&self) -> bool {
        self.read_at.is_none()
    }
}

/// Those of `ids` that are this user's, in the inbox's order.
pub(super) fn own_items(
    connection: &mut AnyConnection,
    user: &UserId,
    ids: &[NotificationId],
    unread_only: bool,
) -> Result<Vec<Item>, StorageError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let own = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::id.eq_any(ids))
        .select(Item::as_select());
    let mut items: Vec<Item> = if unread_only {
        own.filter(notifications::read_at.is_null()).load(connection)?
    } else {
        own.load(connection)?
    };
    // They are few, and the database would look for an index that has them in order.
    items.sort_by_key(|item| item.seq);
    Ok(items)
}

/// Those of `ids` that there are.
pub(super) fn items(connection: &mut AnyConnection, ids: &[&str]) -> Result<Vec<Item>, StorageError> {
    Ok(notifications::table
        .filter(notifications::id.eq_any(ids))
        .select(Item::as_select())
        .load(connection)?)
}

/// One that may be too old.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = notifications)]
pub(super) struct Old {
    pub(super) id: String,
    pub(super) user_id: String,
    created_at: i64,
}

impl Old {
    pub(super) fn is_from_before(&self, time: Timestamp) -> bool {
        self.created_at < time.as_micros()
    }
}

/// The first `most` in the order of ids, which is that of their making, behind `after` and below `end`.
pub(super) fn oldest(
    connection: &mut AnyConnection,
    after: &str,
    end: NotificationId,
    most: u32,
) -> Result<Vec<Old>, StorageError> {
    let oldest = notifications::table
        .filter(notifications::id.gt(after))
        .filter(notifications::id.lt(end.to_string()))
        .order(notifications::id)
        .limit(i64::from(most))
        .select(Old::as_select());
    Ok(oldest.load(connection)?)
}

/// The oldest `most` of a user's notifications above `after`, up to and with `up_to`.
pub(super) fn items_between(
    connection: &mut AnyConnection,
    user: &UserId,
    (after, up_to): (i64, i64),
    unread_only: bool,
    most: i64,
) -> Result<Vec<Item>, StorageError> {
    let between = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::seq.gt(after))
        .filter(notifications::seq.le(up_to))
        .order(notifications::seq)
        .limit(most)
        .select(Item::as_select());
    let items: Vec<Item> = if unread_only {
        between.filter(notifications::read_at.is_null()).load(connection)?
    } else {
        between.load(connection)?
    };
    Ok(items)
}

/// Marks these as read.
pub(super) fn set_read(
    connection: &mut AnyConnection,
    ids: &[&str],
    now: Timestamp,
) -> Result<(), StorageError> {
    let named = notifications::table.filter(notifications::id.eq_any(ids));
    diesel::update(named).set(notifications::read_at.eq(now.as_micros())).execute(connection)?;
    Ok(())
}

/// Removes these.
pub(super) fn remove(connection: &mut AnyConnection, ids: &[&str]) -> Result<(), StorageError> {
    diesel::delete(notifications::table.filter(notifications::id.eq_any(ids))).execute(connection)?;
    Ok(())
}
