//! Notices clients that hang up on a poll. The HTTP server goes on with a request whose client has said its last,
//! as some do before they read the answer; a poll that nobody reads would take the packets with it.

use std::future::pending;
use std::os::fd::RawFd;
use std::time::Duration;

use tokio::time::sleep;

use crate::actors::session::is_hung_up;

/// How often is looked: what is said meanwhile is lost with the poll, and found again by who comes back.
const PACE: Duration = Duration::from_secs(1);

/// Waits until the client of this connection has hung up. Within one of its requests, so that the descriptor is its
/// own.
pub(super) async fn hung_up(descriptor: Option<RawFd>) {
    let Some(descriptor) = descriptor else { return pending().await };
    while !is_hung_up(descriptor) {
        sleep(PACE).await;
    }
}
