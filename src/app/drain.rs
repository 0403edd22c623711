//! Stopping: readiness goes first, so that balancers look elsewhere; then sessions are told to go elsewhere, each
//! when its turn comes, while whoever is still here is served as ever; then what was accepted is written, then the
//! rest stops. Connections are accepted until all sessions are gone: who polls may need another one before its turn,
//! and who comes too late is told so at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};

use super::Running;
use crate::actors::email::StopMail;
use crate::actors::hub::{CloseSessions, Measure};
use crate::actors::persistence::Flush;
use crate::actors::session::Services;
use crate::bus::{Address, Post};
use crate::config::ServerSettings;
use crate::domain::CloseReason;
use crate::protocol::letter::Word;

/// How often it is looked at what is still to be waited for.
const POLL: Duration = Duration::from_millis(20);

/// Drains and stops everything; each step has a deadline, so that it ends.
pub(super) async fn drain(running: Running, settings: &ServerSettings) -> anyhow::Result<()> {
    let patience = Duration::from_millis(settings.drain_timeout_ms);
    let Running { handle, services, email, ingest, arbiters } = running;
    log::info!("stopping: no new sessions");
    services.draining.store(true, Ordering::Relaxed);
    sleep(Duration::from_millis(settings.drain_notice_ms)).await;

    // Beside the sessions: what it has under way is written when the line's end is asked for.
    let ingest = ingest.map(|ingest| actix::spawn(timeout(patience, ingest.stop())));
    let told = close_sessions(&services, Duration::from_millis(settings.drain_spread_ms), patience).await;
    let left = sessions(&services).await;
    log::info!(told = told, left = left; "sessions were told to come back");
    handle.pause().await;
    // They are on their way to other instances, and are not mailed meanwhile.
    let leaving = Post { to: Address::All, speech: Arc::new(Word::Leaving), unless_heard: None };
    services.bus.publish(vec![leaving]);

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
    if timeout(patience, services.bus.leave()).await.is_err() {
        log::warn!("other instances could not be told, this one's lease will end");
    }
    for arbiter in arbiters {
        arbiter.stop();
    }
    log::info!("stopped");
    written.context("not everything that waited could be written in time")??;
    Ok(())
}

/// Has every session closed at a moment of its own within `over`, and waits for the last of them no longer than
/// `patience` after that; answers how many were told.
async fn close_sessions(services: &Services, over: Duration, patience: Duration) -> usize {
    let close = |over| services.hub.send(CloseSessions { reason: CloseReason::ServerRestart, over });
    let told = close(over).await.unwrap_or(0);
    wait_for_the_last(services, Instant::now() + over).await;
    // Who was being let in when the turns were given has none.
    let late = close(Duration::ZERO).await.unwrap_or(0);
    log::debug!(late = late; "every turn is over");
    wait_for_the_last(services, Instant::now() + patience).await;
    told
}

async fn wait_for_the_last(services: &Services, deadline: Instant) {
    while sessions(services).await > 0 && Instant::now() < deadline {
        sleep(POLL).await;
    }
}

/// How many sessions this instance has; none where nobody could say.
async fn sessions(services: &Services) -> usize {
    services.hub.send(Measure).await.map_or(0, |measured| measured.sessions)
}
