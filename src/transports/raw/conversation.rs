//! What is said on a raw WebSocket: JSON frames become events for the session, its answers frames again.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::value::RawValue;

use crate::actors::session::{Answer, FrameRate, NotAdmitted, Outbox, Reaction, Session};
use crate::domain::{CloseReason, Profile};
use crate::protocol::events::{ClientEvent, Refusal};
use crate::protocol::frame;
use crate::protocol::json::{self, ClientFrame};
use crate::telemetry::Metrics;
use crate::transports::websocket::{Conversation, Heard, Kind, Outgoing};

/// The door's label in figures.
const DOOR: &str = "websocket";

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct RawConversation {
    session: Rc<Session>,
    /// What the token says of its bearer, until it is handed on.
    profile: Option<Box<Profile>>,
    outbox: Rc<Outbox>,
    frames: FrameRate,
    metrics: Metrics,
}

impl RawConversation {
    pub(super) fn new(
        session: Session,
        profile: Profile,
        outbox: Rc<Outbox>,
        frames: FrameRate,
        metrics: Metrics,
    ) -> Self {
        Self { session: Rc::new(session), profile: Some(Box::new(profile)), outbox, frames, metrics }
    }
}

fn say(outbox: &Outbox, id: Option<&RawValue>, answer: &Answer) {
    outbox.write(frame::text(&json::answer(id, answer.event, &answer.data)));
}

impl Conversation for RawConversation {
    type Outgoing = Rc<Outbox>;
    const TAKES_BINARY: bool = false;

    fn begin(&mut self) -> LocalBoxFuture<'static, ()> {
        self.metrics.sessions_open(DOOR).inc();
        let begun = self.profile.take().map(|profile| self.session.begin(*profile));
        let (session, outbox) = (Rc::clone(&self.session), Rc::clone(&self.outbox));
        async move {
            match begun {
                None => {}
                Some(begun) => match begun.await {
                    Ok(inbox) => session.greet(inbox, &[], None),
                    Err(NotAdmitted(reason)) => outbox.refuse(reason),
                },
            }
        }
        .boxed_local()
    }

    fn counts_one_frame_too_many(&mut self, kind: Kind) -> bool {
        self.outbox.heard();
        let answers = kind == Kind::Pong && self.outbox.awaited_pong();
        !answers && self.frames.is_exceeded_by_one_more()
    }

    fn text(&mut self, text: ByteString) -> Heard {
        let frame = ClientFrame::parse(&text);
        let (id, event) = match &frame {
            Some(frame) => (frame.id, ClientEvent::parse(&frame.event, frame.data.map(RawValue::get))),
            None => (None, Err(Refusal::new("bad_frame", r#"a frame is {"event": "…", "data": …}"#))),
        };
        match self.session.handle(event) {
            Reaction::Answer(answer) => say(&self.outbox, id, &answer),
            Reaction::Later(answer) => {
                let (id, outbox) = (id.map(ToOwned::to_owned), Rc::clone(&self.outbox));
                actix::spawn(async move { say(&outbox, id.as_deref(), &answer.await) });
            }
            Reaction::Close(reason) => return Heard::Close(reason),
        }
        Heard::Fine
    }

    fn binary(&mut self, _: Bytes) -> Heard {
        Heard::Close(CloseReason::UnsupportedData)
    }

    fn pong(&mut self, payload: Bytes) -> Heard {
        self.session.pong(&payload);
        Heard::Fine
    }

    fn close(&mut self, _: CloseReason) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }

    fn end(&mut self) {
        self.session.end();
        self.metrics.sessions_open(DOOR).dec();
        self.metrics.sessions_closed(self.outbox.reason().text()).inc();
    }
}

impl Outgoing for Rc<Outbox> {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Outbox::poll_bytes(self, cx)
    }

    fn write(&self, frames: Bytes) {
        Outbox::write(self, frames);
    }

    fn close(&self, reason: CloseReason) {
        Outbox::close(self, reason);
    }

    fn answer_close(&self, code: u16) {
        Outbox::answer_close(self, code);
    }

    fn hang_up(&self) {
        Outbox::hang_up(self);
    }

    fn gone(&self) {
        Outbox::gone(self);
    }
}
