//! What goes between the instances of a deployment: words to rooms, and who is online where. The database is the
//! truth and never waits for this; what is not heard here is found there. Used by the hub, through a trait, so that
//! one instance alone and several on Redis do the same.

mod local;
pub mod presence;
mod redis;

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

pub use local::{Exchange, LocalBus};
pub use presence::{Figures, Instance, Person, PresenceNews, RollQuery, Seat};
pub use redis::RedisBus;

use crate::domain::{NotificationId, Room, UserId};
use crate::protocol::letter::Word;

/// How many things that were heard wait for the one who hears them. More is as if the connection had broken: what was
/// missed is looked up.
pub const HEARD_MAX: usize = 16_384;

/// An instance's way to the others.
pub trait Bus: Debug + Send + Sync {
    /// How it stands with the others.
    fn state(&self) -> State;

    /// Says these, and does not wait: whoever listens hears them, this instance itself does not. What is told to nobody
    /// is answered by [`Heard::Unheard`], if that can be known.
    fn publish(&self, posts: Vec<Post>);

    /// From now on hears what is said in a room; [`Heard::Listening`] says when that has come true.
    fn listen(&self, room: &Room);

    /// Hears it no more.
    fn cease(&self, room: &Room);

    /// Keeps for others who is online here.
    fn keep(&self, news: PresenceNews);

    /// The figures of every other instance.
    fn instances(&self) -> BoxFuture<'static, Result<Vec<Instance>, BusError>>;

    /// Which of these users are online at any other instance.
    fn online(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<UserId>, BusError>>;

    /// A page of who is online at each other instance, in the order of their ids, one more than asked for where there
    /// are more.
    fn roll(&self, query: RollQuery) -> BoxFuture<'static, Result<Vec<(UserId, Person)>, BusError>>;

    /// Takes back what is kept of this instance, and says nothing more.
    fn leave(&self) -> BoxFuture<'static, ()>;
}

/// How it stands with the other instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There are none.
    Alone,
    /// They are reached.
    Joined,
    /// There may be others, and they cannot be reached.
    Parted,
}

/// Where something is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    Room(Room),
    /// At every instance.
    All,
}

/// Something that is said.
#[derive(Debug, Clone)]
pub struct Post {
    pub to: Address,
    pub speech: Arc<dyn Speech>,
    /// What is told by it, where it is worth knowing that nobody was: at this instance nobody is in the room.
    pub unless_heard: Option<NotificationId>,
}

/// Who can be put into words; that is done where it does not hold up the hub.
pub trait Speech: Debug + Send + Sync {
    fn word(&self) -> Word<'_>;
}

impl Speech for Word<'static> {
    fn word(&self) -> Word<'_> {
        self.clone()
    }
}

/// What an instance hears.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Another instance says this.
    Word(Address, Word<'static>),
    /// Another instance says something that cannot be understood, perhaps of a later version.
    Strange(Address),
    /// From a moment ago on everything is heard that is said in these rooms: what was said before may have been missed.
    Listening(Vec<Room>),
    /// Nobody else listens where these were told.
    Unheard(Vec<NotificationId>),
    /// The others can be reached.
    Joined,
    /// They cannot any more.
    Parted,
    /// Nothing is kept of who is online here: it is to be said again.
    Forgotten,
}

/// Why the others could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    #[error("the other instances cannot be reached")]
    Parted,
    #[error("redis: {0}")]
    Redis(String),
    #[error("what another instance keeps cannot be read: {0}")]
    Corrupt(String),
}

/// A bus, and what is heard on it.
pub type Opened = (Arc<dyn Bus>, mpsc::Receiver<Heard>);
