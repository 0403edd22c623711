//! Where a connection lives that began with polling: an actor on the thread that took its handshake. Requests and
//! a WebSocket on any thread reach it by messages, in the order in which they came.

mod messages;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytestring::ByteString;
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::Instant;

use messages::Gone;
pub(super) use messages::{Attach, Broken, Closing, Detached, Frame, FromSocket, Get, Post};

use super::handshake::Refusal;
use super::link::Link;
use super::polling::{Answer, Polls};
use super::registry::Registry;
use super::{Engine, Heard, Speaker};
use crate::domain::CloseReason;
use crate::protocol::engineio::{self, Packet};
use crate::protocol::frame;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Home<S: Speaker> {
    engine: Rc<Engine<S>>,
    polls: Rc<Polls>,
    upgrade: Upgrade,
}

/// How far the way from polling to a WebSocket has come.
#[derive(Debug)]
enum Upgrade {
    NotYet,
    /// A WebSocket is there; whether its client has been heard on it.
    Probing {
        link: Arc<Link>,
        is_probed: bool,
    },
    Done(Arc<Link>),
}

impl<S: Speaker> Home<S> {
    pub(super) fn open(engine: &Rc<Engine<S>>, registry: &Registry<S>) {
        let sid: Box<str> = engine.sid().into();
        let home = Self { engine: Rc::clone(engine), polls: Rc::default(), upgrade: Upgrade::NotYet };
        registry.add(&sid, home.start());
        let registry = registry.clone();
        engine.when_gone(Box::new(move || {
            if let Some(home) = registry.remove(&sid) {
                home.do_send(Gone);
            }
        }));
    }

    fn is_polled(&self) -> bool {
        !matches!(self.upgrade, Upgrade::Done(_))
    }

    /// From now on the connection is a WebSocket.
    fn complete(&mut self, link: Arc<Link>) {
        self.polls.prove(&self.engine);
        self.polls.finish();
        self.engine.socket().become_one_with(&link.socket);
        actix::spawn(pump(Rc::clone(&self.engine), Arc::clone(&link)));
        self.upgrade = Upgrade::Done(link);
    }

    /// Takes what came over a WebSocket that is not the connection's yet.
    fn probe(&mut self, link: Arc<Link>, is_probed: bool, frame: Frame) -> Result<(), CloseReason> {
        let Frame::Text(text) = frame else { return Err(CloseReason::ProtocolError) };
        match engineio::parse(&text) {
            Ok(Packet::Probe) => {
                link.put(frame::text(engineio::PROBE_ANSWER), false);
                self.polls.upgrading(true);
                self.upgrade = Upgrade::Probing { link, is_probed: true };
                Ok(())
            }
            // Also while the last words are said: they are said here then.
            Ok(Packet::Upgrade) if is_probed && !self.engine.is_over() => {
                self.complete(link);
                Ok(())
            }
            _ => {
                self.polls.upgrading(false);
                Err(CloseReason::ProtocolError)
            }
        }
    }
}

/// Takes packets in their order; each may have to be waited for.
async fn hear<S: Speaker>(engine: Rc<Engine<S>>, mut heard: Heard) -> Result<(), CloseReason> {
    loop {
        heard = match heard {
            Heard::Fine => return Ok(()),
            Heard::Wait(future) => future.await,
            Heard::Close(reason) => {
                engine.close(reason);
                return Err(reason);
            }
        }
    }
}

/// Carries frames over to the thread of the WebSocket.
async fn pump<S: Speaker>(engine: Rc<Engine<S>>, link: Arc<Link>) {
    // Room first: what was taken from the connection is not counted there any more.
    while std::future::poll_fn(|cx| link.poll_room(cx)).await {
        match std::future::poll_fn(|cx| engine.poll_frames(cx)).await {
            Some(frames) => link.put(frames, engine.has_said_goodbye()),
            None => break,
        }
    }
    link.end();
}

/// Whether the connection is closing and its last words are not worth waiting for.
fn is_forlorn<S: Speaker>(engine: &Engine<S>) -> bool {
    engine.closing().is_some_and(|reason| !is_worth_waiting_for(reason))
}

/// Whether a client that is not there should find the last words when it comes again. The others are better told
/// that there is no such connection: they come back with another.
fn is_worth_waiting_for(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::TtlElapsed
            | CloseReason::OnceDelivered
            | CloseReason::TokenRevoked
            | CloseReason::RateLimited
    )
}

