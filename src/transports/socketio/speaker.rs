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
use crate::actors::session::{FrameRate, Socket};
use crate::domain::CloseReason;
use crate::protocol::frame;
use crate::protocol::socketio::{self, Decoder, Packet};
use crate::transports::engineio::{Heard, Speaker, Speakers};

/// How many bytes of refusals may wait: they repeat what the client said, and one that reads nothing can go on
/// saying it.
const OWN_MAX: usize = 64 * 1024;

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

    fn open(&self, request: &HttpRequest, socket: &Socket, frames: &FrameRate) -> SocketIo<R::Guest> {
        SocketIo {
            shared: Rc::new(Shared {
                guest: self.reception.receive(request, socket, frames),
                seats: RefCell::default(),
                parted: RefCell::default(),
                own: RefCell::default(),
                waker: RefCell::default(),
                is_over: Cell::new(false),
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
    /// Seats that were given back while their connection goes on, the last of each namespace: a pong may still prove
    /// what they were given, and who does not know yet that the server took one back may still speak there.
    parted: RefCell<Vec<Parted<G::Seat>>>,
    /// Frames that belong to no seat: refusals.
    own: RefCell<VecDeque<Bytes>>,
    waker: RefCell<Option<Waker>>,
    /// Nobody is seated any more.
    is_over: Cell<bool>,
    /// Since when nobody has been seated.
    lonely_since: Cell<Instant>,
}

struct Taken<S> {
    namespace: Box<str>,
    seat: Rc<S>,
}

struct Parted<S> {
    taken: Taken<S>,
    /// The client may not know it yet.
    by_server: bool,
}

impl<G: Guest> Shared<G> {
    fn seat(&self, namespace: &str) -> Option<Rc<G::Seat>> {
        let seats = self.seats.borrow();
        seats.iter().find(|taken| *taken.namespace == *namespace).map(|taken| Rc::clone(&taken.seat))
    }

    fn is_taken(&self) -> bool {
        !self.seats.borrow().is_empty()
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
        if self.is_over.get() {
            // The connection ended while it waited.
            seat.leave();
            seat.gone();
            return;
        }
        self.forget(&namespace);
        self.seats.borrow_mut().push(Taken { namespace, seat: Rc::new(seat) });
        self.wake();
    }

    /// Answers whether anybody sat there.
    fn stand_up(&self, namespace: &str, by_server: bool) -> bool {
        let Some(seat) = self.seat(namespace) else { return false };
        self.seats.borrow_mut().retain(|taken| *taken.namespace != *namespace);
        seat.leave();
        if !by_server {
            seat.gone();
        }
        self.forget(namespace);
        let taken = Taken { namespace: namespace.into(), seat };
        self.parted.borrow_mut().push(Parted { taken, by_server });
        self.lonely_since.set(Instant::now());
        true
    }

    /// The seat that the server took back from a client that may not know it yet.
    fn taken_back(&self, namespace: &str) -> Option<Rc<G::Seat>> {
        let parted = self.parted.borrow();
        let found = parted.iter().find(|parted| parted.by_server && *parted.taken.namespace == *namespace);
        found.map(|parted| Rc::clone(&parted.taken.seat))
    }

    /// What was given in a namespace before is of no interest any more.
    fn forget(&self, namespace: &str) {
        let mut parted = self.parted.borrow_mut();
        if let Some(at) = parted.iter().position(|parted| *parted.taken.namespace == *namespace) {
            parted.remove(at).taken.seat.gone();
        }
    }

    /// Says what belongs to no seat, unless the client reads nothing.
    fn say(&self, packet: &str) -> Heard {
        if self.own.borrow().iter().map(Bytes::len).sum::<usize>() > OWN_MAX {
            return Heard::Close(CloseReason::SlowConsumer);
        }
        self.own.borrow_mut().push_back(frame::text(packet));
        self.wake();
        Heard::Fine
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl<G: Guest> SocketIo<G> {
    fn packet(&self, packet: Packet) -> Heard {
        match packet {
            Packet::Connect { namespace, auth } => {
                if self.shared.seat(&namespace).is_some() {
                    Heard::Close(CloseReason::ProtocolError)
                } else {
                    self.connect(namespace, auth)
                }
            }
            Packet::Disconnect { namespace } => {
                if self.shared.stand_up(&namespace, false) {
                    Heard::Fine
                } else {
                    self.nobody_sits(&namespace)
                }
            }
            Packet::Event { namespace, name, arguments, attachments, id } => {
                let event = Event { name, arguments, attachments, id };
                match self.shared.seat(&namespace) {
                    Some(seat) => seat.event(event),
                    None => self.nobody_sits(&namespace),
                }
            }
            Packet::Ack { namespace, id } => {
                let shared = &self.shared;
                match shared.seat(&namespace).or_else(|| shared.taken_back(&namespace)) {
                    Some(seat) => seat.ack(id),
                    None => return self.nobody_sits(&namespace),
                }
                Heard::Fine
            }
        }
    }

    /// The client speaks where it was not let in, or does not know yet that it is out.
    fn nobody_sits(&self, namespace: &str) -> Heard {
        if self.shared.taken_back(namespace).is_some() {
            Heard::Fine
        } else {
            Heard::Close(CloseReason::ProtocolError)
        }
    }

    /// What the client says meanwhile waits: it may already speak to the seat.
    fn connect(&self, namespace: String, auth: Option<Box<RawValue>>) -> Heard {
        let shared = Rc::clone(&self.shared);
        let seat = self.shared.guest.connect(&namespace, auth);
        let connected = async move {
            match seat.await {
                Ok(seat) => {
                    shared.sit(namespace.into(), seat);
                    Heard::Fine
                }
                Err(NoSeat::Refused { message, data }) => {
                    shared.say(&socketio::connect_error(&namespace, &message, data.as_deref()))
                }
                // The connection stays for whoever sits in another namespace, and has its place.
                Err(NoSeat::Close(reason @ CloseReason::TooManySessions)) if shared.is_taken() => {
                    let data = format!(r#"{{"code":"{reason}"}}"#);
                    shared.say(&socketio::connect_error(&namespace, "too many sessions", Some(&data)))
                }
                Err(NoSeat::Close(reason)) => Heard::Close(reason),
            }
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
        for parted in self.shared.parted.borrow().iter() {
            parted.taken.seat.proven(ping);
        }
    }

    fn awaited_pong(&self) -> bool {
        let (seats, parted) = (self.shared.seats.borrow(), self.shared.parted.borrow());
        seats.iter().chain(parted.iter().map(|parted| &parted.taken)).any(|taken| taken.seat.awaited_pong())
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
            self.shared.stand_up(&namespace, true);
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
        self.shared.is_over.set(true);
        self.shared.each(|seat| {
            seat.close(reason);
            seat.leave();
        });
    }

    fn gone(&self) {
        self.shared.is_over.set(true);
        self.shared.each(Seat::gone);
        for parted in self.shared.parted.take() {
            parted.taken.seat.gone();
        }
        self.shared.own.borrow_mut().clear();
    }
}
