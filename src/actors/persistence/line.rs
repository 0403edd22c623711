//! The waiting line in front of a worker. Whoever sends has a queue of their own in it, from which they take turns, and
//! a share that leaves room for others: however much one of them sends, the others are taken on and soon served. What
//! waits is bounded by its weight, and handed over in batches whenever the worker is free.

use std::collections::{HashMap, VecDeque};

use crate::domain::UserId;

/// A piece of work that knows what it costs, and whom.
pub(super) trait Weigh {
    /// Rows to be written, large ones counted several times; 0 for what takes no place in the line.
    fn weight(&self) -> usize;

    /// Whose turn it takes; none for what is the server's own.
    fn sender(&self) -> Option<&UserId>;
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Line<J> {
    /// Whoever has something waiting, and nobody else.
    queues: HashMap<Option<UserId>, Queue<J>>,
    /// The same in the order of their turns.
    turns: VecDeque<Option<UserId>>,
    /// What all that waits weighs.
    weight: usize,
    most: usize,
    batch: usize,
    worker_is_busy: bool,
    /// Whether what the worker was given last had a batch to itself.
    was_heavy: bool,
}

/// What one of them has waiting.
#[derive(Debug)]
struct Queue<J> {
    jobs: VecDeque<J>,
    weight: usize,
}

impl<J: Weigh> Line<J> {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        Self {
            queues: HashMap::new(),
            turns: VecDeque::new(),
            weight: 0,
            most,
            batch: batch.max(1),
            worker_is_busy: false,
            was_heavy: false,
        }
    }