impl<S: Speaker> Actor for Home<S> {
    type Context = Context<Self>;
}

impl<S: Speaker> Handler<Get> for Home<S> {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, message: Get, _: &mut Context<Self>) -> Result<(), Refusal> {
        let (engine, polls) = (&self.engine, &self.polls);
        if engine.is_open() && engine.is_expired(Instant::now()) {
            engine.close(CloseReason::HeartbeatTimeout);
        }
        if polls.is_repeated(message.stamp) {
            // A browser or a proxy sends again what got no answer, so what it was answered is nowhere: the client
            // comes back and says what it has.
            engine.close(CloseReason::TryAgainLater);
            engine.gone();
            return Err(Refusal::UnknownSid);
        }
        // Also where this GET finds nothing any more.
        polls.prove(engine);
        if !polls.is_waiting() && is_forlorn(engine) {
            engine.gone();
        }
        if engine.is_over() {
            return Err(Refusal::UnknownSid);
        }
        if !self.is_polled() {
            return Err(Refusal::BadRequest);
        }
        if polls.is_waiting() {
            // Nobody knows which of the two is to get what is said; the first learns of the end.
            engine.close(CloseReason::TryAgainLater);
            return Err(Refusal::BadRequest);
        }
        if engine.counts_one_too_many() {
            engine.close(CloseReason::RateLimited);
        }
        polls.wait(true);
        actix::spawn(answer(Rc::clone(engine), Rc::clone(polls), message.answer));
        Ok(())
    }
}

/// Answers a GET as soon as there is something to say.
async fn answer<S: Speaker>(engine: Rc<Engine<S>>, polls: Rc<Polls>, mut waiting: oneshot::Sender<Answer>) {
    let said = {
        let next = std::future::poll_fn(|cx| polls.poll_answer(&engine, cx));
        match select(pin!(waiting.closed()), next).await {
            // A client that takes its request back has gone.
            Either::Left(_) => None,
            Either::Right((said, _)) => said,
        }
    };
    polls.wait(false);
    if polls.is_over() {
        // Whether the client still minds its GET is nothing to its WebSocket. Nobody to tell is no error.
        let _ = said.map(|said| waiting.send(said));
        return;
    }
    let is_last = said.as_ref().is_none_or(|said| said.is_last);
    let found_nobody = said.is_some_and(|said| waiting.send(said).is_err());
    if is_last || found_nobody || is_forlorn(&engine) {
        engine.gone();
    }
}

impl<S: Speaker> Handler<Post> for Home<S> {
    type Result = AtomicResponse<Self, Result<(), Refusal>>;

    fn handle(&mut self, message: Post, _: &mut Context<Self>) -> Self::Result {
        let (engine, polls) = (Rc::clone(&self.engine), Rc::clone(&self.polls));
        let is_polled = self.is_polled();
        let take = async move {
            if !engine.is_open() {
                return Err(Refusal::UnknownSid);
            }
            if !is_polled {
                return Err(Refusal::BadRequest);
            }
            let Err(reason) = take_payload(&engine, message.payload).await else { return Ok(()) };
            if !polls.is_waiting() && is_forlorn(&engine) {
                engine.gone();
            }
            match reason {
                CloseReason::ProtocolError | CloseReason::MessageTooLarge => Err(Refusal::BadRequest),
                _ => Ok(()),
            }
        };
        AtomicResponse::new(Box::pin(take.into_actor(self)))
    }
}

async fn take_payload<S: Speaker>(engine: &Rc<Engine<S>>, payload: ByteString) -> Result<(), CloseReason> {
    for packet in engineio::payload(&payload) {
        let heard = match packet {
            _ if !engine.is_open() => return Ok(()),
            _ if engine.counts_one_too_many() => Heard::Close(CloseReason::RateLimited),
            Ok(packet) => engine.packet(packet),
            Err(_) => Heard::Close(CloseReason::ProtocolError),
        };
        hear(Rc::clone(engine), heard).await?;
    }
    Ok(())
}

impl<S: Speaker> Handler<Attach> for Home<S> {
    type Result = Result<Arc<Link>, Refusal>;

