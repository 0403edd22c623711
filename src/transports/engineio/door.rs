//! The requests of Engine.IO clients: each opens a connection, or belongs to one.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use bytestring::ByteString;
use tokio::sync::oneshot;

use super::handshake::{Asked, Refusal, Transport, text};
use super::home::{Attach, Get, Home, Post, Refused, TooLarge};
use super::local::{LocalConversation, OfEngine};
use super::registry::Registry;
use super::upgrade::Upgraded;
use super::{Engine, Speakers, fresh_sid};
use crate::actors::session::{FrameRate, Socket};
use crate::config::{SessionSettings, SocketIoSettings};
use crate::http::body::{BodyLimits, read_within};
use crate::http::origin::AllowedOrigins;
use crate::protocol::engineio::Open;
use crate::transports::websocket::{self, Descriptor};

/// Everything that requests need; one per application.
#[derive(Debug, Clone)]
pub struct Door<S: Speakers> {
    speakers: S,
    settings: Arc<SocketIoSettings>,
    session: Arc<SessionSettings>,
    /// The time a client has to send a body.
    body_timeout: Duration,
    registry: Registry<S::Speaker>,
}

impl<S: Speakers> Door<S> {
    pub fn new(
        speakers: S,
        settings: SocketIoSettings,
        session: SessionSettings,
        body_timeout: Duration,
        registry: Registry<S::Speaker>,
    ) -> Self {
        Self { speakers, settings: Arc::new(settings), session: Arc::new(session), body_timeout, registry }
    }

    fn engine(&self, request: &HttpRequest, socket: Socket) -> std::rc::Rc<Engine<S::Speaker>> {
        let rate = FrameRate::new(&self.session);
        let speaker = self.speakers.open(request, &socket, &rate);
        Engine::open(fresh_sid(), speaker, Arc::clone(&self.settings), socket, rate)
    }

    fn open_packet(&self, sid: &str, can_upgrade: bool) -> String {
        let Self { settings, .. } = self;
        Open {
            sid,
            can_upgrade,
            ping_interval: Duration::from_millis(settings.ping_interval_ms),
            ping_timeout: Duration::from_millis(settings.ping_timeout_ms),
            max_payload: settings.max_payload_bytes,
        }
        .text()
    }

    /// Opens a connection that is polled.
    fn handshake(&self, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        if !self.registry.has_room() {
            return Err(Refusal::Unavailable);
        }
        let engine = self.engine(request, Socket::default());
        let opened = self.open_packet(engine.sid(), true);
        Home::open(&engine, &self.registry);
        Ok(text(opened))
    }

    /// Opens a connection that is a WebSocket.
    fn websocket(&self, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let response = match websocket::handshake(request) {
            Ok(response) => response,
            Err(problem) => return problem.error_response(),
        };
        let engine = self.engine(request, Descriptor::socket(request));
        engine.say(&self.open_packet(engine.sid(), false));
        let conversation = LocalConversation(std::rc::Rc::clone(&engine));
        websocket::open(response, payload, conversation, OfEngine(engine), self.settings.max_payload_bytes)
    }

    /// A WebSocket comes to take over a connection that is polled.
    async fn upgrade(&self, request: &HttpRequest, payload: web::Payload, sid: &str) -> HttpResponse {
        let response = match websocket::handshake(request) {
            Ok(response) => response,
            Err(problem) => return problem.error_response(),
        };
        let Some(home) = self.registry.find(sid) else { return Refusal::UnknownSid.answer() };
        match home.send(Attach { socket: Descriptor::socket(request) }).await {
            Ok(Ok(link)) => {
                let conversation = Upgraded::new(home, Arc::clone(&link), FrameRate::new(&self.session));
                websocket::open(response, payload, conversation, link, self.settings.max_payload_bytes)
            }
            Ok(Err(_)) | Err(_) => Refusal::UnknownSid.answer(),
        }
    }

    async fn poll(&self, sid: &str) -> Result<HttpResponse, Refusal> {
        let home = self.registry.find(sid).ok_or(Refusal::UnknownSid)?;
        let (answer, answered) = oneshot::channel();
        match home.send(Get { answer }).await {
            Ok(Ok(())) => answered.await.map(|answer| text(answer.payload)).map_err(|_| Refusal::UnknownSid),
            Ok(Err(_)) | Err(_) => Err(Refusal::UnknownSid),
        }
    }

    async fn post(&self, payload: web::Payload, sid: &str) -> Result<HttpResponse, Refusal> {
        let home = self.registry.find(sid).ok_or(Refusal::UnknownSid)?;
        let limits = BodyLimits { bytes: self.settings.max_payload_bytes, timeout: self.body_timeout };
        let Ok(body) = read_within(payload.into_inner(), limits).await else {
            // Its client believes that it was said; what follows would be out of order.
            home.do_send(TooLarge);
            return Err(Refusal::TooLarge);
        };
        let payload = ByteString::try_from(body).map_err(|_| Refusal::BadRequest)?;
        match home.send(Post { payload }).await {
            Ok(Ok(())) => Ok(text("ok".to_owned())),
            Ok(Err(Refused::Malformed)) => Err(Refusal::BadRequest),
            Ok(Err(Refused::Unknown)) | Err(_) => Err(Refusal::UnknownSid),
        }
    }
}

/// Answers every request of the door's path.
pub async fn serve<S: Speakers>(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door<S>>,
    origins: web::Data<AllowedOrigins>,
) -> HttpResponse {
    if origins.check(&request).is_err() {
        return Refusal::Forbidden.answer();
    }
    let asked = match Asked::parse(&request) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.answer(),
    };
    let answer = match (request.method(), asked.transport, asked.sid) {
        (_, _, None) if request.method() != Method::GET => Err(Refusal::BadMethod),
        (_, _, None) if door.speakers.is_draining() => Err(Refusal::Unavailable),
        (_, Transport::Polling, None) => door.handshake(&request),
        (_, Transport::WebSocket, None) => return door.websocket(&request, payload),
        (&Method::GET, Transport::WebSocket, Some(sid)) => {
            return door.upgrade(&request, payload, &sid).await;
        }
        (&Method::GET, Transport::Polling, Some(sid)) => door.poll(&sid).await,
        (&Method::POST, Transport::Polling, Some(sid)) => door.post(payload, &sid).await,
        _ => Err(Refusal::BadRequest),
    };
    answer.unwrap_or_else(Refusal::answer)
}
