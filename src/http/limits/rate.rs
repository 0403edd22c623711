//! A rate and what is left of it: a token bucket kept as one time, that at which it is full again. Pure; times are
//! nanoseconds from any beginning.

use std::time::Duration;

/// So many in a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    quota: u64,
    window: Duration,
    /// Nanoseconds in which one is given back.
    interval: u64,
}

/// What is left after a charge, or when there will be enough for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) remaining: u64,
    /// When all of it is there again.
    pub(super) full_in: Duration,
    /// When it can be tried again; none where it was granted.
    pub(super) retry_after: Option<Duration>,
}

impl Rate {
    /// None where there is no limit.
    pub(super) fn new(quota: u64, window: Duration) -> Option<Self> {
        let interval = nanoseconds(window).checked_div(quota)?.max(1);
        Some(Self { quota, window, interval })
    }

    pub(super) fn quota(&self) -> u64 {
        self.quota
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }

    /// Takes `cost` at `now` from a bucket that is full at `full_at`; answers when it is full then.
    pub(super) fn take(&self, full_at: u64, now: u64, cost: u64) -> (u64, Left) {
        self.take_more(full_at, now, 0, cost)
    }

    /// The same for something that `paid` was taken for already, and for which all of it will be taken again if it is
    /// refused. What costs more than there ever is costs all there is.
    pub(super) fn take_more(&self, full_at: u64, now: u64, paid: u64, cost: u64) -> (u64, Left) {
        let full_at = self.clamped(full_at, now);
        let cost = cost.min(self.quota.saturating_sub(paid));
        let charged = full_at.saturating_add(self.interval.saturating_mul(cost));
        let over = charged.saturating_sub(now.saturating_add(self.span()));
        if over > 0 {
            let again = over.saturating_add(self.interval.saturating_mul(paid));
            return (full_at, self.left(full_at, now, Some(Duration::from_nanos(again))));
        }
        (charged, self.left(charged, now, None))
    }

    /// Gives back what was taken too much.
    pub(super) fn give_back(&self, full_at: u64, now: u64, surplus: u64) -> (u64, Left) {
        let back = self.interval.saturating_mul(surplus);
        let full_at = self.clamped(full_at, now).saturating_sub(back).max(now);
        (full_at, self.left(full_at, now, None))
    }

    /// How long an empty bucket takes to fill.
    fn span(&self) -> u64 {
        self.interval.saturating_mul(self.quota)
    }

    fn clamped(&self, full_at: u64, now: u64) -> u64 {
        full_at.clamp(now, now.saturating_add(self.span()))
    }

    fn left(&self, full_at: u64, now: u64, retry_after: Option<Duration>) -> Left {
        let missing = full_at.saturating_sub(now);
        let used = missing.div_ceil(self.interval);
        Left {
            remaining: self.quota.saturating_sub(used),
            full_in: Duration::from_nanos(missing),
            retry_after,
        }
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(quota: u64) -> Rate {
        Rate::new(quota, Duration::from_mins(1)).expect("a limit")
    }

    #[test]
    fn a_whole_quota_may_be_used_at_once_and_then_comes_back_bit_by_bit() {
        let (rate, mut full_at) = (rate(60), 0);
        for used in 1..=60 {
            let (next, left) = rate.take(full_at, 5 * SECOND, 1);
            assert_eq!((left.retry_after, left.remaining), (None, 60 - used));
            full_at = next;
        }
        let (same, left) = rate.take(full_at, 5 * SECOND, 1);
        assert_eq!((same, left.remaining), (full_at, 0));
        assert_eq!(left.retry_after, Some(Duration::from_secs(1)));
        assert_eq!(left.full_in, Duration::from_mins(1));
        let (_, early) = rate.take(full_at, 6 * SECOND - 1, 1);
        assert_eq!(early.retry_after, Some(Duration::from_nanos(1)), "exactly then");
        let (_, later) = rate.take(full_at, 6 * SECOND, 1);
        assert_eq!((later.retry_after, later.remaining), (None, 0));
    }

    #[test]
    fn who_is_refused_is_charged_nothing() {
        let rate = rate(2);
        let (full_at, _) = rate.take(0, 0, 2);
        let refused = rate.take(full_at, 0, 1);
        assert_eq!(refused.0, full_at);
        assert_eq!(rate.take(full_at, 0, 1), refused);
    }

    #[test]
    fn a_cost_beyond_the_quota_is_the_quota() {
        let (_, left) = rate(3).take(0, 0, 10);
        assert_eq!((left.retry_after, left.remaining), (None, 0));
    }

    #[test]
    fn what_is_charged_in_two_parts_can_be_tried_again_when_there_is_enough_for_both() {
        let rate = rate(60);
        let (used, _) = rate.take(0, 0, 40);
        let (let_in, _) = rate.take(used, 0, 1);
        let (same, refused) = rate.take_more(let_in, 0, 1, 29);
        assert_eq!((same, refused.retry_after), (let_in, Some(Duration::from_secs(11))));
        for (second, granted) in [(10, false), (11, true)] {
            let (again, left) = rate.take(same, second * SECOND, 1);
            assert_eq!(left.retry_after, None);
            let (_, left) = rate.take_more(again, second * SECOND, 1, 29);
            assert_eq!(left.retry_after.is_none(), granted, "{second}");
        }
    }

    #[test]
    fn what_costs_more_than_there_ever_is_is_granted_by_a_full_bucket() {
        let rate = rate(60);
        let (let_in, _) = rate.take(0, 0, 1);
        let (empty, left) = rate.take_more(let_in, 0, 1, 1_000);
        assert_eq!((left.retry_after, left.remaining), (None, 0));
        let (let_in, _) = rate.take(empty, 10 * SECOND, 1);
        let (_, left) = rate.take_more(let_in, 10 * SECOND, 1, 1_000);
        assert_eq!(
            left.retry_after,
            Some(Duration::from_secs(51)),
            "a minute but for the nine that were left"
        );
    }

    #[test]
    fn what_was_taken_too_much_is_given_back_and_no_more_than_fits() {
        let rate = rate(60);
        let (full_at, _) = rate.take(0, 0, 40);
        let (full_at, left) = rate.give_back(full_at, 0, 30);
        assert_eq!(left.remaining, 50);
        assert_eq!(rate.give_back(full_at, 0, 30).1.remaining, 60);
    }

    #[test]
    fn a_bucket_that_is_said_to_be_emptier_than_empty_is_empty() {
        // As after a change of the quota, or a clock of another beginning.
        let (_, left) = rate(60).take(u64::MAX, 0, 1);
        assert_eq!(left.retry_after, Some(Duration::from_secs(1)));
    }

    #[test]
    fn zero_is_no_limit_and_the_largest_is_one() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)), None);
        let largest = Rate::new(u64::MAX, Duration::from_secs(1)).expect("a limit");
        assert_eq!(largest.take(0, 0, 1).1.retry_after, None);
    }
}
