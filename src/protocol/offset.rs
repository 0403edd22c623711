//! Offsets of Socket.IO's connection state recovery: what a client got last, and in which rooms it was, in a
//! text that the client keeps and shows when it comes back. It is not signed: what is read here is a wish,
//! and whether the rooms admit who asks is for the session to look up anew.

use std::fmt;

use crate::domain::Room;

/// The longest offset, in bytes: it goes with every notification, and comes back with every connection.
pub const OFFSET_BYTES_MAX: usize = 1024;

/// The digits of the largest seq.
const SEQ_BYTES_MAX: usize = 19;
/// Stands between the names; none of them can contain it, see [`Room::parse`].
const SEPARATOR: char = ' ';
/// Stands for rooms that are not told. No room has this name.
const TOO_MANY: &str = "*";

/// Up to where a client has its inbox, and which rooms it had joined.
///
/// It is spelt `{seq}` when there were no rooms but its own, else `{seq} {room} {room}…`, or `{seq} *`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    /// Never negative.
    pub seq: i64,
    pub rooms: Rooms,
}

/// The rooms that a session joined beyond its own. As text, what follows the seq: it changes only when a room
/// is joined or left, so that it can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rooms {
    All(Vec<Room>),
    /// More than an offset has space for. Who shows this cannot be recovered: nobody knows the rooms.
    TooMany,
}

impl Offset {
    /// Reads what a client shows; none for anything that is not an offset.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > OFFSET_BYTES_MAX {
            return None;
        }
        let Some((seq, rooms)) = text.split_once(SEPARATOR) else {
            return Some(Self { seq: parse_seq(text)?, rooms: Rooms::All(Vec::new()) });
        };
        Some(Self { seq: parse_seq(seq)?, rooms: Rooms::parse(rooms)? })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seq, self.rooms)
    }
}

impl Rooms {
    fn parse(names: &str) -> Option<Self> {
        if names == TOO_MANY {
            return Some(Self::TooMany);
        }
        names.split(SEPARATOR).map(|name| Room::parse(name).ok()).collect::<Option<_>>().map(Self::All)
    }

    /// None where not all of them could be read back.
    fn to_text(&self) -> Option<String> {
        let Self::All(rooms) = self else { return None };
        let mut text = String::new();
        for room in rooms {
            let name = room.to_string();
            let fits = text.len() + SEPARATOR.len_utf8() + name.len() <= OFFSET_BYTES_MAX - SEQ_BYTES_MAX;
            // A role or a log-in is called what a token says, which need not be a name that a client can say.
            if !fits || Room::parse(&name).as_ref() != Ok(room) {
                return None;
            }
            text.push(SEPARATOR);
            text.push_str(&name);
        }
        Some(text)
    }
}

impl fmt::Display for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Some(text) => f.write_str(&text),
            None => write!(f, "{SEPARATOR}{TOO_MANY}"),
        }
    }
}

/// Digits alone, the first of several not a zero: no sign, no space.
pub(super) fn parse_seq(text: &str) -> Option<i64> {
    let digits = text.len() <= SEQ_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if digits && !padded { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
