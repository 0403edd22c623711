//! A session in a namespace: events become the session's, its answers go to the client's acks or are events.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Event, Seat};
use crate::actors::session::{Answer, Outbox, Reaction, Session};
use crate::domain::CloseReason;
use crate::protocol::events::ClientEvent;
use crate::protocol::frame;
use crate::protocol::socketio;
use crate::protocol::wire::Namespace;
use crate::telemetry::Metrics;
use crate::transports::engineio::Heard;

/// The door's label in figures.
const DOOR: &str = "socketio";

/// See the module's documentation.
#[derive(Debug)]
pub struct SessionSeat {
    session: Session,
    outbox: Rc<Outbox>,
    namespace: Namespace,
    metrics: Metrics,
    has_left: Cell<bool>,
}

impl SessionSeat {
    pub(super) fn new(session: Session, outbox: Rc<Outbox>, namespace: Namespace, metrics: Metrics) -> Self {
        metrics.sessions_open(DOOR).inc();
        Self { session, outbox, namespace, metrics, has_left: Cell::new(false) }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

/// To whom an answer goes.
struct Asker {
    namespace: Namespace,
    id: Option<u64>,
    /// What came with the question, and goes with its echo.
    attachments: Vec<Bytes>,
}

impl Asker {
    fn say(&self, outbox: &Outbox, answer: &Answer) {
        let namespace = self.namespace.name();
        let data = answer.data.to_string();
        // Only an echo has the placeholders of what came.
        let attachments = if answer.event == "pong" { self.attachments.as_slice() } else { &[] };
        let packet = match self.id {
            Some(id) => socketio::ack(namespace, id, &[&data], attachments.len()),
            // Clients take a text in the last place for an offset to come back with.
            None if data.starts_with('"') => {
                socketio::event_with(namespace, answer.event, &[&data, "null"], attachments.len())
            }
            None => socketio::event_with(namespace, answer.event, &[&data], attachments.len()),
        };
        let mut frames = frame::text(&packet).to_vec();
        for attachment in attachments {
            frames.extend_from_slice(&frame::binary(attachment));
        }
        outbox.write(frames.into());
    }
}

impl Seat for SessionSeat {
    fn event(&self, event: Event) -> Heard {
        let data = event.arguments.first().map(|argument| argument.get());
        let understood = ClientEvent::parse(&event.name, data);
        let asker = Asker { namespace: self.namespace, id: event.id, attachments: event.attachments };
        match self.session.handle(understood) {
            Reaction::Answer(answer) => asker.say(&self.outbox, &answer),
            Reaction::Later(answer) => {
                let outbox = Rc::clone(&self.outbox);
                actix::spawn(async move { asker.say(&outbox, &answer.await) });
            }
            // Only this namespace is closed, if there is another.
            Reaction::Close(reason) => self.outbox.close(reason),
        }
        Heard::Fine
    }

    fn ack(&self, id: u64) {
        if let Ok(seq) = i64::try_from(id) {
            self.session.acknowledged(seq);
        }
    }

    fn proven(&self, ping: &[u8]) {
        self.session.pong(ping);
    }

    fn awaited_pong(&self) -> bool {
        self.outbox.awaited_pong()
    }

    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match self.outbox.poll_bytes(cx) {
            Poll::Ready(Some(frames)) => Poll::Ready(frames),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn ended(&self) -> Option<CloseReason> {
        self.outbox.ended()
    }

    fn close(&self, reason: CloseReason) {
        if reason == CloseReason::ClientLeft {
            self.outbox.over();
        } else {
            self.outbox.close(reason);
        }
    }

    fn leave(&self) {
        if !self.has_left.replace(true) {
            self.session.end();
            self.metrics.sessions_open(DOOR).dec();
            self.metrics.sessions_closed(self.outbox.reason().text()).inc();
        }
    }

    fn gone(&self) {
        self.leave();
        // The socket is the connection's, which may have other seats and last words of its own.
        self.outbox.over();
    }
}

impl Drop for SessionSeat {
    fn drop(&mut self) {
        self.leave();
    }
}
