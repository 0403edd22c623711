//! Notifications: a draft before it is stored, the stored thing with its place in an inbox after.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::booking::{Booking, BookingStatus};
use super::clock::Timestamp;
use super::ids::{BookingId, NotificationId, UserId};
use super::invalid::Invalid;
use super::request_id::RequestId;

/// The most characters of a notification's type; it is also an event name on every door.
pub const TYPE_MAX: usize = 64;
/// The most characters of a title: one line on a phone's lock screen.
pub const TITLE_MAX: usize = 200;
/// The most characters of a message.
pub const MESSAGE_MAX: usize = 2_000;
/// The most characters of an actor's name or of the address of its picture.
pub const ACTOR_TEXT_MAX: usize = 500;

/// Names that the doors use for themselves: a notification of such a type could pass for an answer.
const RESERVED_TYPES: [&str; 27] = [
    "connect",
    "close",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
    "connected",
    "heartbeat",
    "error",
    "ping",
    "pong",
    "subscribed",
    "unsubscribed",
    "joinedRoom",
    "leftRoom",
    "presenceStats",
    "notificationRead",
    "notificationDeleted",
    "tokenRefreshed",
    "locationUpdated",
    "acked",
    "resumed",
    "gap",
    "message",
    "open",
    "notification:unread_count",
];

/// The types that no sender may choose.
pub const fn reserved_types() -> &'static [&'static str] {
    &RESERVED_TYPES
}

/// How a notification may be filtered, preferred and escalated: bookings, reviews, jobs, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(Cow<'static, str>);

impl Category {
    pub const BOOKINGS: Self = Self(Cow::Borrowed("bookings"));
    pub const SYSTEM: Self = Self(Cow::Borrowed("system"));

    /// The category that a type belongs to when its sender names none.
    pub fn of_type(kind: &str) -> Self {
        Self(Cow::Borrowed(match kind.split(['.', ':', '-']).next().unwrap_or(kind) {
            "booking" => "bookings",
            "review" => "reviews",
            "nearby" => "jobs",
            "system" => "system",
            "LIKE" | "COMMENT" | "FOLLOW" => "social",
            _ => "general",
        }))
    }

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !fits {
            return Err(Invalid::new(
                "category",
                "must be 1 to 40 lower-case letters, digits, hyphens or underscores",
            ));
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    pub fn from_stored(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// How much a notification matters. `critical` is for what must be seen whatever the hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Critical,
}

/// What a notification says, apart from whose it is and where it stands: the part that never changes.
/// It is stored as JSON with these names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    pub priority: Priority,
    pub title: String,
    pub message: String,
    pub actor_id: Option<UserIdText>,
    pub actor_name: Option<String>,
    pub actor_avatar: Option<String>,
    /// Whatever the sender wants its front ends to have; any JSON value.
    pub data: Option<Box<RawValue>>,
}

/// So many bytes of a notification cost as much as another one.
const ROW_BYTES: usize = 4_096;

impl Content {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let data = self.data.as_ref().map_or(0, |data| data.get().len());
        self.title.len() + self.message.len() + data
    }

    /// How many it counts for where notifications are counted for what they cost: 1, and more for a large one.
    pub fn rows(&self) -> usize {
        1 + self.bytes() / ROW_BYTES
    }
}

/// A user id inside stored JSON.
pub type UserIdText = String;

/// A notification that has no place in an inbox yet.
#[derive(Debug, Clone)]
pub struct Draft {
    pub id: NotificationId,
    pub user: UserId,
    /// The notification's type, which is also its event name: 1 to [`TYPE_MAX`] characters.
    pub kind: String,
    pub category: Category,
    /// The booking it tells of: cancelling that booking withdraws what was not seen.
    pub booking: Option<BookingId>,
    /// The request that it comes of, for log lines and the trail; nobody else is told.
    pub request: Option<RequestId>,
    pub content: Content,
}

/// A stored notification: its place in its user's inbox is fixed.
#[derive(Debug, Clone)]
pub struct Notification {
    pub id: NotificationId,
    pub user: UserId,
    /// 1, 2, 3 … per user, without gaps, in commit order.
    pub seq: i64,
    pub kind: String,
    pub category: Category,
    pub content: Content,
    pub created_at: Timestamp,
    pub read_at: Option<Timestamp>,
    /// The request that it comes of.
    pub request: Option<RequestId>,
}

/// Which of their notifications a user marks as read or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    Ids(Vec<NotificationId>),
    /// Everything up to and with this seq.
    UpTo(i64),
    All,
}

/// Where an inbox stands. One that nobody has written to stands at 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxState {
    /// The newest notification's seq.
    pub last_seq: i64,
    /// How many are unread: always the whole count, never a difference.
    pub unread: i64,
}

