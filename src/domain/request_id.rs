//! What a request is called: in its answer, in every log line that it leads to, and in the trail of what was
//! said because of it.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The longest id that is taken over from a client.
pub const REQUEST_ID_MAX: usize = 64;

/// A request's id. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// An id that nobody gave.
    pub fn fresh(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string().into())
    }

    /// A client's own, where it is harmless in a header and in a log line: 1 to [`REQUEST_ID_MAX`] letters,
    /// digits, hyphens, underscores and dots.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=REQUEST_ID_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        fits.then(|| Self(text.into()))
    }

    /// For text that was parsed before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.0)
    }
}

/// An optional id as a log line shows it: a hyphen for none.
pub fn shown(id: Option<&RequestId>) -> &str {
    id.map_or("-", RequestId::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_choose_what_is_harmless_in_a_line() {
        for text in ["a", "order-7_x.Y", &"x".repeat(REQUEST_ID_MAX)] {
            assert_eq!(RequestId::parse(text).expect("it fits").as_str(), text);
        }
        for text in ["", "a b", "a\n", "é", "a=b", "\"", &"x".repeat(REQUEST_ID_MAX + 1)] {
            assert_eq!(RequestId::parse(text), None, "{text:?}");
        }
    }
}
