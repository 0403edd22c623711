//! The middleware that charges requests. It finds out who sends one before anything else is done for it, and hands
//! that on, so that it is found out once.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};

use super::standing::Standing;
use super::{Limits, Sender};
use crate::http::credentials::{Authenticator, Verified};

/// The paths that are not charged here: the doors count what is opened, and whether the process is alive is to be
/// answered whatever happens.
const FREE: [&str; 7] = [
    "/health",
    "/ws/notifications",
    "/ws/notifications/",
    "/socket.io",
    "/socket.io/",
    "/notifications/sse",
    "/notifications/sse/test",
];

/// What balancers and operators ask: whatever else comes from their address does not stand in their way.
const OPERATORS: [&str; 2] = ["/ready", "/metrics"];

/// Whether requests for this path are not charged.
pub fn is_free(path: &str) -> bool {
    FREE.contains(&path)
}

/// Charges a request to whoever sent it, and refuses it where nothing is left.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let limits = request.app_data::<web::Data<Limits>>().cloned();
    let authenticator = request.app_data::<web::Data<Authenticator>>().cloned();
    let (Some(limits), Some(authenticator)) = (limits, authenticator) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    if is_free(request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let verified = authenticator.authenticate(request.request());
    let sender = match &verified {
        _ if OPERATORS.contains(&request.path()) => Sender::Operator,
        Ok(identity) => Sender::Known(identity),
        Err(problem) if problem.code() == "token_missing" => Sender::Stranger,
        Err(_) => Sender::Pretender,
    };
    let standing = limits.charge(limits.customer(request.request()), sender);
    let problem = standing.as_ref().and_then(Standing::problem);
    let mut response: ServiceResponse<EitherBody<_>> = if let Some(problem) = problem {
        request.into_response(problem.error_response()).map_into_right_body()
    } else {
        request.extensions_mut().insert(Verified(verified));
        next.call(request).await?.map_into_left_body()
    };
    // Of what turned out to cost more than a request does.
    let later = response.request().extensions_mut().remove::<Standing>();
    if let Some(standing) = later.or(standing) {
        standing.write(response.headers_mut());
    }
    Ok(response)
}
