//! Several instances over one database and one Redis are one server: whichever a request or a device comes to.

mod follower;
mod orders;
mod outage;
mod presence;
mod reach;
mod rolling;
mod rooms;
mod secrets;
mod takeover;
mod traffic;

use std::time::Duration;

/// What passes between instances is there within this, as a rule: single ones may take longer on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The middle one of several times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
