//! The composition root: the only place that wires actors and doors together, and knows in which order
//! they start and stop.

mod allowance;
mod cors;
mod document;
mod drain;
mod gate;
mod ingest;
mod listen;
mod patience;
mod postman;
mod start;
mod stream;
mod tls;
mod welcome;

pub use document::document;
pub use postman::collection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, web};
use anyhow::Context as _;

use cors::cors;
use gate::Gate;

use crate::actors::email::{EmailActor, MailHealth};
use crate::actors::liaison::Parties;
use crate::actors::locksmith::watch_keys;
use crate::actors::persistence::{Greet, Parts, WriteHealth};
use crate::actors::reader::{APART, Reader};
use crate::actors::session::{Services, instance_name};
use crate::actors::warden::{self, Warden};
use crate::api::{Document, MetricsGate, StatsTurn, TokenDesk, routes};
use crate::auth::{Links, Minter, RecoveryIds, Tokens, Verifier};
use crate::config::{Mode, Settings};
use crate::domain::{Clock, IdGenerator, PageAddress, SteadyClock, SystemClock, TimeOrderedIds, Timestamp};
use crate::email::RecentMails;
use crate::http::body::BodyLimits;
use crate::http::origin::AllowedOrigins;
use crate::http::{Acquaintances, Authenticator, Limits, TicketOffice, limits, request, route};
use crate::ingest::Ingest;
use crate::storage::revocations::Kept;
use crate::storage::secrets::{self, SharedSecret};
use crate::storage::{Pool, bring_up_to_date};
use crate::telemetry::{BrokerHealth, Metrics};
use crate::transports::engineio::{Door, Registry, Sids};
use crate::transports::entrance;
use crate::transports::socketio::{Bellhop, Guests, Host};
use crate::transports::sse::SseDoor;
use crate::web as pages;

/// Threads that write beside those that mail, read and look by the clock: the append worker and the clerk.
const WRITERS: u32 = 2;

/// A server that is wired and bound, and not yet running.
#[expect(missing_debug_implementations, reason = "the server's future has none")]
pub struct App {
    addresses: Vec<SocketAddr>,
    server: Server,
    running: Running,
    settings: Arc<Settings>,
}

/// What the actors report of what they depend on.
#[derive(Debug)]
struct Health {
    writing: WriteHealth,
    mailing: MailHealth,
    broker: BrokerHealth,
}

/// What the pages and the links to them need.
#[derive(Debug)]
struct Pages {
    links: Links,
    address: PageAddress,
    /// In development mode, for the demonstration.
    recent: Option<RecentMails>,
}

impl Pages {
    fn new(settings: &Settings, secret: &SharedSecret) -> Self {
        let development = settings.mode == Mode::Development;
        let server = &settings.server;
        let scheme = if server.tls_key.is_some() { "https" } else { "http" };
        let address = match (&*server.external_url, server.port) {
            ("", 1..) if development => PageAddress::new(&format!("{scheme}://localhost:{}", server.port)),
            (known, _) => PageAddress::new(known),
        };
        Self { links: Links::new(secret.reveal()), address, recent: development.then(RecentMails::default) }
    }
}

/// What must be stopped, in the order of `drain`.
struct Running {
    handle: ServerHandle,
    services: Arc<Services>,
    email: Addr<EmailActor>,
    ingest: Option<Ingest>,
    arbiters: Vec<Arbiter>,
}

