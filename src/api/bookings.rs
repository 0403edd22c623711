//! `/bookings`: a guest books, a party looks, accepts, completes or cancels.

use actix::Addr;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::idempotency;
use super::openapi::{params, shapes};
use crate::actors::persistence::{BookingEvent, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::domain::{AdminAction, Booking, BookingId, NotificationId, Transition};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Caller, JsonBody, Problem, request};
use crate::requests::CreateBooking;
use crate::storage::append::Acceptance;
use crate::storage::bookings;

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
    let event =
        BookingEvent::Created { id: None, booking, by: caller.0.user, claim, request: request::current() };
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
    let event = BookingEvent::Moved {
        booking,
        step,
        by: caller.0.user,
        sender: None,
        claim: None,
        request: request::current(),
    };
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
