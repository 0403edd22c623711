//! Bookings: kept, read and moved on.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use chrono::NaiveDate;
use diesel::SqliteConnection;
use diesel::prelude::*;

use super::connection::AnyConnection;
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

/// Keeps all of `new` in one statement; see `append` for PostgreSQL.
pub(super) fn insert(connection: &mut SqliteConnection, new: &[&Booking]) -> Result<(), StorageError> {
    let rows: Vec<NewRow<'_>> = new.iter().map(|booking| row(booking)).collect();
    diesel::insert_into(bookings::table).values(rows).execute(connection)?;
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
