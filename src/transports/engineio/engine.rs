//! One Engine.IO connection: its heartbeat, its end, and the order of what is written. On the thread that
//! accepted it; how its bytes travel is the business of its transports.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{Heard, Speaker, timekeeper};
use crate::actors::session::{FrameRate, Socket};
use crate::config::SocketIoSettings;
use crate::domain::CloseReason;
use crate::protocol::engineio::{self, Packet};
use crate::protocol::frame;

/// How long a client has to fetch or answer the last words.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How much of the connection's own packets may wait: a client that makes it say more reads nothing.
const CONTROL_MAX: usize = 64 * 1024;

/// See the module's documentation.
pub struct Engine<S> {
    sid: Box<str>,
    pub(super) speaker: S,
    settings: Arc<SocketIoSettings>,
    socket: Socket,
    state: Cell<State>,
    /// The connection's own packets, which go first.
    control: RefCell<BytesMut>,
    /// The close frame, which goes last.
    goodbye: RefCell<Option<Bytes>>,
    waker: RefCell<Option<Waker>>,
    /// Whom to tell when the connection is gone.
    when_gone: RefCell<Option<WhenGone>>,
    heartbeat: Cell<Heartbeat>,
    rate: FrameRate,
}

impl<S> fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its sid, with which anybody could poll.
        f.debug_struct("Engine").field("state", &self.state).finish_non_exhaustive()
    }
}

type WhenGone = Box<dyn FnOnce()>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Last words are said.
    Closing(Instant, CloseReason),
    /// Nothing more is heard; what is left may be written.
    Ended,
    /// Nothing more is written either.
    Gone,
}

#[derive(Debug, Clone, Copy)]
enum Heartbeat {
    /// The next ping is due then.
    PingAt(Instant),
    /// A pong is due then.
    PongBy(Instant),
}

impl<S: Speaker> Engine<S> {
    /// Opens a connection and keeps its times from now on.
    pub(super) fn open(
        sid: Box<str>,
        speaker: S,
        settings: Arc<SocketIoSettings>,
        socket: Socket,
        rate: FrameRate,
    ) -> Rc<Self> {
        let ping_at = Instant::now() + Duration::from_millis(settings.ping_interval_ms);
        let engine = Rc::new(Self {
            sid,
            speaker,
            settings,
            socket,
            state: Cell::new(State::Open),
            control: RefCell::default(),
            goodbye: RefCell::default(),
            waker: RefCell::default(),
            when_gone: RefCell::default(),
            heartbeat: Cell::new(Heartbeat::PingAt(ping_at)),
            rate,
        });
        timekeeper::keep(&engine, engine.pace());
        engine
    }

    /// How often the times have to be looked at.
    fn pace(&self) -> Duration {
        /// A `ttl` of seconds is kept to within this.
        const LONGEST: Duration = Duration::from_millis(250);
        LONGEST.min(Duration::from_millis(self.settings.ping_interval_ms / 8)).max(Duration::from_millis(1))
    }

    pub(super) fn sid(&self) -> &str {
        &self.sid
    }

    /// Says a packet of the connection's own.
    pub(super) fn say(&self, packet: &str) {
        self.control(&frame::text(packet));
    }

