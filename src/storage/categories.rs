//! Counters of an inbox by category: how many notifications of each are kept, and how many of them unread.
//! Changed only by who holds the inbox, see `inboxes::lock`.

use std::collections::BTreeMap;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::arrays::{Column, Statement};
use super::connection::{AnyConnection, SQLITE_VARIABLES};
use super::error::StorageError;
use super::schema::inbox_categories::{self, dsl};
use crate::domain::{Category, UserId};

#[derive(Insertable)]
#[diesel(table_name = inbox_categories, treat_none_as_default_value = false)]
struct NewRow<'a> {
    user_id: &'a str,
    category: &'a str,
    total: i64,
    unread: i64,
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 4;

/// What one category counts.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct CategoryCount {
    pub category: String,
    pub total: i64,
    pub unread: i64,
}

/// Counts new notifications, all of them unread; see `append` for PostgreSQL.
pub(super) fn add(
    connection: &mut SqliteConnection,
    counts: &[(&UserId, &Category, i64)],
) -> Result<(), StorageError> {
    for counts in counts.chunks(SQLITE_VARIABLES / COLUMNS) {
        let rows: Vec<NewRow<'_>> = counts
            .iter()
            .map(|(user, category, count)| NewRow {
                user_id: user.as_str(),
                category: category.as_str(),
                total: *count,
                unread: *count,
            })
            .collect();
        diesel::insert_into(dsl::inbox_categories)
            .values(rows)
            .on_conflict((dsl::user_id, dsl::category))
            .do_update()
            .set((
                dsl::total.eq(dsl::total + excluded(dsl::total)),
                dsl::unread.eq(dsl::unread + excluded(dsl::unread)),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// What is taken from the counters of a category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Less {
    pub(super) total: i64,
    pub(super) unread: i64,
}

impl std::ops::AddAssign for Less {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.unread += other.unread;
    }
}

const SUBTRACT: &str = "
UPDATE inbox_categories AS c SET total = c.total - less.total, unread = c.unread - less.unread
FROM unnest($, $, $, $) AS less (user_id, category, total, unread)
WHERE c.user_id = less.user_id AND c.category = less.category";

/// Takes from the counters, by user and category.
pub(super) fn subtract(
    connection: &mut AnyConnection,
    less: &BTreeMap<(&str, &str), Less>,
) -> Result<(), StorageError> {
    match connection {
        AnyConnection::Postgres(connection) => {
            Statement::<()>::new(SUBTRACT, columns(less)).execute(connection)?;
        }
        AnyConnection::Sqlite(connection) => {
            for ((user, category), less) in less {
                diesel::update(dsl::inbox_categories.find((user, category)))
                    .set((dsl::total.eq(dsl::total - less.total), dsl::unread.eq(dsl::unread - less.unread)))
                    .execute(connection)?;
            }
        }
    }
    Ok(())
}

fn columns<'a>(less: &BTreeMap<(&'a str, &'a str), Less>) -> Vec<Column<'a>> {
    vec![
        Column::Text(less.keys().map(|(user, _)| *user).collect()),
        Column::Text(less.keys().map(|(_, category)| *category).collect()),
        Column::BigInt(less.values().map(|less| less.total).collect()),
        Column::BigInt(less.values().map(|less| less.unread).collect()),
    ]
}

/// Removes the counters of these users that count nothing any more.
pub(super) fn forget_empty(connection: &mut AnyConnection, users: &[&str]) -> Result<(), StorageError> {
    let empty = dsl::inbox_categories.filter(dsl::user_id.eq_any(users)).filter(dsl::total.eq(0));
    diesel::delete(empty).execute(connection)?;
    Ok(())
}

/// What a user's categories count, in no order.
pub fn of(connection: &mut AnyConnection, user: &UserId) -> Result<Vec<CategoryCount>, StorageError> {
    let counts = dsl::inbox_categories.filter(dsl::user_id.eq(user.as_str())).select((
        dsl::category,
        dsl::total,
        dsl::unread,
    ));
    Ok(counts.load(connection)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_has_a_place_for_every_column() {
        assert_eq!(SUBTRACT.matches('$').count(), columns(&BTreeMap::new()).len());
    }
}
