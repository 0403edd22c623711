//! Frames that wait for one connection, counted in bytes. Most of the time there is none or one: the
//! first costs no allocation, and an empty queue holds no memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How many bytes are handed to the connection at once: what one write takes.
const CHUNK: usize = 32 * 1024;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The next to go; none only when nothing waits.
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    bytes: usize,
    /// Whether the next to go was put before what waited already: the greeting.
    greets: bool,
    /// Whether what is queued last goes alone.
    ends_apart: bool,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push_back(&mut self, frames: Bytes) {
        self.bytes += frames.len();
        if self.first.is_none() {
            self.first = Some(frames);
        } else {
            self.rest.push_back(frames);
        }
    }

    /// Queues the last frames there will be, which go alone: a client that is polling has then shown that it
    /// has what came before.
    pub(super) fn push_last(&mut self, frames: Bytes) {
        self.push_back(frames);
        self.ends_apart = true;
    }

    pub(super) fn push_front(&mut self, frames: Bytes) {
        self.bytes += frames.len();
        if let Some(second) = self.first.replace(frames) {
            self.rest.push_front(second);
        }
        self.greets = true;
    }

    /// Forgets what waits, but a greeting: a goodbye is not understood by who was not greeted.
    pub(super) fn keep_greeting(&mut self) {
        let greeting = self.first.take().filter(|_| self.greets);
        self.clear();
        if let Some(greeting) = greeting {
            self.push_front(greeting);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// One frame as it is, or as many as fit into a chunk as one run of bytes.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        let first = self.first.take()?;
        self.greets = false;
        let mut size = first.len();
        let fits = |frame: &&Bytes| {
            size += frame.len();
            size <= CHUNK
        };
        let joined = self.rest.len() - usize::from(self.ends_apart).min(self.rest.len());
        let fitting = self.rest.iter().take(joined).take_while(fits).count();
        let chunk = if fitting == 0 {
            first
        } else {
            let mut chunk = BytesMut::with_capacity(size.min(CHUNK));
            chunk.extend_from_slice(&first);
            self.rest.drain(..fitting).for_each(|frame| chunk.extend_from_slice(&frame));
            chunk.freeze()
        };
        self.first = self.rest.pop_front();
        if self.first.is_none() {
            self.rest = VecDeque::new();
        }
        self.bytes -= chunk.len();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn one_frame_goes_as_it_is_and_many_go_together_in_order() {
        let mut queue = Queue::default();
        queue.push_back(frames("b"));
        assert_eq!(queue.take_chunk(), Some(frames("b")));
        queue.push_back(frames("b"));
        queue.push_back(frames("c"));
        queue.push_front(frames("a"));
        assert_eq!(queue.bytes(), 3);
        assert_eq!(queue.take_chunk(), Some(frames("abc")));
        assert_eq!((queue.take_chunk(), queue.bytes()), (None, 0));
    }

    #[test]
    fn what_waits_is_forgotten_and_a_greeting_is_not() {
        let mut queue = Queue::default();
        queue.push_back(frames("b"));
        queue.push_front(frames("a"));
        queue.keep_greeting();
        queue.push_back(frames("c"));
        assert_eq!((queue.bytes(), queue.take_chunk()), (2, Some(frames("ac"))));
        queue.push_back(frames("d"));
        queue.keep_greeting();
        assert_eq!((queue.bytes(), queue.take_chunk()), (0, None));
    }

    #[test]
    fn the_last_frames_go_alone() {
        let mut queue = Queue::default();
        for text in ["a", "b"] {
            queue.push_back(frames(text));
        }
        queue.push_last(frames("c"));
        assert_eq!(queue.take_chunk(), Some(frames("ab")));
        assert_eq!(queue.take_chunk(), Some(frames("c")));
        assert_eq!((queue.take_chunk(), queue.bytes()), (None, 0));
    }

    #[test]
    fn a_chunk_has_its_bound_and_nothing_is_lost_beyond_it() {
        let mut queue = Queue::default();
        let frame = Bytes::from(vec![b'x'; CHUNK / 2 + 1]);
        for _ in 0..3 {
            queue.push_back(frame.clone());
        }
        let taken: Vec<usize> = std::iter::from_fn(|| queue.take_chunk()).map(|chunk| chunk.len()).collect();
        assert_eq!(taken, [frame.len(); 3]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_frame_larger_than_a_chunk_goes_whole() {
        let mut queue = Queue::default();
        queue.push_back(frames("a"));
        queue.push_back(Bytes::from(vec![b'x'; 3 * CHUNK]));
        assert_eq!(queue.take_chunk().map(|chunk| chunk.len()), Some(1));
        assert_eq!(queue.take_chunk().map(|chunk| chunk.len()), Some(3 * CHUNK));
    }
}
