//! The long-polling transport of one connection: what one GET is answered, and what the next one proves.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use super::{Engine, Speaker};
use crate::domain::CloseReason;
use crate::protocol::engineio::{self, polling_body};

/// How many bytes an answer has at least, where there is so much: the rest waits for the next GET.
const ENOUGH: usize = 64 * 1024;

/// See the module's documentation. At most one GET waits at a time.
#[derive(Debug, Default)]
pub(super) struct Polls {
    is_waiting: Cell<bool>,
    /// The GET that waits is to be let go.
    is_released: Cell<bool>,
    /// An upgrade is under way: no GET waits.
    is_upgrading: Cell<bool>,
    /// The connection is a WebSocket now.
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What the last GET was told from every other by.
    stamp: RefCell<Option<String>>,
    /// Pings whose place in what was written has been handed to the client: that it comes again proves them.
    handed: RefCell<Vec<Vec<u8>>>,
}

/// What a GET is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) payload: String,
    /// Whether it was the last.
    pub(super) is_last: bool,
}

impl Polls {
    /// Whether a GET is the last one once more.
    pub(super) fn is_repeated(&self, stamp: Option<String>) -> bool {
        let last = self.stamp.replace(stamp);
        last.is_some() && last == *self.stamp.borrow()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.get()
    }

    pub(super) fn wait(&self, is_waiting: bool) {
        self.is_waiting.set(is_waiting);
    }

    /// The connection is a WebSocket now: lets the GET go that waits, if one does.
    pub(super) fn finish(&self) {
        self.is_over.set(true);
        self.is_released.set(self.is_waiting.get());
        self.wake();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    pub(super) fn upgrading(&self, is_upgrading: bool) {
        self.is_upgrading.set(is_upgrading);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The client has what it was answered last: it came again, or began to speak over its WebSocket, which it does
    /// only then.
    pub(super) fn prove<S: Speaker>(&self, engine: &Engine<S>) {
        for ping in self.handed.take() {
            engine.speaker.proven(&ping);
        }
    }

    /// None when the connection is over and has nothing to say.
    pub(super) fn poll_answer<S: Speaker>(
        &self,
        engine: &Engine<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Answer>> {
        if self.is_released.take() {
            return Poll::Ready(Some(Answer::noop()));
        }
        let mut answer = Answer { payload: String::new(), is_last: false };
        // An answer ends at the first ping in it: what comes after, perhaps the last words, is said to who came again
        // and so has proven what came before.
        while answer.payload.len() < ENOUGH && !answer.is_last && self.handed.borrow().is_empty() {
            match engine.poll_frames(cx) {
                // The close packet is said alone: clients take it before what came with it.
                Poll::Ready(Some(goodbye)) if engine.has_said_goodbye() && !answer.payload.is_empty() => {
                    engine.unsay_goodbye(goodbye);
                    break;
                }
                Poll::Ready(Some(frames)) => self.gather(engine, &frames, &mut answer),
                Poll::Ready(None) if answer.payload.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) => answer.is_last = true,
                Poll::Pending if !answer.payload.is_empty() => break,
                Poll::Pending if self.is_upgrading.get() => return Poll::Ready(Some(Answer::noop())),
                Poll::Pending => {
                    *self.waker.borrow_mut() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Some(answer))
    }

    fn gather<S: Speaker>(&self, engine: &Engine<S>, frames: &[u8], answer: &mut Answer) {
        let body = polling_body(frames);
        self.handed.borrow_mut().extend(body.pings);
        if body.payload.is_empty() && answer.payload.is_empty() {
            // Only asks about what was answered before, which this GET proves.
            self.prove(engine);
            return;
        }
        answer.is_last = body.close;
        if body.close && engine.closing() == Some(CloseReason::ClientLeft) {
            // Who has said goodbye is not told so.
            if answer.payload.is_empty() {
                answer.payload.push_str(engineio::NOOP);
            }
        } else {
            engineio::join(&mut answer.payload, &body.payload);
        }
    }
}

impl Answer {
    fn noop() -> Self {
        Self { payload: engineio::NOOP.to_owned(), is_last: false }
    }
}
