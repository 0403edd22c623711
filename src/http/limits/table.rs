//! Who has used how much, bounded: two generations of buckets. What was not touched for a whole generation is
//! forgotten, which loses nothing where the generation was as long as a bucket takes to fill; only where more come
//! than are remembered is somebody's bucket forgotten early, and full again.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::rate::{Left, Rate, nanoseconds};
use crate::telemetry::metrics::Figure;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Table {
    rate: Rate,
    /// The most that one generation remembers.
    most: usize,
    beginning: Instant,
    /// Names are kept as keyed hashes: of one size, whatever clients send, and nobody can make two alike.
    names: RandomState,
    buckets: Mutex<Buckets>,
    /// How many are remembered.
    figure: Figure,
}

#[derive(Debug, Default)]
struct Buckets {
    /// When each is full.
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
    /// When the young ones become the old ones.
    turns_at: u64,
}

impl Table {
    /// `tracked` is how many are remembered in all.
    pub(super) fn new(rate: Rate, tracked: usize, figure: Figure) -> Self {
        Self {
            rate,
            most: tracked.div_ceil(2),
            beginning: Instant::now(),
            names: RandomState::new(),
            buckets: Mutex::default(),
            figure,
        }
    }

    pub(super) fn rate(&self) -> &Rate {
        &self.rate
    }

    /// Takes `cost` from what `name` has left.
    pub(super) fn take(&self, name: impl Hash, cost: u64) -> Left {
        self.change(name, |full_at, now| self.rate.take(full_at, now, cost))
    }

    /// The same where `paid` was taken already: [`Rate::take_more`].
    pub(super) fn take_more(&self, name: impl Hash, paid: u64, cost: u64) -> Left {
        self.change(name, |full_at, now| self.rate.take_more(full_at, now, paid, cost))
    }

    /// Gives `surplus` back.
    pub(super) fn give_back(&self, name: impl Hash, surplus: u64) -> Left {
        self.change(name, |full_at, now| self.rate.give_back(full_at, now, surplus))
    }

    fn change(&self, name: impl Hash, change: impl FnOnce(u64, u64) -> (u64, Left)) -> Left {
        let name = self.names.hash_one(name);
        let now = nanoseconds(self.beginning.elapsed());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= buckets.turns_at || buckets.young.len() >= self.most {
            buckets.old = std::mem::take(&mut buckets.young);
            buckets.turns_at = now.saturating_add(nanoseconds(self.rate.window()));
        }
        let known = buckets.young.get(&name).copied();
        let full_at = known.or_else(|| buckets.old.remove(&name)).unwrap_or(0);
        let (full_at, left) = change(full_at, now);
        buckets.young.insert(name, full_at);
        if known.is_none() {
            self.figure.set(i64::try_from(buckets.young.len() + buckets.old.len()).unwrap_or(i64::MAX));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Metrics;

    fn table(quota: u64, tracked: usize) -> Table {
        let metrics = Metrics::new().expect("a registry");
        let rate = Rate::new(quota, Duration::from_mins(1)).expect("a limit");
        Table::new(rate, tracked, metrics.rate_limit_buckets("user"))
    }

    fn remembered(table: &Table) -> usize {
        let buckets = table.buckets.lock().expect("unpoisoned");
        buckets.young.len() + buckets.old.len()
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_has_a_bucket_of_their_own() {
        let table = table(2, 100);
        for name in ["ann", "bob"] {
            assert_eq!(table.take(name, 1).remaining, 1);
            assert_eq!(table.take(name, 1).remaining, 0);
            assert!(table.take(name, 1).retry_after.is_some(), "{name}");
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(table.take("ann", 1).retry_after, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_outlives_the_turn_of_generations_until_it_is_full() {
        let table = table(60, 100);
        table.take("ann", 60);
        for second in 1..=300 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(table.take("ann", 1).retry_after, None, "one a second, {second}");
            assert!(table.take("ann", 1).retry_after.is_some(), "and no more, {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_names_is_forgotten_and_never_more_than_the_bound_is_kept() {
        let table = table(60, 1_000);
        for name in 0..50_000 {
            table.take(name, 1);
            assert!(remembered(&table) <= 1_000);
        }
        assert_eq!(table.figure.get(), i64::try_from(remembered(&table)).expect("few"));
        tokio::time::advance(Duration::from_mins(1)).await;
        table.take("ann", 1);
        tokio::time::advance(Duration::from_mins(1)).await;
        table.take("ann", 1);
        assert_eq!(remembered(&table), 1, "the crowd is gone");
    }
}
