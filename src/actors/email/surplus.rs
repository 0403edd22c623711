//! When mails come up again whose recipients have enough waiting already. The more there are, the further
//! apart, so that thousands to one recipient are not claimed and put back over and over.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest pause: whoever takes their mail quickly has taken most of what waits by then.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest, however many there are.
pub(super) const LONGEST: Duration = Duration::from_mins(10);
/// How far apart they come up: fifty in a second are little work for a database.
const SPACING: Duration = Duration::from_millis(20);

/// Deals out the times at which what is put off comes up again.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    /// When the last that was put off comes up.
    last: Option<Instant>,
}

impl Surplus {
    /// For how long the next `count` mails are put off.
    pub(super) fn pause(&mut self, count: usize, now: Instant) -> Duration {
        let earliest = now + SHORTEST;
        let spaced = SPACING.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)).min(LONGEST);
        let next = self.last.map_or(earliest, |last| earliest.max(last + spaced)).min(now + LONGEST);
        self.last = Some(next);
        next.duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_come_up_soon_and_many_one_after_the_other() {
        let now = Instant::now();
        let mut surplus = Surplus::default();
        assert_eq!(surplus.pause(10, now), SHORTEST);
        assert_eq!(surplus.pause(10, now), SHORTEST + SPACING * 10);
        assert_eq!(surplus.pause(100, now), SHORTEST + SPACING * 110);
        let later = now + Duration::from_mins(1);
        assert_eq!(surplus.pause(10, later), SHORTEST, "all of them have come up");
    }

    #[test]
    fn nothing_is_put_off_without_end() {
        let now = Instant::now();
        let mut surplus = Surplus::default();
        for count in [1, 100_000, usize::MAX, 1] {
            assert!(surplus.pause(count, now) <= LONGEST);
        }
    }
}