    fn handle(&mut self, message: Attach, ctx: &mut Context<Self>) -> Result<Arc<Link>, Refusal> {
        if !self.engine.is_open() {
            return Err(Refusal::UnknownSid);
        }
        if !matches!(self.upgrade, Upgrade::NotYet) || self.engine.counts_one_too_many() {
            return Err(Refusal::BadRequest);
        }
        let link = Arc::new(Link::new(message.socket));
        self.upgrade = Upgrade::Probing { link: Arc::clone(&link), is_probed: false };
        let patience = Duration::from_millis(self.engine.settings().upgrade_timeout_ms);
        let late = Arc::clone(&link);
        ctx.run_later(patience, move |home, ctx| {
            if matches!(&home.upgrade, Upgrade::Probing { link, .. } if Arc::ptr_eq(link, &late)) {
                late.refuse(CloseReason::ProtocolError);
                home.handle(Detached { link: late }, ctx);
            }
        });
        Ok(link)
    }
}

impl<S: Speaker> Handler<FromSocket> for Home<S> {
    type Result = AtomicResponse<Self, Result<(), CloseReason>>;

    fn handle(&mut self, message: FromSocket, _: &mut Context<Self>) -> Self::Result {
        let FromSocket { link, frame } = message;
        match &self.upgrade {
            Upgrade::Done(own) if Arc::ptr_eq(own, &link) => {}
            Upgrade::Probing { link: own, is_probed } if Arc::ptr_eq(own, &link) => {
                let probed = if self.engine.counts_one_too_many() {
                    Err(CloseReason::RateLimited)
                } else {
                    self.probe(link, *is_probed, frame)
                };
                return AtomicResponse::new(Box::pin(fut::ready(probed)));
            }
            _ => return AtomicResponse::new(Box::pin(fut::ready(Err(CloseReason::ProtocolError)))),
        }
        let engine = Rc::clone(&self.engine);
        let is_answer = matches!(frame, Frame::Pong(_)) && engine.speaker.awaited_pong();
        let heard = match frame {
            // What a session was given before the connection's last words is proven after them.
            Frame::Pong(payload) if !engine.is_open() => {
                engine.speaker.proven(&payload);
                Heard::Fine
            }
            _ if !engine.is_open() => Heard::Fine,
            _ if !is_answer && engine.counts_one_too_many() => Heard::Close(CloseReason::RateLimited),
            Frame::Text(text) => match engineio::parse(&text) {
                Ok(packet) => engine.packet(packet),
                Err(_) => Heard::Close(CloseReason::ProtocolError),
            },
            Frame::Binary(bytes) => engine.speaker.binary(bytes),
            Frame::Pong(payload) => {
                engine.speaker.proven(&payload);
                Heard::Fine
            }
        };
        // A reason to close is said through the connection, after what it has said before.
        let take = async move { hear(engine, heard).await.or(Ok(())) };
        AtomicResponse::new(Box::pin(take.into_actor(self)))
    }
}

impl<S: Speaker> Handler<Closing> for Home<S> {
    type Result = bool;

    fn handle(&mut self, message: Closing, _: &mut Context<Self>) -> bool {
        let is_own = matches!(&self.upgrade, Upgrade::Done(link) if Arc::ptr_eq(link, &message.link));
        if is_own {
            self.engine.close(message.reason);
        }
        is_own
    }
}

impl<S: Speaker> Handler<Detached> for Home<S> {
    type Result = ();

    fn handle(&mut self, message: Detached, _: &mut Context<Self>) {
        match &self.upgrade {
            Upgrade::Probing { link, .. } if Arc::ptr_eq(link, &message.link) => {
                self.polls.upgrading(false);
                self.upgrade = Upgrade::NotYet;
            }
            Upgrade::Done(link) if Arc::ptr_eq(link, &message.link) => self.engine.gone(),
            _ => {}
        }
    }
}

impl<S: Speaker> Handler<Broken> for Home<S> {
    type Result = ();

    fn handle(&mut self, message: Broken, _: &mut Context<Self>) {
        if !self.is_polled() {
            // A WebSocket speaks now: it does not mind what comes by request.
            return;
        }
        self.engine.close(message.0);
        if !self.polls.is_waiting() {
            self.engine.gone();
        }
    }
}

impl<S: Speaker> Handler<Gone> for Home<S> {
    type Result = ();

    fn handle(&mut self, _: Gone, ctx: &mut Context<Self>) {
        if let Upgrade::Probing { link, .. } = &self.upgrade {
            link.refuse(CloseReason::TryAgainLater);
        }
        ctx.stop();
    }
}
