//! The body of `POST /bookings` and of what says the same by other ways.

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::refused::Refused;
use super::{shapes, values};
use crate::domain::booking::check_name;
use crate::domain::{Identity, NewBooking, UserId};
use crate::protocol::whole;

/// What a guest sends. The stay is 1 to 730 nights; host and guest are two people; only a service or an
/// administrator names another guest than themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "hostId": "demo-host", "listingId": "sea-view", "listingName": "Sea View",
    "checkIn": "2030-12-03", "checkOut": "2030-12-05", "guests": 2,
})))]
pub struct CreateBooking {
    #[schema(schema_with = shapes::user_id)]
    host_id: String,
    /// Only a service or an administrator books for somebody else.
    #[schema(schema_with = values::optional_user_id)]
    guest_id: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    #[schema(schema_with = values::optional_name)]
    guest_name: Option<String>,
    #[schema(schema_with = values::listing_id)]
    listing_id: String,
    #[serde(default, deserialize_with = "filled")]
    #[schema(schema_with = values::optional_name)]
    listing_name: Option<String>,
    #[serde(deserialize_with = "date")]
    #[schema(schema_with = values::day_or_time)]
    check_in: NaiveDate,
    #[serde(deserialize_with = "date")]
    #[schema(schema_with = values::day_or_time)]
    check_out: NaiveDate,
    #[serde(default = "one", deserialize_with = "whole::number")]
    #[schema(schema_with = values::guests)]
    guests: u16,
    #[serde(default, deserialize_with = "filled")]
    #[schema(schema_with = values::optional_note)]
    note: Option<String>,
}

/// A form sends an optional field that was left empty as empty text.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

fn one() -> u16 {
    1
}

/// The characters of `2026-12-03`.
const DATE_LENGTH: usize = 10;

/// `2026-12-03`, or an RFC 3339 time of which the date counts.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("must be a date such as 2026-12-03");
    let day = match text.split_once('T') {
        Some((day, _)) => {
            chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| wrong())?;
            day
        }
        None => &text,
    };
    // The parser would take signs, white space and single digits as well.
    let digits = day.len() == DATE_LENGTH && day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !digits {
        return Err(wrong());
    }
    NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_| wrong())
}

impl CreateBooking {
    /// The booking that `caller` asks for.
    pub fn into_new_booking(self, caller: &Identity) -> Result<NewBooking, Refused> {
        let guest = match &self.guest_id {
            None => caller.user.clone(),
            Some(id) => UserId::parse("guestId", id)?,
        };
        if guest != caller.user && !caller.may_publish() {
            return Err(Refused::forbidden("only a service books for somebody else").of_field("guestId"));
        }
        // What a token says was not typed by who asks: where it does not fit, it is left out.
        let own_name = || {
            let name = caller.name.clone().filter(|_| guest == caller.user);
            name.filter(|name| check_name("guestName", name).is_ok())
        };
        let booking = NewBooking {
            host: UserId::parse("hostId", &self.host_id)?,
            guest_name: self.guest_name.or_else(own_name),
            guest,
            listing_id: self.listing_id,
            listing_name: self.listing_name,
            check_in: self.check_in,
            check_out: self.check_out,
            guests: self.guests,
            // Browsers end the lines of a form with both.
            note: self.note.map(|note| note.replace("\r\n", "\n")),
        };
        Ok(booking.check()?)
    }
}
