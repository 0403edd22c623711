//! Reads a connection's Socket.IO packets and knows its namespaces: who joined, who left, whose frames come next.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{Event, Guest, NoSeat, Reception, Seat};
use crate::actors::session::Socket;
use crate::domain::CloseReason;
use crate::protocol::frame;
use crate::protocol::socketio::{self, Decoder, Packet};
use crate::transports::engineio::{Heard, Speaker, Speakers};

/// Makes a speaker for each connection that a reception receives.
#[derive(Debug, Clone)]
pub struct Guests<R> {
    pub reception: R,
    /// How long a connection may be without a namespace.
    pub connect_timeout: Duration,
    /// The largest event, its attachments included, in bytes.
    pub event_bytes: usize,
}

impl<R: Reception> Speakers for Guests<R> {
    type Speaker = SocketIo<R::Guest>;

    fn open(&self, request: &HttpRequest, socket: &Socket) -> SocketIo<R::Guest> {
        SocketIo {
            shared: Rc::new(Shared {
                guest: self.reception.receive(request, socket),
                seats: RefCell::default(),
                own: RefCell::default(),
                waker: RefCell::default(),
                lonely_since: Cell::new(Instant::now()),
            }),
            decoder: RefCell::new(Decoder::new(self.event_bytes)),
            connect_timeout: self.connect_timeout,
        }
    }

    fn is_draining(&self) -> bool {
        self.reception.is_draining()
    }
}

/// See the module's documentation.
#[expect(missing_debug_implementations, reason = "guests need none")]
pub struct SocketIo<G: Guest> {
    shared: Rc<Shared<G>>,
    decoder: RefCell<Decoder>,
    connect_timeout: Duration,
}

struct Shared<G: Guest> {
    guest: G,
    /// The namespaces that were joined: hardly ever more than one.
    seats: RefCell<SmallVec<[Taken<G::Seat>; 1]>>,
    /// Frames that belong to no seat: refusals.
    own: RefCell<VecDeque<Bytes>>,
    waker: RefCell<Option<Waker>>,
    /// Since when nobody has been seated.
    lonely_since: Cell<Instant>,
}

struct Taken<S> {
    namespace: Box<str>,
    seat: Rc<S>,
}

impl<G: Guest> Shared<G> {
    fn seat(&self, namespace: &str) -> Option<Rc<G::Seat>> {
        let seats = self.seats.borrow();
        seats.iter().find(|taken| *taken.namespace == *namespace).map(|taken| Rc::clone(&taken.seat))
    }

    fn each(&self, mut visit: impl FnMut(&G::Seat)) {
        // Not under the borrow: what a seat does may lead back here.
        let seats: SmallVec<[Rc<G::Seat>; 2]> =
            self.seats.borrow().iter().map(|taken| Rc::clone(&taken.seat)).collect();
        for seat in &seats {
            visit(seat);
        }
    }

    fn sit(&self, namespace: Box<str>, seat: G::Seat) {
        self.seats.borrow_mut().push(Taken { namespace, seat: Rc::new(seat) });
        self.wake();
    }

    fn stand_up(&self, namespace: &str) {
        let Some(seat) = self.seat(namespace) else { return };
        self.seats.borrow_mut().retain(|taken| *taken.namespace != *namespace);
        seat.leave();
        seat.gone();
        self.lonely_since.set(Instant::now());
    }

    fn say(&self, packet: &str) {
        self.own.borrow_mut().push_back(frame::text(packet));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl<G: Guest> SocketIo<G> {
    fn packet(&self, packet: Packet) -> Heard {
        let refused = Heard::Close(CloseReason::ProtocolError);
        match packet {
            Packet::Connect { namespace, auth } => {
                if self.shared.seat(&namespace).is_some() {
                    refused
                } else {
                    self.connect(namespace, auth)
                }
            }
            Packet::Disconnect { namespace } => {
                self.shared.stand_up(&namespace);
                Heard::Fine
            }
            Packet::Event { namespace, name, arguments, attachments, id } => {
                let event = Event { name, arguments, attachments, id };
                self.shared.seat(&namespace).map_or(refused, |seat| seat.event(event))
            }
            Packet::Ack { namespace, id } => {
                if let Some(seat) = self.shared.seat(&namespace) {
                    seat.ack(id);
                }
                Heard::Fine
            }
        }
    }

    /// What the client says meanwhile waits: it may already speak to the seat.
    fn connect(&self, namespace: String, auth: Option<Box<RawValue>>) -> Heard {
        let shared = Rc::clone(&self.shared);
        let seat = self.shared.guest.connect(&namespace, auth);
        let connected = async move {
            match seat.await {
                Ok(seat) => shared.sit(namespace.into(), seat),
                Err(NoSeat::Refused { message, data }) => {
                    shared.say(&socketio::connect_error(&namespace, &message, data.as_deref()));
                }
                Err(NoSeat::Close(reason)) => return Heard::Close(reason),
            }
            Heard::Fine
        };
        Heard::Wait(connected.boxed_local())
    }

    fn decoded(&self, decoded: Result<Option<Packet>, socketio::Malformed>) -> Heard {
        match decoded {
            Ok(Some(packet)) => self.packet(packet),
            Ok(None) => Heard::Fine,
            Err(_) => Heard::Close(CloseReason::ProtocolError),
        }
    }
}

impl<G: Guest> Speaker for SocketIo<G> {
    fn text(&self, text: ByteString) -> Heard {
        let decoded = self.decoder.borrow_mut().text(&text);
        self.decoded(decoded)
    }

    fn binary(&self, bytes: Bytes) -> Heard {
        let decoded = self.decoder.borrow_mut().binary(bytes);
        self.decoded(decoded)
    }

    fn proven(&self, ping: &[u8]) {
        self.shared.each(|seat| seat.proven(ping));
    }

    fn awaited_pong(&self) -> bool {
        self.shared.seats.borrow().iter().any(|taken| taken.seat.awaited_pong())
    }

    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if let Some(frames) = self.shared.own.borrow_mut().pop_front() {
            return Poll::Ready(frames);
        }
        for taken in self.shared.seats.borrow().iter() {
            if let Poll::Ready(frames) = taken.seat.poll_frames(cx) {
                return Poll::Ready(frames);
            }
        }
        let mut waker = self.shared.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn over(&self, now: Instant) -> Option<CloseReason> {
        let find = || {
            let seats = self.shared.seats.borrow();
            seats.iter().find_map(|taken| Some((taken.namespace.clone(), taken.seat.ended()?)))
        };
        while let Some((namespace, reason)) = find() {
            self.shared.stand_up(&namespace);
            // Who is to come back does so with a new connection.
            if reason.comes_back() || self.shared.seats.borrow().is_empty() {
                return Some(reason);
            }
        }
        if !self.shared.seats.borrow().is_empty() {
            return None;
        }
        if self.shared.guest.is_draining() {
            return Some(CloseReason::ServerRestart);
        }
        let is_late = now >= self.shared.lonely_since.get() + self.connect_timeout;
        is_late.then_some(CloseReason::NoNamespace)
    }

    fn end(&self, reason: CloseReason) {
        self.shared.each(|seat| {
            seat.close(reason);
            seat.leave();
        });
    }

    fn gone(&self) {
        self.shared.each(Seat::gone);
        self.shared.own.borrow_mut().clear();
    }
}
