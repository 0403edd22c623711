//! Looks at the head of every frame that comes in, before the decoder does: the decoder gathers a whole
//! frame and only then minds its size, so a client that announces gigabytes would be given them.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

/// RFC 6455 §5.2: the values of a short length that say that a longer one follows.
const LENGTH_OF_16_BITS: u8 = 126;
const LENGTH_OF_64_BITS: u8 = 127;
const LENGTH_BITS: u8 = 0x7F;
const MASK_BIT: u8 = 0x80;
const MASK_BYTES: u64 = 4;

/// Set once a frame was announced that is too large; shared with the door, which says so.
#[derive(Debug, Clone, Default)]
pub(super) struct TooLarge(Rc<Cell<bool>>);

impl TooLarge {
    pub(super) fn is_set(&self) -> bool {
        self.0.get()
    }
}

/// The bytes of a connection up to the first frame that is too large, then an error and no more.
#[derive(Debug)]
pub(super) struct Guard<S> {
    bytes: S,
    heads: Heads,
    too_large: TooLarge,
    /// The error was given.
    over: bool,
}

impl<S> Guard<S> {
    /// Lets frames pass whose payload has at most `most` bytes.
    pub(super) fn new(bytes: S, most: usize, too_large: TooLarge) -> Self {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Self { bytes, heads: Heads { most, head: Vec::new(), left: 0 }, too_large, over: false }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.too_large.is_set() {
            self.over = true;
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        let next = Pin::new(&mut self.bytes).poll_next(cx);
        let Poll::Ready(Some(Ok(mut chunk))) = next else { return next };
        if let Some(fits) = self.heads.fitting(&chunk) {
            // What came before it is still heard.
            chunk.truncate(fits);
            self.too_large.0.set(true);
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// Follows the frames of a connection by their heads.
#[derive(Debug)]
struct Heads {
    most: u64,
    /// What has come of the current head, up to its length.
    head: Vec<u8>,
    /// How many bytes of mask and payload are to come before the next head.
    left: u64,
}

impl Heads {
    /// How many bytes of `chunk` come before a frame that is too large; none if all fit.
    fn fitting(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut start = 0;
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= passed as u64;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            if self.head.is_empty() {
                start = chunk.len() - rest.len();
            }
            let Some((byte, after)) = rest.split_first() else { break };
            self.head.push(*byte);
            rest = after;
            let Some((length, masked)) = self.announced() else { continue };
            if length > self.most {
                return Some(start);
            }
            self.head.clear();
            self.left = length + if masked { MASK_BYTES } else { 0 };
        }
        None
    }

    /// The payload's length and whether a mask comes before it, once the head says so.
    fn announced(&self) -> Option<(u64, bool)> {
        let second = *self.head.get(1)?;
        let longer = self.head.get(2..)?;
        let length = match second & LENGTH_BITS {
            LENGTH_OF_16_BITS => u16::from_be_bytes(longer.try_into().ok()?).into(),
            LENGTH_OF_64_BITS => u64::from_be_bytes(longer.try_into().ok()?),
            short => short.into(),
        };
        Some((length, second & MASK_BIT != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize) -> Vec<u8> {
        let mut bytes = match u16::try_from(size) {
            Ok(short) if short < 126 => vec![0x81, MASK_BIT | u8::try_from(short).expect("short")],
            Ok(medium) => [&[0x81, MASK_BIT | LENGTH_OF_16_BITS][..], &medium.to_be_bytes()].concat(),
            Err(_) => [&[0x81, MASK_BIT | LENGTH_OF_64_BITS][..], &(size as u64).to_be_bytes()].concat(),
        };
        // A payload that looks like the head of a frame that is too large.
        bytes.extend(std::iter::repeat_n(0xFF, 4 + size));
        bytes
    }

    fn heads(most: u64) -> Heads {
        Heads { most, head: Vec::new(), left: 0 }
    }

    #[test]
    fn frames_that_fit_pass_however_they_are_cut() {
        let bytes: Vec<u8> = [0, 1, 125, 126, 1_000, 70_000, 0, 3].into_iter().flat_map(frame).collect();
        for size in [1, 2, 3, 7, 1_000, bytes.len()] {
            let mut heads = heads(70_000);
            for chunk in bytes.chunks(size) {
                assert_eq!(heads.fitting(chunk), None, "in chunks of {size}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_found_at_its_head() {
        for size in [126, 1_000, 70_000] {
            let small = frame(5);
            let mut bytes = small.clone();
            bytes.extend(&frame(size)[..10]);
            assert_eq!(heads(125).fitting(&bytes), Some(small.len()), "{size}");
            assert_eq!(heads(size as u64).fitting(&bytes), None, "{size}");
        }
        let mut heads = heads(125);
        let endless = [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        for byte in &endless[..9] {
            assert_eq!(heads.fitting(&[*byte]), None);
        }
        assert_eq!(heads.fitting(&endless[9..]), Some(0));
    }
}
