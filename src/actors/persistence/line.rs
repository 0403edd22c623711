//! A waiting line in front of one worker: bounded, and emptied in batches whenever the worker is free.

use std::collections::VecDeque;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Line<J> {
    waiting: VecDeque<J>,
    most: usize,
    batch: usize,
    worker_is_busy: bool,
}

impl<J> Line<J> {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        Self { waiting: VecDeque::new(), most, batch: batch.max(1), worker_is_busy: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.most
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, job: J) {
        self.waiting.push_back(job);
    }

    /// What the worker does next; none while it is busy or nothing waits.
    pub(super) fn next_batch(&mut self) -> Option<Vec<J>> {
        if self.worker_is_busy || self.waiting.is_empty() {
            return None;
        }
        self.worker_is_busy = true;
        let portion = self.waiting.len().min(self.batch);
        Some(self.waiting.drain(..portion).collect())
    }

    pub(super) fn worker_is_free(&mut self) {
        self.worker_is_busy = false;
    }

    /// Whether everything that was pushed is done.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.worker_is_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_while_the_worker_is_busy_goes_together() {
        let mut line = Line::new(100, 3);
        line.push(1);
        assert_eq!(line.next_batch(), Some(vec![1]), "a lone job is not kept waiting");
        for job in 2..=5 {
            line.push(job);
        }
        assert_eq!(line.next_batch(), None, "the worker is busy");
        line.worker_is_free();
        assert_eq!(line.next_batch(), Some(vec![2, 3, 4]));
        assert!(!line.is_idle());
        line.worker_is_free();
        assert_eq!(line.next_batch(), Some(vec![5]));
        line.worker_is_free();
        assert!(line.is_idle());
    }

    #[test]
    fn a_line_is_full_at_its_bound() {
        let mut line = Line::new(2, 1);
        line.push(1);
        assert!(!line.is_full());
        line.push(2);
        assert!(line.is_full());
    }
}
