//! Bookings: what a guest asks for, what is kept, and how one moves from state to state.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{BookingId, UserId};
use super::invalid::Invalid;

/// The most characters of a listing's id.
pub const LISTING_ID_MAX: usize = 128;
/// The most characters of a listing's or a guest's name.
pub const NAME_MAX: usize = 200;
/// The most characters of a guest's note.
pub const NOTE_MAX: usize = 2_000;
/// The most guests of one booking; a larger number is a typing error.
pub const GUESTS_MAX: u16 = 100;
/// The most nights of one stay.
pub const NIGHTS_MAX: i64 = 730;

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BookingStatus {
    Pending,
    Accepted,
    Completed,
    Cancelled,
}

impl BookingStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "pending" => Ok(Self::Pending),
            "accepted" => Ok(Self::Accepted),
            "completed" => Ok(Self::Completed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(Invalid::new("status", "must be pending, accepted, completed or cancelled")),
        }
    }
}

/// A step that a party takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Accept,
    Complete,
    Cancel,
}

impl Transition {
    /// As it is noted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Complete => "complete",
            Self::Cancel => "cancel",
        }
    }

    /// The status that follows, or none where the step does not fit.
    pub const fn from(self, status: BookingStatus) -> Option<BookingStatus> {
        match (self, status) {
            (Self::Accept, BookingStatus::Pending) => Some(BookingStatus::Accepted),
            (Self::Complete, BookingStatus::Accepted) => Some(BookingStatus::Completed),
            (Self::Cancel, BookingStatus::Pending | BookingStatus::Accepted) => {
                Some(BookingStatus::Cancelled)
            }
            _ => None,
        }
    }

    /// Accepting and completing are the host's; either party may cancel.
    pub fn allowed_to(self, user: &UserId, booking: &Booking) -> bool {
        match self {
            Self::Accept | Self::Complete => *user == booking.host,
            Self::Cancel => *user == booking.host || *user == booking.guest,
        }
    }
}

/// A booking as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    pub id: BookingId,
    #[serde(rename = "hostId")]
    pub host: UserId,
    #[serde(rename = "guestId")]
    pub guest: UserId,
    pub guest_name: Option<String>,
    pub listing_id: String,
    pub listing_name: Option<String>,
    pub check_in: NaiveDate,
    pub check_out: NaiveDate,
    pub guests: u16,
    pub note: Option<String>,
    pub status: BookingStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A booking that was asked for, checked but not yet kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBooking {
    pub host: UserId,
    pub guest: UserId,
    pub guest_name: Option<String>,
    pub listing_id: String,
    pub listing_name: Option<String>,
    pub check_in: NaiveDate,
    pub check_out: NaiveDate,
    pub guests: u16,
    pub note: Option<String>,
}

impl NewBooking {
    /// Checks what single fields cannot show by themselves.
    pub fn check(self) -> Result<Self, Invalid> {
        check_line("listingId", &self.listing_id, LISTING_ID_MAX)?;
        for (field, name) in [("listingName", &self.listing_name), ("guestName", &self.guest_name)] {
            if let Some(name) = name {
                check_name(field, name)?;
            }
        }
        if let Some(note) = &self.note {
            check_text("note", note, NOTE_MAX, &['\n', '\t'])?;
        }
        if !(1..=GUESTS_MAX).contains(&self.guests) {
            return Err(Invalid::new("guests", format!("must be between 1 and {GUESTS_MAX}")));
        }
        let nights = (self.check_out - self.check_in).num_days();
        if !(1..=NIGHTS_MAX).contains(&nights) {
            return Err(Invalid::new("checkOut", format!("must be 1 to {NIGHTS_MAX} nights after checkIn")));
        }
        // Four-digit years only: what every database, template and client agrees on.
        if !(1970..=9999).contains(&self.check_in.year()) || self.check_out.year() > 9999 {
            return Err(Invalid::new("checkIn", "must lie between the years 1970 and 9999"));
        }
        if self.host == self.guest {
            return Err(Invalid::new("hostId", "must be somebody else than the guest"));
        }
        Ok(self)
    }

    pub fn into_booking(self, id: BookingId, now: Timestamp) -> Booking {
        Booking {
            id,
            host: self.host,
            guest: self.guest,
            guest_name: self.guest_name,
            listing_id: self.listing_id,
            listing_name: self.listing_name,
            check_in: self.check_in,
            check_out: self.check_out,
            guests: self.guests,
            note: self.note,
            status: BookingStatus::Pending,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Checks the name of a listing or a person.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Invalid> {
    check_line(field, name, NAME_MAX)
}

fn check_line(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    check_text(field, text, max, &[])
}

/// 1 to `max` characters, none of them a control character other than those that are `allowed`.
fn check_text(field: &'static str, text: &str, max: usize, allowed: &[char]) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new(field, "must not be empty"));
    }
    if text.chars().count() > max {
        return Err(Invalid::new(field, format!("must have at most {max} characters")));
    }
    if text.chars().any(|c| c.is_control() && !allowed.contains(&c)) {
        return Err(Invalid::new(field, "must not contain control characters"));
    }
    Ok(())
}

/// What a booking's notification carries in `data`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingData<'a> {
    booking_id: BookingId,
    listing_id: &'a str,
    listing_name: Option<&'a str>,
    check_in: NaiveDate,
    check_out: NaiveDate,
    guests: u16,
    status: BookingStatus,
}

impl Booking {
    pub fn is_party(&self, user: &UserId) -> bool {
        *user == self.host || *user == self.guest
    }

    /// The listing's name, or its id where it has none.
    pub fn listing_label(&self) -> &str {
        self.listing_name.as_deref().unwrap_or(&self.listing_id)
    }

    pub(super) fn as_data(&self) -> BookingData<'_> {
        BookingData {
            booking_id: self.id,
            listing_id: &self.listing_id,
            listing_name: self.listing_name.as_deref(),
            check_in: self.check_in,
            check_out: self.check_out,
            guests: self.guests,
            status: self.status,
        }
    }

    /// The dates as a person writes them: `3–5 Dec`, `30 Nov – 2 Dec`, with years where they differ.
    pub(super) fn stay(&self) -> String {
        let (from, to) = (self.check_in, self.check_out);
        if from.year() != to.year() {
            format!("{} – {}", from.format("%-d %b %Y"), to.format("%-d %b %Y"))
        } else if from.month() != to.month() {
            format!("{} – {}", from.format("%-d %b"), to.format("%-d %b"))
        } else {
            format!("{}–{}", from.format("%-d"), to.format("%-d %b"))
        }
    }

    pub(super) fn party(&self) -> String {
        if self.guests == 1 { "1 guest".to_owned() } else { format!("{} guests", self.guests) }
    }
}