impl InboxState {
    /// What two reports of one inbox say together, in whatever order they came. Both what was ever
    /// received and what was ever settled only grow, so the larger of each is the truth.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let last_seq = self.last_seq.max(other.last_seq);
        let settled = (self.last_seq - self.unread).max(other.last_seq - other.unread);
        Self { last_seq, unread: (last_seq - settled).max(0) }
    }
}

/// Checks a type that a back end chose.
pub fn check_type(kind: &str) -> Result<(), Invalid> {
    const FIELD: &str = "type";
    let fits = (1..=TYPE_MAX).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    if !fits {
        return Err(Invalid::new(
            FIELD,
            format!("must be 1 to {TYPE_MAX} letters, digits, dots, colons, hyphens or underscores"),
        ));
    }
    if RESERVED_TYPES.contains(&kind) {
        return Err(Invalid::new(FIELD, "is a name that the protocol uses itself"));
    }
    Ok(())
}

impl Draft {
    /// What a host is told of a new booking.
    pub fn booking_created(id: NotificationId, booking: &Booking) -> Self {
        let message =
            format!("{} is booked, {}, {}", booking.listing_label(), booking.stay(), booking.party());
        Self::about(
            id,
            booking,
            booking.host.clone(),
            "booking.created",
            "New booking",
            message,
            &booking.guest,
        )
    }

    /// What the other party is told when `actor` has moved a booking on.
    pub fn booking_moved(id: NotificationId, booking: &Booking, actor: &UserId) -> Self {
        let to = if *actor == booking.host { booking.guest.clone() } else { booking.host.clone() };
        let (title, verb) = match booking.status {
            BookingStatus::Pending => ("Booking pending", "is pending"),
            BookingStatus::Accepted => ("Booking accepted", "is confirmed"),
            BookingStatus::Completed => ("Booking completed", "is completed"),
            BookingStatus::Cancelled => ("Booking cancelled", "is cancelled"),
        };
        let kind = format!("booking.{}", booking.status.as_str());
        let message = format!("{} {verb}, {}, {}", booking.listing_label(), booking.stay(), booking.party());
        Self::about(id, booking, to, &kind, title, message, actor)
    }

    /// What a party of a booking is told when check-in is near.
    pub fn booking_reminder(id: NotificationId, booking: &Booking, to: &UserId) -> Self {
        let other = if *to == booking.host { &booking.guest } else { &booking.host };
        let message = format!("{}, {}, {}", booking.listing_label(), booking.stay(), booking.party());
        Self::about(id, booking, to.clone(), "booking.reminder", "Check-in is near", message, other)
    }

    /// The stored notification that this becomes at its place in the inbox.
    pub fn at(self, seq: i64, now: Timestamp) -> Notification {
        Notification {
            id: self.id,
            user: self.user,
            seq,
            kind: self.kind,
            category: self.category,
            content: self.content,
            created_at: now,
            read_at: None,
            request: self.request,
        }
    }

    fn about(
        id: NotificationId,
        booking: &Booking,
        to: UserId,
        kind: &str,
        title: &str,
        message: String,
        actor: &UserId,
    ) -> Self {
        let actor_name = if *actor == booking.guest {
            booking.guest_name.clone().unwrap_or_else(|| actor.as_str().to_owned())
        } else {
            actor.as_str().to_owned()
        };
        Self {
            id,
            user: to,
            kind: kind.to_owned(),
            category: Category::BOOKINGS,
            booking: Some(booking.id),
            request: None,
            content: Content {
                priority: Priority::High,
                title: title.to_owned(),
                message,
                actor_id: Some(actor.as_str().to_owned()),
                actor_name: Some(actor_name),
                actor_avatar: None,
                data: serde_json::value::to_raw_value(&booking.as_data()).ok(),
            },
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_an_inbox_merge_to_the_same_in_any_order() {
        let arrived = InboxState { last_seq: 9, unread: 5 };
        let read_after = InboxState { last_seq: 9, unread: 0 };
        assert_eq!(arrived.merge(read_after), read_after);
        assert_eq!(read_after.merge(arrived), read_after);
        let newer = InboxState { last_seq: 10, unread: 6 };
        assert_eq!(read_after.merge(newer), InboxState { last_seq: 10, unread: 1 });
    }

    #[test]
    fn a_type_may_not_pass_for_a_word_of_the_protocol() {
        for kind in ["LIKE", "booking.created", "nearby-job", "custom:thing"] {
            assert_eq!(check_type(kind), Ok(()), "{kind}");
        }
        for kind in [
            "",
            "connected",
            "error",
            "tokenRefreshed",
            "locationUpdated",
            "a b",
            "é",
            &"x".repeat(TYPE_MAX + 1),
        ] {
            assert!(check_type(kind).is_err(), "{kind:?}");
        }
    }
}
