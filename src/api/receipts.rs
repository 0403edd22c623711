//! `/notifications/ack`: a client that reads an event stream, or lists, says what it has.

use std::sync::Arc;

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::openapi::{shapes, values};
use crate::actors::persistence::{Confirm, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::domain::{Channel, Invalid, UpTo};
use crate::http::openapi::shapes::count;
use crate::http::openapi::{codes, refusals};
use crate::http::{Caller, JsonBody, Problem};
use crate::protocol::whole;
use crate::storage::inboxes;

/// The longest name of a session.
pub(super) const SESSION_ID_MAX: usize = 200;

/// What a client has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({"seq": 0})))]
pub(super) struct AckRequest {
    /// It has everything up to this one.
    #[serde(deserialize_with = "whole::number")]
    #[schema(schema_with = count)]
    seq: i64,
    /// As `connected` called the session that it came on; the token's own goes before it.
    #[schema(schema_with = values::optional_session_id)]
    session_id: Option<String>,
}

refusals!(AckRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::FIELD, codes::SEQ_AHEAD, codes::STORED);

/// `POST /notifications/ack`: confirms receipt up to a seq; answered when that is recorded.
#[utoipa::path(
    post, path = "/notifications/ack", operation_id = "acknowledge", tag = "notifications",
    summary = "Confirm receipt",
    description = "Of everything up to a seq, for clients that read an event stream, or lists; no mail is sent for \
        what was confirmed in time.",
    request_body = AckRequest,
    responses((status = 200, description = "It is recorded", body = shapes::Acknowledged), AckRefusals),
)]
pub(super) async fn ack(
    caller: Caller,
    body: JsonBody<AckRequest>,
    reader: web::Data<Reader>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let AckRequest { seq, session_id } = body.value;
    if seq < 0 {
        return Err(Invalid::new("seq", "must not be negative").into());
    }
    if session_id.as_ref().is_some_and(|name| name.chars().count() > SESSION_ID_MAX) {
        return Err(
            Invalid::new("sessionId", format!("must have at most {SESSION_ID_MAX} characters")).into()
        );
    }
    let user = caller.0.user.clone();
    let inbox = reader.run(move |connection| inboxes::state(connection, &user)).await?;
    if seq > inbox.last_seq {
        return Err(Problem::unprocessable("seq_ahead", "the inbox has not come so far").of_field("seq"));
    }
    let mut device = caller.0.into_device(Channel::Rest);
    if let Some(name) = session_id.filter(|_| device.name.is_empty()) {
        device.name = name.into();
    }
    let up_to = vec![UpTo { device: Arc::new(device), above: 0, seq }];
    let confirm = Confirm { proofs: Vec::new(), up_to };
    persistence.send(confirm).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(json!({ "seq": seq })))
}