    pub(super) fn settings(&self) -> &Arc<SocketIoSettings> {
        &self.settings
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Why the connection is being closed, while its last words are still there.
    pub(super) fn closing(&self) -> Option<CloseReason> {
        match self.state.get() {
            State::Closing(_, reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the close frame was handed out.
    pub(super) fn has_said_goodbye(&self) -> bool {
        self.closing().is_some() && self.goodbye.borrow().is_none()
    }

    /// The close frame could not be handed on yet.
    pub(super) fn unsay_goodbye(&self, goodbye: Bytes) {
        *self.goodbye.borrow_mut() = Some(goodbye);
    }

    pub(super) fn when_gone(&self, tell: WhenGone) {
        *self.when_gone.borrow_mut() = Some(tell);
    }

    /// Whether nothing more will be said.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.get(), State::Ended | State::Gone)
    }

    /// Counts a frame or packet; answers whether there were too many of them.
    pub(super) fn counts_one_too_many(&self) -> bool {
        self.rate.is_exceeded_by_one_more()
    }

    /// Queues one of the connection's own frames.
    pub(super) fn control(&self, frame: &[u8]) {
        if !matches!(self.state.get(), State::Open | State::Closing(..)) {
            return;
        }
        if self.control.borrow().len() + frame.len() > CONTROL_MAX {
            self.cut(CloseReason::SlowConsumer);
            return;
        }
        self.control.borrow_mut().extend_from_slice(frame);
        self.wake();
    }

    /// Takes a packet that is no part of an upgrade.
    pub(super) fn packet(&self, packet: Packet) -> Heard {
        match packet {
            Packet::Message(text) => self.speaker.text(text),
            Packet::Binary(bytes) => self.speaker.binary(bytes),
            Packet::Pong => {
                if let Heartbeat::PongBy(_) = self.heartbeat.get() {
                    let interval = Duration::from_millis(self.settings.ping_interval_ms);
                    self.heartbeat.set(Heartbeat::PingAt(Instant::now() + interval));
                }
                Heard::Fine
            }
            Packet::Close => Heard::Close(CloseReason::ClientLeft),
            Packet::Noop => Heard::Fine,
            // The server pings, and an upgrade has its own connection.
            Packet::Ping | Packet::Probe | Packet::Upgrade => Heard::Close(CloseReason::ProtocolError),
        }
    }

    /// Says goodbye: what is queued goes out, then the close frame.
    pub(super) fn close(&self, reason: CloseReason) {
        if self.state.get() != State::Open {
            return;
        }
        self.state.set(State::Closing(Instant::now(), reason));
        *self.goodbye.borrow_mut() = Some(frame::close(reason.code(), reason.text()));
        self.speaker.end(reason);
        self.wake();
    }

    /// The client said goodbye on its WebSocket: the answer is the last thing it gets.
    pub(super) fn answer_close(&self, code: u16) {
        if self.state.get() == State::Open {
            self.state.set(State::Closing(Instant::now(), CloseReason::ClientLeft));
            *self.goodbye.borrow_mut() = Some(frame::close(code, ""));
            self.speaker.end(CloseReason::ClientLeft);
            self.wake();
        }
    }

    /// The connection ends without a word, or has said its last.
    pub(super) fn end(&self) {
        if matches!(self.state.get(), State::Open) {
            self.speaker.end(CloseReason::ClientLeft);
        }
        if self.state.get() != State::Gone {
            self.state.set(State::Ended);
        }
        self.wake();
    }

    /// Ends the connection in the kernel: works on a client that reads nothing.
    fn cut(&self, reason: CloseReason) {
        if self.state.get() == State::Open {
            self.speaker.end(reason);
        }
        self.socket.cut();
        self.gone();
    }

    /// The connection is gone, and its descriptor with it.
    pub(super) fn gone(&self) {
        self.end();
        self.state.set(State::Gone);
        self.socket.forget();
        *self.control.borrow_mut() = BytesMut::new();
        self.goodbye.take();
        self.speaker.gone();
        self.wake();
        if let Some(tell) = self.when_gone.take() {
            tell();
        }
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// What is written next, in whole frames. `Ready(None)` when nothing will ever come again.
    pub(super) fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.state.get() == State::Gone {
            return Poll::Ready(None);
        }
        if !self.control.borrow().is_empty() {
            return Poll::Ready(Some(self.control.take().freeze()));
        }
        if let Poll::Ready(frames) = self.speaker.poll_frames(cx) {
            return Poll::Ready(Some(frames));
        }
        if self.is_open()
            && let Some(reason) = self.speaker.over(Instant::now())
        {
            self.close(reason);
        }
        if !self.is_open() {
            if let Some(goodbye) = self.goodbye.take() {
                return Poll::Ready(Some(goodbye));
            }
            if self.is_over() {
                return Poll::Ready(None);
            }
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether a pong is overdue. Asked when a client comes, so that its time-out does not depend on when it was
    /// last looked at.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        match self.heartbeat.get() {
            Heartbeat::PongBy(by) => now >= by,
            // It was not asked yet, however late that is.
            Heartbeat::PingAt(_) => false,
        }
    }
}

impl<S: Speaker> timekeeper::Timed for Engine<S> {
    fn tick(&self, now: Instant) -> bool {
        match self.state.get() {
            State::Gone => return false,
            State::Closing(since, _) => {
                if now >= since + CLOSE_GRACE {
                    self.cut(CloseReason::ClientLeft);
                }
            }
            State::Ended => {}
            State::Open => {
                if self.is_expired(now) {
                    self.close(CloseReason::HeartbeatTimeout);
                } else if let Heartbeat::PingAt(at) = self.heartbeat.get()
                    && now >= at
                {
                    let timeout = Duration::from_millis(self.settings.ping_timeout_ms);
                    // On time, as its clients reckon, unless the thread was held up.
                    let is_late = now >= at + 2 * self.pace();
                    let asked = if is_late { now } else { at };
                    self.heartbeat.set(Heartbeat::PongBy(asked + timeout));
                    self.say(engineio::PING);
                }
                if self.is_open()
                    && let Some(reason) = self.speaker.over(now)
                {
                    self.close(reason);
                }
            }
        }
        true
    }
}
