//! The door for clients that read an event stream: `GET /notifications/sse`, for browsers' `EventSource` and `curl`. The
//! sessions are those of every other door; nothing is heard from their clients but where they come back, see
//! `protocol/sse.rs`.
//!
//! A browser gives an `EventSource` up for good when it is answered anything but a stream. So whoever is turned away
//! for now only is given one that ends at once and says so; errors are for those who would get them again.

mod stream;
mod trial;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, HeaderName};
use actix_web::http::{Method, Version};
use actix_web::{Error, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::Semaphore;

use stream::EventStream;
pub use trial::open as open_trial;

use super::websocket::Descriptor;
use super::wishes::Wishes;
use crate::actors::persistence::Confirm;
use crate::actors::session::{FrameRate, LocalShard, Services, Session, Terms};
use crate::config::SseSettings;
use crate::domain::{Channel, CloseReason, Door, Identity, Member, Profile, UpTo};
use crate::http::credentials::query_value;
use crate::http::origin::AllowedOrigins;
use crate::http::{Authenticator, Limits, Problem};
use crate::protocol::sse::{self, LastEventId};
use crate::protocol::wire::{Wanted, Wire};

/// The header of a client that comes back, and the parameter of those that cannot set headers.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const LAST_EVENT_ID_QUERY: &str = "lastEventId";
/// What nginx, and others after it, look for to pass on what comes as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What the door needs beside what every door has; one per application.
#[derive(Debug)]
pub struct SseDoor {
    settings: SseSettings,
    /// A permit for each stream without a token.
    trials: Arc<Semaphore>,
}

impl SseDoor {
    pub fn new(settings: SseSettings) -> Self {
        let trials = Arc::new(Semaphore::new(settings.test_streams.min(Semaphore::MAX_PERMITS)));
        Self { settings, trials }
    }

    /// How long this client is to wait before it comes back, `times` as long as usual.
    fn retry(&self, times: f64) -> String {
        let usual = Duration::from_millis(self.settings.retry_ms).mul_f64(times);
        let jittered = usual.mul_f64(0.5 + rand::random::<f64>());
        sse::retry(u64::try_from(jittered.as_millis()).unwrap_or(u64::MAX))
    }

    /// `given_above` finds what is known of a notification's own id.
    fn terms(
        &self,
        terms: Terms,
        last: Option<&LastEventId>,
        given_above: impl FnOnce(i64) -> Option<i64>,
    ) -> Terms {
        let (since, claims_above) = match last {
            Some(last) if last.is_plain() => (Some(last.seq), given_above(last.seq)),
            Some(last) => (Some(last.seq), last.above()),
            None => (terms.since, terms.since.map(|_| 0)),
        };
        Terms {
            heartbeat_interval: Duration::from_millis(self.settings.heartbeat_interval_ms),
            heartbeat_timeout: Duration::from_millis(self.settings.cleanup_interval_ms),
            since,
            claims_above,
            ..terms
        }
    }

    /// The answer to a client that is to come back later. Its ticket, if it has one, is not used up.
    fn turn_away(&self, reason: CloseReason) -> HttpResponse {
        let goodbye = Wire::Sse(Wanted::default()).goodbye(reason, "").unwrap_or_default();
        event_stream().body([self.retry(1.0).as_bytes(), &goodbye].concat())
    }
}

/// Opens a session, or refuses before anything is joined.
pub async fn open(
    request: HttpRequest,
    services: web::Data<Services>,
    door: web::Data<SseDoor>,
    authenticator: web::Data<Authenticator>,
    origins: web::Data<AllowedOrigins>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let Ok(entry) = limits.enter(&request) else { return Ok(door.turn_away(CloseReason::TryAgainLater)) };
    origins.check(&request)?;
    if services.is_draining() {
        return Ok(door.turn_away(CloseReason::ServerRestart));
    }
    // Looked at before a ticket is used up.
    let asked = |name: &str| query_value(request.query_string(), name);
    let wishes = Wishes::parse(asked, &services.settings)?;
    let last = last_event_id(&request)?;
    let identity = match authenticator.admit(&request, Door::Sse).await {
        Err(problem) if problem.is_unavailable() => return Ok(door.turn_away(CloseReason::TryAgainLater)),
        admitted => admitted.map_err(|problem| limits.disbelieve(limits.customer(&request), problem))?,
    };
    let last = last.filter(|last| !last.is_of_another_than(&identity.user));
    if request.method() == Method::HEAD {
        return Ok(event_stream().finish());
    }
    if let Some(last) = last.as_ref().filter(|last| last.is_end) {
        let told = say_goodbye(&services, &identity, last).await;
        return Ok(if told { gone_for_good() } else { door.turn_away(CloseReason::TryAgainLater) });
    }
    let wire = Wire::Sse(wishes.wanted());
    let terms = wishes.terms(&identity, &services, wire, None);
    let terms = door.terms(terms, last.as_ref(), |seq| services.given_above(&identity.user, seq));
    let services = services.into_inner();
    let shard = LocalShard::of_this_thread(&services);
    let me = Arc::new(Member::from(&identity));
    let outbox = shard.open(terms, Arc::clone(&me), Descriptor::socket(&request));
    let frames = FrameRate::new(&services.settings);
    let session = Session::new(me, Rc::clone(&outbox), shard, frames);
    let metrics = services.metrics.clone();
    let events = EventStream::new(session, outbox, Profile::of(&identity), metrics, door.into_inner());
    Ok(entry.until_the_end_of(streaming(&request, events)))
}

/// What the client saw last. What is in the header is newer than what is in the URL, which a browser repeats. Only a
/// browser's own header can mean that it saw the end: who opens a new stream wants one.
fn last_event_id(request: &HttpRequest) -> Result<Option<LastEventId>, Problem> {
    let header = request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?").to_owned());
    let by_header = header.is_some();
    let text = header.or_else(|| query_value(request.query_string(), LAST_EVENT_ID_QUERY));
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let mut last = LastEventId::parse(&text).ok_or_else(|| {
        Problem::bad_request("invalid_last_event_id", "Last-Event-ID must be the id of an event from here")
            .of_field("Last-Event-ID")
    })?;
    last.is_end &= by_header;
    Ok(Some(last))
}

/// Records what a client has that will not come again; answers whether that could be done.
async fn say_goodbye(services: &Services, identity: &Identity, last: &LastEventId) -> bool {
    let Some(above) = last.above().filter(|above| *above < last.seq) else { return true };
    let device = Arc::new(identity.clone().into_device(Channel::Sse));
    let up_to = vec![UpTo { device, above, seq: last.seq }];
    let confirm = Confirm { proofs: Vec::new(), up_to };
    matches!(services.persistence.send(confirm).await, Ok(Ok(())))
}

/// The answer that browsers do not come back after: HTML standard §9.2.3.
fn gone_for_good() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// The answer that `events` are the body of. HTTP/1.0, which proxies still speak to those behind them, knows no chunks
/// (RFC 9112 §6.1): there the end of the connection is the end of the body.
fn streaming(
    request: &HttpRequest,
    events: impl Stream<Item = Result<Bytes, Error>> + 'static,
) -> HttpResponse {
    let mut response = event_stream();
    let is_old = request.version() < Version::HTTP_11;
    if is_old {
        response.force_close();
    }
    let mut response = response.streaming(events);
    response.head_mut().no_chunking(is_old);
    response
}

/// The head of an event stream. Nobody on the way is to keep, change, compress or hold back anything of it.
fn event_stream() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(sse::MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "private, no-cache, no-store, no-transform"))
        .insert_header((CONTENT_ENCODING, ContentEncoding::Identity))
        .insert_header((ACCEL_BUFFERING, "no"));
    response
}
