//! What joins an upgraded connection to its WebSocket, which may live on another thread: frames one way, one run at a
//! time, so that what waits, waits where it is counted. What is heard comes back as messages, see `upgrade.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;

use crate::actors::session::Socket;
use crate::domain::CloseReason;
use crate::protocol::frame;
use crate::transports::websocket::Outgoing;

/// How much of the WebSocket's own frames may wait: a client that makes it answer more reads nothing.
const OWN_MAX: usize = 64 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Link {
    slot: Mutex<Slot>,
    /// Who waits for frames.
    reader: AtomicWaker,
    /// Who waits for the slot to be empty.
    writer: AtomicWaker,
    /// Who waits for the goodbye.
    farewell: AtomicWaker,
    pub(super) socket: Socket,
}

#[derive(Debug, Default)]
struct Slot {
    frames: Option<Bytes>,
    /// The WebSocket's own frames, and its goodbye.
    own: BytesMut,
    /// A close frame was handed over: nothing may follow it.
    has_said_goodbye: bool,
    /// Nothing more will be put.
    is_over: bool,
    is_gone: bool,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            slot: Mutex::default(),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            farewell: AtomicWaker::new(),
            socket,
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room; false when the WebSocket is gone or over.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        // Before looking: what happens after the look wakes.
        self.writer.register(cx.waker());
        let slot = self.slot();
        if slot.is_gone || slot.is_over {
            return Poll::Ready(false);
        }
        if slot.frames.is_none() { Poll::Ready(true) } else { Poll::Pending }
    }

    /// Waits until the connection's goodbye is here to be written.
    pub(super) fn poll_goodbye(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.farewell.register(cx.waker());
        let slot = self.slot();
        if slot.has_said_goodbye || slot.is_over || slot.is_gone { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Hands over frames, for which there is room; `is_last` if a close frame ends them.
    pub(super) fn put(&self, frames: Bytes, is_last: bool) {
        let mut slot = self.slot();
        slot.frames = Some(frames);
        slot.has_said_goodbye |= is_last;
        drop(slot);
        self.farewell.wake();
        self.reader.wake();
    }

    /// Nothing more will be put.
    pub(super) fn end(&self) {
        self.slot().is_over = true;
        self.farewell.wake();
        self.reader.wake();
    }

    /// Closes a WebSocket that never came to be its connection's.
    pub(super) fn refuse(&self, reason: CloseReason) {
        self.say_last(&frame::close(reason.code(), reason.text()));
    }

    fn say_last(&self, goodbye: &[u8]) {
        let mut slot = self.slot();
        if !slot.has_said_goodbye {
            slot.own.extend_from_slice(goodbye);
            slot.has_said_goodbye = true;
        }
        slot.is_over = true;
        drop(slot);
        self.reader.wake();
        self.writer.wake();
    }
}

impl Outgoing for Arc<Link> {
    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.reader.register(cx.waker());
        let mut slot = self.slot();
        if let Some(frames) = slot.frames.take() {
            drop(slot);
            self.writer.wake();
            return Poll::Ready(Some(frames));
        }
        if !slot.own.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut slot.own).freeze()));
        }
        if slot.is_over { Poll::Ready(None) } else { Poll::Pending }
    }

    fn write(&self, frames: Bytes) {
        let mut slot = self.slot();
        if slot.is_over || slot.has_said_goodbye {
            return;
        }
        if slot.own.len() + frames.len() > OWN_MAX {
            drop(slot);
            self.socket.cut();
            return;
        }
        slot.own.extend_from_slice(&frames);
        drop(slot);
        self.reader.wake();
    }

    fn close(&self, reason: CloseReason) {
        self.refuse(reason);
    }

    fn answer_close(&self, code: u16) {
        self.say_last(&frame::close(code, ""));
    }

    fn hang_up(&self) {
        self.socket.hang_up();
    }

    fn gone(&self) {
        self.socket.forget();
        self.slot().is_gone = true;
        self.writer.wake();
    }
}
