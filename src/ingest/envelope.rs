//! A message's envelope: which event it is, and the data as it came. Pure; what comes of it is `event`'s.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::requests::{Refused, body};

/// An event that is not read yet.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// Its name, such as `booking.created`.
    pub(super) pattern: Cow<'a, str>,
    /// JSON of any kind.
    pub(super) data: &'a str,
}

/// What NestJS puts around what it sends; it knows messages without data.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    pattern: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Takes a message apart: NestJS's `{"pattern", "data"}`, with or without more beside them, or else plain JSON whose
/// routing key is the pattern.
pub(super) fn open<'a>(body: &'a [u8], routing_key: &'a str) -> Result<Envelope<'a>, Refused> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Refused::malformed("invalid_utf8", "the message is not UTF-8"))?;
    // Derived readers take an array for an object; this refuses it, and tells what is no JSON from what is no object.
    let wrapped: Wrapped<'a> = body::parse_borrowed(text)?;
    let Some(pattern) = wrapped.pattern else {
        return Ok(Envelope { pattern: Cow::Borrowed(routing_key), data: text });
    };
    let pattern = serde_json::from_str::<Cow<'a, str>>(pattern.get())
        .map_err(|_| unknown("the pattern must be a text"))?;
    Ok(Envelope { pattern, data: wrapped.data.map_or("null", RawValue::get) })
}

/// Why an event is refused whose name says nothing here.
pub(super) fn unknown(detail: &str) -> Refused {
    Refused::unprocessable("unknown_pattern", detail).of_field("pattern")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opened<'a>(body: &'a str, routing_key: &'a str) -> (String, &'a str) {
        let envelope = open(body.as_bytes(), routing_key).expect(body);
        (envelope.pattern.into_owned(), envelope.data)
    }

    #[test]
    fn both_kinds_of_messages_are_understood() {
        for (body, pattern, data) in [
            (r#"{"pattern":"booking.created","data":{"a":1}}"#, "booking.created", r#"{"a":1}"#),
            (r#"{"id":"7","data":[1, 2],"pattern":"x","more":{}}"#, "x", "[1, 2]"),
            (r#"{"pattern":"booking.created"}"#, "booking.created", "null"),
            (r#"{"pattern":"a\u0062"}"#, "ab", "null"),
            (r#" {"hostId":"7"} "#, "the.key", r#" {"hostId":"7"} "#),
            (r#"{"pattern":null,"data":1}"#, "the.key", r#"{"pattern":null,"data":1}"#),
        ] {
            assert_eq!(opened(body, "the.key"), (pattern.to_owned(), data), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_code() {
        for (body, code) in [
            (b"\xff{}".as_slice(), "invalid_utf8"),
            (b"", "malformed_json"),
            (b"hello", "malformed_json"),
            (b"{\"pattern\":\"x\",", "malformed_json"),
            (b"[1]", "invalid_body"),
            (b"\"text\"", "invalid_body"),
            (br#"{"pattern":{"cmd":"sum"},"data":1}"#, "unknown_pattern"),
            (br#"{"pattern":7}"#, "unknown_pattern"),
            (br#"{"pattern":"x","pattern":"y"}"#, "invalid_body"),
        ] {
            let refused = open(body, "the.key").expect_err("it is refused");
            assert_eq!(refused.code, code, "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_opened_or_refused(body: Vec<u8>, key: String) {
            let _ = open(&body, &key);
        }

        #[test]
        fn what_was_wrapped_comes_out_as_it_was(pattern: String, text: String, number: i64) {
            let data = serde_json::json!({"text": text, "number": number});
            let body = serde_json::json!({"pattern": pattern, "data": data}).to_string();
            let envelope = open(body.as_bytes(), "other").expect("an envelope");
            prop_assert_eq!(&*envelope.pattern, &pattern);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(envelope.data).expect("JSON"), data);
        }
    }
}
