//! The raw WebSocket door: `GET /ws/notifications`. JSON text frames both ways; see `protocol/json.rs`.
//! This file lets a connection in or says why not; `conversation.rs` is what is said on it.

mod conversation;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use conversation::RawConversation;

use super::websocket::{self, Descriptor};
use super::wishes::Wishes;
use crate::actors::session::{FrameRate, LocalShard, Services, Session};
use crate::domain::{Member, Profile};
use crate::http::credentials::query_value;
use crate::http::origin::AllowedOrigins;
use crate::http::{Authenticator, Door, Limits, Problem};
use crate::protocol::wire::Wire;

/// Opens a session, or refuses before anything is joined.
pub async fn open(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
    authenticator: web::Data<Authenticator>,
    origins: web::Data<AllowedOrigins>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    if services.is_draining() {
        return Err(Problem::unavailable("draining", "the server is stopping: connect again"));
    }
    let entry = limits.enter(&request)?;
    origins.check(&request)?;
    // Looked at before a ticket is used up.
    let asked = |name: &str| query_value(request.query_string(), name);
    let (wishes, response) = (Wishes::parse(asked, &services.settings), websocket::handshake(&request));
    if authenticator.is_shown_a_ticket(&request) {
        wishes.as_ref().map_err(Problem::clone)?;
        response.as_ref().map_err(Problem::clone)?;
    }
    let identity = authenticator.admit(&request, Door::WebSocket).await;
    let identity = identity.map_err(|problem| limits.disbelieve(limits.customer(&request), problem))?;
    let (wishes, response) = (wishes?, response?);
    let wire = Wire::Raw(wishes.wanted());
    let terms = wishes.terms(&identity, &services, wire, None);
    let services: Arc<Services> = services.into_inner();
    let shard = LocalShard::of_this_thread(&services);
    let me = Arc::new(Member::from(&identity));
    let outbox = shard.open(terms, Arc::clone(&me), Descriptor::socket(&request));
    let frames = FrameRate::new(&services.settings);
    let session = Session::new(me, Rc::clone(&outbox), shard, frames.clone());
    let (profile, metrics) = (Profile::of(&identity), services.metrics.clone());
    let conversation = RawConversation::new(session, profile, Rc::clone(&outbox), frames, metrics);
    let most = services.settings.message_bytes;
    Ok(entry.until_the_end_of(websocket::open(response, payload, conversation, outbox, most)))
}
