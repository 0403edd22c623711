//! `/admin/notifications/{id}/trail`: a notification's whole way, for administrators. What a mail server
//! said is shown here and nowhere else.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::actors::reader::Reader;
use crate::api::openapi::{params, shapes};
use crate::domain::{AdminAction, Notification, NotificationId, RequestId, Timestamp};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};
use crate::protocol::json::Envelope;
use crate::storage::deliveries::Delivery;
use crate::storage::receipts::Receipt;
use crate::storage::{StorageError, deliveries, notifications, receipts};

/// How many steps are shown beside the first: a user with many devices that come back again and again
/// leaves more than anybody reads.
pub(in crate::api) const STEPS_MAX: usize = 1_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    /// None once it was deleted or has become too old: its receipts are kept longer.
    notification: Option<Envelope<'a>>,
    /// The request that it comes of, by which the log is searched.
    request_id: Option<&'a str>,
    delivery: Option<DeliveryView<'a>>,
    trail: Vec<StepView<'a>>,
    /// Whether older steps than the newest [`STEPS_MAX`] were left out.
    truncated: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView<'a> {
    channel: &'a str,
    state: &'a str,
    attempts: i32,
    error: Option<&'a str>,
    /// None once the delivery has ended.
    escalate_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl<'a> From<&'a Delivery> for DeliveryView<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            channel: &delivery.channel,
            state: &delivery.state,
            attempts: delivery.attempts,
            error: delivery.error.as_deref(),
            escalate_at: delivery.finished_at().is_none().then(|| delivery.escalate_at()),
            finished_at: delivery.finished_at(),
        }
    }
}

fn request_of(notification: &Notification) -> Option<&str> {
    notification.request.as_ref().map(RequestId::as_str)
}

#[derive(Debug, Serialize)]
struct StepView<'a> {
    at: Timestamp,
    step: &'a str,
    channel: Option<&'a str>,
    device: Option<&'a str>,
    error: Option<&'a str>,
}

impl<'a> StepView<'a> {
    /// The beginning, of which no receipt is kept: it is the notification's own.
    fn pending(notification: &Notification) -> Self {
        Self { at: notification.created_at, step: "pending", channel: None, device: None, error: None }
    }

    fn kept(receipt: &'a Receipt) -> Self {
        Self {
            at: receipt.at,
            step: &receipt.step,
            channel: receipt.channel.as_deref(),
            device: receipt.device.as_deref(),
            error: receipt.error.as_deref(),
        }
    }
}

refusals!(TrailRefusals: codes::TOKEN, codes::FORBIDDEN, codes::ID, codes::NOT_FOUND, codes::STORED);

/// `GET /admin/notifications/{id}/trail`: an administrator's.
#[utoipa::path(
    get, path = "/admin/notifications/{id}/trail", operation_id = "readTrail", tag = "administration",
    summary = "Look at what became of a notification",
    description = "For administrators: everything that happened to it, by device and channel, oldest first.",
    params(params::NotificationId),
    responses((status = 200, description = "Its way", body = shapes::Trail), TrailRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    id: web::Path<String>,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let id = NotificationId::parse("id", &id)
        .map_err(|_| Problem::bad_request("invalid_id", "id must be a UUID").of_field("id"))?;
    administrator.record(AdminAction::ReadTrail, Some(&id.to_string()), None).await?;
    let body = reader
        .run(move |connection| {
            // One more than is shown tells whether something is left out.
            let most = i64::try_from(STEPS_MAX + 1).unwrap_or(i64::MAX);
            let (notification, delivery, kept) = connection.snapshot(|connection| {
                let notification = notifications::find_all(connection, &[id])?.pop();
                Ok((notification, deliveries::find(connection, id)?, receipts::trail(connection, id, most)?))
            })?;
            if notification.is_none() && kept.is_empty() {
                return Ok(None);
            }
            let truncated = kept.len() > STEPS_MAX;
            let shown = kept.iter().skip(usize::from(truncated)).map(StepView::kept);
            let answer = Answer {
                notification: notification.as_ref().map(Envelope::from),
                request_id: notification.as_ref().and_then(request_of),
                delivery: delivery.as_ref().map(DeliveryView::from),
                trail: notification.as_ref().map(StepView::pending).into_iter().chain(shown).collect(),
                truncated,
            };
            let json = serde_json::to_string(&answer);
            json.map(Some).map_err(|error| StorageError::Corrupt(error.to_string()))
        })
        .await?;
    let body = body.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}
