//! The requests of Engine.IO clients: each opens a connection, or belongs to one.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, HttpResponse, web};
use bytestring::ByteString;
use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::handshake::{Asked, Refusal, Transport, text};
use super::hang_up::hung_up;
use super::home::{Attach, Get, Home, Post};
use super::local::{LocalConversation, OfEngine};
use super::registry::{Polled, Registry};
use super::upgrade::Upgraded;
use super::{Engine, Sids, Speakers};
use crate::actors::session::{FrameRate, Socket};
use crate::config::{SessionSettings, SocketIoSettings};
use crate::domain::CloseReason;
use crate::http::Limits;
use crate::http::body::{BodyLimits, read_within};
use crate::http::credentials::query_value;
use crate::http::origin::AllowedOrigins;
use crate::protocol::engineio::Open;
use crate::transports::websocket::{self, Descriptor};

/// The longest `t` that is looked at; those of the clients in use are shorter by far.
const STAMP_MAX: usize = 64;

/// Everything that requests need; one per application.
#[derive(Debug, Clone)]
pub struct Door<S: Speakers> {
    speakers: S,
    sids: Sids,
    settings: Arc<SocketIoSettings>,
    session: Arc<SessionSettings>,
    /// The time a client has to send a body.
    body_timeout: Duration,
    registry: Registry<S::Speaker>,
}

impl<S: Speakers> Door<S> {
    pub fn new(
        speakers: S,
        sids: Sids,
        settings: SocketIoSettings,
        session: SessionSettings,
        body_timeout: Duration,
        registry: Registry<S::Speaker>,
    ) -> Self {
        Self {
            speakers,
            sids,
            settings: Arc::new(settings),
            session: Arc::new(session),
            body_timeout,
            registry,
        }
    }

    fn engine(&self, request: &HttpRequest, socket: Socket) -> Rc<Engine<S::Speaker>> {
        let rate = FrameRate::new(&self.session);
        let speaker = self.speakers.open(request, &socket, &rate);
        Engine::open(self.sids.fresh(), speaker, Arc::clone(&self.settings), socket, rate)
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
    fn websocket(&self, request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse, Refusal> {
        let response = websocket::handshake(request).map_err(|_| Refusal::BadRequest)?;
        let engine = self.engine(request, Descriptor::socket(request));
        let (registry, sid): (_, Box<str>) = (self.registry.clone(), engine.sid().into());
        registry.add_socket(&sid);
        engine.when_gone(Box::new(move || registry.remove_socket(&sid)));
        engine.say(&self.open_packet(engine.sid(), false));
        let conversation = LocalConversation(Rc::clone(&engine));
        let most = self.settings.max_payload_bytes;
        Ok(websocket::open(response, payload, conversation, OfEngine(engine), most))
    }

    /// A WebSocket comes to take over a connection that is polled.
    async fn upgrade(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        sid: &str,
    ) -> Result<HttpResponse, Refusal> {
        let home = self.find(sid)?.home;
        let response = websocket::handshake(request).map_err(|_| Refusal::BadRequest)?;
        let attached = home.send(Attach { socket: Descriptor::socket(request) }).await;
        let link = attached.unwrap_or(Err(Refusal::UnknownSid))?;
        let conversation = Upgraded::new(home, Arc::clone(&link), FrameRate::new(&self.session));
        Ok(websocket::open(response, payload, conversation, link, self.settings.max_payload_bytes))
    }

    /// The connection that a request belongs to.
    fn find(&self, sid: &str) -> Result<Polled<S::Speaker>, Refusal> {
        self.registry.find(sid).map_err(|refusal| match refusal {
            Refusal::UnknownSid if self.sids.is_of_another(sid) => Refusal::AnothersSid,
            refusal => refusal,
        })
    }

    async fn poll(&self, request: &HttpRequest, sid: &str) -> Result<HttpResponse, Refusal> {
        let home = self.find(sid)?.home;
        let (answer, answered) = oneshot::channel();
        let stamp = query_value(request.query_string(), "t").filter(|stamp| stamp.len() <= STAMP_MAX);
        home.send(Get { answer, stamp }).await.unwrap_or(Err(Refusal::UnknownSid))?;
        match select(answered, pin!(hung_up(Descriptor::of(request)))).await {
            Either::Left((Ok(answer), _)) => Ok(text(answer.payload)),
            // The connection is gone, or its client, who takes the connection along.
            Either::Left((Err(_), _)) | Either::Right(_) => Err(Refusal::UnknownSid),
        }
    }

    async fn post(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        sid: &str,
    ) -> Result<HttpResponse, Refusal> {
        let mut posting = self.find(sid)?.begin_post().ok_or(Refusal::BadRequest)?;
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let announced = announced.and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.settings.max_payload_bytes) {
            posting.lacks(CloseReason::MessageTooLarge);
            return Err(Refusal::TooLarge);
        }
        let limits = BodyLimits { bytes: self.settings.max_payload_bytes, timeout: self.body_timeout };
        let body = match read_within(payload.into_inner(), limits).await {
            Ok(body) => body,
            Err(problem) if problem.is_too_large() => {
                posting.lacks(CloseReason::MessageTooLarge);
                return Err(Refusal::TooLarge);
            }
            Err(_) => return Err(Refusal::BadRequest),
        };
        let Ok(payload) = ByteString::try_from(body) else {
            posting.lacks(CloseReason::InvalidText);
            return Err(Refusal::BadRequest);
        };
        let taken = posting.home().send(Post { payload }).await;
        taken.unwrap_or(Err(Refusal::UnknownSid)).map(|()| text("ok".to_owned()))
    }
}

/// Answers every request of the door's path. Without limits, as in tests of the protocol alone, as many as come.
pub async fn serve<S: Speakers>(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door<S>>,
    origins: web::Data<AllowedOrigins>,
    limits: Option<web::Data<Limits>>,
) -> HttpResponse {
    if origins.check(&request).is_err() {
        return Refusal::Forbidden.answer();
    }
    let asked = match Asked::parse(&request) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.answer(),
    };
    let opens = asked.sid.is_none() || asked.transport == Transport::WebSocket;
    let entry = match limits.filter(|_| opens).map(|limits| limits.enter(&request)).transpose() {
        Ok(entry) => entry,
        Err(problem) => return Refusal::TooMany(problem.retry_after()).answer(),
    };
    let answer = match (request.method(), asked.transport, asked.sid) {
        (_, _, None) if request.method() != Method::GET => Err(Refusal::BadMethod),
        (_, Transport::Polling, _) if asked.is_upgrade => Err(Refusal::BadRequest),
        (_, _, None) if door.speakers.is_draining() => Err(Refusal::Unavailable),
        (_, Transport::Polling, None) => door.handshake(&request),
        (_, Transport::WebSocket, None) => door.websocket(&request, payload),
        (&Method::GET, Transport::WebSocket, Some(sid)) => door.upgrade(&request, payload, &sid).await,
        (&Method::GET, Transport::Polling, Some(sid)) => door.poll(&request, &sid).await,
        (&Method::POST, Transport::Polling, Some(sid)) => door.post(&request, payload, &sid).await,
        _ => Err(Refusal::BadRequest),
    };
    let answer = answer.unwrap_or_else(Refusal::answer);
    match entry {
        Some(entry) => entry.until_the_end_of(answer),
        None => answer,
    }
}
