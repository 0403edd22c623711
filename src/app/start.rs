//! Starts the actors, each on an arbiter of its own, with what it needs of the rest.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{Health, Pages};
use crate::actors::email::{Choices, Courier, EmailActor};
use crate::actors::hub::NotificationHub;
use crate::actors::liaison::{Liaison, Parties};
use crate::actors::persistence::{Parts, Persistence};
use crate::actors::session::Services;
use crate::actors::warden::Warden;
use crate::actors::watch::Watch;
use crate::bus::{self, Bus, Heard, LocalBus, RedisBus};
use crate::config::Settings;
use crate::domain::Clock;
use crate::email::{self, Composer};
use crate::storage::Pool;
use crate::storage::secrets::SharedSecret;
use crate::telemetry::Metrics;

pub(super) fn email(
    settings: &Settings,
    pool: &Pool,
    pages: &Pages,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    health: &Health,
    arbiters: &mut Vec<Arbiter>,
) -> anyhow::Result<Addr<EmailActor>> {
    let courier = Courier {
        pool: pool.clone(),
        mailer: match &pages.recent {
            Some(recent) => recent.of(email::open(&settings.mail)?),
            None => email::open(&settings.mail)?,
        },
        choices: Choices { links: pages.links.clone(), address: pages.address.clone() },
        composer: Composer::new(&settings.server.public_url, &settings.mail.from)?,
        settings: settings.mail.clone(),
        portion: settings.delivery.claim_size,
        longest_escalation: settings.delivery.longest_escalation(),
        clock: Arc::clone(clock),
        metrics: metrics.clone(),
        health: health.mailing.clone(),
        tells: settings.rabbitmq.tells(),
    };
    let (concurrency, metrics) = (settings.mail.concurrency, metrics.clone());
    let delivery = settings.delivery.clone();
    let arbiter = Arbiter::new();
    let actor = EmailActor::start_in_arbiter(&arbiter.handle(), move |_| {
        EmailActor::new(courier, concurrency, &delivery, metrics)
    });
    arbiters.push(arbiter);
    Ok(actor)
}

/// The way to the other instances, if there can be any.
pub(super) fn open_bus(
    settings: &Settings,
    secret: &SharedSecret,
    instance: &str,
    metrics: &Metrics,
) -> anyhow::Result<bus::Opened> {
    /// So many digits tell deployments apart that share a Redis, and tell nothing of the secret.
    const DIGITS: usize = 12;
    if settings.bus.redis_url.is_empty() {
        return Ok(LocalBus::alone());
    }
    let digest = Sha256::new().chain_update("bus").chain_update(secret.reveal()).finalize();
    let mut deployment = URL_SAFE_NO_PAD.encode(digest);
    deployment.truncate(DIGITS);
    RedisBus::open(&settings.bus, &settings.presence, &deployment, instance, metrics.clone())
        .context("bus.redis_url")
}

pub(super) fn hub(
    settings: &Settings,
    email: &Addr<EmailActor>,
    bus: &Arc<dyn Bus>,
    instance: &str,
    metrics: &Metrics,
    arbiters: &mut Vec<Arbiter>,
) -> Addr<NotificationHub> {
    let (limits, presence, metrics) = (settings.limits.clone(), settings.presence.clone(), metrics.clone());
    let (away, bus, instance) = (email.clone().recipient(), Arc::clone(bus), instance.into());
    let arbiter = Arbiter::new();
    let hub = NotificationHub::start_in_arbiter(&arbiter.handle(), move |_| {
        NotificationHub::new(&limits, &presence, away, bus, instance, metrics)
    });
    arbiters.push(arbiter);
    hub
}

pub(super) fn liaison(
    settings: &Settings,
    parties: Parties,
    heard: mpsc::Receiver<Heard>,
    arbiters: &mut Vec<Arbiter>,
) {
    let poll = Duration::from_millis(settings.bus.poll_ms);
    let arbiter = Arbiter::new();
    Liaison::start_in_arbiter(&arbiter.handle(), move |_| Liaison::new(parties, heard, poll));
    arbiters.push(arbiter);
}

pub(super) fn persistence(
    settings: &Settings,
    parts: Parts,
    arbiters: &mut Vec<Arbiter>,
) -> Addr<Persistence> {
    let limits = settings.limits.clone();
    let arbiter = Arbiter::new();
    let persistence =
        Persistence::start_in_arbiter(&arbiter.handle(), move |_| Persistence::new(&parts, &limits));
    arbiters.push(arbiter);
    persistence
}

pub(super) fn warden(warden: Warden, arbiters: &mut Vec<Arbiter>) -> Addr<Warden> {
    let arbiter = Arbiter::new();
    let address = Warden::start_in_arbiter(&arbiter.handle(), move |_| warden);
    arbiters.push(arbiter);
    address
}

pub(super) fn watch(services: &Arc<Services>, pool: Pool, settings: &Settings, arbiters: &mut Vec<Arbiter>) {
    let (services, settings) = (Arc::clone(services), settings.metrics.clone());
    let arbiter = Arbiter::new();
    Watch::start_in_arbiter(&arbiter.handle(), move |_| Watch::new(services, pool, &settings));
    arbiters.push(arbiter);
}
