//! The raw WebSocket door: `GET /ws/notifications`. JSON text frames both ways; see `protocol/json.rs`.
//! This file lets a connection in or says why not; `door.rs` is the actor behind it.

mod body;
mod door;
mod fragments;
mod guard;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::ws::{Codec, HandshakeError};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, WebsocketContext};
use tokio::time::Instant;

use body::Body;
use door::WebSocketDoor;
use guard::{Guard, Intake};

use crate::actors::session::{LocalShard, Services, Session, Terms};
use crate::config::SessionSettings;
use crate::domain::{Channel, CloseReason, Member, Profile};
use crate::http::credentials::query_value;
use crate::http::origin::AllowedOrigins;
use crate::http::{Authenticator, Problem};
use crate::protocol::frame::CONTROL_MAX;

/// How far ahead a session's end is looked for: no connection lasts so long.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// The descriptor of a connection's socket, put into the connection's data when it is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Socket(pub std::os::fd::RawFd);

/// Opens a session, or refuses before anything is joined.
pub async fn open(
    request: HttpRequest,
    payload: web::Payload,
    services: web::Data<Services>,
    authenticator: web::Data<Authenticator>,
    origins: web::Data<AllowedOrigins>,
) -> Result<HttpResponse, Problem> {
    if services.is_draining() {
        return Err(Problem::unavailable("draining", "the server is stopping: connect again"));
    }
    origins.check(&request)?;
    let identity = authenticator.authenticate(&request)?;
    let wishes = Wishes::parse(request.query_string(), &services.settings)?;
    let mut response = ws::handshake(&request).map_err(refused)?;
    let terms = wishes.terms(authenticator.believed_for(&identity), &services);
    let services: Arc<Services> = services.into_inner();
    let shard = LocalShard::of_this_thread(&services);
    let socket = request.conn_data::<Socket>().map(|socket| socket.0);
    let me = Arc::new(Member::from(&identity));
    let outbox = shard.open(terms, Arc::clone(&me), socket);
    let codec = Codec::new().max_size(services.settings.message_bytes);
    let most = services.settings.message_bytes;
    let metrics = services.metrics.clone();
    let session = Session::new(me, Rc::clone(&outbox), shard);
    let profile = Profile::of(&identity);
    let intake = Intake::default();
    let payload = Guard::new(payload, most.max(CONTROL_MAX), intake.clone());
    let door = WebSocketDoor::new(session, profile, Rc::clone(&outbox), metrics, most, intake);
    let frames = WebsocketContext::with_codec(door, payload, codec);
    Ok(response.streaming(Body::new(frames, outbox)))
}

/// What a client asks of its connection in the query.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wishes {
    ttl: Option<Duration>,
    once: bool,
    since: Option<i64>,
}

impl Wishes {
    /// `ttl` in seconds, fractions allowed; `once` is `true` or `false`; `since` is a seq.
    fn parse(query: &str, settings: &SessionSettings) -> Result<Self, Problem> {
        let ttl = query_value(query, "ttl").map(|text| {
            let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
            let ttl = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            ttl.filter(|ttl| *ttl <= Duration::from_secs(settings.max_ttl_seconds)).ok_or_else(|| {
                let most = settings.max_ttl_seconds;
                Problem::bad_request(
                    "invalid_query",
                    format!("ttl must be seconds, above 0 and at most {most}"),
                )
                .of_field("ttl")
            })
        });
        let once = match query_value(query, "once").as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1" | "") => true,
            Some(_) => {
                return Err(
                    Problem::bad_request("invalid_query", "once must be true or false").of_field("once")
                );
            }
        };
        let since = query_value(query, "since").map(|text| {
            text.parse::<i64>().ok().filter(|seq| *seq >= 0).ok_or_else(|| {
                Problem::bad_request("invalid_query", "since must be a seq: a whole number, 0 or above")
                    .of_field("since")
            })
        });
        Ok(Self { ttl: ttl.transpose()?, once, since: since.transpose()? })
    }

    fn terms(self, believed_for: Option<Duration>, services: &Services) -> Terms {
        let settings = &services.settings;
        let now = Instant::now();
        let ttl = self.ttl.map(|ttl| (now + ttl, CloseReason::TtlElapsed));
        let expiry = believed_for.map(|left| (now + left.min(LONGEST), CloseReason::TokenExpired));
        Terms {
            queue_bytes: settings.queue_bytes,
            heartbeat_interval: Duration::from_millis(settings.heartbeat_interval_ms),
            heartbeat_timeout: Duration::from_millis(settings.heartbeat_timeout_ms),
            ends: [ttl, expiry].into_iter().flatten().min_by_key(|(ends, _)| *ends),
            once: self.once,
            since: self.since,
            proof: services.proof,
            channel: Channel::WebSocket,
        }
    }
}

/// A request that is no WebSocket handshake.
fn refused(error: HandshakeError) -> Problem {
    match error {
        HandshakeError::NoWebsocketUpgrade | HandshakeError::NoConnectionUpgrade => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this path is a WebSocket: send an upgrade request",
        ),
        HandshakeError::UnsupportedVersion | HandshakeError::NoVersionHeader => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "websocket_version",
            "Sec-WebSocket-Version must be 13",
        ),
        _ => Problem::bad_request("websocket_handshake", "the WebSocket handshake is not complete"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Wishes, Problem> {
        let settings = crate::config::load(&crate::config::Sources::default()).expect("defaults");
        Wishes::parse(query, &settings.session)
    }

    #[test]
    fn a_time_to_live_is_in_seconds_and_bounded() {
        assert_eq!(parse("ttl=2.5").expect("fits").ttl, Some(Duration::from_millis(2500)));
        for query in ["ttl=0", "ttl=-1", "ttl=NaN", "ttl=inf", "ttl=", "ttl=abc", "ttl=1e300", "ttl=99999999"]
        {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn since_is_a_whole_number_from_0_on() {
        assert_eq!(parse("since=42").expect("fits").since, Some(42));
        assert_eq!(parse("").expect("fits").since, None);
        for query in ["since=", "since=-1", "since=1.5", "since=x", "since=9223372036854775808"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn once_is_a_truth_value() {
        assert!(parse("once=true").expect("fits").once);
        assert!(!parse("once=false").expect("fits").once);
        assert!(parse("once=maybe").is_err());
    }
}
