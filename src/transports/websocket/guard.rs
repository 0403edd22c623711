//! Looks at the head of every frame that comes in, before the decoder does: the decoder gathers a whole
//! frame and only then minds its size, so a client that announces gigabytes would be given them. It also
//! gathers whatever waits before it decodes one frame, so it is given more only when the door has heard
//! all of what it has.

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

/// What the guard and the door know together of what came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Intake(Rc<State>);

#[derive(Debug, Default)]
struct State {
    /// A frame was announced that is too large.
    too_large: Cell<bool>,
    /// How many whole frames the decoder was given that the door has not heard yet.
    unheard: Cell<usize>,
}

impl Intake {
    /// Whether a frame was announced that is too large; the door says so.
    pub(super) fn is_too_large(&self) -> bool {
        self.0.too_large.get()
    }

    /// The door has heard a frame.
    pub(super) fn heard(&self) {
        self.0.unheard.set(self.0.unheard.get().saturating_sub(1));
    }

    fn give(&self, frames: usize) {
        self.0.unheard.set(self.0.unheard.get().saturating_add(frames));
    }
}

/// The bytes of a connection up to the first frame that is too large, then an error and no more.
#[derive(Debug)]
pub(super) struct Guard<S> {
    bytes: S,
    heads: Heads,
    intake: Intake,
    /// The error was given.
    over: bool,
}

impl<S> Guard<S> {
    /// Lets frames pass whose payload has at most `most` bytes.
    pub(super) fn new(bytes: S, most: usize, intake: Intake) -> Self {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Self { bytes, heads: Heads::new(most), intake, over: false }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        // Nobody has to be woken: the decoder has a whole frame, and it is asked for more after each.
        if self.intake.0.unheard.get() > 0 {
            return Poll::Pending;
        }
        if self.intake.is_too_large() {
            self.over = true;
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        let next = Pin::new(&mut self.bytes).poll_next(cx);
        let Poll::Ready(Some(Ok(mut chunk))) = next else { return next };
        if let Some(fits) = self.heads.fitting(&chunk) {
            // What came before it is still heard.
            chunk.truncate(fits);
            self.intake.0.too_large.set(true);
        }
        let whole = self.heads.take_whole();
        self.intake.give(whole);
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
    /// How many frames have come to their end since this was last asked.
    whole: usize,
}

impl Heads {
    fn new(most: u64) -> Self {
        Self { most, head: Vec::new(), left: 0, whole: 0 }
    }

    fn take_whole(&mut self) -> usize {
        std::mem::take(&mut self.whole)
    }

    /// How many bytes of `chunk` come before a frame that is too large; none if all fit.
    fn fitting(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut start = 0;
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= passed as u64;
                rest = rest.get(passed..).unwrap_or_default();
                self.whole += usize::from(self.left == 0);
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
            self.whole += usize::from(self.left == 0);
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

    #[test]
    fn frames_that_fit_pass_however_they_are_cut() {
        let bytes: Vec<u8> = [0, 1, 125, 126, 1_000, 70_000, 0, 3].into_iter().flat_map(frame).collect();
        for size in [1, 2, 3, 7, 1_000, bytes.len()] {
            let mut heads = Heads::new(70_000);
            for chunk in bytes.chunks(size) {
                assert_eq!(heads.fitting(chunk), None, "in chunks of {size}");
            }
            assert_eq!(heads.take_whole(), 8, "in chunks of {size}");
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_found_at_its_head() {
        for size in [126, 1_000, 70_000] {
            let small = frame(5);
            let mut bytes = small.clone();
            bytes.extend(&frame(size)[..10]);
            assert_eq!(Heads::new(125).fitting(&bytes), Some(small.len()), "{size}");
            assert_eq!(Heads::new(size as u64).fitting(&bytes), None, "{size}");
        }
        let mut heads = Heads::new(125);
        let endless = [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        for byte in &endless[..9] {
            assert_eq!(heads.fitting(&[*byte]), None);
        }
        assert_eq!(heads.fitting(&endless[9..]), Some(0));
    }

    #[test]
    fn more_is_read_only_when_all_that_was_given_is_heard() {
        let chunks = [[frame(0), frame(3)].concat(), frame(5)[..4].to_vec(), frame(5)[4..].to_vec(), vec![]];
        let chunks = futures_util::stream::iter(chunks.map(|chunk| Ok(Bytes::from(chunk))));
        let intake = Intake::default();
        let mut guard = Guard::new(chunks, 125, intake.clone());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut reads = || Pin::new(&mut guard).poll_next(&mut cx).is_ready();
        assert!(reads());
        assert!(!reads(), "two frames are unheard");
        intake.heard();
        assert!(!reads(), "one frame is unheard");
        intake.heard();
        assert!(reads());
        assert!(reads(), "a frame that is not whole is read to its end");
        assert!(!reads());
        intake.heard();
        assert!(reads());
    }
}
