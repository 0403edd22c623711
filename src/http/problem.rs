//! Errors as every client gets them: `application/problem+json` (RFC 9457) with a stable `code`, a
//! human `detail`, the offending `field` where there is one, and the request's id. The one place that
//! makes HTTP of an error; what it says of a failure of our own is that it happened, nothing else.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ContentType, HeaderValue, RETRY_AFTER as RETRY_AFTER_HEADER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use super::request;
use crate::actors::persistence::WriteError;
use crate::actors::reader::ReadError;
use crate::auth::TokenError;
use crate::domain::Invalid;
use crate::protocol::events::Refusal;
use crate::requests::{Fault, Refused};

/// After how long it makes sense to ask again, where nothing better is known; a queue is emptied in far less.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refused request.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    /// When the same may be tried again.
    retry_after: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    request_id: String,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, retry_after: RETRY_AFTER }
    }

    #[must_use]
    pub fn of_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when the same may be tried again.
    #[must_use]
    pub fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether more came than is taken.
    pub fn is_too_large(&self) -> bool {
        self.status == StatusCode::PAYLOAD_TOO_LARGE
    }

    /// Whether the same may well succeed later.
    pub fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// Whether it is not believed who asks.
    pub fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Whether somebody asks for more than is theirs.
    pub fn is_too_many(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// For people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// The same for a reason that a program may want to know.
    pub fn forbidden_because(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing, or it is not yours")
    }

    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    pub fn too_many(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; it has been logged")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let body = Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
            request_id: request::current_id(),
        };
        let mut response = HttpResponse::build(self.status);
        response.insert_header((actix_web::http::header::CONTENT_TYPE, "application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // RFC 9110 §10.2.3: whole seconds, of which one that has begun is one.
            let seconds = self.retry_after.as_nanos().div_ceil(1_000_000_000).max(1);
            response.insert_header((RETRY_AFTER_HEADER, seconds.to_string()));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // RFC 9110 §15.5.9: the rest of a body that is too late is not waited for.
            response.force_close();
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 §15.5.22 and RFC 6455 §4.2.2: what would do instead.
            response.insert_header((UPGRADE, "websocket")).insert_header((SEC_WEBSOCKET_VERSION, "13"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        match serde_json::to_vec(&body) {
            Ok(bytes) => response.body(bytes),
            Err(_) => response.insert_header(ContentType::plaintext()).body(self.code),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused.fault {
            Fault::Malformed => StatusCode::BAD_REQUEST,
            Fault::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Fault::Forbidden => StatusCode::FORBIDDEN,
        };
        Self { field: refused.field, ..Self::new(status, refused.code, refused.detail) }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Refused::from(invalid).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Refused::from(refusal).into()
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::unauthorized(error.code(), error.to_string())
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let status = match &error {
            WriteError::Overloaded | WriteError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            WriteError::NotFound => return Self::not_found(),
            WriteError::Forbidden => StatusCode::FORBIDDEN,
            WriteError::WrongStatus(_) | WriteError::BookingExists => StatusCode::CONFLICT,
            WriteError::KeyReused | WriteError::TooManyChoices => StatusCode::UNPROCESSABLE_ENTITY,
            WriteError::TooManyTickets => StatusCode::TOO_MANY_REQUESTS,
            WriteError::Failed => return Self::internal(),
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Overloaded => Self::unavailable(error.code(), "too many requests wait: try again"),
            ReadError::Storage(storage) if storage.is_unavailable() => {
                log::warn!("a read failed: {storage}");
                Self::unavailable(error.code(), "the database is not available: try again")
            }
            ReadError::Storage(_) | ReadError::Failed => {
                log::error!("a read failed: {error}");
                Self::internal()
            }
        }
    }
}
