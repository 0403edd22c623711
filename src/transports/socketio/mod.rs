//! The Socket.IO door: protocol 5 over Engine.IO 4. This file says who may sit where; `speaker.rs` reads packets and
//! knows the namespaces of a connection, `guest.rs` lets clients in, `seat.rs` is a session in a namespace.

mod guest;
mod seat;
mod speaker;
mod spellings;

use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use serde_json::value::RawValue;

pub use guest::{Host, Visitor};
pub use speaker::{Guests, SocketIo};

use super::engineio::Heard;
use crate::actors::session::{FrameRate, Socket};
use crate::domain::CloseReason;

/// Who is at the other end of one connection: whom its handshake says it is, before any namespace is joined.
pub trait Guest: 'static {
    type Seat: Seat;

    /// Joins a namespace with what the client's CONNECT packet says, a JSON object or nothing. The seat has the answer
    /// to the packet as the first of its frames.
    fn connect(
        &self,
        namespace: &str,
        auth: Option<Box<RawValue>>,
    ) -> LocalBoxFuture<'static, Result<Self::Seat, NoSeat>>;

    /// Whether the server is stopping.
    fn is_draining(&self) -> bool;
}

/// Makes a guest of each connection's handshake.
pub trait Reception: Clone + Send + 'static {
    type Guest: Guest;

    fn receive(&self, request: &HttpRequest, socket: &Socket, frames: &FrameRate) -> Self::Guest;
    /// Whether the server is stopping.
    fn is_draining(&self) -> bool;
}

/// Why a namespace was not joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSeat {
    /// The client is told in a `CONNECT_ERROR` packet: words for people and, as JSON, what else is to be known.
    Refused { message: String, data: Option<String> },
    /// The connection is closed: its client may come again.
    Close(CloseReason),
}

/// A client in one namespace.
pub trait Seat: 'static {
    fn event(&self, event: Event) -> Heard;
    /// The client acknowledges what was sent with this id.
    fn ack(&self, id: u64);
    fn proven(&self, ping: &[u8]);
    fn awaited_pong(&self) -> bool;
    /// What is written next: whole frames.
    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes>;
    /// Why it is over, once all it had to say was written.
    fn ended(&self) -> Option<CloseReason>;
    /// The connection ends for this reason: the last words, if there are any.
    fn close(&self, reason: CloseReason);
    /// It is no longer heard; what is queued may still be written.
    fn leave(&self);
    /// The connection is gone.
    fn gone(&self);
}

/// An event from a client.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    /// The arguments after the name, as JSON, with placeholders for attachments.
    pub arguments: Vec<Box<RawValue>>,
    pub attachments: Vec<Bytes>,
    /// Where the client waits for an ack.
    pub id: Option<u64>,
}

/// The door's own reception.
pub type Bellhop = Guests<Arc<Host>>;
