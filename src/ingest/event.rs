//! The events that are understood, read and checked like the requests that say the same by HTTP. Pure.

use serde::Deserialize;

use super::SENDER;
use super::envelope::{self, Envelope};
use crate::domain::{BookingId, Identity, NewBooking, Role, Selection, Transition, UserId};
use crate::protocol::events::SelectionBody;
use crate::requests::{CreateBooking, PublishRequest, Refused, body};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Event {
    /// As `POST /notifications`.
    Publish(Box<PublishRequest>),
    /// As `POST /notifications/mark-read`.
    MarkRead { user: UserId, selection: Selection },
    /// As `POST /bookings`, by a service. With an id, later events can name the booking.
    Book { id: Option<BookingId>, booking: NewBooking },
    /// As `POST /bookings/{id}/…`.
    Move { booking: BookingId, step: Transition, by: UserId },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reader {
    user_id: String,
}

/// What a booking says here beyond what it says by HTTP.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Naming {
    id: Option<String>,
    /// There is no caller whose booking it would be.
    #[serde(rename = "guestId")]
    _guest_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    booking_id: String,
    user_id: String,
}

impl Event {
    pub(super) fn read(envelope: &Envelope<'_>) -> Result<Self, Refused> {
        let data = envelope.data.as_bytes();
        match &*envelope.pattern {
            "notification.created" => Ok(Self::Publish(body::parse(data)?)),
            "notification.marked_read" => {
                let Reader { user_id } = body::parse(data)?;
                let selection = Selection::try_from(body::parse::<SelectionBody>(data)?)?;
                Ok(Self::MarkRead { user: UserId::parse("userId", &user_id)?, selection })
            }
            "booking.created" => {
                let Naming { id, .. } = body::parse(data)?;
                let id = id.map(|id| BookingId::parse("id", &id)).transpose()?;
                let booking = body::parse::<CreateBooking>(data)?.into_new_booking(&service())?;
                Ok(Self::Book { id, booking })
            }
            "booking.accepted" => moved(Transition::Accept, data),
            "booking.completed" => moved(Transition::Complete, data),
            "booking.cancelled" => moved(Transition::Cancel, data),
            _ => Err(envelope::unknown("this event is not known")),
        }
    }
}

fn moved(step: Transition, data: &[u8]) -> Result<Event, Refused> {
    let Step { booking_id, user_id } = body::parse(data)?;
    let booking = BookingId::parse("bookingId", &booking_id)?;
    Ok(Event::Move { booking, step, by: UserId::parse("userId", &user_id)? })
}

/// Whoever may put messages into the queue may do what a service may.
fn service() -> Identity {
    Identity {
        user: UserId::from_stored(SENDER.to_owned()),
        roles: vec![Role::new(Role::SERVICE)],
        session: None,
        email: None,
        name: None,
        locale: None,
        time_zone: None,
        rooms: Vec::new(),
        expires_at: None,
        token_id: None,
        issued_at: None,
        signed_by: None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const ID: &str = "01980000-0000-7000-8000-000000000001";

    fn read(pattern: &str, data: &str) -> Result<Event, Refused> {
        Event::read(&Envelope { pattern: Cow::Borrowed(pattern), data })
    }

    #[test]
    fn every_event_is_read() {
        let booking =
            r#"{"hostId":"h","guestId":"g","listingId":"l","checkIn":"2030-12-03","checkOut":"2030-12-05"}"#;
        assert!(matches!(read("booking.created", booking), Ok(Event::Book { id: None, .. })));
        let named = booking.replace(r#"{"hostId""#, &format!(r#"{{"id":"{ID}","hostId""#));
        assert!(matches!(read("booking.created", &named), Ok(Event::Book { id: Some(_), .. })));
        let step = format!(r#"{{"bookingId":"{ID}","userId":"h"}}"#);
        for (pattern, wanted) in [
            ("booking.accepted", Transition::Accept),
            ("booking.completed", Transition::Complete),
            ("booking.cancelled", Transition::Cancel),
        ] {
            let Ok(Event::Move { step, .. }) = read(pattern, &step) else { panic!("{pattern}") };
            assert_eq!(step, wanted);
        }
        assert!(matches!(
            read("notification.marked_read", r#"{"userId":"h","upTo":3}"#),
            Ok(Event::MarkRead { selection: Selection::UpTo(3), .. })
        ));
        assert!(matches!(
            read("notification.created", r#"{"userId":"h","type":"x"}"#),
            Ok(Event::Publish(_))
        ));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_field() {
        for (pattern, data, code, field) in [
            ("booking.confirmed", "{}", "unknown_pattern", Some("pattern")),
            ("", "{}", "unknown_pattern", Some("pattern")),
            ("notification.created", "null", "invalid_body", None),
            ("notification.created", r#"{"type":7}"#, "invalid_body", Some("type")),
            ("notification.marked_read", r#"{"all":true}"#, "invalid_body", Some("userId")),
            ("notification.marked_read", r#"{"userId":"h"}"#, "invalid_body", None),
            ("notification.marked_read", r#"{"userId":"h h","all":true}"#, "invalid_field", Some("userId")),
            ("booking.created", r#"{"hostId":"h"}"#, "invalid_body", Some("guestId")),
            ("booking.accepted", r#"{"bookingId":"7","userId":"h"}"#, "invalid_field", Some("bookingId")),
            ("booking.accepted", r#"{"userId":"h"}"#, "invalid_body", Some("bookingId")),
        ] {
            let refused = read(pattern, data).expect_err(data);
            assert_eq!(
                (refused.code, refused.field.as_deref()),
                (code, field),
                "{pattern} {data}: {refused}"
            );
        }
    }
}
