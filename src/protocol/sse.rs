//! Server-sent events: the event stream format of the WHATWG HTML standard (§9.2.5 and §9.2.6), and what bellhop's
//! ids in it mean.
//!
//! A notification's `id` is its seq, which is where a client that comes back with it goes on. A client that connected
//! without saying what it has got everything only from some seq on; that it comes back must not prove that it has what
//! was there before. So it is also told, with the next event or by an id that stands alone, an id that names both:
//! `{seq}-{above}`. After the last event of a stream that is over for good, `.end` follows: whoever shows it is sent
//! away, because browsers come back whatever the server says.

use std::fmt;

use bytes::BytesMut;

use super::offset::parse_seq;

/// The media type of an event stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The longest `Last-Event-ID` that is looked at: two seqs and what is around them.
const ID_BYTES_MAX: usize = 64;
/// Stands behind the id of the last event there is.
const END: &str = ".end";
/// Stands between the two seqs.
const ABOVE: char = '-';

/// What a client says that it saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastEventId {
    /// The newest seq that it has. Never negative.
    pub seq: i64,
    /// It has everything above this one; 0 where it has its inbox whole.
    pub above: i64,
    /// Whether there is nothing more to come.
    pub is_end: bool,
}

impl LastEventId {
    /// Reads an id; none for anything that bellhop does not say.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > ID_BYTES_MAX {
            return None;
        }
        let (place, is_end) = text.strip_suffix(END).map_or((text, false), |place| (place, true));
        let (seq, above) = match place.split_once(ABOVE) {
            None => (parse_seq(place)?, 0),
            Some((seq, above)) => (parse_seq(seq)?, parse_seq(above)?),
        };
        (above <= seq).then_some(Self { seq, above, is_end })
    }
}

impl fmt::Display for LastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, above, is_end } = *self;
        write!(f, "{seq}{}{}", run_above(above), if is_end { END } else { "" })
    }
}

/// What follows the seq in the id of a client that has everything above another one: nothing where that is its whole
/// inbox.
pub fn run_above(seq: i64) -> String {
    if seq == 0 { String::new() } else { format!("{ABOVE}{seq}") }
}

/// The id of the last event of a stream, when it goes on nowhere.
pub fn end_of(place: &str) -> String {
    format!("{place}{END}")
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

    fn id(text: &str) -> Option<(i64, i64, bool)> {
        LastEventId::parse(text).map(|LastEventId { seq, above, is_end }| (seq, above, is_end))
    }

    #[test]
    fn an_id_is_a_seq_perhaps_with_where_its_run_begins_and_that_it_is_the_last() {
        assert_eq!(id("0"), Some((0, 0, false)));
        assert_eq!(id("43"), Some((43, 0, false)));
        assert_eq!(id("43-42"), Some((43, 42, false)));
        assert_eq!(id("43-43"), Some((43, 43, false)));
        assert_eq!(id("43.end"), Some((43, 0, true)));
        assert_eq!(id("43-42.end"), Some((43, 42, true)));
        assert_eq!(id("9223372036854775807"), Some((i64::MAX, 0, false)));
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
            "43-44",
            "43-4-2",
            "43.END",
            ".end",
            "4.3",
            "43\u{661}",
            "9223372036854775808",
            &"4".repeat(65),
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_is_read_again() {
        for text in ["0", "7", "7-3", "7-7.end", "7.end"] {
            assert_eq!(LastEventId::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn data_stays_on_one_line_whatever_its_layout() {
        let mut stream = BytesMut::new();
        put(&mut stream, "note", "{\n  \"a\":\r\n 1}", Some("7"));
        assert_eq!(&stream[..], b"event: note\nid: 7\ndata: {   \"a\":   1}\n\n");
    }
}