impl App {
    /// Connects, migrates, starts the actors and binds the ports. Must be called inside an actix system.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        Self::build_with_clock(settings, Arc::new(SystemClock)).await
    }

    /// The same with a wall clock of the caller's own.
    pub async fn build_with_clock(settings: Settings, wall: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let settings = Arc::new(settings);
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::clone(&wall), |by| {
            log::warn!("the system's clock was set back by {by:.1?}: timestamps go on from where they were");
        }));
        let ids: Arc<dyn IdGenerator> = Arc::new(TimeOrderedIds);
        let metrics = Metrics::new()?;
        let pool = open_pool(&settings, &metrics).await?;
        metrics.build_info(env!("CARGO_PKG_VERSION")).set(1);
        metrics.process_started().set(wall.now().as_seconds());
        let secret = shared_secret(&pool, clock.now()).await?;
        let tokens = Arc::new(Tokens::new(Verifier::new(&settings.auth)?, Arc::clone(&wall)));
        let ordered = recall_orders(&pool, &tokens).await?;
        let mut arbiters = Vec::new();
        let broker = BrokerHealth::new(settings.rabbitmq.is_used());
        let health = Health {
            writing: WriteHealth::default(),
            mailing: MailHealth::default(),
            broker: broker.clone(),
        };
        let instance = instance_name(ids.as_ref());
        let (bus, heard) = start::open_bus(&settings, &secret, &instance, &metrics)?;
        let pages = Pages::new(&settings, &secret);
        let email = start::email(&settings, &pool, &pages, &clock, &metrics, &health, &mut arbiters)?;
        let hub = start::hub(&settings, &email, &bus, &instance, &metrics, &mut arbiters);
        let parts = Parts {
            pool: pool.clone(),
            hub: hub.clone(),
            delivery: Arc::new(settings.delivery.clone()),
            tells: settings.rabbitmq.tells(),
            retention: Arc::new(settings.retention.clone()),
            reminders: Arc::new(settings.reminders.clone()),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            metrics: metrics.clone(),
            health: health.writing.clone(),
            revoked_for: tokens.longest(),
        };
        let persistence = start::persistence(&settings, parts, &mut arbiters);
        let reader = Reader::new(
            pool.clone(),
            settings.database.read_connections as usize,
            settings.limits.read_queue,
            Duration::from_millis(settings.database.connection_timeout_ms),
            metrics.clone(),
        );
        let warden = Warden::new(
            reader.clone(),
            Arc::clone(&tokens),
            hub.clone(),
            Arc::clone(&bus),
            metrics.clone(),
            Duration::from_millis(settings.auth.revocation_poll_ms),
            ordered,
        );
        let warden = start::warden(warden, &mut arbiters);
        let parties = Parties {
            hub: hub.clone(),
            warden: warden.clone(),
            email: email.clone(),
            reader: reader.clone(),
            metrics: metrics.clone(),
        };
        start::liaison(&settings, parties, heard, &mut arbiters);
        let services = Arc::new(Services::new(
            hub,
            bus,
            instance,
            persistence,
            reader,
            tokens,
            settings.session.clone(),
            settings.delivery.proof,
            clock,
            ids,
            metrics,
        ));
        let (server, addresses) = serve(&settings, &services, &wall, &secret, pages, health, warden)?;
        start::watch(&services, pool.clone(), &settings, &mut arbiters);
        let ingest = ingest::start(&settings, &services, pool, broker, &mut arbiters);
        let running = Running { handle: server.handle(), services, email, ingest, arbiters };
        Ok(Self { addresses, server, running, settings })
    }

    /// Where it listens: the port, then the second port if there is one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Runs until `stop` is ready, then drains: nobody is cut off without a reason, and what was
    /// accepted is written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { addresses, server, running, settings } = self;
        let serving = actix::spawn(server);
        actix::spawn(watch_keys(
            Arc::clone(&running.services.tokens),
            running.services.metrics.clone(),
            Duration::from_millis(settings.auth.key_poll_ms),
        ));
        for address in &addresses {
            log::info!("listening on {address}");
        }
        welcome::warn(&settings);
        match settings.mode {
            Mode::Production => {}
            Mode::Development => {
                if let Some(profile) = welcome::host() {
                    running.services.persistence.do_send(Greet { profile });
                }
                welcome::say(&settings, &addresses);
            }
        }
        stop.await;
        let drained = drain::drain(running, &settings.server).await;
        serving.await.context("the server's task")?.context("the server")?;
        drained
    }
}

async fn open_pool(settings: &Arc<Settings>, metrics: &Metrics) -> anyhow::Result<Pool> {
    let (for_thread, metrics) = (Arc::clone(settings), metrics.clone());
    let open = move || -> anyhow::Result<Pool> {
        let settings = &for_thread.database;
        let mail = u32::try_from(for_thread.mail.concurrency).unwrap_or(u32::MAX).saturating_add(1);
        let events = u32::from(for_thread.rabbitmq.tells());
        let size = settings.read_connections.saturating_add(WRITERS + APART + events).saturating_add(mail);
        if settings.migrate_on_start {
            for name in bring_up_to_date(settings)? {
                log::info!("applied migration {name}");
            }
        }
        Pool::open_measured(settings, size, &metrics).context("the database cannot be opened")
    };
    tokio::task::spawn_blocking(open).await?
}

/// What only the deployment's instances know, made at the very first start.
async fn shared_secret(pool: &Pool, now: Timestamp) -> anyhow::Result<SharedSecret> {
    let pool = pool.clone();
    let obtain = move || pool.write(|connection| secrets::obtain(connection, secrets::DEPLOYMENT, now));
    tokio::task::spawn_blocking(obtain).await?.context("the deployment's secret cannot be read")
}

/// What was revoked before is in force before anybody can ask; answers up to which order that is.
async fn recall_orders(pool: &Pool, tokens: &Arc<Tokens>) -> anyhow::Result<Option<Kept>> {
    let (pool, tokens) = (pool.clone(), Arc::clone(tokens));
    let recall = move || warden::recall(&pool, &tokens);
    tokio::task::spawn_blocking(recall).await?.context("what was revoked cannot be read")
}

