//! Hears what other instances say and has it done here: their words go to the hub, their orders to the warden. What
//! may have been missed is looked up: how far the inboxes stand of those who are connected here. So while the others
//! cannot be reached, too, where the database is asked for it again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream;
use tokio::sync::mpsc;

use super::email::{AwaitDevices, EmailActor};
use super::hub::{self, Announce, Away, ListUsers, NotificationHub, Parcel, Publication, TellOfEverybody};
use super::reader::{ReadError, Reader};
use super::warden::{LookNow, Warden};
use crate::bus::{Address, Heard};
use crate::domain::{InboxState, Room, UserId};
use crate::protocol::letter::Word;
use crate::storage::{AnyConnection, inboxes};
use crate::telemetry::Metrics;

/// How much of what was heard is taken at once.
const PORTION: usize = 256;
/// Of how many users is looked at once how far their inboxes stand.
const USERS_AT_ONCE: usize = 500;
/// The pause before looking again in a database that is away, or for a hub that has too much to do.
const RETRY: Duration = Duration::from_secs(1);

/// With whom the liaison speaks here.
#[derive(Debug)]
pub struct Parties {
    pub hub: Addr<NotificationHub>,
    pub warden: Addr<Warden>,
    pub email: Addr<EmailActor>,
    pub reader: Reader,
    pub metrics: Metrics,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Liaison {
    parties: Parties,
    heard: Option<mpsc::Receiver<Heard>>,
    /// How often is looked while the others cannot be reached.
    poll: Duration,
    is_parted: bool,
    /// Whose inboxes are to be looked at.
    suspects: BTreeSet<UserId>,
    round: Round,
    /// Whether another is to begin when that is over.
    is_round_due: bool,
    /// Whether a look is under way.
    is_looking: bool,
}

/// How far the round by everybody who is connected has come.
#[derive(Debug)]
enum Round {
    Over,
    /// It goes on behind this one, from the begin where it is nobody.
    GoesOn(Option<UserId>),
}

impl Liaison {
    /// `poll` is how often the database is asked while the others cannot be reached.
    pub fn new(parties: Parties, heard: mpsc::Receiver<Heard>, poll: Duration) -> Self {
        Self {
            parties,
            heard: Some(heard),
            poll,
            is_parted: false,
            suspects: BTreeSet::new(),
            round: Round::Over,
            is_round_due: false,
            is_looking: false,
        }
    }

    fn hear(&mut self, heard: Vec<Heard>, ctx: &mut Context<Self>) {
        let mut relayed = Vec::new();
        for heard in heard {
            match heard {
                Heard::Word(Address::Room(room), Word::Letter(letter)) => {
                    relayed.push(Publication { room, parcel: Parcel::relayed(letter) });
                }
                Heard::Word(to, Word::Announcement(letter) | Word::Letter(letter)) => {
                    let room = if let Address::Room(room) = to { Some(room) } else { None };
                    let announce = Announce { room, parcel: Parcel::relayed(letter), is_relayed: true };
                    if self.parties.hub.try_send(announce).is_err() {
                        self.parties.metrics.refused("hub_mailbox").inc();
                    }
                }
                Heard::Word(_, Word::Orders) => self.parties.warden.do_send(LookNow),
                Heard::Word(_, Word::Look) | Heard::Strange(Address::All) => self.look_at_all(ctx),
                Heard::Word(_, Word::Leaving) => self.parties.email.do_send(AwaitDevices),
                Heard::Strange(Address::Room(room)) => self.look_at(vec![room], ctx),
                Heard::Listening(rooms) => self.look_at(rooms, ctx),
                Heard::Unheard(notifications) => {
                    if self.parties.email.try_send(Away { notifications }).is_err() {
                        // Nothing is lost: the deadline in the database brings these mails a few seconds later.
                        self.parties.metrics.refused("email_mailbox").inc();
                    }
                }
                Heard::Joined => self.is_parted = false,
                Heard::Parted => {
                    self.is_parted = true;
                    self.look_again(ctx);
                }
                Heard::Forgotten => self.parties.hub.do_send(TellOfEverybody),
            }
        }
        self.relay(relayed, ctx);
    }

