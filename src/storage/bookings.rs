//! Bookings: kept, read and moved on.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::connection::{AnyConnection, SQLITE_VARIABLES};
use super::error::StorageError;
use super::schema::bookings;
use crate::domain::{Booking, BookingId, BookingStatus, Timestamp, UserId};

#[derive(Insertable)]
#[diesel(table_name = bookings, treat_none_as_default_value = false)]
struct NewRow<'a> {
    id: String,
    host_id: &'a str,
    guest_id: &'a str,
    guest_name: Option<&'a str>,
    listing_id: &'a str,
    listing_name: Option<&'a str>,
    check_in: NaiveDate,
    check_out: NaiveDate,
    guests: i32,
    note: Option<&'a str>,
    status: &'static str,
    created_at: i64,
    updated_at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = bookings)]
struct Row {
    id: String,
    host_id: String,
    guest_id: String,
    guest_name: Option<String>,
    listing_id: String,
    listing_name: Option<String>,
    check_in: NaiveDate,
    check_out: NaiveDate,
    guests: i32,
    note: Option<String>,
    status: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Booking {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let corrupt = |error: &dyn std::fmt::Display| StorageError::Corrupt(format!("a booking: {error}"));
        Ok(Self {
            id: BookingId::parse("id", &row.id).map_err(|error| corrupt(&error))?,
            host: UserId::from_stored(row.host_id),
            guest: UserId::from_stored(row.guest_id),
            guest_name: row.guest_name,
            listing_id: row.listing_id,
            listing_name: row.listing_name,
            check_in: row.check_in,
            check_out: row.check_out,
            guests: u16::try_from(row.guests).map_err(|error| corrupt(&error))?,
            note: row.note,
            status: BookingStatus::parse(&row.status).map_err(|error| corrupt(&error))?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    }
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 13;

/// Keeps all of `new`, in one statement unless they are more than SQLite takes; see `append` for PostgreSQL.
pub(super) fn insert(connection: &mut SqliteConnection, new: &[&Booking]) -> Result<(), StorageError> {
    for new in new.chunks(SQLITE_VARIABLES / COLUMNS) {
        let rows: Vec<NewRow<'_>> = new.iter().map(|booking| row(booking)).collect();
        diesel::insert_into(bookings::table).values(rows).execute(connection)?;
    }
    Ok(())
}

fn row(booking: &Booking) -> NewRow<'_> {
    NewRow {
        id: booking.id.to_string(),
        host_id: booking.host.as_str(),
        guest_id: booking.guest.as_str(),
        guest_name: booking.guest_name.as_deref(),
        listing_id: &booking.listing_id,
        listing_name: booking.listing_name.as_deref(),
        check_in: booking.check_in,
        check_out: booking.check_out,
        guests: i32::from(booking.guests),
        note: booking.note.as_deref(),
        status: booking.status.as_str(),
        created_at: booking.created_at.as_micros(),
        updated_at: booking.updated_at.as_micros(),
    }
}

/// Reads one booking.
pub fn find(connection: &mut AnyConnection, id: BookingId) -> Result<Option<Booking>, StorageError> {
    let row: Option<Row> =
        bookings::table.find(id.to_string()).select(Row::as_select()).first(connection).optional()?;
    row.map(Booking::try_from).transpose()
}

/// Moves a booking from `from` to `to`; false where it is no longer at `from`, so that of two who
/// move it at once one is told.
pub fn change_status(
    connection: &mut AnyConnection,
    id: BookingId,
    from: BookingStatus,
    to: BookingStatus,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let changed =
        diesel::update(bookings::table.find(id.to_string()).filter(bookings::status.eq(from.as_str())))
            .set((bookings::status.eq(to.as_str()), bookings::updated_at.eq(now.as_micros())))
            .execute(connection)?;
    Ok(changed == 1)
}

/// Accepted, and nobody was reminded of it. Written out rather than bound: only then do the databases see that the
/// index of these fits.
fn is_to_remind() -> SqlLiteral<Bool> {
    sql::<Bool>("bookings.status = 'accepted' AND bookings.reminded_at IS NULL")
}

/// Whether there is an accepted booking with check-in on one of `days` of which nobody was reminded.
pub fn is_any_to_remind(
    connection: &mut AnyConnection,
    days: &RangeInclusive<NaiveDate>,
) -> Result<bool, StorageError> {
    let first: Option<NaiveDate> = bookings::table
        .filter(is_to_remind())
        .filter(bookings::check_in.between(days.start(), days.end()))
        .order(bookings::check_in)
        .select(bookings::check_in)
        .first(connection)
        .optional()?;
    Ok(first.is_some())
}

/// Marks at most `limit` of them, next check-in first, as those of which this transaction reminds. Those that another
/// instance reminds of at this moment are left to it. One that cannot be read is marked all the same.
pub fn claim_to_remind(
    connection: &mut AnyConnection,
    days: &RangeInclusive<NaiveDate>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Result<Booking, StorageError>>, StorageError> {
    let due = bookings::table
        .filter(is_to_remind())
        .filter(bookings::check_in.between(days.start(), days.end()))
        .order(bookings::check_in)
        .limit(i64::from(limit));
    // Row locks are PostgreSQL's; SQLite has one writer at a time anyway.
    let rows: Vec<Row> = match connection {
        AnyConnection::Postgres(c) => due.select(Row::as_select()).for_update().skip_locked().load(c)?,
        AnyConnection::Sqlite(c) => due.select(Row::as_select()).load(c)?,
    };
    let ids = rows.iter().map(|row| row.id.as_str());
    diesel::update(bookings::table.filter(bookings::id.eq_any(ids)))
        .set(bookings::reminded_at.eq(now.as_micros()))
        .execute(connection)?;
    Ok(rows.into_iter().map(Booking::try_from).collect())
}
