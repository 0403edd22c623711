//! Stopping: readiness goes first, because the kernel accepts connections even while the server does
//! not; then sessions are told to go elsewhere, then what was accepted is written, then the rest stops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};

use super::Running;
use crate::actors::email::StopMail;
use crate::actors::hub::{CloseSessions, GetPresence};
use crate::actors::persistence::Flush;
use crate::config::ServerSettings;
use crate::domain::CloseReason;

/// How often it is looked at what is still to be waited for.
const POLL: Duration = Duration::from_millis(20);

/// Drains and stops everything; each step has a deadline, so that it ends.
pub(super) async fn drain(running: Running, settings: &ServerSettings) -> anyhow::Result<()> {
    let patience = Duration::from_millis(settings.drain_timeout_ms);
    let Running { handle, services, email, ingest, arbiters } = running;
    log::info!("stopping: no new connections");
    services.draining.store(true, Ordering::Relaxed);
    sleep(Duration::from_millis(settings.drain_notice_ms)).await;
    handle.pause().await;

    // Beside the sessions: what it has under way is written when the line's end is asked for.
    let ingest = ingest.map(|ingest| actix::spawn(timeout(patience, ingest.stop())));
    let close = CloseSessions {
        reason: CloseReason::ServerRestart,
        over: Duration::from_millis(settings.drain_spread_ms),
    };
    let told = services.hub.send(close).await.unwrap_or(0);
    let deadline = Instant::now() + patience;
    let mut left = told;
    while left > 0 && Instant::now() < deadline {
        sleep(POLL).await;
        let presence = services.hub.send(GetPresence { users: Vec::new() }).await;
        left = presence.map_or(0, |presence| presence.connections);
    }
    log::info!(told = told, left = left; "sessions were told to come back");

    // What devices proved last must be in the line before its end is asked for.
    let deadline = Instant::now() + patience;
    while !services.has_reported_all() && Instant::now() < deadline {
        sleep(POLL).await;
    }
    if let Some(stopped) = ingest
        && !matches!(stopped.await, Ok(Ok(())))
    {
        log::warn!("messages under way did not end in time; the broker gives them to others");
    }
    let written = timeout(patience, services.persistence.send(Flush)).await;
    if timeout(patience, email.send(StopMail)).await.is_err() {
        log::warn!("mails under way did not end in time; their leases bring them back");
    }
    handle.stop(true).await;
    for arbiter in arbiters {
        arbiter.stop();
    }
    log::info!("stopped");
    written.context("not everything that waited could be written in time")??;
    Ok(())
}