    /// Whether there is room for it. Nobody's jobs, this one among them, may weigh more than what they leave free: however
    /// much one sends there is as much room for the others, and however many send much, for those who send little.
    pub(super) fn has_room_for(&self, job: &J) -> bool {
        let Some(sender) = job.sender() else { return self.weight < self.most };
        let own = self.queues.get(&Some(sender.clone())).map_or(0, |queue| queue.weight);
        self.weight == 0 || self.weight + own + 2 * self.weight_of(job) <= self.most
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Behind what its sender has waiting.
    pub(super) fn push(&mut self, job: J) {
        self.queue_for(&job).jobs.push_back(job);
    }

    /// Before it: the rest of what was under way.
    pub(super) fn push_rest(&mut self, job: J) {
        self.queue_for(&job).jobs.push_front(job);
    }

    /// What the worker does next, one job at least; none while it is busy or nothing waits.
    pub(super) fn next_batch(&mut self) -> Option<Vec<J>> {
        if self.worker_is_busy || self.turns.is_empty() {
            return None;
        }
        self.worker_is_busy = true;
        // After a heavy one it is the turn of what is lighter: nobody waits for two of them in a row.
        let mut jobs = if self.was_heavy { self.gather(false) } else { Vec::new() };
        if jobs.is_empty() {
            jobs = self.gather(true);
        }
        self.was_heavy = jobs.iter().any(|job| self.is_heavy(job));
        Some(jobs)
    }

    pub(super) fn worker_is_free(&mut self) {
        self.worker_is_busy = false;
    }

    /// Whether everything that was pushed is done.
    pub(super) fn is_idle(&self) -> bool {
        self.turns.is_empty() && !self.worker_is_busy
    }

    /// Takes from each in turn what fits. Whose next job does not fit is the first of the next batch.
    fn gather(&mut self, may_be_heavy: bool) -> Vec<J> {
        let (mut jobs, mut weight, mut passed) = (Vec::new(), 0, Vec::new());
        while weight < self.batch
            && let Some(sender) = self.turns.pop_front()
        {
            let next = self.queues.get(&sender).and_then(|queue| queue.jobs.front());
            let fits = next.is_some_and(|job| {
                let is_heavy = self.is_heavy(job);
                if is_heavy { may_be_heavy && weight == 0 } else { weight + job.weight() <= self.batch }
            });
            if !fits {
                passed.push(sender);
            } else if let Some(job) = self.take(sender) {
                weight += job.weight();
                jobs.push(job);
            }
        }
        passed.into_iter().rev().for_each(|sender| self.turns.push_front(sender));
        jobs
    }

    /// The next of theirs; who has more gets in line again.
    fn take(&mut self, sender: Option<UserId>) -> Option<J> {
        let queue = self.queues.get_mut(&sender)?;
        let job = queue.jobs.pop_front()?;
        let weight = job.weight().min(share(self.most));
        self.weight -= weight;
        queue.weight -= weight;
        if queue.jobs.is_empty() {
            self.queues.remove(&sender);
        } else {
            self.turns.push_back(sender);
        }
        Some(job)
    }

    /// The queue that a job goes to, which counts it already.
    fn queue_for(&mut self, job: &J) -> &mut Queue<J> {
        let weight = self.weight_of(job);
        self.weight += weight;
        let sender = job.sender().cloned();
        let turns = &mut self.turns;
        let queue = self.queues.entry(sender.clone()).or_insert_with(|| {
            turns.push_back(sender);
            Queue { jobs: VecDeque::new(), weight: 0 }
        });
        queue.weight += weight;
        queue
    }

    /// Whether it fills a batch by itself, or more than one.
    fn is_heavy(&self, job: &J) -> bool {
        job.weight() >= self.batch
    }

    /// What it counts for: what is heavier than one may have waiting could never be taken on.
    fn weight_of(&self, job: &J) -> usize {
        job.weight().min(share(self.most))
    }
}

/// The most that one of them may have waiting.
fn share(most: usize) -> usize {
    (most / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose it is, and what it weighs.
    #[derive(Debug, Clone, PartialEq)]
    struct Job(Option<UserId>, usize);

    impl Weigh for Job {
        fn weight(&self) -> usize {
            self.1
        }

        fn sender(&self) -> Option<&UserId> {
            self.0.as_ref()
        }
    }

    fn of(sender: &str, weight: usize) -> Job {
        Job(Some(UserId::from_stored(sender.to_owned())), weight)
    }

    fn own(weight: usize) -> Job {
        Job(None, weight)
    }

    /// The next batch of a worker that is free, as the senders and the weights in it.
    fn batch(line: &mut Line<Job>) -> Vec<(String, usize)> {
        line.worker_is_free();
        let jobs = line.next_batch().unwrap_or_default();
        jobs.into_iter().map(|Job(sender, weight)| (sender.unwrap().to_string(), weight)).collect()
    }

    fn named(jobs: &[(&str, usize)]) -> Vec<(String, usize)> {
        jobs.iter().map(|(sender, weight)| ((*sender).to_owned(), *weight)).collect()
    }

    #[test]
    fn what_arrives_while_the_worker_is_busy_goes_together() {
        let mut line = Line::new(100, 3);
        line.push(own(1));
        assert_eq!(line.next_batch(), Some(vec![own(1)]), "a lone job is not kept waiting");
        (0..4).for_each(|_| line.push(own(1)));
        assert_eq!(line.next_batch(), None, "the worker is busy");
        line.worker_is_free();
        assert_eq!(line.next_batch(), Some(vec![own(1); 3]));
        assert!(!line.is_idle());
        line.worker_is_free();
        assert_eq!(line.next_batch(), Some(vec![own(1)]));
        line.worker_is_free();
        assert!(line.is_idle());
    }

    #[test]
    fn a_line_is_full_at_its_bound() {
        let mut line = Line::new(2, 1);
        for taken in [true, true, false] {
            assert_eq!(line.has_room_for(&own(1)), taken);
            line.push(own(1));
        }
    }

    #[test]
    fn whatever_one_sends_leaves_as_much_room_for_others() {
        let mut line = Line::new(100, 10);
        for weight in [1, 7, 25, 1_000, 1] {
            while line.has_room_for(&of("flood", weight)) {
                line.push(of("flood", weight));
            }
        }
        assert_eq!(line.weight(), 50);
        for guest in 0..49 {
            let booking = of(&format!("guest-{guest}"), 1);
            assert!(line.has_room_for(&booking), "{guest}");
            line.push(booking);
        }
        assert!(!line.has_room_for(&of("one more", 1)));
    }

    #[test]
    fn however_many_send_much_there_is_room_for_who_sends_little() {
        let mut line = Line::new(100, 10);
        for sender in 0..1_000 {
            for weight in [1_000, 25, 10] {
                let job = of(&format!("backend-{sender}"), weight);
                if line.has_room_for(&job) {
                    line.push(job);
                }
            }
        }
        assert!(line.weight() > 50);
        assert!(line.has_room_for(&of("guest", 1)), "{} wait", line.weight());
    }

    #[test]
    fn what_is_heavier_than_the_line_is_taken_where_there_is_room_for_others_beside_it() {
        let mut line = Line::new(100, 10);
        assert!(line.has_room_for(&of("backend", 1_000)));
        line.push(of("backend", 1_000));
        assert!(!line.has_room_for(&of("backend", 1_000)));
        assert!(line.has_room_for(&of("guest", 1)));
        assert_eq!(batch(&mut line), named(&[("backend", 1_000)]));
        assert_eq!(line.weight(), 0);
    }

    #[test]
    fn everybody_has_a_turn_before_anybody_has_another() {
        let mut line = Line::new(100, 4);
        for sender in ["flood", "flood", "flood", "flood", "flood", "ann", "ann", "bob"] {
            line.push(of(sender, 1));
        }
        let first = [("flood", 1), ("ann", 1), ("bob", 1), ("flood", 1)];
        assert_eq!(batch(&mut line), named(&first));
        assert_eq!(batch(&mut line), named(&[("ann", 1), ("flood", 1), ("flood", 1), ("flood", 1)]));
        assert!(batch(&mut line).is_empty());
    }

    #[test]
    fn nobody_waits_for_two_heavy_ones_in_a_row() {
        let mut line = Line::new(100, 4);
        for sender in ["one", "two", "three"] {
            line.push(of(sender, 9));
        }
        assert_eq!(batch(&mut line), named(&[("one", 9)]));
        for guest in ["ann", "bob"] {
            line.push(of(guest, 1));
        }
        assert_eq!(batch(&mut line), named(&[("ann", 1), ("bob", 1)]));
        line.push(of("cid", 1));
        assert_eq!(batch(&mut line), named(&[("two", 9)]), "nor is it kept waiting by what comes after it");
        assert_eq!(batch(&mut line), named(&[("cid", 1)]));
        assert_eq!(batch(&mut line), named(&[("three", 9)]));
    }

    #[test]
    fn what_does_not_fit_is_first_next_time() {
        let mut line = Line::new(100, 4);
        for (sender, weight) in [("ann", 2), ("bob", 3), ("cid", 2), ("ann", 3)] {
            line.push(of(sender, weight));
        }
        assert_eq!(batch(&mut line), named(&[("ann", 2), ("cid", 2)]));
        assert_eq!(batch(&mut line), named(&[("bob", 3)]));
        assert_eq!(batch(&mut line), named(&[("ann", 3)]));
    }

    #[test]
    fn the_rest_of_what_was_under_way_goes_before_its_senders_next() {
        let mut line = Line::new(100, 4);
        line.push(of("backend", 1));
        line.push_rest(of("backend", 4));
        line.push(of("guest", 1));
        assert_eq!(batch(&mut line), named(&[("backend", 4)]));
        assert_eq!(batch(&mut line), named(&[("guest", 1), ("backend", 1)]));
    }
}
