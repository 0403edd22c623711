//! A batch as rows, and how the rows get into the tables: one statement for all of them on PostgreSQL,
//! one statement per table on SQLite, where a statement costs no round trip.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel::sql_types::{BigInt, Text};
use diesel::{RunQueryDsl, SqliteConnection};

use super::Entry;
use crate::domain::{Booking, Category, Draft, InboxState, RequestId, Timestamp, UserId};
use crate::storage::arrays::{Column, Statement};
use crate::storage::connection::AnyConnection;
use crate::storage::error::StorageError;
use crate::storage::{bookings, categories, deliveries, inboxes, notifications};

/// A notification's row before its seq is known.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) draft: &'a Draft,
    /// Which of the batch's users it is for.
    user: usize,
    /// How many of the same user come after it in the batch.
    pub(super) behind: i64,
    id: String,
    booking: Option<String>,
    payload: String,
    escalate_at: Timestamp,
}

impl Row<'_> {
    fn request(&self) -> Option<&str> {
        self.draft.request.as_ref().map(RequestId::as_str)
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Each user once, ordered by id, with how many notifications are theirs. The order is the order in
    /// which inboxes are locked, so that two writers cannot wait for each other.
    users: Vec<(&'a UserId, i64)>,
    /// The same by category, in the same order. These counters are changed only by who holds the inbox.
    categories: Vec<(&'a UserId, &'a Category, i64)>,
    bookings: Vec<&'a Booking>,
    pub(super) rows: Vec<Row<'a>>,
    now: Timestamp,
}

impl<'a> Batch<'a> {
    pub(super) fn plan(
        entries: &[&'a Entry],
        now: Timestamp,
        escalate_after: &dyn Fn(&str) -> Duration,
    ) -> Result<Self, StorageError> {
        let drafts = || entries.iter().flat_map(|entry| &entry.drafts);
        let mut counts: BTreeMap<&UserId, i64> = BTreeMap::new();
        let mut by_category: BTreeMap<(&UserId, &Category), i64> = BTreeMap::new();
        for draft in drafts() {
            *counts.entry(&draft.user).or_default() += 1;
            *by_category.entry((&draft.user, &draft.category)).or_default() += 1;
        }
        let categories =
            by_category.into_iter().map(|((user, category), count)| (user, category, count)).collect();
        let users: Vec<(&UserId, i64)> = counts.into_iter().collect();
        let mut left: HashMap<&UserId, (usize, i64)> =
            users.iter().enumerate().map(|(position, (user, count))| (*user, (position, *count))).collect();
        let mut rows = Vec::with_capacity(entries.len());
        for draft in drafts() {
            let Some((user, left)) = left.get_mut(&draft.user) else { continue };
            *left -= 1;
            rows.push(Row {
                draft,
                user: *user,
                behind: *left,
                id: draft.id.to_string(),
                booking: draft.booking.map(|id| id.to_string()),
                payload: serde_json::to_string(&draft.content)
                    .map_err(|error| StorageError::Corrupt(format!("a notification: {error}")))?,
                escalate_at: now.plus(escalate_after(draft.category.as_str())),
            });
        }
        let bookings = entries.iter().filter_map(|entry| entry.booking.as_ref()).collect();
        Ok(Self { users, categories, bookings, rows, now })
    }

    /// Writes everything; answers where each inbox stands afterwards, by user id.
    pub(super) fn write(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<HashMap<String, InboxState>, StorageError> {
        if self.rows.is_empty() && self.bookings.is_empty() {
            return Ok(HashMap::new());
        }
        match connection {
            AnyConnection::Postgres(connection) => {
                let statement: Statement<'_, (Text, BigInt, BigInt)> =
                    Statement::new(STATEMENT, self.columns());
                let states: Vec<(String, i64, i64)> = statement.get_results(connection)?;
                let by_user = states
                    .into_iter()
                    .map(|(user, last_seq, unread)| (user, InboxState { last_seq, unread }));
                Ok(by_user.collect())
            }
            AnyConnection::Sqlite(connection) => self.write_by_table(connection),
        }
    }

    fn write_by_table(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<HashMap<String, InboxState>, StorageError> {
        let states: HashMap<String, InboxState> =
            inboxes::advance(connection, &self.users)?.into_iter().collect();
        categories::add(connection, &self.categories)?;
        if !self.bookings.is_empty() {
            bookings::insert(connection, &self.bookings)?;
        }
        let mut stored = Vec::with_capacity(self.rows.len());
        let mut due = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let state = states.get(row.draft.user.as_str()).copied().unwrap_or_default();
            stored.push(notifications::NewRow {
                id: &row.id,
                user_id: row.draft.user.as_str(),
                seq: state.last_seq - row.behind,
                kind: &row.draft.kind,
                category: row.draft.category.as_str(),
                booking_id: row.booking.as_deref(),
                payload: &row.payload,
                created_at: self.now.as_micros(),
                request_id: row.request(),
            });
            due.push(deliveries::NewRow::pending(&row.id, row.escalate_at));
        }
        notifications::insert(connection, &stored)?;
        deliveries::insert(connection, &due)?;
        Ok(states)
    }

    /// The arrays of the PostgreSQL statement, in its order.
    fn columns(&self) -> Vec<Column<'_>> {
        let (users, bookings, rows) = (&self.users, &self.bookings, &self.rows);
        let now = self.now.as_micros();
        vec![
            Column::Text(users.iter().map(|(user, _)| user.as_str()).collect()),
            Column::BigInt(users.iter().map(|(_, count)| *count).collect()),
            Column::Text(self.categories.iter().map(|(user, _, _)| user.as_str()).collect()),
            Column::Text(self.categories.iter().map(|(_, category, _)| category.as_str()).collect()),
            Column::BigInt(self.categories.iter().map(|(_, _, count)| *count).collect()),
            Column::CowText(bookings.iter().map(|b| b.id.to_string().into()).collect()),
            Column::Text(bookings.iter().map(|b| b.host.as_str()).collect()),
            Column::Text(bookings.iter().map(|b| b.guest.as_str()).collect()),
            Column::OptionalText(bookings.iter().map(|b| b.guest_name.as_deref()).collect()),
            Column::Text(bookings.iter().map(|b| b.listing_id.as_str()).collect()),
            Column::OptionalText(bookings.iter().map(|b| b.listing_name.as_deref()).collect()),
            Column::Date(bookings.iter().map(|b| b.check_in).collect()),
            Column::Date(bookings.iter().map(|b| b.check_out).collect()),
            Column::Integer(bookings.iter().map(|b| i32::from(b.guests)).collect()),
            Column::OptionalText(bookings.iter().map(|b| b.note.as_deref()).collect()),
            Column::Text(bookings.iter().map(|b| b.status.as_str()).collect()),
            Column::BigInt(bookings.iter().map(|b| b.created_at.as_micros()).collect()),
            Column::Text(rows.iter().map(|row| row.id.as_str()).collect()),
            Column::Text(rows.iter().map(|row| row.draft.user.as_str()).collect()),
            // Arrays count from 1 in SQL.
            Column::Integer(rows.iter().map(|row| i32::try_from(row.user + 1).unwrap_or(i32::MAX)).collect()),
            Column::BigInt(rows.iter().map(|row| row.behind).collect()),
            Column::Text(rows.iter().map(|row| row.draft.kind.as_str()).collect()),
            Column::Text(rows.iter().map(|row| row.draft.category.as_str()).collect()),
            Column::OptionalText(rows.iter().map(|row| row.booking.as_deref()).collect()),
            Column::Text(rows.iter().map(|row| row.payload.as_str()).collect()),
            Column::BigInt(rows.iter().map(|_| now).collect()),
            Column::OptionalText(rows.iter().map(Row::request).collect()),
            Column::Text(rows.iter().map(|row| row.id.as_str()).collect()),
            Column::BigInt(rows.iter().map(|row| row.escalate_at.as_micros()).collect()),
        ]
    }
}

/// The whole batch as one statement over arrays. The inboxes' new numbers are an array too, in the users'
/// order (by byte, as both sides sort), so that each row finds its own by position; and whatever needs them
/// waits until all inboxes are held.
const STATEMENT: &str = r#"
WITH taken AS (
    INSERT INTO inboxes (user_id, last_seq, unread, total)
    SELECT one.user_id, one.count, one.count, one.count FROM unnest($, $) AS one (user_id, count)
    ON CONFLICT (user_id) DO UPDATE
    SET last_seq = inboxes.last_seq + excluded.last_seq, unread = inboxes.unread + excluded.unread,
        total = inboxes.total + excluded.total
    RETURNING user_id, last_seq, unread
), numbers AS (
    SELECT array_agg(last_seq ORDER BY user_id COLLATE "C") AS newest FROM taken
), counted AS (
    INSERT INTO inbox_categories (user_id, category, total, unread)
    SELECT one.user_id, one.category, one.count, one.count
    FROM numbers CROSS JOIN unnest($, $, $) AS one (user_id, category, count)
    ON CONFLICT (user_id, category) DO UPDATE
    SET total = inbox_categories.total + excluded.total, unread = inbox_categories.unread + excluded.unread
), booked AS (
    INSERT INTO bookings (id, host_id, guest_id, guest_name, listing_id, listing_name, check_in, check_out,
        guests, note, status, created_at, updated_at)
    SELECT b.*, b.created_at FROM unnest($, $, $, $, $, $, $, $, $, $, $, $)
        AS b (id, host_id, guest_id, guest_name, listing_id, listing_name, check_in, check_out, guests, note,
            status, created_at)
), said AS (
    INSERT INTO notifications (id, user_id, seq, kind, category, booking_id, payload, created_at, request_id)
    SELECT n.id, n.user_id, (SELECT newest FROM numbers)[n.place] - n.behind, n.kind, n.category,
        n.booking_id, n.payload, n.created_at, n.request_id
    FROM unnest($, $, $, $, $, $, $, $, $, $)
        AS n (id, user_id, place, behind, kind, category, booking_id, payload, created_at, request_id)
), due AS (
    INSERT INTO deliveries (notification_id, channel, state, attempts, escalate_at)
    SELECT d.id, 'email', 'pending', 0, d.escalate_at FROM unnest($, $) AS d (id, escalate_at)
)
SELECT user_id, last_seq, unread FROM taken"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_has_a_place_for_every_column() {
        let now = Timestamp::default();
        let batch = Batch { users: vec![], categories: vec![], bookings: vec![], rows: vec![], now };
        assert_eq!(STATEMENT.matches('$').count(), batch.columns().len());
    }
}
