//! What instances send each other, in bytes: a version, who sends, and what. Of another version nothing is read but
//! that: instances of two releases run side by side while one takes the other's place, and what they do not
//! understand they look up in the database.

use std::borrow::Cow;

use uuid::Uuid;

use super::reading::{Reading, Truncated};
use super::wire::{Said, put_text};
use crate::domain::{InboxState, NotificationId, RequestId};

/// Changes whenever the bytes do.
const VERSION: u8 = 1;

const LETTER: u8 = 0;
const ANNOUNCEMENT: u8 = 1;
const ORDERS: u8 = 2;
const LOOK: u8 = 3;
const LEAVING: u8 = 4;

/// Which of a letter's parts there are, a bit each.
const HAS_NOTIFICATION: u8 = 1;
const HAS_INBOX: u8 = 2;
const HAS_REQUEST: u8 = 4;

/// Something that one instance tells others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<'a> {
    /// To be pushed to who is in the room that it is sent to.
    Letter(Letter<'a>),
    /// To be pushed to them a portion at a time, or to everybody who is connected.
    Announcement(Letter<'a>),
    /// Orders concerning tokens and connections were kept: they are in the database.
    Orders,
    /// Something may not have been heard: whoever is connected is to be given what the database has.
    Look,
    /// The sender stops, and its users are about to come to others.
    Leaving,
}

/// What is pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter<'a> {
    pub said: Cow<'a, [Said]>,
    /// The stored notification that this is.
    pub notification: Option<NotificationId>,
    pub request: Option<RequestId>,
    /// Where the user's inbox stands with this.
    pub inbox: Option<InboxState>,
}

/// Why nothing can be made of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it is of version {0}")]
    Version(u8),
    #[error(transparent)]
    Truncated(#[from] Truncated),
}

/// A message of the instance of this name.
pub fn pack(origin: &str, word: &Word<'_>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    put_text(&mut bytes, origin);
    match word {
        Word::Letter(letter) => {
            bytes.push(LETTER);
            put_letter(&mut bytes, letter);
        }
        Word::Announcement(letter) => {
            bytes.push(ANNOUNCEMENT);
            put_letter(&mut bytes, letter);
        }
        Word::Orders => bytes.push(ORDERS),
        Word::Look => bytes.push(LOOK),
        Word::Leaving => bytes.push(LEAVING),
    }
    bytes
}

/// Who sends a message, of whatever version; none where it is no message.
pub fn origin(bytes: &[u8]) -> Option<&str> {
    let mut reading = Reading::new(bytes);
    reading.byte().ok()?;
    reading.text().ok()
}

/// What a message says.
pub fn unpack(bytes: &[u8]) -> Result<Word<'static>, Unread> {
    let mut reading = Reading::new(bytes);
    let version = reading.byte()?;
    if version != VERSION {
        return Err(Unread::Version(version));
    }
    reading.text()?;
    let word = match reading.byte()? {
        LETTER => Word::Letter(letter(&mut reading)?),
        ANNOUNCEMENT => Word::Announcement(letter(&mut reading)?),
        ORDERS => Word::Orders,
        LOOK => Word::Look,
        LEAVING => Word::Leaving,
        _ => return Err(Truncated.into()),
    };
    if reading.is_over() { Ok(word) } else { Err(Truncated.into()) }
}

fn put_letter(bytes: &mut Vec<u8>, letter: &Letter<'_>) {
    let Letter { said, notification, request, inbox } = letter;
    let flag = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
    bytes.push(
        flag(notification.is_some(), HAS_NOTIFICATION)
            | flag(inbox.is_some(), HAS_INBOX)
            | flag(request.is_some(), HAS_REQUEST),
    );
    if let Some(id) = notification {
        bytes.extend(id.as_uuid().as_bytes());
    }
    if let Some(InboxState { last_seq, unread }) = inbox {
        bytes.extend(last_seq.to_le_bytes());
        bytes.extend(unread.to_le_bytes());
    }
    if let Some(request) = request {
        put_text(bytes, request.as_str());
    }
    for one in said.iter() {
        one.pack(bytes);
    }
}

