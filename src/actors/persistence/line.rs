//! A waiting line in front of one worker: bounded by what its jobs weigh, and emptied in batches whenever
//! the worker is free.

use std::collections::VecDeque;

/// A piece of work that knows what it costs.
pub(super) trait Weigh {
    /// Rows to be written, large ones counted several times; 0 for what takes no place in the line.
    fn weight(&self) -> usize;
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Line<J> {
    waiting: VecDeque<J>,
    /// What all that waits weighs.
    weight: usize,
    most: usize,
    batch: usize,
    worker_is_busy: bool,
}

impl<J: Weigh> Line<J> {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        Self { waiting: VecDeque::new(), weight: 0, most, batch: batch.max(1), worker_is_busy: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.weight >= self.most
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn push(&mut self, job: J) {
        self.weight += job.weight();
        self.waiting.push_back(job);
    }

    /// What the worker does next, one job at least; none while it is busy or nothing waits.
    pub(super) fn next_batch(&mut self) -> Option<Vec<J>> {
        if self.worker_is_busy || self.waiting.is_empty() {
            return None;
        }
        self.worker_is_busy = true;
        let mut jobs = Vec::new();
        let mut weight = 0;
        while let Some(job) =
            self.waiting.pop_front_if(|job| weight == 0 || weight + job.weight() <= self.batch)
        {
            weight += job.weight();
            jobs.push(job);
        }
        self.weight -= weight;
        Some(jobs)
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

    impl Weigh for usize {
        fn weight(&self) -> usize {
            1
        }
    }

    #[derive(Debug, PartialEq)]
    struct Heavy(usize);

    impl Weigh for Heavy {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn heavy_jobs_go_alone_and_fill_the_line() {
        let mut line = Line::new(13, 4);
        for weight in [3, 9, 1] {
            assert!(!line.is_full());
            line.push(Heavy(weight));
        }
        assert!(line.is_full());
        assert_eq!(line.next_batch(), Some(vec![Heavy(3)]));
        line.worker_is_free();
        assert_eq!(line.next_batch(), Some(vec![Heavy(9)]), "what is heavier than a batch is not stuck");
        assert_eq!(line.weight(), 1);
    }

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
