//! What the hub is told, and what it tells: the contract between the hub and everybody else.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use crate::bus::{Figures, Person, Seat, Speech};
use crate::domain::{
    Channel, CloseReason, InboxState, Member, NotificationId, RequestId, Role, Room, Timestamp, UserId,
};
use crate::protocol::letter::{Letter, Word};
use crate::protocol::wire::{Message as Words, Said};

/// A worker thread's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

/// One session: on which worker, in which slot there, and a number that is never used twice, because
/// a slot is: what was addressed to a session that has gone must not reach who came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    pub shard: ShardId,
    pub slot: u32,
    pub number: u64,
}

impl SessionRef {
    /// A name that no other session of any instance ever had.
    pub fn name(self, instance: &str) -> Box<str> {
        format!("{instance}-{}", self.number).into()
    }
}

/// A worker's shard introduces itself, before its first session connects.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RegisterShard {
    pub shard: ShardId,
    pub deliveries: Recipient<Deliver>,
}

/// A session is open: put it into its own rooms.
#[derive(Debug, Message)]
#[rtype(result = "Admission")]
pub struct Connect {
    pub session: SessionRef,
    pub member: Arc<Member>,
    pub arrival: Arrival,
}

/// How a session came here.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The door that it came by.
    pub door: Channel,
    pub since: Timestamp,
    /// What the door calls it; none where it has a name of the server's own.
    pub name: Option<Box<str>>,
}

/// Whether a session may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Welcome,
    /// The instance has as many sessions as it takes.
    Full,
    /// The user has as many sessions as one may have.
    TooManyOfUser,
}

/// A session's token was replaced by another of the same user, with roles and rooms of its own.
#[derive(Debug, Message)]
#[rtype(result = "Option<Vec<Room>>")]
pub struct Recast {
    pub session: SessionRef,
    /// Whom the session belongs to from now on. Answered with the rooms that it is out of, because this one may not be
    /// in them; nothing where the session has ended.
    pub member: Arc<Member>,
}

/// The user's sessions on this instance are to end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CloseUser {
    pub user: UserId,
    pub reason: CloseReason,
}

/// A session has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Disconnected {
    pub session: SessionRef,
}

/// A session that was found entitled joins a room.
#[derive(Debug, Message)]
#[rtype(result = "Joined")]
pub struct Join {
    pub session: SessionRef,
    pub room: Room,
    /// How many rooms one session may be in.
    pub most: usize,
}

/// Whether a session is in the room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    In,
    TooManyRooms,
    /// The session has ended meanwhile.
    Gone,
}

/// A session leaves a room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub session: SessionRef,
    pub room: Room,
}

/// Something to push, encoded once for each way of speaking; every session that gets it shares the bytes.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What is said; nothing with an order to close.
    pub words: Words,
    /// The stored notification that this is, which a device must prove to have.
    pub notification: Option<NotificationId>,
    /// The request that it comes of, for log lines.
    pub request: Option<RequestId>,
    /// When it was taken to be written, where that was here.
    pub accepted: Option<Instant>,
    /// Where the user's inbox stands with this.
    pub inbox: Option<InboxState>,
    /// Says nothing but that: who has not been given so much is given it.
    pub is_standing: bool,
    /// An order to close instead.
    pub close: Option<CloseReason>,
    /// A session that does not get it, because it has the answer already.
    pub except: Option<SessionRef>,
}

impl Parcel {
    /// An event that concerns an inbox but is no notification.
    pub fn event(said: Vec<Said>, inbox: Option<InboxState>) -> Self {
        Self {
            words: Words::new(said),
            notification: None,
            request: None,
            accepted: None,
            inbox,
            is_standing: false,
            close: None,
            except: None,
        }
    }

    /// The stored notification that this is, with its seq.
    pub fn stored(&self) -> Option<(NotificationId, i64)> {
        self.notification.zip(self.inbox.map(|inbox| inbox.last_seq))
    }

    /// Where an inbox stands, for those who may have missed something.
    pub fn standing(inbox: InboxState) -> Self {
        Self { is_standing: true, ..Self::event(Vec::new(), Some(inbox)) }
    }

    /// What another instance pushes.
    pub fn relayed(letter: Letter<'static>) -> Self {
        let Letter { said, notification, request, inbox } = letter;
        Self { notification, request, ..Self::event(said.into_owned(), inbox) }
    }

    fn letter(&self) -> Letter<'_> {
        Letter {
            said: Cow::Borrowed(self.words.said()),
            notification: self.notification,
            request: self.request.clone(),
            inbox: self.inbox,
        }
    }

    pub fn close(reason: CloseReason) -> Self {
        Self { close: Some(reason), ..Self::event(Vec::new(), None) }
    }
}