    /// Has these pushed; what the hub cannot take now is looked up when it may have caught up.
    fn relay(&mut self, publications: Vec<Publication>, ctx: &mut Context<Self>) {
        if !hub::relay(&self.parties.hub, publications, &self.parties.metrics) && !self.is_round_due {
            self.is_round_due = true;
            ctx.run_later(RETRY, Self::look);
        }
    }

    fn look_at(&mut self, rooms: Vec<Room>, ctx: &mut Context<Self>) {
        let users =
            rooms.into_iter().filter_map(|room| if let Room::User(user) = room { Some(user) } else { None });
        self.suspects.extend(users);
        self.look(ctx);
    }

    fn look_at_all(&mut self, ctx: &mut Context<Self>) {
        self.is_round_due = true;
        self.look(ctx);
    }

    /// Looks at all again and again for as long as the others cannot be reached.
    fn look_again(&mut self, ctx: &mut Context<Self>) {
        self.look_at_all(ctx);
        ctx.run_later(self.poll, |liaison, ctx| {
            if liaison.is_parted {
                liaison.look_again(ctx);
            }
        });
    }

    /// Looks at the next, if it is anybody's turn and no look is under way.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.is_looking {
            return;
        }
        if self.suspects.is_empty() {
            self.go_round(ctx);
            return;
        }
        self.is_looking = true;
        let users: Vec<UserId> =
            std::iter::from_fn(|| self.suspects.pop_first()).take(USERS_AT_ONCE).collect();
        let (reader, asked) = (self.parties.reader.clone(), users.clone());
        let look = async move {
            let query = move |connection: &mut AnyConnection| {
                inboxes::states(connection, &asked.iter().map(UserId::as_str).collect::<Vec<_>>())
            };
            reader.run_apart(query).await
        };
        ctx.spawn(look.into_actor(self).map(|found, liaison, ctx| liaison.found(users, found, ctx)));
    }

    fn found(
        &mut self,
        users: Vec<UserId>,
        found: Result<Vec<(String, InboxState)>, ReadError>,
        ctx: &mut Context<Self>,
    ) {
        match found {
            Ok(states) => {
                let standing = |(user, inbox): (String, InboxState)| {
                    let room = Room::User(UserId::from_stored(user));
                    Publication { room, parcel: Parcel::standing(inbox) }
                };
                let standings = states.into_iter().map(standing).collect();
                self.relay(standings, ctx);
                self.is_looking = false;
                self.look(ctx);
            }
            Err(error) => {
                log::debug!("what may have been missed cannot be looked up yet: {error}");
                self.suspects.extend(users);
                ctx.run_later(RETRY, |liaison, ctx| {
                    liaison.is_looking = false;
                    liaison.look(ctx);
                });
            }
        }
    }

    /// Takes the next of those who are connected, if a round is due or under way.
    fn go_round(&mut self, ctx: &mut Context<Self>) {
        let after = match std::mem::replace(&mut self.round, Round::Over) {
            Round::GoesOn(after) => after,
            Round::Over if std::mem::take(&mut self.is_round_due) => None,
            Round::Over => return,
        };
        self.is_looking = true;
        let asked = self.parties.hub.send(ListUsers { after, limit: USERS_AT_ONCE });
        ctx.spawn(asked.into_actor(self).map(|users, liaison, ctx| {
            // A hub that is gone has nobody, and the server is stopping.
            let users = users.unwrap_or_default();
            if users.len() == USERS_AT_ONCE {
                liaison.round = Round::GoesOn(users.last().cloned());
            }
            liaison.suspects.extend(users);
            liaison.is_looking = false;
            liaison.look(ctx);
        }));
    }
}

impl Actor for Liaison {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(heard) = self.heard.take() {
            ctx.add_stream(stream::unfold(heard, |mut heard| async {
                let mut portion = Vec::new();
                (heard.recv_many(&mut portion, PORTION).await > 0).then_some((portion, heard))
            }));
        }
    }
}

impl StreamHandler<Vec<Heard>> for Liaison {
    fn handle(&mut self, heard: Vec<Heard>, ctx: &mut Context<Self>) {
        self.hear(heard, ctx);
    }

    /// A bus that is over says nothing more; what was begun goes on.
    fn finished(&mut self, _: &mut Context<Self>) {}
}
