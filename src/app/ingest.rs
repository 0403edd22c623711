//! Taking messages from the broker, where one is configured.

use std::sync::Arc;

use actix::Arbiter;

use crate::actors::session::Services;
use crate::config::Settings;
use crate::ingest::{Ingest, Parts};
use crate::storage::Pool;
use crate::telemetry::BrokerHealth;

/// Starts it on an arbiter of its own.
pub(super) fn start(
    settings: &Settings,
    services: &Arc<Services>,
    pool: Pool,
    health: BrokerHealth,
    arbiters: &mut Vec<Arbiter>,
) -> Option<Ingest> {
    if !settings.rabbitmq.is_used() {
        return None;
    }
    let parts = Parts {
        settings: settings.rabbitmq.clone(),
        body_bytes: settings.limits.body_bytes,
        recipients: settings.limits.recipients_per_request,
        persistence: services.persistence.clone(),
        pool,
        clock: Arc::clone(&services.clock),
        ids: Arc::clone(&services.ids),
        metrics: services.metrics.clone(),
        health,
    };
    let arbiter = Arbiter::new();
    let ingest = Ingest::start(parts, &arbiter.handle());
    arbiters.push(arbiter);
    Some(ingest)
}
