//! How what is said to a client is spelt on its connection. A door chooses its sessions' [`Wire`]; what is
//! said to many is encoded once for each way of spelling it and its bytes are shared. The result is an event
//! stream where the client reads one, see `sse.rs`, and over every other door WebSocket frames, see `frame.rs`: what
//! a long-polling client gets is made of them.

mod packed;
mod spelling;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use super::json::{self, Envelope};
use super::{frame, socketio, sse};
use crate::domain::{CloseReason, Notification};
pub(super) use packed::put_text;
pub use spelling::{Names, Namespace, Spelling, TYPE};

/// One thing that is said: an event's name and its data, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    name: Cow<'static, str>,
    /// JSON.
    data: String,
    subject: Subject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Event,
    /// A notification, with its place in the inbox where it has one.
    Notification(Option<i64>),
}

impl Said {
    /// An event that is no notification.
    pub fn event(name: &'static str, data: impl Serialize) -> Self {
        Self { name: Cow::Borrowed(name), data: json::data(data), subject: Subject::Event }
    }

    /// A stored notification, under its type.
    pub fn stored(notification: &Notification) -> Self {
        let data = json::data(Envelope::from(notification));
        let subject = Subject::Notification(Some(notification.seq));
        Self { name: Cow::Owned(notification.kind.clone()), data, subject }
    }

    /// A notification that is kept for nobody, under its type.
    pub fn passing(notification: &Notification) -> Self {
        let data = json::data(Envelope::passing(notification));
        Self { name: Cow::Owned(notification.kind.clone()), data, subject: Subject::Notification(None) }
    }
}

/// A way of speaking to a client.
#[derive(Debug, Clone)]
pub enum Wire {
    /// The raw WebSocket door: everything once, under its own name.
    Raw(Wanted),
    SocketIo(Arc<Spelling>),
    /// Server-sent events: everything once, under its own name.
    Sse(Wanted),
}

/// The types of the notifications that a client wants; all where it did not say.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Option<Arc<[String]>>);

impl Wanted {
    pub fn new(types: Option<&[String]>) -> Self {
        Self(types.map(Arc::from))
    }

    fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether this is said: everything that is no notification is.
    fn has(&self, said: &Said) -> bool {
        let wants = |types: &Arc<[String]>| types.iter().any(|one| *one == said.name);
        said.subject == Subject::Event || self.0.as_ref().is_none_or(wants)
    }

    fn of<'a>(&'a self, said: &'a [Said]) -> impl Iterator<Item = &'a Said> {
        said.iter().filter(|one| self.has(one))
    }
}

/// The ways of speaking that many sessions share: the raw door's, for each namespace with and without acks, and the
/// event stream's.
const SHARED: usize = 6;

impl Wire {
    /// Frames that say all of this. `rest` follows each notification's seq where the client is told its place.
    pub fn frames(&self, said: &[Said], rest: &str) -> Bytes {
        let mut frames = BytesMut::with_capacity(said.iter().map(|one| one.data.len() + 96).sum());
        match self {
            Self::Raw(wanted) => {
                for one in wanted.of(said) {
                    frame::put_text(&mut frames, &json::event_of(&one.name, &one.data));
                }
            }
            Self::SocketIo(spelling) => {
                for one in said {
                    spelling.put(&mut frames, one, rest);
                }
            }
            Self::Sse(wanted) => put_stream(&mut frames, wanted.of(said), rest),
        }
        frames.freeze()
    }

    /// An event, and the client's place in the inbox where its next connection may begin.
    pub fn event(&self, said: &Said, place: Option<&str>) -> Bytes {
        match self {
            Self::Raw(_) => self.frames(std::slice::from_ref(said), ""),
            Self::SocketIo(spelling) => frame::text(&spelling.packet(&said.name, &said.data, place, None)),
            Self::Sse(_) => {
                let mut stream = BytesMut::with_capacity(said.data.len() + 96);
                sse::put(&mut stream, &said.name, &said.data, place);
                stream.freeze()
            }
        }
    }

    /// The last words of a session, if there are any: the raw door's close frame; a DISCONNECT packet for who
    /// is not to come back by itself, while the connection under a Socket.IO session is closed by its owner; an
    /// event `close`, whose id keeps those away who come back by themselves and should not. `place` as in
    /// [`Wire::event`].
    pub fn goodbye(&self, reason: CloseReason, place: &str) -> Option<Bytes> {
        match self {
            Self::Sse(_) => {
                let id = (!reason.comes_back()).then(|| sse::end_of(place));
                Some(self.event(&Said::event("close", Goodbye::of(reason)), id.as_deref()))
            }
            Self::Raw(_) => Some(frame::close(reason.code(), reason.text())),
            Self::SocketIo(_) if reason.comes_back() => None,
            Self::SocketIo(spelling) => Some(frame::text(&socketio::disconnect(spelling.namespace()))),
        }
    }

