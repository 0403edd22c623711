//! Rooms that a client asked to join and whose parties are still being looked up. Who leaves such a room
//! meanwhile must not end up in it, although the leave is done before the join is.

use std::cell::RefCell;
use std::rc::Rc;

use crate::domain::Room;

/// A session's lookups under way. Clones share them. Few at a time: a linear search is right.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookups(Rc<RefCell<UnderWay>>);

#[derive(Debug, Default)]
struct UnderWay {
    rooms: Vec<(Room, Ticket)>,
    next: u64,
}

/// Tells lookups of one room apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Lookups {
    pub(super) fn begin(&self, room: Room) -> Ticket {
        let mut under_way = self.0.borrow_mut();
        let ticket = Ticket(under_way.next);
        under_way.next = under_way.next.wrapping_add(1);
        under_way.rooms.push((room, ticket));
        ticket
    }

    /// Forgets the lookups of a room: it was left.
    pub(super) fn cancel(&self, room: &Room) {
        self.0.borrow_mut().rooms.retain(|(looked_up, _)| looked_up != room);
    }

    /// Ends a lookup; answers whether it was still wanted.
    pub(super) fn end(&self, ticket: Ticket) -> bool {
        let rooms = &mut self.0.borrow_mut().rooms;
        let before = rooms.len();
        rooms.retain(|(_, known)| *known != ticket);
        rooms.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Room {
        Room::parse(name).expect("a room")
    }

    #[test]
    fn a_leave_cancels_the_lookups_of_its_room_that_began_before_it() {
        let lookups = Lookups::default();
        let (first, second) = (lookups.begin(room("booking:1")), lookups.begin(room("booking:1")));
        lookups.cancel(&room("booking:1"));
        let third = lookups.begin(room("booking:1"));
        let other = lookups.begin(room("booking:2"));
        assert!(!lookups.end(first) && !lookups.end(second), "left");
        assert!(lookups.end(other) && lookups.end(third), "still wanted");
        assert!(!lookups.end(third), "ended");
    }
}
