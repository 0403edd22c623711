//! Rooms: the addresses that the hub routes by, and who may join which.

use std::fmt;

use super::identity::{Member, Role};
use super::ids::{BookingId, UserId};
use super::invalid::Invalid;

/// The most characters a room's name may have: a kind, a colon and the longest user id, with room to spare.
pub const ROOM_NAME_MAX: usize = 160;

/// Spellings that the front ends in the field use for the room of a user.
const USER_ALIASES: [&str; 5] = ["user:", "host-", "host_", "host:", "user_"];

/// An address that sessions join and notifications are published to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Room {
    /// Everything for one user, on all devices.
    User(UserId),
    /// Everyone who holds a role.
    Role(Role),
    /// All connections of one log-in of the platform.
    Session(String),
    /// Any other `kind:id`, for example `booking:…` or `listing:…`.
    Other(String),
}

impl Room {
    /// Reads a client's spelling. `host-7`, `host_7`, `host:7`, `user_7` and `user:7` are one room, and
    /// so is a booking's however its id is spelled.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        const FIELD: &str = "room";
        if name.chars().count() > ROOM_NAME_MAX {
            return Err(Invalid::new(FIELD, format!("must have at most {ROOM_NAME_MAX} characters")));
        }
        if let Some(id) = USER_ALIASES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            return UserId::parse(FIELD, id).map(Self::User);
        }
        let unfit = || Invalid::new(FIELD, "must be a kind and an id joined by a colon, for example user:7");
        let (kind, id) = name.split_once(':').ok_or_else(unfit)?;
        let kind_fits = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let id_fits = !id.is_empty() && !id.chars().any(|c| c.is_whitespace() || c.is_control());
        if !kind_fits || !id_fits {
            return Err(unfit());
        }
        Ok(match kind {
            "role" => Self::Role(Role::new(id)),
            "session" => Self::Session(id.to_owned()),
            "booking" => Self::Other(
                BookingId::parse(FIELD, id).map_or_else(|_| name.to_owned(), |id| format!("booking:{id}")),
            ),
            _ => Self::Other(name.to_owned()),
        })
    }

    /// Whether this token alone lets its bearer in: for what it says of them, or as an administrator.
    pub fn admits(&self, member: &Member) -> bool {
        self.is_open_to(member) || matches!(self, Self::Other(_)) && member.has_role(Role::ADMIN)
    }

    /// The same without regard to administrators, who are let in everywhere else too, but not unnoticed. Rooms of a
    /// user, a role or a log-in are their owners' and nobody else's, whatever a token claims: who is in them counts as
    /// that user's device. Other rooms are open to whom the token's `rooms` claim says.
    pub fn is_open_to(&self, member: &Member) -> bool {
        match self {
            Self::User(user) => *user == member.user,
            Self::Role(role) => member.roles.contains(role),
            Self::Session(session) => member.session.as_deref() == Some(session),
            Self::Other(_) => member.rooms.iter().any(|name| Self::parse(name).as_ref() == Ok(self)),
        }
    }
}

/// The canonical spelling.
impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Session(session) => write!(f, "session:{session}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str, roles: &[&str], rooms: &[&str]) -> Member {
        Member {
            user: UserId::from_stored(user.to_owned()),
            roles: roles.iter().copied().map(Role::new).collect(),
            session: Some("s1".into()),
            rooms: rooms.iter().map(|&room| room.to_owned()).collect(),
        }
    }

    #[test]
    fn every_spelling_of_a_users_room_is_one_room() {
        let canonical = Room::parse("user:7").expect("canonical spelling");
        for spelling in ["host-7", "host_7", "host:7", "user_7"] {
            assert_eq!(Room::parse(spelling).as_ref(), Ok(&canonical), "{spelling}");
        }
        assert_eq!(canonical.to_string(), "user:7");
    }

    #[test]
    fn every_spelling_of_a_bookings_room_is_one_room() {
        let canonical = "booking:0198a000-0000-7000-8000-00000000abcd";
        let capitals = "booking:0198A000-0000-7000-8000-00000000ABCD";
        for spelling in [canonical, capitals, "booking:0198a00000007000800000000000abcd"] {
            let room = Room::parse(spelling).expect("a booking");
            assert_eq!(room.to_string(), canonical, "{spelling}");
            assert!(room.admits(&member("7", &[], &[capitals])), "{spelling}");
        }
    }

    #[test]
    fn names_that_do_not_parse_are_refused() {
        for name in ["", "user:", "host-", "lobby", ":7", "Booking:1", "booking:", "booking:a b", "user:a\nb"]
        {
            assert!(Room::parse(name).is_err(), "{name:?}");
        }
        assert!(Room::parse(&format!("booking:{}", "x".repeat(ROOM_NAME_MAX))).is_err());
    }

    #[test]
    fn a_token_admits_to_its_own_rooms_only() {
        let host = member("7", &["professional"], &["booking:42"]);
        for own in ["user:7", "host-7", "role:PROFESSIONAL", "role:professional", "session:s1", "booking:42"]
        {
            assert!(Room::parse(own).expect(own).admits(&host), "{own}");
        }
        for foreign in ["user:8", "host_8", "role:ADMIN", "session:s2", "booking:43", "listing:1"] {
            assert!(!Room::parse(foreign).expect(foreign).admits(&host), "{foreign}");
        }
    }

    #[test]
    fn an_administrator_is_admitted_to_topics_but_not_to_other_peoples_rooms() {
        let admin = member("root", &["Admin"], &["user:8"]);
        let topic = Room::parse("booking:43").expect("room");
        assert!(topic.admits(&admin) && !topic.is_open_to(&admin));
        let claimed = member("root", &["Admin"], &["booking:43"]);
        assert!(topic.admits(&claimed) && topic.is_open_to(&claimed));
        for foreign in ["user:8", "role:CUSTOMER", "session:s2"] {
            assert!(!Room::parse(foreign).expect(foreign).admits(&admin), "{foreign}");
        }
    }
}
