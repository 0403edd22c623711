//! What a mail tells of a booking: the facts in a notification's `data`, and the words that go with
//! its type. Data may come from any back end, so every fact may be missing or of another shape.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::message::one_line;
use crate::domain::booking::{LISTING_ID_MAX, NAME_MAX};
use crate::domain::notification::Content;

/// The most characters of an id that a mail shows.
const ID_MAX: usize = LISTING_ID_MAX;
/// The most characters of a listing's name in a subject, of which phones show about forty.
const SUBJECT_LISTING_MAX: usize = 60;

/// The facts of a booking, as far as they are known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BookingFacts {
    pub(super) id: Option<String>,
    listing_id: Option<String>,
    listing_name: Option<String>,
    check_in: Option<NaiveDate>,
    check_out: Option<NaiveDate>,
    guests: Option<u64>,
}

impl BookingFacts {
    pub(super) fn of(content: &Content) -> Self {
        let data: Value =
            content.data.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        Self {
            id: text(&data, "bookingId", ID_MAX),
            listing_id: text(&data, "listingId", ID_MAX),
            listing_name: text(&data, "listingName", NAME_MAX),
            check_in: date(&data, "checkIn"),
            check_out: date(&data, "checkOut"),
            guests: data.get("guests").and_then(Value::as_u64),
        }
    }

    /// `New booking: Sea View, 3–5 Dec 2026`, as far as it is known.
    pub(super) fn subject(&self, title: &str) -> String {
        let mut subject = title.to_owned();
        if let Some(listing) = self.listing_name.as_ref().or(self.listing_id.as_ref()) {
            subject = format!("{subject}: {}", one_line(listing, SUBJECT_LISTING_MAX));
        }
        if let Some(stay) = self.stay() {
            subject = format!("{subject}, {stay}");
        }
        subject
    }

    /// The facts as label and value, the ones that matter most first.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let nights = match (self.check_in, self.check_out) {
            (Some(from), Some(to)) => Some((to - from).num_days()).filter(|nights| *nights > 0),
            _ => None,
        };
        let rows = [
            ("Listing", self.listing()),
            ("Check-in", self.check_in.map(day)),
            ("Check-out", self.check_out.map(day)),
            ("Nights", nights.map(|nights| nights.to_string())),
            ("Guests", self.guests.map(|guests| guests.to_string())),
        ];
        rows.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
    }

    /// `Sea View (listing-1)`: the name for people, the id for whoever looks it up.
    fn listing(&self) -> Option<String> {
        match (&self.listing_name, &self.listing_id) {
            (Some(name), Some(id)) if name != id => Some(format!("{name} ({id})")),
            (name, id) => name.clone().or_else(|| id.clone()),
        }
    }

    fn stay(&self) -> Option<String> {
        let (from, to) = (self.check_in?, self.check_out?);
        let end = to.format("%-d %b %Y");
        Some(if from.year() != to.year() {
            format!("{} – {end}", from.format("%-d %b %Y"))
        } else if from.month() != to.month() {
            format!("{} – {end}", from.format("%-d %b"))
        } else {
            format!("{}–{end}", from.format("%-d"))
        })
    }
}

/// The words and the colour that go with a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wording {
    /// The title where the notification has none.
    pub(super) title: &'static str,
    /// What the reader may want to do, or need not do.
    pub(super) hint: Option<&'static str>,
    /// What the person who caused the notification is to the reader.
    pub(super) actor: Option<&'static str>,
    /// The colour of the mail's upper edge; the words say the same without it.
    pub(super) accent: &'static str,
}

const BLUE: &str = "#2563eb";
const GREEN: &str = "#15803d";
const RED: &str = "#b91c1c";
const GREY: &str = "#475569";

impl Wording {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "booking.created" => Self {
                title: "New booking",
                hint: Some("Your guest is waiting for an answer: please accept or cancel the booking."),
                actor: Some("Guest"),
                accent: BLUE,
            },
            "booking.accepted" => Self {
                title: "Booking accepted",
                hint: Some("The host has confirmed the stay. You need not do anything else."),
                actor: None,
                accent: GREEN,
            },
            "booking.completed" => Self {
                title: "Booking completed",
                hint: Some("The stay is over. You need not do anything else."),
                actor: None,
                accent: GREEN,
            },
            "booking.cancelled" => Self {
                title: "Booking cancelled",
                hint: Some("The booking no longer stands. You need not do anything else."),
                actor: Some("Cancelled by"),
                accent: RED,
            },
            "booking.reminder" => Self {
                title: "Check-in is near",
                hint: Some("Please make sure that everything is ready."),
                actor: None,
                accent: BLUE,
            },
            _ => Self { title: "Notification", hint: None, actor: Some("From"), accent: GREY },
        }
    }
}

/// `Thu 3 Dec 2026`: no order of digits to guess.
fn day(date: NaiveDate) -> String {
    date.format("%a %-d %b %Y").to_string()
}

fn text(data: &Value, name: &str, max: usize) -> Option<String> {
    let text = match data.get(name)? {
        Value::String(text) => one_line(text, max),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A date, also as the front of a time stamp (`2026-12-03T00:00:00Z`).
fn date(data: &Value, name: &str) -> Option<NaiveDate> {
    let text = data.get(name)?.as_str()?;
    text.get(..10)?.parse().ok()
}
