//! What a request asks for in its query, and how one is refused: the codes are those of Engine.IO's reference server,
//! which its clients and their users know.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::http::credentials::query_value;

/// The version of the protocol that is spoken.
const VERSION: &str = "4";

/// How a request is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Polling,
    WebSocket,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) transport: Transport,
    /// The connection it belongs to; none opens one.
    pub(super) sid: Option<String>,
    /// Whether it is to become a WebSocket, whatever its transport.
    pub(super) is_upgrade: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownTransport,
    UnknownSid,
    /// It names another instance.
    AnothersSid,
    BadMethod,
    BadRequest,
    Forbidden,
    UnsupportedVersion,
    TooLarge,
    Unavailable,
    /// And when it can be tried again.
    TooMany(Duration),
}

impl Asked {
    pub(super) fn parse(request: &HttpRequest) -> Result<Self, Refusal> {
        let query = request.query_string();
        let transport = match query_value(query, "transport").as_deref() {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        if query_value(query, "EIO").as_deref() != Some(VERSION) {
            return Err(Refusal::UnsupportedVersion);
        }
        let is_upgrade =
            request.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        Ok(Self { transport, sid: query_value(query, "sid"), is_upgrade })
    }
}

impl Refusal {
    /// The status, the reference server's number and words for a person who looks at it.
    const fn parts(self) -> (StatusCode, u8, &'static str) {
        match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown: polling or websocket"),
            Self::UnknownSid => (
                StatusCode::BAD_REQUEST,
                1,
                "Session ID unknown: it has ended, or belongs to another instance (the balancer must send all requests of a connection to one instance: see server.instance)",
            ),
            Self::AnothersSid => (
                StatusCode::BAD_REQUEST,
                1,
                "Session ID of another instance: it is gone, or the balancer does not go by what stands before the dot of the sid",
            ),
            Self::BadMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method: GET opens a connection"),
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                3,
                "Bad request: a WebSocket needs an upgrade request, a connection its own transport and one request at a time",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, 4, "Forbidden: this origin is not allowed"),
            Self::UnsupportedVersion => (
                StatusCode::BAD_REQUEST,
                5,
                "Unsupported protocol version: EIO=4 is spoken, by socket.io-client 3 and 4",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large: see maxPayload"),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                3,
                "Too many connections from this address: connect again later",
            ),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 3, "Not now: connect again"),
        }
    }

    pub(super) fn answer(self) -> HttpResponse {
        #[derive(Serialize)]
        struct Body {
            code: u8,
            message: &'static str,
        }
        let (status, code, message) = self.parts();
        let mut response = HttpResponse::build(status);
        if let Self::TooMany(retry_after) = self {
            let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.insert_header((CACHE_CONTROL, "no-store")).json(Body { code, message })
    }
}

/// What a request of the polling transport is answered.
pub(super) fn text(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=UTF-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
