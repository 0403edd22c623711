//! The body of an event stream: what its session's outbox holds, as soon as the connection takes it. The session lives
//! as long as this does.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::Error;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, Stream};

use super::SseDoor;
use crate::actors::session::{NotAdmitted, Outbox, Session};
use crate::domain::{InboxState, Profile};
use crate::telemetry::Metrics;

/// The door's label in figures.
const DOOR: &str = "sse";
/// How many times as long as usual who was not let in is to wait: nothing changes within seconds.
const NOT_ADMITTED: f64 = 10.0;

/// See the module's documentation. Dropped with the connection, on the thread that owns the socket.
pub(super) struct EventStream {
    session: Session,
    outbox: Rc<Outbox>,
    /// The beginning, while it is under way.
    begun: Option<LocalBoxFuture<'static, Result<InboxState, NotAdmitted>>>,
    /// What goes before what the outbox holds.
    first: Option<String>,
    metrics: Metrics,
    door: Arc<SseDoor>,
}

impl EventStream {
    pub(super) fn new(
        session: Session,
        outbox: Rc<Outbox>,
        profile: Profile,
        metrics: Metrics,
        door: Arc<SseDoor>,
    ) -> Self {
        metrics.sessions_open(DOOR).inc();
        let begun = Some(session.begin(profile));
        // At once, whatever the beginning takes: it lets everybody on the way see that this is a stream.
        let first = Some(door.retry(1.0));
        Self { session, outbox, begun, first, metrics, door }
    }

    fn poll_beginning(&mut self, cx: &mut Context<'_>) {
        let Some(Poll::Ready(begun)) = self.begun.as_mut().map(|begun| begun.poll_unpin(cx)) else { return };
        self.begun = None;
        match begun {
            Ok(inbox) => self.session.greet(inbox, &[], None),
            Err(NotAdmitted(reason)) => {
                self.first.get_or_insert_default().push_str(&self.door.retry(NOT_ADMITTED));
                self.outbox.refuse(reason);
            }
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_beginning(cx);
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first.into())));
        }
        let polled = self.outbox.poll_bytes(cx);
        match &polled {
            // The connection takes what it is given: the only sign of life there is.
            Poll::Ready(Some(_)) => self.outbox.heard(),
            Poll::Pending if self.outbox.ended().is_some() => return Poll::Ready(None),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled.map(|bytes| bytes.map(Ok))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.outbox.gone();
        self.session.end();
        self.metrics.sessions_open(DOOR).dec();
        self.metrics.sessions_closed(self.outbox.reason().text()).inc();
    }
}
