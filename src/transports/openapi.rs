//! The doors' part of the document: how each is opened and what is said on it, as far as a document of
//! requests can tell. The doors take any of their requests in one place each; the functions here stand for
//! those requests.
#![expect(dead_code, reason = "these stand for the doors, in the document alone")]

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{OpenApi, PartialSchema, ToSchema};

use crate::http::openapi::shapes::{Shape, any_text, one_of, whole_number};
use crate::http::openapi::{codes, parameters, refusals};

/// Every door.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(websocket, events, trial, poll, send),
    tags((name = "doors", description = "Where clients stay connected. Every door sends the same notifications, with \
        the same `id` and `seq`.")),
)]
pub struct Doors;

parameters! {
    Wishes {
        Query "ttl" False seconds(), "The connection is closed after so many seconds; fractions are taken.";
        Query "once" False flag(), "The connection is closed after the first notification.";
        Query "since" False whole_number(0, i64::MAX), "What came after this seq is sent first, in order.";
        Query "events" False names(), "Only notifications of these types, with commas between them.";
    }
    LastEventId {
        Header "Last-Event-ID" False last_event_id(), "The id of the last event that came; a browser sends it by itself.";
        Query "lastEventId" False last_event_id(), "The same, for who can set no headers.";
    }
    Engine {
        Query "EIO" True one_of(&["4"]), "The protocol's version.";
        Query "transport" True one_of(&["polling", "websocket"]), "How this request is carried.";
        Query "sid" False any_text(), "The connection; without one a new connection is opened.";
        Query "t" False any_text(), "Anything: against caches, and by which a repeated request is known.";
    }
    EngineSend {
        Query "EIO" True one_of(&["4"]), "The protocol's version.";
        Query "transport" True one_of(&["polling"]), "How this request is carried.";
        Query "sid" True any_text(), "The connection.";
        Query "t" False any_text(), "Anything: against caches.";
    }
}

refusals!(WebSocketRefusals: codes::TOKEN, codes::TICKET, codes::ORIGIN, codes::QUERY, codes::HANDSHAKE, codes::STORED,
    codes::DRAINING, codes::RATE, codes::CONNECTIONS);
refusals!(EventsRefusals: codes::TOKEN, codes::TICKET, codes::ORIGIN, codes::QUERY, codes::LAST_EVENT_ID, codes::RATE, codes::FAILED);
refusals!(TrialRefusals: codes::LAST_EVENT_ID, codes::TEST_STREAMS);

#[utoipa::path(
    get, path = "/ws/notifications", operation_id = "websocket", tag = "doors",
    summary = "Open a WebSocket",
    description = include_str!("openapi/websocket.md"),
    params(Wishes),
    responses((status = 101, description = "The connection is a WebSocket"), WebSocketRefusals),
    security(("bearer" = []), ("cookie" = []), ("ticket" = []), ("query" = [])),
)]
fn websocket() {}

#[utoipa::path(
    get, path = "/notifications/sse", operation_id = "events", tag = "doors",
    summary = "Read a stream of events",
    description = include_str!("openapi/sse.md"),
    params(Wishes, LastEventId),
    responses(
        (status = 200, description = "The stream", body = StreamEvent, content_type = "text/event-stream"),
        (status = 204, description = "It has ended for good: do not come back"),
        EventsRefusals,
    ),
    security(("bearer" = []), ("cookie" = []), ("ticket" = []), ("query" = [])),
)]
fn events() {}

#[utoipa::path(
    get, path = "/notifications/sse/test", operation_id = "trial", tag = "doors", security(()),
    summary = "See whether streams come through",
    description = "Counts to thirty, an event a second. For everybody; there are only so many at once.",
    params(LastEventId),
    responses(
        (status = 200, description = "The stream", body = StreamEvent, content_type = "text/event-stream"),
        (status = 204, description = "It has ended for good: do not come back"),
        TrialRefusals,
    ),
)]
fn trial() {}

#[utoipa::path(
    get, path = "/socket.io/", operation_id = "socketIo", tag = "doors", security(()),
    summary = "Open a Socket.IO connection, or take what it has",
    description = include_str!("openapi/socketio.md"),
    params(Engine),
    responses(
        (status = 101, description = "The connection is a WebSocket"),
        (status = 200, description = "Engine.IO packets, the separator between them", body = String,
            content_type = "text/plain"),
        (status = 400, description = "What the reference server's codes say", body = EngineRefusal),
        (status = 403, description = "The page's origin is not allowed", body = EngineRefusal),
        (status = 429, description = "Too many connections from one address", body = EngineRefusal),
        (status = 503, description = "The server is full, or stopping", body = EngineRefusal),
    ),
)]
fn poll() {}

#[utoipa::path(
    post, path = "/socket.io/", operation_id = "socketIoSend", tag = "doors", security(()),
    summary = "Send over a Socket.IO connection that is polled",
    params(EngineSend),
    request_body(content = String, content_type = "text/plain", description = "Engine.IO packets"),
    responses(
        (status = 200, description = "Taken", body = String, content_type = "text/plain"),
        (status = 400, description = "What the reference server's codes say", body = EngineRefusal),
        (status = 403, description = "The page's origin is not allowed", body = EngineRefusal),
        (status = 413, description = "More than `maxPayload`, which the connection was told", body = EngineRefusal),
        (status = 503, description = "The server is stopping", body = EngineRefusal),
    ),
)]
fn send() {}

/// How an Engine.IO request is refused: as by the protocol's reference server.
#[derive(Debug)]
struct EngineRefusal;

impl PartialSchema for EngineRefusal {
    fn schema() -> RefOr<Schema> {
        let code = Shape(json!({"type": "integer", "minimum": 0, "maximum": 5}));
        Shape::closed([("code", code), ("message", any_text())]).into()
    }
}

impl ToSchema for EngineRefusal {
    fn name() -> Cow<'static, str> {
        "EngineRefusal".into()
    }
}

/// One event of a stream.
#[derive(Debug)]
struct StreamEvent;

impl PartialSchema for StreamEvent {
    fn schema() -> RefOr<Schema> {
        let data = any_text().with("contentMediaType", "application/json");
        Shape(json!({
            "type": "object",
            "description": "One event of the stream. Its data is JSON; a notification's is the schema Notification.",
            "required": ["event", "data"],
            "properties": {"event": any_text(), "id": any_text(), "data": data, "retry": {"type": ["string", "integer"]}},
        }))
        .into()
    }
}

impl ToSchema for StreamEvent {
    fn name() -> Cow<'static, str> {
        "StreamEvent".into()
    }
}

fn seconds() -> Shape {
    Shape(json!({"type": "number", "exclusiveMinimum": 0, "examples": [2.5]}))
}

fn last_event_id() -> Shape {
    Shape(
        json!({"type": "string", "pattern": r"^(?:(?:0|[1-9][0-9]{0,17})(?:(?:-(?:0|[1-9][0-9]{0,17}))?\.[0-9a-f]{8})?(?:\.end)?)?$", "examples": ["42"]}),
    )
}

fn flag() -> Shape {
    one_of(&["true", "false", "1", "0", ""])
}

fn names() -> Shape {
    Shape(json!({"type": "string", "examples": ["booking.created,review.created"]}))
}
