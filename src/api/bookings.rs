//! `/bookings`: a guest books, a party looks, accepts, completes or cancels.

use actix::Addr;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::idempotency;
use super::openapi::{params, shapes, values};
use crate::actors::persistence::{BookingEvent, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::domain::booking::check_name;
use crate::domain::{
    AdminAction, Booking, BookingId, Identity, NewBooking, NotificationId, Transition, UserId,
};
use crate::http::openapi::shapes::user_id;
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Caller, JsonBody, Problem, request};
use crate::protocol::whole;
use crate::storage::append::Acceptance;
use crate::storage::bookings;

/// What a guest sends. The stay is 1 to 730 nights; host and guest are two people; only a service or an
/// administrator names another guest than themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "hostId": "demo-host", "listingId": "sea-view", "listingName": "Sea View",
    "checkIn": "2030-12-03", "checkOut": "2030-12-05", "guests": 2,
})))]
pub(super) struct CreateBooking {
    #[schema(schema_with = user_id)]
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
    fn into_new_booking(self, caller: &Identity) -> Result<NewBooking, Problem> {
        let guest = match &self.guest_id {
            None => caller.user.clone(),
            Some(id) => UserId::parse("guestId", id)?,
        };
        if guest != caller.user && !caller.may_publish() {
            return Err(Problem::forbidden("only a service books for somebody else").of_field("guestId"));
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

/// What is answered: the booking, and where its notification went.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingAnswer)]
pub(super) struct Answer {
    #[schema(value_type = shapes::Booking)]
    booking: Booking,
    #[schema(value_type = shapes::NotificationPlace)]
    notification: NotificationPlace,
}

#[derive(Debug, Serialize)]
struct NotificationPlace {
    id: NotificationId,
    seq: i64,
}

impl TryFrom<Acceptance> for Answer {
    type Error = Problem;

    fn try_from(acceptance: Acceptance) -> Result<Self, Problem> {
        let place =
            acceptance.notifications.first().map(|place| NotificationPlace { id: place.id, seq: place.seq });
        match (acceptance.booking, place) {
            (Some(booking), Some(notification)) => Ok(Self { booking, notification }),
            _ => Err(Problem::internal()),
        }
    }
}

refusals!(CreateRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::BODY, codes::FIELD,
    codes::IDEMPOTENCY, codes::STORED);
refusals!(ReadRefusals: codes::TOKEN, codes::NOT_FOUND, codes::STORED);
refusals!(StepRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::NOT_FOUND, codes::WRONG_STATUS,
    codes::STORED);

/// `POST /bookings`: 201 when it is durable.
/// `GET /bookings/{id}`: its parties, services and administrators; to anybody else it does not exist.
#[utoipa::path(
    post, path = "/bookings", operation_id = "createBooking", tag = "bookings",
    summary = "Book",
    description = "A guest books. When this is answered the booking is durable, and its host will hear of it.",
    params(params::IdempotencyKey),
    request_body = CreateBooking,
    responses(
        (status = 201, description = "The booking, and where its notification went", body = Answer,
            headers(("Location" = String, description = "The booking's path"))),
        CreateRefusals,
    ),
)]
pub(super) async fn create(
    asked: HttpRequest,
    caller: Caller,
    body: JsonBody<CreateBooking>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let claim = idempotency::claim(&asked, &caller.0.user, &body.bytes)?;
    let booking = body.value.into_new_booking(&caller.0)?;
    if let Some(administrator) = Administrator::of(&caller.0, &services) {
        let detail = json!({ "guestId": booking.guest, "listingId": booking.listing_id });
        administrator.record(AdminAction::Book, Some(booking.host.as_str()), Some(&detail)).await?;
    }
    let event = BookingEvent::Created { booking, by: caller.0.user, claim, request: request::current() };
    let answer: Answer = ask(&persistence, event).await?.try_into()?;
    let location = format!("/bookings/{}", answer.booking.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(answer))
}

#[utoipa::path(
    get, path = "/bookings/{id}", operation_id = "readBooking", tag = "bookings",
    summary = "Look at a booking",
    description = "For its parties, services and administrators; to anybody else it does not exist.",
    params(params::BookingId),
    responses((status = 200, description = "The booking", body = shapes::Booking), ReadRefusals),
)]
pub(super) async fn read(
    caller: Caller,
    id: web::Path<String>,
    reader: web::Data<Reader>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let id = booking_id(&id)?;
    if let Some(administrator) = Administrator::of(&caller.0, &services) {
        administrator.record(AdminAction::ReadBooking, Some(&id.to_string()), None).await?;
    }
    let booking = reader.run(move |connection| bookings::find(connection, id)).await?;
    let visible = booking.filter(|booking| booking.is_party(&caller.0.user) || caller.0.may_publish());
    visible.map(|booking| HttpResponse::Ok().json(booking)).ok_or_else(Problem::not_found)
}

