//! The actor of one raw WebSocket: turns frames into events for its session and answers into frames.
//! Everything it sends goes through the outbox, so that there is one order and one bound.

use std::io;
use std::rc::Rc;

use actix::prelude::*;
use actix_http::ws::ProtocolError;
use actix_web_actors::ws::{self, CloseCode, WebsocketContext};
use serde_json::value::RawValue;

use super::fragments::{Assembly, Fragments};
use super::guard::Intake;
use crate::actors::session::{Answer, NotAdmitted, Outbox, Reaction, Session};
use crate::domain::{CloseReason, Profile};
use crate::protocol::events::{ClientEvent, Refusal};
use crate::protocol::frame;
use crate::protocol::json::{self, ClientFrame};
use crate::telemetry::Metrics;

/// The door's label in figures.
const DOOR: &str = "websocket";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct WebSocketDoor {
    session: Session,
    /// What the token says of its bearer, until it is handed on.
    profile: Option<Box<Profile>>,
    outbox: Rc<Outbox>,
    fragments: Fragments,
    /// The largest message, all fragments together.
    message_bytes: usize,
    intake: Intake,
    metrics: Metrics,
}

impl WebSocketDoor {
    pub(super) fn new(
        session: Session,
        profile: Profile,
        outbox: Rc<Outbox>,
        metrics: Metrics,
        message_bytes: usize,
        intake: Intake,
    ) -> Self {
        let profile = Some(Box::new(profile));
        let fragments = Fragments::default();
        Self { session, profile, outbox, fragments, message_bytes, intake, metrics }
    }

    fn say(&self, id: Option<&RawValue>, answer: &Answer) {
        self.outbox.write(frame::text(&json::answer(id, answer.event, &answer.data)));
    }

    fn text(&mut self, text: &str, ctx: &mut WebsocketContext<Self>) {
        let frame = ClientFrame::parse(text);
        let (id, event) = match &frame {
            Some(frame) => (frame.id, ClientEvent::parse(&frame.event, frame.data.map(RawValue::get))),
            None => (None, Err(Refusal::new("bad_frame", r#"a frame is {"event": "…", "data": …}"#))),
        };
        match self.session.handle(event) {
            Reaction::Answer(answer) => self.say(id, &answer),
            Reaction::Later(answer) => {
                let id = id.map(ToOwned::to_owned);
                ctx.spawn(
                    answer.into_actor(self).map(move |answer, door, _| door.say(id.as_deref(), &answer)),
                );
            }
            Reaction::Close(reason) => self.end(reason, ctx),
        }
    }
}

impl Actor for WebSocketDoor {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.metrics.sessions_open(DOOR).inc();
        let Some(profile) = self.profile.take() else { return };
        let begun = self.session.begin(*profile);
        // What the client says before it was greeted waits until then.
        ctx.wait(begun.into_actor(self).map(|begun, door, _| match begun {
            Ok(inbox) => {
                let connected = door.session.connected(inbox);
                door.session.greet(inbox, &json::event(connected.event, &connected.data));
            }
            Err(NotAdmitted(reason)) => door.outbox.refuse(reason),
        }));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.session.end();
        self.metrics.sessions_open(DOOR).dec();
        self.metrics.sessions_closed(self.outbox.reason().text()).inc();
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for WebSocketDoor {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        self.outbox.heard();
        self.intake.heard();
        let answers = matches!(message, Ok(ws::Message::Pong(_))) && self.outbox.awaited_pong();
        if !answers && self.session.counts_one_frame_too_many() {
            self.end(CloseReason::RateLimited, ctx);
            return;
        }
        match message {
            Ok(ws::Message::Text(text)) => self.text(&text, ctx),
            Ok(ws::Message::Ping(payload)) => {
                self.outbox.write(frame::pong(&payload));
            }
            Ok(ws::Message::Pong(payload)) => self.session.pong(&payload),
            Ok(ws::Message::Continuation(item)) => match self.fragments.add(item, self.message_bytes) {
                Assembly::Incomplete => {}
                Assembly::Complete(bytes) => match std::str::from_utf8(&bytes) {
                    Ok(text) => self.text(text, ctx),
                    Err(_) => self.end(CloseReason::InvalidText, ctx),
                },
                Assembly::TooLarge => self.end(CloseReason::MessageTooLarge, ctx),
                Assembly::Binary => self.end(CloseReason::UnsupportedData, ctx),
                Assembly::OutOfOrder => self.end(CloseReason::ProtocolError, ctx),
            },
            Ok(ws::Message::Binary(_)) => self.end(CloseReason::UnsupportedData, ctx),
            Ok(ws::Message::Close(reason)) => {
                // RFC 6455 §5.5.1: the answer repeats the code it got.
                let code = reason.map_or(CloseCode::Normal, |reason| reason.code);
                self.outbox.answer_close(code.into());
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

impl WebSocketDoor {
    fn end(&self, reason: CloseReason, ctx: &mut WebsocketContext<Self>) {
        self.outbox.close(reason);
        ctx.stop();
    }
}

/// Whether this is what actix-web-actors makes of a text frame that is not UTF-8: it has no kind of its
/// own, only the decoder's words.
fn is_not_text(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("utf-8")
}
