//! From what was committed to what is pushed: encodes once, for every session that will get it.

use serde::Serialize;

use super::messages::Read;
use crate::actors::hub::{Parcel, Publication, SessionRef};
use crate::domain::{InboxState, Notification, Room, UserId};
use crate::protocol::json::{self, Envelope, UNREAD_COUNT, UnreadCount};
use crate::protocol::frame;
use crate::storage::append::Stamped;

/// A stored notification with the count that it makes.
pub(super) fn of_stored(stamped: &Stamped) -> Publication {
    let Stamped { notification, unread } = stamped;
    let inbox = InboxState { last_seq: notification.seq, unread: *unread };
    let event = json::event(&notification.kind, Envelope::from(notification));
    let count = json::event(UNREAD_COUNT, UnreadCount::from(inbox));
    let parcel = Parcel {
        frames: frame::texts(&[&event, &count]),
        notification: Some(notification.id),
        inbox: Some(inbox),
        notifies: true,
        close: None,
        except: None,
    };
    Publication { room: Room::User(notification.user.clone()), parcel }
}

/// A notification that is kept for nobody.
pub(super) fn of_passing(room: Room, notification: &Notification) -> Publication {
    let event = json::event(&notification.kind, Envelope::passing(notification));
    let parcel = Parcel { notifies: true, ..Parcel::event(frame::text(&event), None) };
    Publication { room, parcel }
}

/// What a user's devices are told when notifications were read on one of them.
pub(super) fn of_read(user: &UserId, read: &Read, asker: Option<SessionRef>) -> Vec<Publication> {
    let inbox = InboxState { last_seq: read.seq, unread: read.unread };
    let told = Parcel { except: asker, ..event("notificationRead", read, Some(inbox)) };
    let counted = event(UNREAD_COUNT, UnreadCount::from(inbox), Some(inbox));
    let room = Room::User(user.clone());
    vec![Publication { room: room.clone(), parcel: told }, Publication { room, parcel: counted }]
}

fn event(name: &str, data: impl Serialize, inbox: Option<InboxState>) -> Parcel {
    Parcel::event(frame::text(&json::event(name, data)), inbox)
}
