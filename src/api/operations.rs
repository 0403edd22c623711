//! `/health`, `/ready`, `/metrics`: what operators and balancers ask.

use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::openapi::shapes;
use crate::actors::email::MailHealth;
use crate::actors::hub::Measure;
use crate::actors::persistence::WriteHealth;
use crate::actors::reader::{Reader, is_crowded};
use crate::actors::session::Services;
use crate::bus::State;
use crate::config::{LimitSettings, MetricsSettings, Mode, Secret};
use crate::http::Problem;
use crate::http::openapi::{codes, refusals};
use crate::storage::deliveries;
use crate::telemetry::{BrokerHealth, Metrics};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many overdue deliveries mean that mail is not keeping up.
const OVERDUE_MAX: i64 = 1_000;
/// A delivery is late when nobody has looked at it for so long after its time.
const OVERDUE_GRACE: Duration = Duration::from_mins(1);

refusals!(ReadyRefusals: codes::DRAINING, codes::DATABASE);

/// The process is alive; says nothing of what it depends on.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "operations", security(()),
    summary = "Ask whether the process is alive",
    description = "Says nothing of what it depends on.",
    responses((status = 200, description = "It is", body = shapes::Health)),
)]
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Whether new connections and requests should come here: 200 while they should, and which part is
/// degraded; 503 without a database and while the server is stopping.
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = "operations", security(()),
    summary = "Ask whether to send requests here",
    description = "200 while requests should come, even if a part is degraded; 503 without a database and while the \
        server is stopping.",
    responses((status = 200, description = "They should", body = shapes::Readiness), ReadyRefusals),
)]
pub(super) async fn ready(
    services: web::Data<Services>,
    reader: web::Data<Reader>,
    writing: web::Data<WriteHealth>,
    mailing: web::Data<MailHealth>,
    broker: web::Data<BrokerHealth>,
    limits: web::Data<LimitSettings>,
) -> Result<HttpResponse, Problem> {
    if services.is_draining() {
        return Err(Problem::unavailable("draining", "the server is stopping"));
    }
    let late = services.clock.now().minus(OVERDUE_GRACE);
    let look = reader.run(move |connection| deliveries::count_overdue(connection, late, OVERDUE_MAX));
    let Ok(Ok(overdue)) = tokio::time::timeout(PATIENCE, look).await else {
        return Err(Problem::unavailable("database_unavailable", "the database is not available"));
    };
    let metrics = &services.metrics;
    let figure = |value: i64| usize::try_from(value).unwrap_or_default();
    let depth_of = |queue| figure(metrics.queue_items(queue).get());
    let (write, clerical) = (depth_of("write"), depth_of("clerical"));
    let measured = tokio::time::timeout(PATIENCE, services.hub.send(Measure)).await;
    let state = |degraded: bool| if degraded { "degraded" } else { "ok" };
    // Readable and not writable, a full disk for example: requests must go on coming for that to show.
    let database = writing.is_failing();
    let mail = overdue > 0 || mailing.is_failing();
    let is_full = |depth| is_crowded(depth, limits.write_queue);
    let queues = is_full(write) || is_full(clerical) || reader.is_crowded();
    let hub = !matches!(measured, Ok(Ok(_)));
    let bus = services.bus.state() == State::Parted;
    let audit = metrics.notifications_lost().get() > 0;
    let rabbitmq = broker.is_reached().map(|reached| !reached);
    let registry = measured.ok().and_then(Result::ok).unwrap_or_default().bytes;
    let mut parts = json!({
        "database": state(database), "mail": state(mail), "queues": state(queues), "hub": state(hub),
        "bus": state(bus), "audit": state(audit),
    });
    if let (Some(rabbitmq), Some(parts)) = (rabbitmq, parts.as_object_mut()) {
        parts.insert("rabbitmq".to_owned(), state(rabbitmq).into());
    }
    Ok(HttpResponse::Ok().json(json!({
        "status": state(database || mail || queues || hub || bus || audit || rabbitmq == Some(true)),
        "parts": parts,
        "overdueMails": overdue,
        "waiting": {
            "write": write, "clerical": clerical, "read": reader.waiting(), "mail": depth_of("mail"),
            "confirmations": services.unreported(),
        },
        "memory": {
            "resident": figure(metrics.process_memory().get()),
            "presence": registry + figure(metrics.presence_bytes("sessions").get()),
        },
    })))
}

/// Who may read the figures: whoever has the token, or everybody where there is none in development.
#[derive(Debug)]
pub struct MetricsGate {
    token: Secret,
    development: bool,
}

impl MetricsGate {
    pub fn new(settings: &MetricsSettings, mode: Mode) -> Self {
        Self { token: settings.token.clone(), development: mode == Mode::Development }
    }

    fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        if self.token.is_empty() {
            // Figures tell how a business goes: without a decision they are nobody's.
            return if self.development { Ok(()) } else { Err(Problem::not_found()) };
        }
        let header = request.headers().get(AUTHORIZATION);
        let Some(header) = header else {
            return Err(Problem::unauthorized("token_missing", "the figures' token is needed"));
        };
        // By their digests, so that the time it takes tells nothing of the token.
        let shown = header.as_bytes().strip_prefix(b"Bearer ").map(Sha256::digest);
        if shown == Some(Sha256::digest(self.token.reveal().as_bytes())) {
            return Ok(());
        }
        Err(Problem::unauthorized("token_signature", "this is not the figures' token"))
    }
}

/// All figures in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "operations", security(()),
    summary = "Read the figures",
    description = "In Prometheus' text format. Where metrics.token is configured, for whoever shows it as a bearer \
        token, and 401 for others; without it there is no such path in production.",
    // Whom they are refused, and whether they want a token, depends on the configuration: `app` says it.
    responses((status = 200, description = "The figures", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(
    request: HttpRequest,
    gate: web::Data<MetricsGate>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    gate.check(&request)?;
    Ok(HttpResponse::Ok().insert_header(ContentType::plaintext()).body(metrics.render()))
}
