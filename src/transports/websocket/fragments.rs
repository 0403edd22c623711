//! Messages that come in fragments (RFC 6455 §5.4), put together under one cap for the whole.

use actix_http::ws::Item;
use bytes::{Bytes, BytesMut};

/// A message that is not complete yet.
#[derive(Debug)]
pub(super) struct Fragments {
    so_far: Option<Part>,
    takes_binary: bool,
}

#[derive(Debug)]
struct Part {
    bytes: BytesMut,
    is_binary: bool,
}

/// What a fragment leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assembly {
    /// More is to come.
    Incomplete,
    Text(Bytes),
    Binary(Bytes),
    TooLarge,
    /// A binary message where only text is taken.
    NotText,
    /// A continuation of nothing, or a beginning in the middle.
    OutOfOrder,
}

impl Fragments {
    pub(super) fn new(takes_binary: bool) -> Self {
        Self { so_far: None, takes_binary }
    }

    pub(super) fn add(&mut self, item: Item, most: usize) -> Assembly {
        let (part, last) = match item {
            Item::FirstBinary(_) if !self.takes_binary => return Assembly::NotText,
            Item::FirstText(_) | Item::FirstBinary(_) if self.so_far.is_some() => {
                return Assembly::OutOfOrder;
            }
            Item::FirstText(part) => (self.begin(part, false), false),
            Item::FirstBinary(part) => (self.begin(part, true), false),
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some(so_far) = &mut self.so_far else { return Assembly::OutOfOrder };
        if so_far.bytes.len() + part.len() > most {
            return Assembly::TooLarge;
        }
        so_far.bytes.extend_from_slice(&part);
        if !last {
            return Assembly::Incomplete;
        }
        match self.so_far.take() {
            Some(Part { bytes, is_binary: true }) => Assembly::Binary(bytes.freeze()),
            Some(Part { bytes, is_binary: false }) => Assembly::Text(bytes.freeze()),
            None => Assembly::OutOfOrder,
        }
    }

    fn begin(&mut self, part: Bytes, is_binary: bool) -> Bytes {
        self.so_far = Some(Part { bytes: BytesMut::with_capacity(part.len()), is_binary });
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn fragments_make_one_message() {
        let mut fragments = Fragments::new(false);
        assert_eq!(fragments.add(Item::FirstText(part("a")), 10), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Continue(part("b")), 10), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Last(part("c")), 10), Assembly::Text(part("abc")));
        assert_eq!(fragments.add(Item::Continue(part("d")), 10), Assembly::OutOfOrder);
    }

    #[test]
    fn the_cap_is_for_all_fragments_together() {
        let mut fragments = Fragments::new(false);
        assert_eq!(fragments.add(Item::FirstText(part("abc")), 4), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Continue(part("de")), 4), Assembly::TooLarge);
    }

    #[test]
    fn a_second_beginning_and_binary_are_refused() {
        let mut fragments = Fragments::new(false);
        assert_eq!(fragments.add(Item::FirstBinary(part("a")), 10), Assembly::NotText);
        fragments.add(Item::FirstText(part("a")), 10);
        assert_eq!(fragments.add(Item::FirstText(part("b")), 10), Assembly::OutOfOrder);
    }

    #[test]
    fn binary_fragments_are_put_together_where_they_are_taken() {
        let mut fragments = Fragments::new(true);
        assert_eq!(fragments.add(Item::FirstBinary(part("a")), 10), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Last(part("b")), 10), Assembly::Binary(part("ab")));
    }
}
