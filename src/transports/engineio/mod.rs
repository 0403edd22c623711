//! Engine.IO protocol 4: one connection over long-polling, over a WebSocket, or over the one and then the other.
//! Whoever speaks over it is a [`Speaker`], who neither knows nor minds how its frames travel.

mod door;
mod engine;
mod handshake;
mod hang_up;
mod home;
mod link;
mod local;
mod polling;
mod registry;
mod sids;
mod timekeeper;
mod upgrade;

use std::task::{Context, Poll};

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::Instant;

pub use super::websocket::Heard;
pub use door::{Door, serve};
pub use engine::Engine;
pub use registry::Registry;
pub use sids::Sids;
pub(super) use sids::fresh_sid;

use crate::actors::session::{FrameRate, Socket};
use crate::domain::CloseReason;

/// What speaks over a connection, on the thread of its engine.
pub trait Speaker: 'static {
    /// A message has come.
    fn text(&self, text: ByteString) -> Heard;
    fn binary(&self, bytes: Bytes) -> Heard;
    /// The client has everything that was written before the WebSocket ping with this payload.
    fn proven(&self, ping: &[u8]);
    /// Whether a pong that came can be the answer to a ping.
    fn awaited_pong(&self) -> bool;
    /// What is written next: whole WebSocket frames.
    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes>;
    /// Looks after its own; a reason ends the connection. Asked now and then, and when all was written.
    fn over(&self, now: Instant) -> Option<CloseReason>;
    /// The connection ends, for this reason; what is queued may still be written.
    fn end(&self, reason: CloseReason);
    /// The connection is gone.
    fn gone(&self);
}

/// Makes a speaker for each connection.
pub trait Speakers: Clone + Send + 'static {
    type Speaker: Speaker;

    /// `request` opens the connection, over `socket` or by polling. Its frames are counted in `frames`.
    fn open(&self, request: &HttpRequest, socket: &Socket, frames: &FrameRate) -> Self::Speaker;
    /// Whether the server is stopping.
    fn is_draining(&self) -> bool;
}
