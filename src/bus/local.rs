//! The bus of one instance that is alone; and of several in one process, which do what those on Redis do.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::mpsc;

use super::presence::{Figures, Instance, Person, PresenceNews, RollQuery};
use super::{Address, Bus, BusError, HEARD_MAX, Heard, Opened, Post, State};
use crate::domain::{Room, UserId};
use crate::protocol::letter::{pack, unpack};

/// Where the instances of one process meet.
#[derive(Debug, Default)]
pub struct Exchange(Mutex<HashMap<Box<str>, Place>>);

/// What is known of one of them.
#[derive(Debug)]
struct Place {
    heard: mpsc::Sender<Heard>,
    rooms: HashSet<Room>,
    figures: Figures,
    people: BTreeMap<UserId, Person>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct LocalBus {
    name: Box<str>,
    /// None where there can be no others.
    exchange: Option<Arc<Exchange>>,
}

impl LocalBus {
    /// Of an instance that is alone.
    pub fn alone() -> Opened {
        let (_, heard) = mpsc::channel(1);
        (Arc::new(Self { name: Box::default(), exchange: None }), heard)
    }

    /// Of one that meets others.
    pub fn join(exchange: &Arc<Exchange>, name: &str) -> Opened {
        let (sender, heard) = mpsc::channel(HEARD_MAX);
        tell(&sender, Heard::Joined);
        let place = Place {
            heard: sender,
            rooms: HashSet::new(),
            figures: Figures::default(),
            people: BTreeMap::new(),
        };
        exchange.places().insert(name.into(), place);
        (Arc::new(Self { name: name.into(), exchange: Some(Arc::clone(exchange)) }), heard)
    }

    fn with_mine(&self, change: impl FnOnce(&mut Place)) {
        if let Some(exchange) = &self.exchange
            && let Some(place) = exchange.places().get_mut(&self.name)
        {
            change(place);
        }
    }

    fn of_others<T: Send + 'static>(
        &self,
        look: impl Fn(&str, &Place) -> Vec<T>,
    ) -> BoxFuture<'static, Result<Vec<T>, BusError>> {
        let mut found = Vec::new();
        if let Some(exchange) = &self.exchange {
            for (name, place) in exchange.places().iter().filter(|(name, _)| **name != self.name) {
                found.extend(look(name, place));
            }
        }
        ready(Ok(found)).boxed()
    }
}

impl Exchange {
    fn places(&self) -> MutexGuard<'_, HashMap<Box<str>, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever does not keep up misses it, as with a connection that is lost.
fn tell(to: &mpsc::Sender<Heard>, heard: Heard) {
    if to.try_send(heard).is_err() {
        log::warn!("an instance does not take what it is told");
    }
}

impl Bus for LocalBus {
    fn state(&self) -> State {
        if self.exchange.is_some() { State::Joined } else { State::Alone }
    }

    fn publish(&self, posts: Vec<Post>) {
        let Some(exchange) = &self.exchange else { return };
        let places = exchange.places();
        let mut unheard = Vec::new();
        for Post { to, speech, unless_heard } in posts {
            let bytes = pack(&self.name, &speech.word());
            let mut is_heard = false;
            for (_, place) in places.iter().filter(|(name, _)| **name != self.name) {
                if matches!(&to, Address::Room(room) if !place.rooms.contains(room)) {
                    continue;
                }
                is_heard = true;
                let word = unpack(&bytes).map(|word| Heard::Word(to.clone(), word));
                tell(&place.heard, word.unwrap_or_else(|_| Heard::Strange(to.clone())));
            }
            unheard.extend(unless_heard.filter(|_| !is_heard));
        }
        if let Some(place) = places.get(&self.name).filter(|_| !unheard.is_empty()) {
            tell(&place.heard, Heard::Unheard(unheard));
        }
    }

    fn listen(&self, room: &Room) {
        self.with_mine(|place| {
            if place.rooms.insert(room.clone()) {
                tell(&place.heard, Heard::Listening(vec![room.clone()]));
            }
        });
    }

    fn cease(&self, room: &Room) {
        self.with_mine(|place| {
            place.rooms.remove(room);
        });
    }

    fn keep(&self, news: PresenceNews) {
        self.with_mine(|place| {
            place.figures = news.figures;
            for (user, person) in news.people {
                match person {
                    Some(person) => place.people.insert(user, person),
                    None => place.people.remove(&user),
                };
            }
        });
    }

    fn instances(&self) -> BoxFuture<'static, Result<Vec<Instance>, BusError>> {
        self.of_others(|name, place| vec![Instance { name: name.into(), figures: place.figures.clone() }])
    }

    fn online(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<UserId>, BusError>> {
        self.of_others(|_, place| {
            users.iter().filter(|user| place.people.contains_key(*user)).cloned().collect()
        })
    }

    fn roll(&self, query: RollQuery) -> BoxFuture<'static, Result<Vec<(UserId, Person)>, BusError>> {
        let RollQuery { after, role, user, limit } = query;
        self.of_others(|_, place| {
            let asked = |id: &UserId, person: &Person| {
                after.as_ref().is_none_or(|after| id > after)
                    && user.as_ref().is_none_or(|user| id == user)
                    && role.as_ref().is_none_or(|role| person.roles.contains(role))
            };
            let found = place.people.iter().filter(|(id, person)| asked(id, person));
            found.take(limit + 1).map(|(id, person)| (id.clone(), person.clone())).collect()
        })
    }

    fn leave(&self) -> BoxFuture<'static, ()> {
        if let Some(exchange) = &self.exchange {
            exchange.places().remove(&self.name);
        }
        ready(()).boxed()
    }
}