/// `POST /bookings/{id}/accept`: the host's.
#[utoipa::path(
    post, path = "/bookings/{id}/accept", operation_id = "acceptBooking", tag = "bookings",
    summary = "Accept a booking",
    description = "For its host, while it is pending. The guest is notified.",
    params(params::BookingId),
    responses(
        (status = 200, description = "The booking as it is now, and where its notification went", body = Answer),
        StepRefusals,
    ),
)]
pub(super) async fn accept(
    caller: Caller,
    id: web::Path<String>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    step(Transition::Accept, caller, &id, &persistence, &services).await
}

/// `POST /bookings/{id}/complete`: the host's.
#[utoipa::path(
    post, path = "/bookings/{id}/complete", operation_id = "completeBooking", tag = "bookings",
    summary = "Complete a booking",
    description = "For its host, once it is accepted. The guest is notified.",
    params(params::BookingId),
    responses(
        (status = 200, description = "The booking as it is now, and where its notification went", body = Answer),
        StepRefusals,
    ),
)]
pub(super) async fn complete(
    caller: Caller,
    id: web::Path<String>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    step(Transition::Complete, caller, &id, &persistence, &services).await
}

/// `POST /bookings/{id}/cancel`: either party's.
#[utoipa::path(
    post, path = "/bookings/{id}/cancel", operation_id = "cancelBooking", tag = "bookings",
    summary = "Cancel a booking",
    description = "For either party, until it is completed. The other is notified, and what nobody has seen yet is withdrawn.",
    params(params::BookingId),
    responses(
        (status = 200, description = "The booking as it is now, and where its notification went", body = Answer),
        StepRefusals,
    ),
)]
pub(super) async fn cancel(
    caller: Caller,
    id: web::Path<String>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    step(Transition::Cancel, caller, &id, &persistence, &services).await
}

async fn step(
    step: Transition,
    caller: Caller,
    id: &str,
    persistence: &Addr<Persistence>,
    services: &web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let booking = booking_id(id)?;
    if let Some(administrator) = Administrator::of(&caller.0, services) {
        let detail = json!({ "step": step.as_str() });
        administrator.record(AdminAction::MoveBooking, Some(&booking.to_string()), Some(&detail)).await?;
    }
    let event = BookingEvent::Moved { booking, step, by: caller.0.user, request: request::current() };
    let answer: Answer = ask(persistence, event).await?.try_into()?;
    Ok(HttpResponse::Ok().json(answer))
}

async fn ask(persistence: &Addr<Persistence>, event: BookingEvent) -> Result<Acceptance, Problem> {
    let answered = persistence.send(event).await;
    Ok(answered.unwrap_or(Err(WriteError::Overloaded))?)
}

/// An id that is no UUID names nothing.
fn booking_id(text: &str) -> Result<BookingId, Problem> {
    BookingId::parse("id", text).map_err(|_| Problem::not_found())
}
