//! How Socket.IO clients are spoken to: a namespace each, under the names that their front ends listen for.

use bytes::BytesMut;

use super::{Said, Subject};
use crate::protocol::{frame, json, socketio};

/// How one Socket.IO namespace is spoken to.
#[derive(Debug, Clone)]
pub struct Spelling {
    namespace: Box<str>,
    /// Under which names a notification is said.
    names: Names,
    /// The names that the client wants of them; none for all.
    pub(super) wanted: Option<Vec<String>>,
    /// Whether the client is asked to acknowledge notifications.
    pub(super) acks: bool,
    /// Where sessions that are spoken to in this way share what was encoded; none for a way that clients asked for.
    pub(super) shared: Option<usize>,
}

/// The namespaces there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    Main,
    Notifications,
}

impl Namespace {
    pub const ALL: [Self; 2] = [Self::Main, Self::Notifications];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "/",
            Self::Notifications => "/ws/notifications",
        }
    }
}

impl Spelling {
    pub fn new(namespace: Namespace, names: Names, acks: bool) -> Self {
        let slot = match namespace {
            Namespace::Main => 1,
            Namespace::Notifications => 2,
        };
        let shared = Some(if acks { slot + 2 } else { slot });
        Self { namespace: namespace.name().into(), names, wanted: None, acks, shared }
    }

    /// The same for a client that wants notifications under certain names only.
    #[must_use]
    pub fn narrowed(&self, wanted: Vec<String>) -> Self {
        Self { wanted: Some(wanted), shared: None, ..self.clone() }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The names for a notification of this type, each once.
    fn names<'a>(&'a self, kind: &'a str) -> Vec<&'a str> {
        let mut names: Vec<&'a str> = Vec::new();
        for name in self.candidates(kind) {
            if self.wants(name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether a notification of this type has a name that the client wants.
    pub(super) fn says(&self, kind: &str) -> bool {
        self.candidates(kind).any(|name| self.wants(name))
    }

    /// Names that a notification of this type may have.
    fn candidates<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        // A client that asks for a type by its name gets it in every namespace.
        self.names.of(kind).chain(self.wanted.is_some().then_some(kind))
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == name))
    }

    pub(super) fn put(&self, frames: &mut BytesMut, said: &Said, rooms: &str) {
        let Subject::Notification(seq) = said.subject else {
            frame::put_text(frames, &self.packet(&said.name, &said.data, None, None));
            return;
        };
        let names = self.names(&said.name);
        for (at, name) in names.iter().enumerate() {
            // Whoever has the last has them all. A client that is asked for an ack reads no offset: it is told its
            // place by heartbeats, up to what it has acknowledged.
            let last = seq.filter(|_| at + 1 == names.len() && !self.acks);
            let offset = last.map(|seq| format!("{seq}{rooms}"));
            // A client acknowledges where it listens.
            let id = seq.filter(|_| self.acks);
            frame::put_text(frames, &self.packet(name, &said.data, offset.as_deref(), id));
        }
    }

    /// An EVENT packet, as the Socket.IO protocol 5 spells it in an Engine.IO message. `offset` is one more
    /// argument, which clients with connection state recovery send back when they return.
    pub(super) fn packet(&self, name: &str, data: &str, offset: Option<&str>, id: Option<i64>) -> String {
        let mut packet = socketio::head('2', 0, &self.namespace, id.and_then(|id| u64::try_from(id).ok()));
        packet.reserve(name.len() + data.len() + 32);
        packet.push('[');
        packet.push_str(&json::data(name));
        packet.push(',');
        packet.push_str(data);
        if let Some(offset) = offset {
            packet.push(',');
            packet.push_str(&json::data(offset));
        }
        packet.push(']');
        packet
    }
}

/// Under which names notifications are said in a namespace.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<Name>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// The notification's own type.
    Type,
    /// One name for all.
    Fixed(String),
    /// A name for one type.
    Of { kind: String, name: String },
}

/// What stands for the type in a configured name.
pub const TYPE: &str = "{type}";

impl Names {
    /// Reads configured names: `{type}` for the notification's type, `booking.created=new_booking` for one type, or
    /// a name for all.
    pub fn parse(entries: &[String]) -> Self {
        let name = |entry: &String| match entry.split_once('=') {
            Some((kind, name)) => Name::Of { kind: kind.trim().to_owned(), name: name.trim().to_owned() },
            None if entry == TYPE => Name::Type,
            None => Name::Fixed(entry.clone()),
        };
        Self(entries.iter().map(name).collect())
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |name| match name {
            Name::Type => Some(kind),
            Name::Fixed(name) => Some(name.as_str()),
            Name::Of { kind: of, name } => (of == kind).then_some(name.as_str()),
        })
    }
}
