//! What surrounds every request: its id, the count of its answer, the headers that all answers carry.

use actix_cors::CorsError;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use uuid::Uuid;

use super::access::Access;
use super::problem::Problem;
use crate::domain::RequestId;
use crate::telemetry::Metrics;

/// The header that carries a request's id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What another site's page may not embed (Fetch §3.7); scripts of allowed origins ask by CORS, which it leaves alone.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// A year without a request in the clear: RFC 6797.
const HSTS: &str = "max-age=31536000";

/// Put into the data of a connection that nobody can listen in on.
#[derive(Debug, Clone, Copy)]
pub struct Secure;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of the request that this task serves; empty outside of one.
pub fn current_id() -> String {
    current().map(|id| id.to_string()).unwrap_or_default()
}

/// The same for whoever hands it on; none outside of a request.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The middleware around everything.
pub async fn surround(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = known_id(&request).unwrap_or_else(|| RequestId::fresh(Uuid::now_v7()));
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let value = HeaderValue::from_str(id.as_str()).ok();
    let access = Access::begin(&request);
    let is_secure = request.request().conn_data::<Secure>().is_some();
    CURRENT
        .scope(id.clone(), async move {
            let mut response = explained(next.call(request).await?);
            let headers = response.headers_mut();
            if let Some(value) = value {
                headers.insert(REQUEST_ID, value);
            }
            protect(headers, is_secure);
            access.end(&response, &id, metrics.as_deref().map(AsRef::as_ref));
            Ok(response)
        })
        .await
}

/// What browsers are told of every answer. An answer that says something of it itself knows better.
fn protect(headers: &mut HeaderMap, is_secure: bool) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (RESOURCE_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
}

/// The compression refuses without a word who forbids every encoding that it could answer in, and CORS refuses
/// preflights in plain text.
fn explained<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let is_mute = !response.headers().contains_key(CONTENT_TYPE);
    if response.status() == StatusCode::NOT_ACCEPTABLE && is_mute {
        let problem = Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "Accept-Encoding forbids gzip and what is not compressed: nothing else is spoken here",
        );
        return response.into_response(problem.error_response()).map_into_right_body();
    }
    let refused = response.response().error().and_then(|error| error.as_error::<CorsError>()).map(|error| {
        let code = match error {
            CorsError::OriginNotAllowed => "origin_not_allowed",
            _ => "preflight_refused",
        };
        Problem::bad_request(code, error.to_string())
    });
    match refused {
        Some(problem) => response.into_response(problem.error_response()).map_into_right_body(),
        None => response.map_into_left_body(),
    }
}

/// The client's own id, where it is harmless in a header and a log line.
fn known_id(request: &ServiceRequest) -> Option<RequestId> {
    RequestId::parse(request.headers().get(REQUEST_ID)?.to_str().ok()?)
}
