//! `/health`, `/ready`, `/metrics`: what operators and balancers ask.

use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::openapi::shapes;
use crate::actors::email::MailHealth;
use crate::actors::persistence::WriteHealth;
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::http::Problem;
use crate::http::openapi::{codes, refusals};
use crate::storage::deliveries;
use crate::telemetry::Metrics;

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
) -> Result<HttpResponse, Problem> {
    if services.is_draining() {
        return Err(Problem::unavailable("draining", "the server is stopping"));
    }
    let late = services.clock.now().minus(OVERDUE_GRACE);
    let look = reader.run(move |connection| deliveries::count_overdue(connection, late, OVERDUE_MAX));
    let Ok(Ok(overdue)) = tokio::time::timeout(PATIENCE, look).await else {
        return Err(Problem::unavailable("database_unavailable", "the database is not available"));
    };
    let state = |degraded: bool| if degraded { "degraded" } else { "ok" };
    // Readable and not writable, a full disk for example: requests must go on coming for that to show.
    let (database, mail) = (writing.is_failing(), overdue > 0 || mailing.is_failing());
    Ok(HttpResponse::Ok().json(json!({
        "status": state(database || mail),
        "parts": { "database": state(database), "mail": state(mail) },
        "overdueMails": overdue,
    })))
}

/// All figures in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "operations", security(()),
    summary = "Read the figures",
    description = "In Prometheus' text format.",
    responses((status = 200, description = "The figures", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::plaintext()).body(metrics.render())
}
