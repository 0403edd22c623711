//! The actor of one WebSocket: turns frames into what its door's conversation hears. Everything it sends goes
//! through the door's outgoing side, so that there is one order and one bound.

use std::io;

use actix::prelude::*;
use actix_http::ws::ProtocolError;
use actix_web_actors::ws::{self, CloseCode, WebsocketContext};
use bytes::Bytes;
use bytestring::ByteString;

use super::fragments::{Assembly, Fragments};
use super::guard::Intake;
use super::{Conversation, Heard, Kind, Outgoing};
use crate::domain::CloseReason;
use crate::protocol::frame;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Connection<C: Conversation> {
    conversation: C,
    outgoing: C::Outgoing,
    fragments: Fragments,
    /// The largest message, all fragments together.
    message_bytes: usize,
    intake: Intake,
}

impl<C: Conversation> Connection<C> {
    pub(super) fn new(conversation: C, outgoing: C::Outgoing, message_bytes: usize, intake: Intake) -> Self {
        let fragments = Fragments::new(C::TAKES_BINARY);
        Self { conversation, outgoing, fragments, message_bytes, intake }
    }

    /// Nothing is read while the goodbye is said: what came cannot be told from garbage any more.
    fn end(&mut self, reason: CloseReason, ctx: &mut WebsocketContext<Self>) {
        let closed = self.conversation.close(reason);
        ctx.wait(closed.into_actor(self).map(move |(), connection, ctx| {
            connection.outgoing.close(reason);
            ctx.stop();
        }));
    }

    fn heard(&mut self, heard: Heard, ctx: &mut WebsocketContext<Self>) {
        match heard {
            Heard::Fine => {}
            Heard::Wait(future) => {
                ctx.wait(future.into_actor(self).map(|heard, connection, ctx| connection.heard(heard, ctx)));
            }
            Heard::Close(reason) => self.end(reason, ctx),
        }
    }

    fn text(&mut self, bytes: Bytes, ctx: &mut WebsocketContext<Self>) {
        match ByteString::try_from(bytes) {
            Ok(text) => {
                let heard = self.conversation.text(text);
                self.heard(heard, ctx);
            }
            Err(_) => self.end(CloseReason::InvalidText, ctx),
        }
    }

    fn binary(&mut self, bytes: Bytes, ctx: &mut WebsocketContext<Self>) {
        let heard = if C::TAKES_BINARY {
            self.conversation.binary(bytes)
        } else {
            Heard::Close(CloseReason::UnsupportedData)
        };
        self.heard(heard, ctx);
    }
}

impl<C: Conversation> Actor for Connection<C> {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What the client says before it was greeted waits until then.
        ctx.wait(self.conversation.begin().into_actor(self));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.conversation.end();
    }
}

impl<C: Conversation> StreamHandler<Result<ws::Message, ProtocolError>> for Connection<C> {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        self.intake.heard();
        let kind = match message {
            Ok(ws::Message::Text(_) | ws::Message::Binary(_)) => Kind::Message,
            Ok(ws::Message::Pong(_)) => Kind::Pong,
            _ => Kind::Beside,
        };
        if self.conversation.counts_one_frame_too_many(kind) {
            self.end(CloseReason::RateLimited, ctx);
            return;
        }
        match message {
            Ok(ws::Message::Text(text)) => {
                let heard = self.conversation.text(text);
                self.heard(heard, ctx);
            }
            Ok(ws::Message::Binary(bytes)) => self.binary(bytes, ctx),
            Ok(ws::Message::Ping(payload)) => self.outgoing.write(frame::pong(&payload)),
            Ok(ws::Message::Pong(payload)) => {
                let heard = self.conversation.pong(payload);
                self.heard(heard, ctx);
            }
            Ok(ws::Message::Continuation(item)) => match self.fragments.add(item, self.message_bytes) {
                Assembly::Incomplete => {}
                Assembly::Text(bytes) => self.text(bytes, ctx),
                Assembly::Binary(bytes) => self.binary(bytes, ctx),
                Assembly::TooLarge => self.end(CloseReason::MessageTooLarge, ctx),
                Assembly::NotText => self.end(CloseReason::UnsupportedData, ctx),
                Assembly::OutOfOrder => self.end(CloseReason::ProtocolError, ctx),
            },
            Ok(ws::Message::Close(reason)) => {
                // RFC 6455 §5.5.1: the answer repeats the code it got.
                let code = reason.map_or(CloseCode::Normal, |reason| reason.code);
                self.outgoing.answer_close(code.into());
                ctx.stop();
            }
            Ok(ws::Message::Nop) => {}
            Err(_) if self.intake.is_too_large() => self.end(CloseReason::MessageTooLarge, ctx),
            Err(ProtocolError::Overflow) => self.end(CloseReason::MessageTooLarge, ctx),
            Err(ProtocolError::Io(error)) if is_not_text(&error) => self.end(CloseReason::InvalidText, ctx),
            // What broke is the connection: nobody is left to tell.
            Err(ProtocolError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => ctx.stop(),
            // Also the reader must end: a frame that does not parse is found again at every poll.
            Err(_) => self.end(CloseReason::ProtocolError, ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Whether this is what actix-web-actors makes of a text frame that is not UTF-8: it has no kind of its
/// own, only the decoder's words.
fn is_not_text(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("utf-8")
}
