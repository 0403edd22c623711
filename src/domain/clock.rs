//! Time as the database keeps it. The wall clock is read here and nowhere else, and kept from going
//! back; deadlines inside a process use tokio's monotonic clock instead.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

/// How far a wall clock may go back before anybody is told: corrections by less are everyday.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Microseconds since 1970-01-01T00:00:00Z: what both databases store exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero where it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since the epoch, as a JWT's `exp` counts.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

/// RFC 3339 in UTC with milliseconds, for example `2026-01-06T15:30:45.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let utc = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(Self(utc.timestamp_micros()))
    }
}

/// The wall clock, injected so that a test can step it.
pub trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_micros())
    }
}

/// Follows a wall clock forward and never goes back: where the wall clock is set back, it goes on at its
/// own pace, so that no deadline moves away and no timestamp is older than the one before it. Clocks that
/// were ahead are thereby believed until the wall clock catches up, or the process is started again.
#[derive(Debug)]
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    /// Told by how much the wall clock was set back, once each time.
    stepped_back: fn(Duration),
    last: Mutex<Option<Reading>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: Timestamp,
    steady: Timestamp,
    at: Instant,
}

impl SteadyClock {
    pub fn new(wall: Arc<dyn Clock>, stepped_back: fn(Duration)) -> Self {
        Self { wall, stepped_back, last: Mutex::default() }
    }

    /// The time, and by how much the wall clock was set back since it was last read.
    fn read(&self) -> (Timestamp, Duration) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // The wall first: a pause between the two lets this clock lag until the next reading. The other
        // way round it would run ahead for good, by a little more with every pause.
        let wall = self.wall.now();
        let at = Instant::now();
        let (steady, back) = last.map_or((wall, Duration::ZERO), |last| {
            let elapsed = at.duration_since(last.at);
            (wall.max(last.steady.plus(elapsed)), last.wall.plus(elapsed).since(wall))
        });
        *last = Some(Reading { wall, steady, at });
        (steady, back)
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (now, back) = self.read();
        if back > STEP_MIN {
            (self.stepped_back)(back);
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A wall clock that a test sets.
    #[derive(Debug, Default)]
    struct Wall(AtomicI64);

    impl Wall {
        fn set(&self, seconds: i64) {
            self.0.store(seconds * SECOND, Ordering::SeqCst);
        }
    }

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }
    }

    fn clock(stepped_back: fn(Duration)) -> (Arc<Wall>, SteadyClock) {
        let wall = Arc::new(Wall::default());
        wall.set(10_000);
        (Arc::clone(&wall), SteadyClock::new(wall, stepped_back))
    }

    fn seconds(clock: &SteadyClock) -> i64 {
        clock.now().as_micros() / SECOND
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_is_followed_forward_even_when_it_jumps() {
        let (wall, clock) = clock(|by| panic!("back by {by:?}"));
        assert_eq!(seconds(&clock), 10_000);
        tokio::time::advance(Duration::from_secs(5)).await;
        wall.set(10_005);
        assert_eq!(seconds(&clock), 10_005);
        wall.set(99_000);
        assert_eq!(seconds(&clock), 99_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_back_does_not_stop_the_time() {
        let (wall, clock) = clock(|_| {});
        assert_eq!(seconds(&clock), 10_000);
        wall.set(6_400);
        assert_eq!(seconds(&clock), 10_000);
        for passed in 1..=10 {
            tokio::time::advance(Duration::from_secs(1)).await;
            wall.set(6_400 + passed);
            assert_eq!(seconds(&clock), 10_000 + passed);
        }
        wall.set(10_500);
        assert_eq!(seconds(&clock), 10_500, "the wall clock has caught up");
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_back_is_told_once_and_small_corrections_are_not() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (wall, clock) = clock(|by| {
            TOLD.fetch_add(by.as_secs(), Ordering::SeqCst);
        });
        let told = |wall_says| {
            wall.set(wall_says);
            for _ in 0..3 {
                clock.now();
            }
            TOLD.swap(0, Ordering::SeqCst)
        };
        assert_eq!(told(10_000), 0);
        assert_eq!(told(9_999), 0);
        assert_eq!(told(6_399), 3_600);
        assert_eq!(told(6_300), 99, "the second step is another one");
        assert_eq!(told(20_000), 0);
    }

    #[test]
    fn readings_of_many_threads_never_go_back() {
        let (wall, clock) = clock(|_| {});
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = clock.now();
                    for _ in 0..1_000 {
                        let now = clock.now();
                        assert!(now >= last, "{now:?} after {last:?}");
                        last = now;
                    }
                });
            }
            for second in 0..100 {
                wall.set(10_000 - second * 7);
            }
        });
    }
}
