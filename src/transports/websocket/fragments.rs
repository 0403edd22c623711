//! Messages that come in fragments (RFC 6455 §5.4), put together under one cap for the whole.

use actix_http::ws::Item;
use bytes::{Bytes, BytesMut};

/// A text message that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    so_far: Option<BytesMut>,
}

/// What a fragment leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assembly {
    /// More is to come.
    Incomplete,
    Complete(Bytes),
    TooLarge,
    /// A binary message, which this door does not take.
    Binary,
    /// A continuation of nothing, or a beginning in the middle.
    OutOfOrder,
}

impl Fragments {
    pub(super) fn add(&mut self, item: Item, most: usize) -> Assembly {
        let (part, last) = match item {
            Item::FirstBinary(_) => return Assembly::Binary,
            Item::FirstText(_) if self.so_far.is_some() => return Assembly::OutOfOrder,
            Item::FirstText(part) => {
                self.so_far = Some(BytesMut::with_capacity(part.len()));
                (part, false)
            }
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some(so_far) = &mut self.so_far else { return Assembly::OutOfOrder };
        if so_far.len() + part.len() > most {
            return Assembly::TooLarge;
        }
        so_far.extend_from_slice(&part);
        if last {
            self.so_far.take().map_or(Assembly::OutOfOrder, |whole| Assembly::Complete(whole.freeze()))
        } else {
            Assembly::Incomplete
        }
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
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(Item::FirstText(part("a")), 10), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Continue(part("b")), 10), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Last(part("c")), 10), Assembly::Complete(part("abc")));
        assert_eq!(fragments.add(Item::Continue(part("d")), 10), Assembly::OutOfOrder);
    }

    #[test]
    fn the_cap_is_for_all_fragments_together() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(Item::FirstText(part("abc")), 4), Assembly::Incomplete);
        assert_eq!(fragments.add(Item::Continue(part("de")), 4), Assembly::TooLarge);
    }

    #[test]
    fn a_second_beginning_and_binary_are_refused() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(Item::FirstBinary(part("a")), 10), Assembly::Binary);
        fragments.add(Item::FirstText(part("a")), 10);
        assert_eq!(fragments.add(Item::FirstText(part("b")), 10), Assembly::OutOfOrder);
    }
}
