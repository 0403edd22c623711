//! What things are called in Redis. Presence has one hash tag, so that in a cluster all of it is in one place and one
//! command can ask for several instances; rooms have none, and are spread over its nodes.

use crate::bus::Address;
use crate::domain::{Role, Room, UserId};

/// The names that begin with the configured prefix and the deployment's own name: channels are those of a whole server,
/// whatever database's number its URL has.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Box<str>,
}

/// The channel that every instance hears.
const ALL: &str = "all";
/// What comes before a room's name.
const ROOM: &str = "room:";

impl Keys {
    pub(super) fn new(prefix: &str, deployment: &str) -> Self {
        Self { prefix: format!("{prefix}:{deployment}").into() }
    }

    pub(super) fn channel(&self, address: &Address) -> String {
        match address {
            Address::Room(room) => format!("{}:{ROOM}{room}", self.prefix),
            Address::All => format!("{}:{ALL}", self.prefix),
        }
    }

    /// What a channel of [`Keys::channel`] is of.
    pub(super) fn address(&self, channel: &str) -> Option<Address> {
        let name = channel.strip_prefix(&*self.prefix)?.strip_prefix(':')?;
        match name.strip_prefix(ROOM) {
            Some(room) => Some(Address::Room(room_of(room))),
            None => (name == ALL).then_some(Address::All),
        }
    }

    /// A set of the names of instances, those among them that have died lately.
    pub(super) fn instances(&self) -> String {
        format!("{{{}}}:instances", self.prefix)
    }

    /// An instance's figures, as JSON; there as long as it lives.
    pub(super) fn figures(&self, instance: &str) -> String {
        format!("{{{}}}:figures:{instance}", self.prefix)
    }

    /// A hash of who is online at an instance, as JSON by user.
    pub(super) fn people(&self, instance: &str) -> String {
        format!("{{{}}}:people:{instance}", self.prefix)
    }

    /// A sorted set of the same in the order of their ids, once for all and once for each role: see [`entry`].
    pub(super) fn order(&self, instance: &str) -> String {
        format!("{{{}}}:order:{instance}", self.prefix)
    }
}

/// The canonical spelling back as a room, whatever is in its name.
fn room_of(name: &str) -> Room {
    match name.split_once(':') {
        Some(("user", id)) => Room::User(UserId::from_stored(id.to_owned())),
        Some(("role", role)) => Room::Role(Role::new(role)),
        Some(("session", session)) => Room::Session(session.to_owned()),
        _ => Room::Other(name.to_owned()),
    }
}

/// Between a role and a user: in no user's id.
const BETWEEN: char = '\0';
/// The first character behind it.
const BEHIND: char = '\u{1}';

/// A user's place among those who hold a role, or among all.
pub(super) fn entry(role: Option<&Role>, user: &UserId) -> String {
    format!("{}{BETWEEN}{user}", role.map_or("", Role::as_str))
}

/// From where to where such a list goes on behind a user, as `ZRANGEBYLEX` wants it.
pub(super) fn range(role: Option<&Role>, after: Option<&UserId>) -> (String, String) {
    let role = role.map_or("", Role::as_str);
    let from = after.map_or_else(|| format!("[{role}{BETWEEN}"), |user| format!("({role}{BETWEEN}{user}"));
    (from, format!("({role}{BEHIND}"))
}

/// The user whose place it is.
pub(super) fn user_of(entry: &str) -> Option<UserId> {
    entry.rsplit_once(BETWEEN).map(|(_, user)| UserId::from_stored(user.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_says_of_which_room_it_is() {
        let keys = Keys::new("a", "1");
        for name in ["user:host-7", "user:a:b", "role:ADMIN", "role:CUSTOM", "booking:42", "listing:a:b"] {
            let address = Address::Room(Room::parse(name).expect(name));
            assert_eq!(keys.address(&keys.channel(&address)), Some(address), "{name}");
        }
        let odd = Address::Room(Room::Session("of two words".to_owned()));
        assert_eq!(keys.address(&keys.channel(&odd)), Some(odd));
        assert_eq!(keys.address(&keys.channel(&Address::All)), Some(Address::All));
        assert_eq!(["a:2:all", "b:1:all", "a:1:other"].map(|name| keys.address(name)), [None, None, None]);
    }

    #[test]
    fn users_are_listed_by_role_in_the_order_of_their_ids() {
        let user = |id: &str| UserId::from_stored(id.to_owned());
        let role = Role::new("ADMIN");
        let mut entries: Vec<String> =
            ["b", "a", "é"].iter().map(|id| entry(Some(&role), &user(id))).collect();
        entries.sort();
        let (from, to) = range(Some(&role), Some(&user("a")));
        assert_eq!(
            entries.iter().filter_map(|one| user_of(one)).collect::<Vec<_>>(),
            ["a", "b", "é"].map(user)
        );
        let behind = entries.iter().filter(|one| one.as_str() > &from[1..] && one.as_str() < &to[1..]);
        assert_eq!(behind.count(), 2);
    }
}