fn letter(reading: &mut Reading<'_>) -> Result<Letter<'static>, Truncated> {
    let flags = reading.byte()?;
    let has = |bit: u8| flags & bit != 0;
    let mut letter = Letter::default();
    if has(HAS_NOTIFICATION) {
        letter.notification = Some(NotificationId::from_uuid(Uuid::from_bytes(reading.array()?)));
    }
    if has(HAS_INBOX) {
        letter.inbox = Some(InboxState { last_seq: reading.number()?, unread: reading.number()? });
    }
    if has(HAS_REQUEST) {
        letter.request = Some(RequestId::parse(reading.text()?).ok_or(Truncated)?);
    }
    let mut said = Vec::new();
    while !reading.is_over() {
        said.push(Said::unpack(reading)?);
    }
    letter.said = Cow::Owned(said);
    Ok(letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::{Category, Content, Draft, Priority, Timestamp, UserId};

    fn stored(seq: i64, message: String) -> Said {
        let draft = Draft {
            id: NotificationId::from_uuid(Uuid::nil()),
            user: UserId::from_stored("host-7".to_owned()),
            kind: "booking.created".to_owned(),
            category: Category::BOOKINGS,
            booking: None,
            request: None,
            content: Content {
                priority: Priority::High,
                title: "New booking".to_owned(),
                message,
                actor_id: None,
                actor_name: None,
                actor_avatar: None,
                data: None,
            },
        };
        let notification = draft.at(seq, Timestamp::default());
        if seq > 0 { Said::stored(&notification) } else { Said::passing(&notification) }
    }

    fn letters() -> impl Strategy<Value = Letter<'static>> {
        let said = prop_oneof![
            (0..9_i64, ".*").prop_map(|(seq, message)| stored(seq, message)),
            any::<i64>().prop_map(|seq| Said::event("notification:unread_count", json!({ "seq": seq }))),
        ];
        let inbox = (any::<i64>(), any::<i64>());
        let ids = (prop::option::of(any::<u128>()), prop::option::of("[a-z0-9-]{1,64}"));
        (prop::collection::vec(said, 0..4), ids, prop::option::of(inbox)).prop_map(
            |(said, (id, request), inbox)| Letter {
                said: Cow::Owned(said),
                notification: id.map(|id| NotificationId::from_uuid(Uuid::from_u128(id))),
                request: request.and_then(|text| RequestId::parse(&text)),
                inbox: inbox.map(|(last_seq, unread)| InboxState { last_seq, unread }),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read(sent in letters(), announced: bool, name in "[a-z0-9]{0,20}") {
            let word = if announced { Word::Announcement(sent) } else { Word::Letter(sent) };
            let bytes = pack(&name, &word);
            prop_assert_eq!(origin(&bytes), Some(name.as_str()));
            prop_assert_eq!(unpack(&bytes), Ok(word));
        }

        #[test]
        fn a_part_of_a_message_is_none(sent in letters(), cut in any::<prop::sample::Index>()) {
            let bytes = pack("a", &Word::Letter(sent));
            let length = cut.index(bytes.len());
            // A letter whose last words are cut off whole is a letter; what is said in it is then less.
            if let Ok(read) = unpack(&bytes[..length]) {
                prop_assert_ne!(read, unpack(&bytes).unwrap());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (unpack(&bytes), origin(&bytes));
            let _ = unpack(&[&[VERSION, 0, 0, 0, 0, LETTER], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn orders_are_read_as_what_they_are() {
        for word in [Word::Orders, Word::Look, Word::Leaving] {
            assert_eq!(unpack(&pack("a", &word)), Ok(word));
        }
    }

    #[test]
    fn of_another_version_only_the_sender_is_read() {
        let mut bytes = pack("a", &Word::Look);
        bytes[0] = VERSION + 1;
        assert_eq!((unpack(&bytes), origin(&bytes)), (Err(Unread::Version(VERSION + 1)), Some("a")));
    }
}
