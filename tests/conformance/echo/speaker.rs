//! Says every message of an Engine.IO connection back.

use std::cell::RefCell;
use std::task::{Context, Poll, Waker};

use actix_web::HttpRequest;
use bellhop::actors::session::{FrameRate, Socket};
use bellhop::domain::CloseReason;
use bellhop::protocol::frame;
use bellhop::transports::engineio::{Heard, Speaker, Speakers};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use tokio::time::Instant;

/// What is to be written, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: RefCell<BytesMut>,
    waker: RefCell<Option<Waker>>,
}

impl Queue {
    pub(super) fn push(&self, frames: &[u8]) {
        self.frames.borrow_mut().extend_from_slice(frames);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let frames = self.frames.take();
        if !frames.is_empty() {
            return Poll::Ready(frames.freeze());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Makes an echo of each connection.
#[derive(Debug, Clone)]
pub(super) struct Echo;

impl Speakers for Echo {
    type Speaker = Queue;

    fn open(&self, _: &HttpRequest, _: &Socket, _: &FrameRate) -> Queue {
        Queue::default()
    }

    fn is_draining(&self) -> bool {
        false
    }
}

impl Speaker for Queue {
    fn text(&self, text: ByteString) -> Heard {
        self.push(&frame::text(&format!("4{text}")));
        Heard::Fine
    }

    fn binary(&self, bytes: Bytes) -> Heard {
        self.push(&frame::binary(&bytes));
        Heard::Fine
    }

    fn proven(&self, _: &[u8]) {}

    fn awaited_pong(&self) -> bool {
        false
    }

    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        self.poll(cx)
    }

    fn over(&self, _: Instant) -> Option<CloseReason> {
        None
    }

    fn end(&self, _: CloseReason) {}

    fn gone(&self) {}
}
