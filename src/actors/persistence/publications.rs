//! From what was committed to what is pushed: encodes its data once, for every session that will get it.

use serde::Serialize;
use tokio::time::Instant;

use super::messages::{Deleted, Read};
use crate::actors::hub::{Parcel, Publication, SessionRef};
use crate::domain::{InboxState, Notification, Room, UserId};
use crate::protocol::json::{UNREAD_COUNT, UnreadCount};
use crate::protocol::wire::Said;
use crate::storage::append::Stamped;

/// A stored notification with the count that it makes, of what was accepted at that time.
pub(super) fn of_stored(stamped: &Stamped, accepted: Option<Instant>) -> Publication {
    let Stamped { notification, unread } = stamped;
    let inbox = InboxState { last_seq: notification.seq, unread: *unread };
    let said = vec![Said::stored(notification), Said::event(UNREAD_COUNT, UnreadCount::from(inbox))];
    let (id, request) = (Some(notification.id), notification.request.clone());
    let parcel = Parcel { notification: id, request, accepted, ..Parcel::event(said, Some(inbox)) };
    Publication { room: Room::User(notification.user.clone()), parcel }
}

/// A notification that is kept for nobody.
pub(super) fn of_passing(room: Room, notification: &Notification) -> Publication {
    Publication { room, parcel: parcel_of_passing(notification) }
}

pub(super) fn parcel_of_passing(notification: &Notification) -> Parcel {
    Parcel::event(vec![Said::passing(notification)], None)
}

/// What a user's devices are told when notifications were read on one of them.
pub(super) fn of_read(user: &UserId, read: &Read, asker: Option<SessionRef>) -> Vec<Publication> {
    let inbox = InboxState { last_seq: read.seq, unread: read.unread };
    let told = Parcel { except: asker, ..event("notificationRead", read, inbox) };
    let counted = event(UNREAD_COUNT, UnreadCount::from(inbox), inbox);
    let room = Room::User(user.clone());
    vec![Publication { room: room.clone(), parcel: told }, Publication { room, parcel: counted }]
}

/// What a user's devices are told when notifications were deleted.
pub(super) fn of_deleted(user: &UserId, deleted: &Deleted) -> Vec<Publication> {
    let inbox = InboxState { last_seq: deleted.seq, unread: deleted.unread };
    let told = event("notificationDeleted", deleted, inbox);
    let counted = event(UNREAD_COUNT, UnreadCount::from(inbox), inbox);
    let room = Room::User(user.clone());
    vec![Publication { room: room.clone(), parcel: told }, Publication { room, parcel: counted }]
}

/// What a user's devices are told when the count has changed by itself.
pub(super) fn of_count(user: &UserId, inbox: InboxState) -> Publication {
    let parcel = event(UNREAD_COUNT, UnreadCount::from(inbox), inbox);
    Publication { room: Room::User(user.clone()), parcel }
}

fn event(name: &'static str, data: impl Serialize, inbox: InboxState) -> Parcel {
    Parcel::event(vec![Said::event(name, data)], Some(inbox))
}
