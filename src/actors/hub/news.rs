//! What other instances are to be told of this one: in which rooms somebody is, and who has come or gone. Of each only
//! that it changed, so that it is no more than there is.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{Room, UserId};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct News(Option<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    /// Whether somebody is there now.
    rooms: HashMap<Room, bool>,
    people: BTreeSet<UserId>,
}

impl News {
    /// For an instance that is alone.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn gathered() -> Self {
        Self(Some(Gathered::default()))
    }

    pub(super) fn of_room(&mut self, room: &Room, is_peopled: bool) {
        if let Some(gathered) = &mut self.0 {
            gathered.rooms.insert(room.clone(), is_peopled);
        }
    }

    pub(super) fn of_person(&mut self, user: &UserId) {
        if let Some(gathered) = &mut self.0 {
            gathered.people.insert(user.clone());
        }
    }

    /// Takes what is new of rooms.
    pub(super) fn take_rooms(&mut self) -> HashMap<Room, bool> {
        self.0.as_mut().map(|gathered| std::mem::take(&mut gathered.rooms)).unwrap_or_default()
    }

    /// Takes so many of those who came or went.
    pub(super) fn take_people(&mut self, most: usize) -> Vec<UserId> {
        let Some(gathered) = &mut self.0 else { return Vec::new() };
        std::iter::from_fn(|| gathered.people.pop_first()).take(most).collect()
    }
}
