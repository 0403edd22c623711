//! Waiting in tests: always for something, never longer than a deadline, and never by sleeping for luck.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what should happen at once: generous, since two cores run many tests.
pub const SOON: Duration = Duration::from_secs(20);

/// How often something that cannot be waited for is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Looks until `look` finds something; panics with `what` after [`SOON`].
pub fn wait_until<T>(what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// The same where the looking is asynchronous.
pub async fn wait_until_async<T>(what: impl Display, look: impl AsyncFnMut() -> Option<T>) -> T {
    wait_within(SOON, what, look).await
}

/// The same with a deadline of the test's own, for what is long by its nature.
pub async fn wait_within<T>(
    limit: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {limit:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Awaits `future`; panics with `what` after [`SOON`].
pub async fn soon<T>(what: impl Display, future: impl Future<Output = T>) -> T {
    let Ok(answer) = tokio::time::timeout(SOON, future).await else { panic!("{what}: not within {SOON:?}") };
    answer
}
