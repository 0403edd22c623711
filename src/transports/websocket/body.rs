//! The response body of an open WebSocket: what the door's outgoing side holds, written as few times as
//! possible, while the actor's stream is kept running for what comes in. A push wakes the connection for
//! that side alone; the actor is polled only when something woke the actor.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::task::AtomicWaker;

use super::Outgoing;

/// See the module's documentation. Dropped with the connection, on the thread that owns the socket.
pub(super) struct Body<S, O: Outgoing> {
    /// The actor's side. Pinned on the heap so that the body itself can move.
    actor: Pin<Box<S>>,
    outgoing: O,
    farewell: Farewell,
    wake: Arc<ActorWake>,
    /// The waker made of `wake`.
    waker: Waker,
    /// The connection's task, as `wake` knows it; it hardly ever changes.
    task: Option<Waker>,
}

/// Notes that the actor was woken, then wakes the connection's task.
#[derive(Debug)]
struct ActorWake {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for ActorWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
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

impl<S, O: Outgoing> Body<S, O> {
    pub(super) fn new(actor: S, outgoing: O) -> Self {
        // Woken from the start: the first poll is what starts the actor.
        let wake = Arc::new(ActorWake { woken: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&wake));
        Self { actor: Box::pin(actor), outgoing, farewell: Farewell::NotYet, wake, waker, task: None }
    }
}

impl<S, O: Outgoing> Body<S, O> {
    /// Whether the actor has to be polled. If so, its next wake leads to the task that polls this body:
    /// a wake uses its registration up, so it is renewed after each, and before the actor is polled, which
    /// then sees whatever a wake in between was for.
    fn actor_is_woken(&mut self, cx: &Context<'_>) -> bool {
        let woken = self.wake.woken.swap(false, Ordering::AcqRel);
        let moved = !self.task.as_ref().is_some_and(|known| known.will_wake(cx.waker()));
        if moved {
            self.task = Some(cx.waker().clone());
        }
        if woken || moved {
            self.wake.task.register(cx.waker());
        }
        woken || moved
    }
}

impl<S: Stream<Item = Result<Bytes, Error>>, O: Outgoing> Stream for Body<S, O> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.farewell == Farewell::NotYet {
            if !self.actor_is_woken(cx) {
                return self.outgoing.poll_bytes(cx).map(|bytes| bytes.map(Ok));
            }
            // The actor first: what it hears may add to what is written.
            let this = &mut *self;
            match this.actor.as_mut().poll_next(&mut Context::from_waker(&this.waker)) {
                // Nothing is written through the actor; if it ever is, it goes out and the actor goes on.
                Poll::Ready(Some(item)) => {
                    this.wake.woken.store(true, Ordering::Release);
                    return Poll::Ready(Some(item));
                }
                Poll::Ready(None) => this.farewell = Farewell::Queued,
                Poll::Pending => return this.outgoing.poll_bytes(cx).map(|bytes| bytes.map(Ok)),
            }
        }
        if let Poll::Ready(Some(bytes)) = self.outgoing.poll_bytes(cx) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.farewell == Farewell::Queued {
            self.farewell = Farewell::Handed;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.outgoing.hang_up();
        Poll::Ready(None)
    }
}

impl<S, O: Outgoing> Drop for Body<S, O> {
    fn drop(&mut self) {
        self.outgoing.gone();
    }
}
