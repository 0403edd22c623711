//! A connection that is a WebSocket from its first byte: everything of it lives on one thread.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::{Engine, Heard, Speaker};
use crate::domain::CloseReason;
use crate::protocol::engineio;
use crate::transports::websocket::{Conversation, Kind, Outgoing};

/// What is said on such a connection.
#[derive(Debug)]
pub(super) struct LocalConversation<S>(pub(super) Rc<Engine<S>>);

impl<S: Speaker> Conversation for LocalConversation<S> {
    type Outgoing = OfEngine<S>;
    const TAKES_BINARY: bool = true;

    fn begin(&mut self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }

    fn counts_one_frame_too_many(&mut self, kind: Kind) -> bool {
        let answers = kind == Kind::Pong && self.0.speaker.awaited_pong();
        !answers && self.0.counts_one_too_many()
    }

    fn text(&mut self, text: ByteString) -> Heard {
        match engineio::parse(&text) {
            // The last words are said: nobody hears any more.
            _ if !self.0.is_open() => Heard::Fine,
            Ok(packet) => self.0.packet(packet),
            Err(_) => Heard::Close(CloseReason::ProtocolError),
        }
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        if self.0.is_open() { self.0.speaker.binary(bytes) } else { Heard::Fine }
    }

    fn pong(&mut self, payload: Bytes) -> Heard {
        self.0.speaker.proven(&payload);
        Heard::Fine
    }

    fn close(&mut self, _: CloseReason) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }

    fn end(&mut self) {
        self.0.end();
    }
}

/// A connection as its WebSocket writes it.
#[derive(Debug)]
pub(super) struct OfEngine<S>(pub(super) Rc<Engine<S>>);

impl<S> Clone for OfEngine<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S: Speaker> Outgoing for OfEngine<S> {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_frames(cx)
    }

    fn write(&self, frames: Bytes) {
        self.0.control(&frames);
    }

    fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    fn answer_close(&self, code: u16) {
        self.0.answer_close(code);
    }

    fn hang_up(&self) {
        self.0.socket().hang_up();
    }

    fn gone(&self) {
        self.0.gone();
    }
}
