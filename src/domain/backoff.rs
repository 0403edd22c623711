//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from `first` up to `longest`, then takes off up to a fifth by `chance` (0 to 1), so that what
/// failed together does not come back together. `attempt` counts from 1.
pub fn pause(first: Duration, longest: Duration, attempt: i32, chance: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(30);
    let full = first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
    full.mul_f64(1.0 - 0.2 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_longer_with_jitter() {
        let (first, longest) = (Duration::from_secs(5), Duration::from_mins(1));
        let seconds: Vec<u64> = (1..=6).map(|n| pause(first, longest, n, 0.0).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60]);
        assert_eq!(pause(first, longest, 1, 1.0), Duration::from_secs(4));
        assert_eq!(pause(first, longest, i32::MAX, 0.0), longest);
        assert_eq!(pause(first, longest, i32::MIN, 0.0), first);
    }
}
