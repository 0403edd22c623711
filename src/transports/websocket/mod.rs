//! A WebSocket under any door: reads frames within their bounds, hands what they say to the door's
//! `Conversation`, and writes what the door's `Outgoing` side holds. What is said is the doors' business.

mod body;
mod connection;
mod fragments;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guard;

use std::task::{Context, Poll};

use actix_http::ws::{Codec, HandshakeError};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use actix_web_actors::ws::{self, WebsocketContext};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::LocalBoxFuture;

use body::Body;
use connection::Connection;
use guard::{Guard, Intake};

use crate::actors::session::Socket;
use crate::domain::CloseReason;
use crate::http::Problem;
use crate::protocol::frame::CONTROL_MAX;

/// The descriptor of a connection's socket, put into the connection's data when it is accepted.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor(pub std::os::fd::RawFd);

impl Descriptor {
    pub(super) fn of(request: &HttpRequest) -> Option<std::os::fd::RawFd> {
        request.conn_data::<Self>().map(|descriptor| descriptor.0)
    }

    pub(super) fn socket(request: &HttpRequest) -> Socket {
        Socket::new(Self::of(request))
    }
}

/// What a door does with what a client says.
pub(super) trait Conversation: Unpin + 'static {
    type Outgoing: Outgoing;
    /// Whether binary messages are understood.
    const TAKES_BINARY: bool;

    /// Comes first; nothing is heard before it is done.
    fn begin(&mut self) -> LocalBoxFuture<'static, ()>;
    /// A frame has come; answers whether there were too many of them.
    fn counts_one_frame_too_many(&mut self, kind: Kind) -> bool;
    fn text(&mut self, text: ByteString) -> Heard;
    fn binary(&mut self, bytes: Bytes) -> Heard;
    fn pong(&mut self, payload: Bytes) -> Heard;
    /// The connection is to be closed for this reason; nothing is heard any more.
    fn close(&mut self, reason: CloseReason) -> LocalBoxFuture<'static, ()>;
    /// The connection is over.
    fn end(&mut self);
}

/// What a frame is, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole message.
    Message,
    Pong,
    /// A ping, a fragment, an end.
    Beside,
}

/// What was heard leads to this.
#[expect(missing_debug_implementations, reason = "a future has none")]
pub enum Heard {
    Fine,
    /// Nothing else is heard before this is done.
    Wait(LocalBoxFuture<'static, Heard>),
    Close(CloseReason),
}

/// The side that is written to the client: whole WebSocket frames.
pub(super) trait Outgoing: Clone + Unpin + 'static {
    /// What the connection should write next; `Ready(None)` when nothing will ever come again.
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;
    /// Queues frames of the connection's own, as the answer to a ping.
    fn write(&self, frames: Bytes);
    /// Says goodbye with a reason; nothing is queued after it.
    fn close(&self, reason: CloseReason);
    /// The client said goodbye: the answer is the last thing it gets.
    fn answer_close(&self, code: u16);
    /// Everything was written: the client hears that nothing more will come.
    fn hang_up(&self);
    /// The connection is gone.
    fn gone(&self);
}

/// What a handshake is answered, if the request is one.
pub(super) fn handshake(request: &HttpRequest) -> Result<HttpResponseBuilder, Problem> {
    ws::handshake(request).map_err(refused)
}

/// Opens the connection of a handshake; a message has at most `most` bytes.
pub(super) fn open<C: Conversation>(
    mut response: HttpResponseBuilder,
    payload: web::Payload,
    conversation: C,
    outgoing: C::Outgoing,
    most: usize,
) -> HttpResponse {
    let intake = Intake::default();
    let payload = Guard::new(payload, most.max(CONTROL_MAX), intake.clone());
    let connection = Connection::new(conversation, outgoing.clone(), most, intake);
    let frames = WebsocketContext::with_codec(connection, payload, Codec::new().max_size(most));
    response.streaming(Body::new(frames, outgoing))
}

/// A request that is no WebSocket handshake.
fn refused(error: HandshakeError) -> Problem {
    match error {
        // Another method than GET is HEAD.
        HandshakeError::GetMethodRequired
        | HandshakeError::NoWebsocketUpgrade
        | HandshakeError::NoConnectionUpgrade => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this path is a WebSocket: send an upgrade request",
        ),
        HandshakeError::UnsupportedVersion | HandshakeError::NoVersionHeader => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "websocket_version",
            "Sec-WebSocket-Version must be 13",
        ),
        HandshakeError::BadWebsocketKey => {
            Problem::bad_request("websocket_handshake", "the WebSocket handshake is not complete")
        }
    }
}