    /// Whether a notification is said at all: a client may have asked for other names only, and a namespace may have
    /// none for its type.
    pub fn says(&self, said: &Said) -> bool {
        match self {
            Self::SocketIo(spelling) => spelling.says(&said.name),
            Self::Raw(wanted) | Self::Sse(wanted) => wanted.has(said),
        }
    }

    /// Whether nothing can be heard from the client on its connection.
    pub fn is_one_way(&self) -> bool {
        matches!(self, Self::Sse(_))
    }

    /// Whether notifications are proven by acks alone, and pings prove nothing.
    pub fn asks_for_acks(&self) -> bool {
        matches!(self, Self::SocketIo(spelling) if spelling.acks)
    }

    /// Whether a client has asked for certain names only, so that it has not everything that it was sent past.
    pub fn is_narrowed(&self) -> bool {
        match self {
            Self::Raw(wanted) | Self::Sse(wanted) => !wanted.is_all(),
            Self::SocketIo(spelling) => spelling.wanted.is_some(),
        }
    }

    /// Where this way of speaking shares what was encoded.
    fn shared(&self) -> Option<usize> {
        match self {
            Self::Raw(wanted) => wanted.is_all().then_some(0),
            Self::SocketIo(spelling) => spelling.shared,
            Self::Sse(wanted) => wanted.is_all().then_some(SHARED - 1),
        }
    }
}

/// Adds events to a stream. Where `rest` follows its seqs, a client keeps that with the event after a notification, or
/// by itself where none comes.
fn put_stream<'a>(stream: &mut BytesMut, said: impl Iterator<Item = &'a Said>, rest: &str) {
    let mut owed: Option<String> = None;
    for one in said {
        let id = match one.subject {
            Subject::Event => owed.take(),
            Subject::Notification(seq) => {
                owed = seq.filter(|_| !rest.is_empty()).map(|seq| format!("{seq}{rest}")).or(owed);
                seq.map(|seq| seq.to_string())
            }
        };
        sse::put(stream, &one.name, &one.data, id.as_deref());
    }
    if let Some(place) = owed {
        sse::put_id(stream, &place);
    }
}

/// The last words of an event stream.
#[derive(Debug, Serialize)]
struct Goodbye {
    /// As of a WebSocket's close frame.
    code: u16,
    reason: &'static str,
    /// Whether to come back.
    reconnect: bool,
}

impl Goodbye {
    fn of(reason: CloseReason) -> Self {
        Self { code: reason.code(), reason: reason.text(), reconnect: reason.comes_back() }
    }
}

/// What is said together to many, with the frames that were made of it so far.
#[derive(Debug, Clone, Default)]
pub struct Message {
    said: Vec<Said>,
    shared: [OnceLock<Bytes>; SHARED],
    /// The frames in ways that clients asked for.
    narrowed: Narrowed,
}

/// Frames by the spelling that they are in. A clone begins with none.
#[derive(Debug, Default)]
struct Narrowed(Mutex<Vec<(Arc<Spelling>, Bytes)>>);

impl Clone for Narrowed {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// How many ways that clients asked for share the frames of one message: those are searched one by one.
const NARROWED_MAX: usize = 16;

impl Message {
    pub fn new(said: Vec<Said>) -> Self {
        Self { said, ..Self::default() }
    }

    /// What is said, for who is to say it elsewhere.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// The frames for one session; shared by all that are spoken to alike. `rest` as in [`Wire::frames`].
    pub fn frames(&self, wire: &Wire, rest: &str) -> Bytes {
        match (wire, wire.shared().and_then(|slot| self.shared.get(slot))) {
            _ if !rest.is_empty() && self.has_place() => wire.frames(&self.said, rest),
            (_, Some(shared)) => shared.get_or_init(|| wire.frames(&self.said, "")).clone(),
            (Wire::SocketIo(spelling), None) => self.narrowed(wire, spelling),
            (Wire::Raw(_) | Wire::Sse(_), None) => wire.frames(&self.said, ""),
        }
    }

    /// Whether anything of it has a place in an inbox, which is told each client in its own way.
    fn has_place(&self) -> bool {
        self.said.iter().any(|said| matches!(said.subject, Subject::Notification(Some(_))))
    }

    /// Clients that asked for the same have the same spelling, see `transports/socketio/spellings.rs`.
    fn narrowed(&self, wire: &Wire, spelling: &Arc<Spelling>) -> Bytes {
        let mut narrowed = self.narrowed.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frames)) = narrowed.iter().find(|(known, _)| Arc::ptr_eq(known, spelling)) {
            return frames.clone();
        }
        let frames = wire.frames(&self.said, "");
        if narrowed.len() < NARROWED_MAX {
            narrowed.push((Arc::clone(spelling), frames.clone()));
        }
        frames
    }

    /// Whether a session that is spoken to in this way is told of a notification.
    pub fn notifies(&self, wire: &Wire) -> bool {
        self.said.iter().any(|said| said.subject != Subject::Event && wire.says(said))
    }
}

#[cfg(test)]
mod tests;
