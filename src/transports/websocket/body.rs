//! The response body of an open WebSocket: what the session's outbox holds, written as few times as
//! possible, while the actor's stream is kept running for what comes in.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;

use crate::actors::session::Outbox;

/// See the module's documentation. Dropped with the connection, on the thread that owns the socket.
pub(super) struct Body<S> {
    /// The actor's side. Pinned on the heap so that the body itself can move.
    actor: Pin<Box<S>>,
    outbox: Rc<Outbox>,
    farewell: Farewell,
}

/// How far the end of a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// The actor runs.
    NotYet,
    /// The actor is over; what is queued still goes out.
    Queued,
    /// Everything was handed to the connection, which writes it before it asks again.
    Handed,
}

impl<S> Body<S> {
    pub(super) fn new(actor: S, outbox: Rc<Outbox>) -> Self {
        Self { actor: Box::pin(actor), outbox, farewell: Farewell::NotYet }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Body<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.farewell == Farewell::NotYet {
            // The actor first: what it hears may add to what is written.
            match self.actor.as_mut().poll_next(cx) {
                // Nothing is written through the actor; if it ever is, it goes out.
                Poll::Ready(Some(item)) => return Poll::Ready(Some(item)),
                Poll::Ready(None) => self.farewell = Farewell::Queued,
                Poll::Pending => return self.outbox.poll_bytes(cx).map(|bytes| bytes.map(Ok)),
            }
        }
        if let Poll::Ready(Some(bytes)) = self.outbox.poll_bytes(cx) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.farewell == Farewell::Queued {
            self.farewell = Farewell::Handed;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.outbox.hang_up();
        Poll::Ready(None)
    }
}

impl<S> Drop for Body<S> {
    fn drop(&mut self) {
        self.outbox.gone();
    }
}
