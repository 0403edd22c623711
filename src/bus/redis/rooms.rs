//! Which rooms this instance listens to: what it wants, and what of that Redis was not told yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Shared;
use super::link::{Link, LinkError};
use crate::bus::Address;
use crate::domain::Room;

/// How many channels one command names.
const PORTION: usize = 256;

/// See the module's documentation. As large as what the instance has rooms of.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    wishes: Mutex<Wishes>,
    is_changed: Notify,
}

#[derive(Debug, Default)]
struct Wishes {
    /// Every room that is wanted.
    wanted: HashSet<Room>,
    /// What Redis was not told; of a room that is wanted again nothing but that.
    untold: HashMap<Room, bool>,
    /// Of which Redis was asked to tell nothing more, and has not said that it does.
    ceasing: HashSet<Room>,
    /// Whether Redis is told: while it is away, nothing need be noted but what is wanted.
    is_told: bool,
}

impl Rooms {
    pub(super) fn listen(&self, room: &Room) {
        let mut wishes = self.wishes();
        if wishes.wanted.insert(room.clone()) && wishes.is_told {
            wishes.untold.insert(room.clone(), true);
            drop(wishes);
            self.is_changed.notify_one();
        }
    }

    pub(super) fn cease(&self, room: &Room) {
        let mut wishes = self.wishes();
        if wishes.wanted.remove(room) && wishes.is_told {
            wishes.untold.insert(room.clone(), false);
            drop(wishes);
            self.is_changed.notify_one();
        }
    }

    /// Redis tells nothing more of a room; answers whether it was asked to.
    pub(super) fn has_ceased(&self, room: &Room) -> bool {
        self.wishes().ceasing.remove(room)
    }

    /// Redis is away.
    pub(super) fn forget(&self) {
        let mut wishes = self.wishes();
        wishes.is_told = false;
        wishes.untold = HashMap::new();
        wishes.ceasing = HashSet::new();
    }

    /// Redis knows nothing of any.
    fn begin_anew(&self) {
        let mut wishes = self.wishes();
        wishes.is_told = true;
        wishes.untold = wishes.wanted.iter().map(|room| (room.clone(), true)).collect();
    }

    /// The next that Redis is to be told: those to listen to, and those no more.
    fn take(&self) -> (Vec<Room>, Vec<Room>) {
        let mut wishes = self.wishes();
        let next: Vec<Room> = wishes.untold.keys().take(PORTION).cloned().collect();
        let (mut listen, mut cease) = (Vec::new(), Vec::new());
        for room in next {
            match wishes.untold.remove(&room) {
                Some(true) => listen.push(room),
                Some(false) => {
                    wishes.ceasing.insert(room.clone());
                    cease.push(room);
                }
                None => {}
            }
        }
        if wishes.untold.is_empty() {
            wishes.untold.shrink_to_fit();
        }
        (listen, cease)
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens to everything that is wanted, on a new connection.
pub(super) async fn listen_to_all(shared: &Arc<Shared>, link: &Link) -> Result<(), LinkError> {
    link.clone().subscribe(&[shared.keys.channel(&Address::All)]).await?;
    shared.rooms.begin_anew();
    while tell(shared, link).await? {}
    Ok(())
}

/// Tells Redis what changes.
pub(super) async fn run(shared: &Arc<Shared>, link: &Link) -> Result<(), LinkError> {
    loop {
        while tell(shared, link).await? {}
        shared.rooms.is_changed.notified().await;
    }
}

/// Tells a portion; answers whether there was one.
async fn tell(shared: &Arc<Shared>, link: &Link) -> Result<bool, LinkError> {
    let (listen, cease) = shared.rooms.take();
    let channels =
        |rooms: Vec<Room>| rooms.into_iter().map(|room| shared.keys.channel(&Address::Room(room))).collect();
    let (listen, cease): (Vec<String>, Vec<String>) = (channels(listen), channels(cease));
    let mut link = link.clone();
    link.unsubscribe(&cease).await?;
    link.subscribe(&listen).await?;
    Ok(!listen.is_empty() || !cease.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_room_that_comes_and_goes_only_the_last_is_told() {
        let rooms = told();
        let [a, b] = ["listing:a", "listing:b"].map(|name| Room::parse(name).unwrap());
        rooms.listen(&a);
        rooms.listen(&b);
        rooms.cease(&b);
        assert_eq!(rooms.take(), (vec![a.clone()], vec![b]));
        assert_eq!(rooms.take(), (vec![], vec![]));
        rooms.begin_anew();
        assert_eq!(rooms.take(), (vec![a], vec![]));
    }

    fn told() -> Rooms {
        let rooms = Rooms::default();
        rooms.begin_anew();
        rooms
    }

    #[test]
    fn while_redis_is_away_only_what_is_wanted_is_noted() {
        let rooms = told();
        let [a, b] = ["listing:a", "listing:b"].map(|name| Room::parse(name).unwrap());
        rooms.listen(&a);
        rooms.forget();
        rooms.cease(&a);
        rooms.listen(&b);
        assert!(rooms.wishes().untold.is_empty());
        rooms.begin_anew();
        assert_eq!(rooms.take(), (vec![b], vec![]));
    }

    #[test]
    fn a_room_that_ended_by_itself_is_told_from_one_that_was_left() {
        let rooms = told();
        let [a, b] = ["listing:a", "listing:b"].map(|name| Room::parse(name).unwrap());
        rooms.listen(&a);
        rooms.listen(&b);
        rooms.take();
        rooms.cease(&b);
        rooms.take();
        // Wanted again before Redis has said that it is left.
        rooms.listen(&b);
        assert_eq!([&a, &b, &b].map(|room| rooms.has_ceased(room)), [false, true, false]);
    }

    #[test]
    fn many_are_told_in_portions() {
        let rooms = told();
        for number in 0..=PORTION {
            rooms.listen(&Room::Other(format!("listing:{number}")));
        }
        assert_eq!((rooms.take().0.len(), rooms.take().0.len()), (PORTION, 1));
    }
}
