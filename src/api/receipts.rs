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
use crate::actors::session::Services;
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
    /// And that above this one only: what it had when its stream began, the `seq` of `connected`. Left out: what is
    /// known of the stream that `sessionId` names, else everything.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(schema_with = values::optional_count)]
    above: Option<i64>,
    /// As `connected` called the session that it came on; the token's own goes before it.
    #[schema(schema_with = values::optional_session_id)]
    session_id: Option<String>,
}

impl AckRequest {
    fn check(self) -> Result<Self, Invalid> {
        for (field, seq) in [("seq", Some(self.seq)), ("above", self.above)] {
            if seq.is_some_and(|seq| seq < 0) {
                return Err(Invalid::new(field, "must not be negative"));
            }
        }
        if self.session_id.as_ref().is_some_and(|name| name.chars().count() > SESSION_ID_MAX) {
            return Err(Invalid::new("sessionId", format!("must have at most {SESSION_ID_MAX} characters")));
        }
        Ok(self)
    }
}

refusals!(AckRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::FIELD, codes::SEQ_AHEAD, codes::STORED);

/// `POST /notifications/ack`: confirms receipt up to a seq; answered when that is recorded.
#[utoipa::path(
    post, path = "/notifications/ack", operation_id = "acknowledge", tag = "notifications",
    summary = "Confirm receipt",
    description = "Of everything up to a seq, or of what a stream gave up to there, for clients that read an event \
        stream, or lists; no mail is sent for what was confirmed in time.",
    request_body = AckRequest,
    responses((status = 200, description = "It is recorded", body = shapes::Acknowledged), AckRefusals),
)]
pub(super) async fn ack(
    caller: Caller,
    body: JsonBody<AckRequest>,
    reader: web::Data<Reader>,
    services: web::Data<Services>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let AckRequest { seq, above, session_id } = body.value.check()?;
    let known = || session_id.as_ref().and_then(|name| services.given_above_on(&caller.0.user, name, seq));
    let above = above.or_else(known).unwrap_or(0);
    let user = caller.0.user.clone();
    let inbox = reader.run(move |connection| inboxes::state(connection, &user)).await?;
    if seq > inbox.last_seq {
        return Err(Problem::unprocessable("seq_ahead", "the inbox has not come so far").of_field("seq"));
    }
    let mut device = caller.0.into_device(Channel::Rest);
    if let Some(name) = session_id.filter(|_| device.name.is_empty()) {
        device.name = name.into();
    }
    let up_to = vec![UpTo { device: Arc::new(device), above, seq }];
    let confirm = Confirm { proofs: Vec::new(), up_to };
    persistence.send(confirm).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(json!({ "seq": seq })))
}