impl Speech for Parcel {
    fn word(&self) -> Word<'_> {
        Word::Letter(self.letter())
    }
}

/// A parcel that is given out a portion at a time.
#[derive(Debug)]
pub(super) struct Announced(pub(super) Arc<Parcel>);

impl Speech for Announced {
    fn word(&self) -> Word<'_> {
        Word::Announcement(self.0.letter())
    }
}

/// A parcel and the room it goes to.
#[derive(Debug, Clone)]
pub struct Publication {
    pub room: Room,
    pub parcel: Parcel,
}

/// What was committed goes to the rooms; what finds nobody there is handed on as [`Away`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Publish {
    pub publications: Vec<Publication>,
}

/// Something that is kept for nobody goes to everybody who is connected, or to all of a room: however many they are,
/// a portion at a time.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// None for everybody.
    pub room: Option<Room>,
    pub parcel: Parcel,
    /// Whether another instance told it, and all the others as well.
    pub is_relayed: bool,
}

/// What other instances committed or pass on goes to the rooms here, and no further.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Relay {
    pub publications: Vec<Publication>,
}

/// Asks for some of the users who are online here, in the order of their ids.
#[derive(Debug, Message)]
#[rtype(result = "Vec<UserId>")]
pub struct ListUsers {
    /// Where the last answer ended.
    pub after: Option<UserId>,
    pub limit: usize,
}

/// Others know nothing of who is online here: they are told of everybody.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TellOfEverybody;

/// Asks who is online here.
#[derive(Debug, Message)]
#[rtype(result = "Presence")]
pub struct GetPresence {
    /// Users that are asked about one by one.
    pub users: Vec<UserId>,
}

/// Who is online on this instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    pub figures: Figures,
    /// Of the users that were asked about, who is online.
    pub online: Vec<UserId>,
}

/// Asks for some of those who are online here, in the order of their ids.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Roll")]
pub struct CallRoll {
    /// Where the last page ended.
    pub after: Option<UserId>,
    /// Only who holds this role.
    pub role: Option<Role>,
    /// Only this one.
    pub user: Option<UserId>,
    pub limit: usize,
}

/// A page of those who are online, and the figures of all.
#[derive(Debug, Default)]
pub struct Roll {
    pub presence: Presence,
    pub users: Vec<Online>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// Somebody who is online, with every connection.
#[derive(Debug)]
pub struct Online {
    pub user: UserId,
    pub connections: Vec<Connection>,
    /// Who it was whose last connection ended, while they may come back.
    pub left: Option<Arc<Member>>,
}

impl Online {
    /// As others are told. `instance` is what this one is called.
    pub fn person(&self, instance: &str) -> Person {
        let mut connections: Vec<&Connection> = self.connections.iter().collect();
        connections.sort_by_key(|connection| (connection.arrival.since, connection.session));
        let members = connections.iter().map(|one| &one.member).chain(&self.left);
        let roles: BTreeSet<Role> = members.flat_map(|member| member.roles.iter().cloned()).collect();
        let seat = |connection: &&Connection| {
            let Connection { session, member, arrival } = connection;
            // As `connected` told the client itself.
            let name = member.session.clone().or_else(|| arrival.name.clone());
            Seat {
                session: name.unwrap_or_else(|| session.name(instance)),
                door: arrival.door,
                since: arrival.since,
            }
        };
        Person { roles: roles.into_iter().collect(), connections: connections.iter().map(seat).collect() }
    }
}

/// One connection of theirs.
#[derive(Debug)]
pub struct Connection {
    pub session: SessionRef,
    pub member: Arc<Member>,
    pub arrival: Arrival,
}

/// Asks how large presence is.
#[derive(Debug, Message)]
#[rtype(result = "Measured")]
pub struct Measure;

/// How large presence is on this instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    pub sessions: usize,
    /// The memory of the registry, estimated.
    pub bytes: usize,
}

/// Closes every session, spread over a time; answers how many there are.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct CloseSessions {
    pub reason: CloseReason,
    pub over: Duration,
}

/// Parcels, and which sessions of one shard each is for.
pub type Batch = Vec<(Arc<Parcel>, Vec<SessionRef>)>;

/// What a shard gets: parcels and which of its sessions each is for. Sent by the hub.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    pub batch: Batch,
}

/// Stored notifications whose users have no session here. Sent by the hub.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Away {
    pub notifications: Vec<NotificationId>,
}