fn serve(
    settings: &Arc<Settings>,
    services: &Arc<Services>,
    wall: &Arc<dyn Clock>,
    secret: &SharedSecret,
    own_pages: Pages,
    health: Health,
    warden: Addr<Warden>,
) -> anyhow::Result<(Server, Vec<SocketAddr>)> {
    let (writing, mailing) = (web::Data::new(health.writing), web::Data::new(health.mailing));
    let broker = web::Data::new(health.broker);
    let warden = web::Data::new(warden);
    let office = TicketOffice::new(services.persistence.clone(), &settings.auth, &settings.limits);
    let authenticator = Authenticator::new(Arc::clone(&services.tokens), &settings.auth.cookie, office);
    let quotas = Limits::new(&listen::affordable(&settings.limits), &settings.server, &services.metrics);
    let gate = Gate::new(quotas.clone(), services.metrics.clone(), &settings.server)?;
    let socketio = socketio_door(settings, services, &authenticator, secret, quotas.clone());
    let quotas = web::Data::new(quotas);
    let sse = web::Data::new(SseDoor::new(settings.sse.clone()));
    let authenticator = web::Data::new(authenticator);
    let development = settings.mode == Mode::Development;
    let desk = web::Data::new(token_desk(settings, wall)?);
    let services = web::Data::from(Arc::clone(services));
    let persistence = web::Data::new(services.persistence.clone());
    let acquaintances = web::Data::new(Acquaintances::new(services.persistence.clone()));
    let reader = web::Data::new(services.reader.clone());
    let figures = web::Data::new(MetricsGate::new(&settings.metrics, settings.mode));
    let metrics = web::Data::new(services.metrics.clone());
    let limits = web::Data::new(settings.limits.clone());
    let origins = settings.server.cors_origin.clone();
    let allowed = web::Data::new(AllowedOrigins::new(origins.clone()));
    let request_timeout = Duration::from_millis(settings.server.request_timeout_ms);
    let body_limits =
        web::Data::new(BodyLimits { bytes: settings.limits.body_bytes, timeout: request_timeout });
    let document = serde_json::to_vec(&document(settings)?).context("the document cannot be written")?;
    let document = web::Data::new(Document::new(document));
    let Pages { links, address, recent } = own_pages;
    let (links, address, recent) = (web::Data::new(links), web::Data::new(address), web::Data::new(recent));
    let stats_turn = web::Data::new(StatsTurn::default());
    let application = move || {
        WebApp::new()
            .app_data(services.clone())
            .app_data(authenticator.clone())
            .app_data(persistence.clone())
            .app_data(acquaintances.clone())
            .app_data(reader.clone())
            .app_data(warden.clone())
            .app_data(metrics.clone())
            .app_data(figures.clone())
            .app_data(writing.clone())
            .app_data(mailing.clone())
            .app_data(broker.clone())
            .app_data(limits.clone())
            .app_data(quotas.clone())
            .app_data(allowed.clone())
            .app_data(body_limits.clone())
            .app_data(desk.clone())
            .app_data(document.clone())
            .app_data(stats_turn.clone())
            .app_data(links.clone())
            .app_data(address.clone())
            .app_data(recent.clone())
            .app_data(socketio.clone())
            .app_data(sse.clone())
            // Within CORS: a page is to read why it was refused.
            .wrap(from_fn(|request, next| Box::pin(limits::admit(request, next))))
            .wrap(cors(&origins))
            .wrap(from_fn(|request, next| Box::pin(request::surround(request, next))))
            .configure(entrance::configure)
            .configure(|config| routes::configure(config, development))
            .configure(|config| pages::configure(config, development))
            .default_service(web::to(route::unknown))
    };
    gate.run(&settings.server, application)
}

/// The door for Socket.IO clients, whose connections are known on every worker.
fn socketio_door(
    settings: &Settings,
    services: &Arc<Services>,
    authenticator: &Authenticator,
    secret: &SharedSecret,
    quotas: Limits,
) -> web::Data<Door<Bellhop>> {
    let recovery = RecoveryIds::new(secret.reveal());
    let host = Host::new(Arc::clone(services), authenticator.clone(), recovery, &settings.socketio, quotas);
    let guests = Guests {
        reception: Arc::new(host),
        connect_timeout: Duration::from_millis(settings.socketio.connect_timeout_ms),
        event_bytes: settings.socketio.max_payload_bytes,
    };
    let registry = Registry::new(settings.limits.sessions);
    let body_timeout = Duration::from_millis(settings.server.request_timeout_ms);
    let session = settings.session.clone();
    let sids = Sids::new(&settings.server.instance);
    web::Data::new(Door::new(guests, sids, settings.socketio.clone(), session, body_timeout, registry))
}

/// In development mode with a secret, tokens are handed out.
fn token_desk(settings: &Settings, wall: &Arc<dyn Clock>) -> anyhow::Result<Option<TokenDesk>> {
    if settings.mode != Mode::Development || settings.auth.jwt_secret.is_empty() {
        return Ok(None);
    }
    let minter = Minter::new(&settings.auth)?;
    let lifetime = settings.auth.jwt_expires_in.duration();
    Ok(Some(TokenDesk { minter, lifetime, wall: Arc::clone(wall) }))
}
