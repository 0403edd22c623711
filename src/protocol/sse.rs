//! Server-sent events: the event stream format of the WHATWG HTML standard (§9.2.5 and §9.2.6), and what bellhop's
//! ids in it mean.
//!
//! A notification's `id` is its seq, which is where a client that comes back with it goes on. What that proves is
//! another matter: a client that connected without saying what it has got everything only from some seq on, and a
//! browser may have changed hands. So with the next event, or by an id that stands alone, a client is also told an id
//! that says whose it is and what it proves:
//!
//! ```text
//! 43                  a place, as a notification's own id
//! 43.6b86b273         the same, for the user with this mark: nothing is proven, of who wants some types only
//! 43-40.6b86b273      this user's client has 43 and everything above 40
//! 43-40.6b86b273.end  and there is nothing more to come: whoever shows it is sent away, because browsers come back
//!                     whatever the server says
//! ```

use std::fmt::Write;

use bytes::BytesMut;
use sha2::{Digest, Sha256};

use super::offset::parse_seq;
use crate::domain::UserId;

/// The media type of an event stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The longest `Last-Event-ID` that is looked at: two seqs and what is around them.
const ID_BYTES_MAX: usize = 64;
/// Stands between an id's parts.
const PART: char = '.';
/// Stands between the two seqs.
const ABOVE: char = '-';
/// The last part of the last event's id.
const END: &str = "end";
/// The bytes of a mark. It keeps two users of one browser apart, and nobody out.
const MARK_BYTES: usize = 4;

/// What a client says that it saw last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEventId {
    /// The newest seq that it has. Never negative.
    pub seq: i64,
    /// It has everything above this one; nothing where that is not below the other.
    above: Option<i64>,
    /// Whose it is.
    mark: Option<Box<str>>,
    /// Whether there is nothing more to come.
    pub is_end: bool,
}

impl LastEventId {
    /// Reads an id; none for anything that bellhop does not say.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > ID_BYTES_MAX {
            return None;
        }
        let mut parts = text.split(PART);
        let place = parts.next()?;
        let (seq, above) = match place.split_once(ABOVE) {
            None => (parse_seq(place)?, None),
            Some((seq, above)) => (parse_seq(seq)?, Some(parse_seq(above)?)),
        };
        let mut rest = parts.peekable();
        let mark = rest.next_if(|part| is_mark(part)).map(Box::from);
        let is_end = rest.next_if(|part| *part == END).is_some();
        let fits = rest.next().is_none() && (above.is_none() || mark.is_some());
        fits.then_some(Self { seq, above, mark, is_end })
    }

    /// Whether it was told to somebody else.
    pub fn is_of_another_than(&self, user: &UserId) -> bool {
        self.mark.as_deref().is_some_and(|mark| mark != mark_of(user))
    }

    /// Above which seq the client has everything, if the id says so.
    pub fn above(&self) -> Option<i64> {
        self.above
    }

    /// Whether it is a place and nothing else.
    pub fn is_plain(&self) -> bool {
        self.mark.is_none()
    }
}

/// Tells users apart.
fn mark_of(user: &UserId) -> String {
    let digest = Sha256::digest(user.as_str());
    digest.iter().take(MARK_BYTES).fold(String::new(), |mut mark, byte| {
        // Writing into a text cannot fail.
        let _ = write!(mark, "{byte:02x}");
        mark
    })
}

fn is_mark(part: &str) -> bool {
    part.len() == 2 * MARK_BYTES && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What follows the seq in the ids of this user's client, which has everything above another one, if that is known.
pub fn rest_of_id(user: &UserId, above: Option<i64>) -> String {
    let mark = mark_of(user);
    match above {
        Some(above) => format!("{ABOVE}{above}{PART}{mark}"),
        None => format!("{PART}{mark}"),
    }
}

/// The id of the last event of a stream, when it goes on nowhere.
pub fn end_of(place: &str) -> String {
    format!("{place}{PART}{END}")
}

/// Adds an event. `name` has no line break, see `check_type`; `data` is JSON of any layout.
pub fn put(stream: &mut BytesMut, name: &str, data: &str, id: Option<&str>) {
    field(stream, "event", name);
    if let Some(id) = id {
        field(stream, "id", id);
    }
    // What a back end sent as it is may have line breaks between its parts, which mean nothing in JSON; inside
    // of its texts they are escaped.
    stream.extend_from_slice(b"data: ");
    stream.extend(data.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    stream.extend_from_slice(b"\n\n");
}

/// Adds an id that stands alone: clients keep it, and their code is told of nothing.
pub fn put_id(stream: &mut BytesMut, id: &str) {
    field(stream, "id", id);
    stream.extend_from_slice(b"\n");
}

/// Says how long a client is to wait before it comes back, in milliseconds.
pub fn retry(milliseconds: u64) -> String {
    format!("retry: {milliseconds}\n\n")
}

fn field(stream: &mut BytesMut, name: &str, value: &str) {
    for part in [name, ": ", value, "\n"] {
        stream.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<(i64, Option<i64>, bool)> {
        LastEventId::parse(text).map(|id| (id.seq, id.above(), id.is_end))
    }

    #[test]
    fn an_id_is_a_place_perhaps_with_what_it_proves_whose_it_is_and_that_it_is_the_last() {
        assert_eq!(id("0"), Some((0, None, false)));
        assert_eq!(id("43"), Some((43, None, false)));
        assert_eq!(id("43.6b86b273"), Some((43, None, false)));
        assert_eq!(id("43-42.6b86b273"), Some((43, Some(42), false)));
        assert_eq!(id("43-43.6b86b273"), Some((43, Some(43), false)));
        assert_eq!(id("30.end"), Some((30, None, true)));
        assert_eq!(id("43-0.6b86b273.end"), Some((43, Some(0), true)));
        assert_eq!(id("9223372036854775807"), Some((i64::MAX, None, false)));
    }

    #[test]
    fn what_bellhop_does_not_say_is_no_id() {
        for text in [
            "",
            " 43",
            "+43",
            "-43",
            "043",
            "43-",
            "43-42",
            "43-4-2.6b86b273",
            "43.6B86B273",
            "43.6b86b27",
            "43.END",
            "43.end.6b86b273",
            "43.end.end",
            ".end",
            "4.3",
            "43.",
            "43\u{661}",
            "9223372036854775808",
            &"4".repeat(65),
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_to_one_user_is_no_others() {
        let user = |name: &str| UserId::from_stored(name.to_owned());
        let (ann, bob) = (user("ann"), user("bob"));
        for above in [None, Some(0), Some(7)] {
            let text = end_of(&format!("9{}", rest_of_id(&ann, above)));
            let id = LastEventId::parse(&text).expect(&text);
            assert_eq!((id.seq, id.above(), id.is_end, id.is_plain()), (9, above, true, false));
            assert!(!id.is_of_another_than(&ann));
            assert!(id.is_of_another_than(&bob));
        }
        let plain = LastEventId::parse("9").expect("a place");
        assert!(plain.is_plain() && !plain.is_of_another_than(&bob), "it says nothing of whose it is");
    }

    #[test]
    fn data_stays_on_one_line_whatever_its_layout() {
        let mut stream = BytesMut::new();
        put(&mut stream, "note", "{\n  \"a\":\r\n 1}", Some("7"));
        assert_eq!(&stream[..], b"event: note\nid: 7\ndata: {   \"a\":   1}\n\n");
    }
}
