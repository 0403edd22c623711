//! `POST /notifications/tickets`: what a browser puts into the URL of an `EventSource` or a `WebSocket`, where it can
//! send no header and a token would end up in the logs of every proxy.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::{shapes, values};
use crate::domain::{Door, Timestamp};
use crate::http::openapi::{codes, refusals};
use crate::http::{Authenticator, Caller, JsonBody, Problem};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(examples(json!({"door": "sse"})))]
pub(super) struct TicketRequest {
    #[schema(schema_with = values::door)]
    door: Door,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketBody {
    ticket: String,
    door: Door,
    expires_at: Timestamp,
    /// Whole seconds.
    expires_in: u64,
}

refusals!(TicketRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::TOO_MANY_TICKETS, codes::STORED);

/// A ticket that lets the caller in at one door, once.
#[utoipa::path(
    post, path = "/notifications/tickets", operation_id = "issueTicket", tag = "notifications",
    summary = "Get a ticket",
    description = "It lets the caller in at one door, once, for half a minute unless configured otherwise, as \
        `?ticket=`: for an `EventSource` and a `WebSocket` of a browser, which send no header.",
    request_body = TicketRequest,
    responses((status = 201, description = "The ticket", body = shapes::TicketAnswer), TicketRefusals),
)]
pub(super) async fn issue(
    caller: Caller,
    body: JsonBody<TicketRequest>,
    authenticator: web::Data<Authenticator>,
) -> Result<HttpResponse, Problem> {
    let door = body.value.door;
    let admission = authenticator.issue_ticket(caller.0, door).await?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(TicketBody {
        ticket: admission.ticket.to_text(),
        door,
        expires_at: admission.expires_at,
        expires_in: admission.lifetime.as_secs(),
    }))
}
