//! How long and over which database: what a run is asked for. The environment is read here and nowhere else in this
//! test; `scripts/soak` sets it.

use std::time::Duration;

/// What every run of the tests does.
const SECONDS: u64 = 16;
/// Between two looks at what is left.
const PORTION: Duration = Duration::from_mins(2);
/// A tenth of the time, and as long as it takes everybody to do everything once.
const WARM_UP_LEAST: Duration = Duration::from_secs(8);
const WARM_UP_MOST: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) time: Duration,
    pub(super) warm_up: Duration,
    pub(super) portion: Duration,
    pub(super) is_postgres: bool,
}

impl Plan {
    /// `BELLHOP_SOAK_SECONDS` and `…_DATABASE`, or what CI takes.
    #[expect(clippy::disallowed_methods, reason = "a test is asked for more by its environment")]
    pub(super) fn from_environment() -> Self {
        let seconds = std::env::var("BELLHOP_SOAK_SECONDS");
        let seconds = seconds.map_or(SECONDS, |text| text.parse().expect("BELLHOP_SOAK_SECONDS is a number"));
        let time = Duration::from_secs(seconds);
        let database = std::env::var("BELLHOP_SOAK_DATABASE").unwrap_or_else(|_| "sqlite".to_owned());
        assert!(["sqlite", "postgres"].contains(&database.as_str()), "BELLHOP_SOAK_DATABASE is {database:?}");
        Self {
            time,
            warm_up: (time / 10).clamp(WARM_UP_LEAST, WARM_UP_MOST),
            portion: PORTION,
            is_postgres: database == "postgres",
        }
    }
}
