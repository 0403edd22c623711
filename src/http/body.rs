//! JSON bodies: bounded in size and time, of the right content type, and refused with the name of the field at fault.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::problem::Problem;
use crate::requests::body::parse;

/// What a body may take; set once for the application.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest, in bytes.
    pub bytes: usize,
    /// The time a client has to send all of it, counted from when its head was read.
    pub timeout: Duration,
}

/// More than it takes to send a short answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// A parsed JSON body with the bytes that it came as.
#[derive(Debug)]
pub struct JsonBody<T> {
    pub value: T,
    pub bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (accepted, encoded) = (is_json(request), is_encoded(request));
        let limits = request.app_data::<web::Data<BodyLimits>>().map(|limits| *limits.get_ref());
        let payload = payload.take();
        Box::pin(async move {
            if !accepted {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_media_type",
                    "the body must be application/json",
                ));
            }
            if encoded {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_encoding",
                    "the body must not be compressed: Content-Encoding is not taken",
                ));
            }
            let limits = limits.ok_or_else(Problem::internal)?;
            let bytes = read_within(payload, limits).await?;
            let value = parse(&bytes)?;
            Ok(Self { value, bytes })
        })
    }
}

/// Reads a body within its bounds.
pub async fn read_within(mut payload: Payload, limits: BodyLimits) -> Result<Bytes, Problem> {
    match timeout(limits.timeout, read(&mut payload, limits.bytes)).await {
        Ok(read) => read,
        Err(_) => Err(too_late(payload)),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// Nothing is unpacked: a small body could be a large one.
fn is_encoded(request: &HttpRequest) -> bool {
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    encodings.any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// The payload is held until the answer is sent: where it was dropped before, actix-http waits for the
/// rest of a chunked body, however long that takes.
fn too_late(payload: Payload) -> Problem {
    actix_web::rt::spawn(async move {
        sleep(ANSWER_TIME).await;
        drop(payload);
    });
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not come in time")
}

async fn read(payload: &mut Payload, limit: usize) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("at most {limit} bytes"));
    let mut whole = BytesMut::new();
    while let Some(part) = payload.next().await {
        let part = part.map_err(|error| match error {
            PayloadError::Overflow => too_large(),
            _ => Problem::bad_request("body_incomplete", "the body could not be read to its end"),
        })?;
        if whole.len() + part.len() > limit {
            return Err(too_large());
        }
        if whole.is_empty() && whole.capacity() == 0 {
            whole.reserve(part.len());
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
