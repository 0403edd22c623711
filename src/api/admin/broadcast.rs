//! `/admin/notifications/broadcast`: one notification for everybody, or for all who hold a role; kept and worked off,
//! or pushed to whoever is there. `/admin/notifications/broadcasts/{id}` says how far it has come.

use actix::Addr;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::actors::persistence::{AcceptBroadcast, Announce, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::api::idempotency;
use crate::api::openapi::{administration, params};
use crate::domain::{AdminAction, Broadcast, Draft, Role, Timestamp};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, JsonBody, Problem, request};
use crate::requests::PublishRequest;
use crate::storage::broadcasts::{self, Progress};

/// What goes to everybody says so; the rest of the body is that of `POST /notifications`.
#[derive(Debug, Deserialize)]
struct Everybody {
    #[serde(default)]
    all: bool,
}

/// What the audit calls everybody.
const EVERYBODY: &str = "everybody";

refusals!(BroadcastRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::BODY, codes::FIELD,
    codes::AUDIENCE, codes::IDEMPOTENCY, codes::NO_IDEMPOTENCY, codes::STORED);
refusals!(ProgressRefusals: codes::TOKEN, codes::FORBIDDEN, codes::ID, codes::NOT_FOUND, codes::STORED);

/// `POST /admin/notifications/broadcast`: 202 when it is durable, or was pushed.
#[utoipa::path(
    post, path = "/admin/notifications/broadcast", operation_id = "broadcast", tag = "administration",
    summary = "Notify everybody, or all who hold a role",
    description = "For administrators. It is kept when this is answered, and then put into the inbox of everybody \
        who is known, or holds the role, some hundreds at a time; where to look how far it has come is in `Location`. \
        What is passing is pushed to whoever is connected and kept for nobody.",
    params(params::IdempotencyKey),
    request_body = administration::BroadcastBody,
    responses(
        (status = 202, description = "It is durable, or was pushed", body = administration::Broadcasting,
            headers(("Location" = String, description = "Where its progress is, of what is kept"))),
        BroadcastRefusals,
    ),
)]
pub(in crate::api) async fn send(
    administrator: Administrator,
    request: HttpRequest,
    body: JsonBody<PublishRequest>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let claim = idempotency::claim(&request, &administrator.identity.user, &body.bytes)?;
    let Everybody { all } = serde_json::from_slice(&body.bytes)
        .map_err(|_| Problem::unprocessable("invalid_body", "all must be true or false").of_field("all"))?;
    let (role, passing) = (body.value.audience(all)?, body.value.passing);
    let draft = body.value.draft(&*services.ids, request::current())?;
    let target = role.as_ref().map_or(EVERYBODY, Role::as_str);
    if passing {
        idempotency::none(claim.as_ref(), "not for what is passing: nothing of it is kept")?;
        let detail = json!({ "type": draft.kind, "passing": true });
        administrator.record(AdminAction::Broadcast, Some(target), Some(&detail)).await?;
        let announced =
            persistence.send(Announce { by: administrator.identity.user.clone(), role, draft }).await;
        announced.unwrap_or(Err(WriteError::Overloaded))?;
        return Ok(HttpResponse::Accepted().json(json!({ "passing": true })));
    }
    let id = services.ids.next();
    let detail = json!({ "type": draft.kind, "passing": false, "id": id });
    let deed = administrator.entry(AdminAction::Broadcast, Some(target), Some(&detail));
    let broadcast = broadcast_of(draft, id, role, &administrator, &services);
    let kept = persistence.send(AcceptBroadcast { broadcast, claim, deed: Some(deed) }).await;
    let id = kept.unwrap_or(Err(WriteError::Overloaded))?;
    let location = format!("/admin/notifications/broadcasts/{id}");
    Ok(HttpResponse::Accepted().insert_header((LOCATION, location)).json(json!({ "id": id })))
}

fn broadcast_of(
    draft: Draft,
    id: Uuid,
    role: Option<Role>,
    administrator: &Administrator,
    services: &Services,
) -> Broadcast {
    let Draft { kind, category, content, request, .. } = draft;
    let (actor, created_at) = (administrator.identity.user.clone(), services.clock.now());
    Broadcast { id, role, kind, category, content, actor, request, created_at }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    id: Uuid,
    state: &'static str,
    /// None for everybody.
    role: Option<&'a Role>,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    title: &'a str,
    actor: &'a str,
    told: i64,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl<'a> From<&'a Progress> for Answer<'a> {
    fn from(progress: &'a Progress) -> Self {
        let Progress { broadcast, told, finished_at, .. } = progress;
        Self {
            id: broadcast.id,
            state: if finished_at.is_some() { "finished" } else { "pending" },
            role: broadcast.role.as_ref(),
            kind: &broadcast.kind,
            category: broadcast.category.as_str(),
            title: &broadcast.content.title,
            actor: broadcast.actor.as_str(),
            told: *told,
            created_at: broadcast.created_at,
            finished_at: *finished_at,
        }
    }
}

/// `GET /admin/notifications/broadcasts/{id}`: an administrator's.
#[utoipa::path(
    get, path = "/admin/notifications/broadcasts/{id}", operation_id = "readBroadcast", tag = "administration",
    summary = "Look how far a broadcast has come",
    params(params::BroadcastId),
    responses((status = 200, description = "How it stands", body = administration::Broadcast), ProgressRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    id: web::Path<String>,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let id = Uuid::parse_str(&id)
        .map_err(|_| Problem::bad_request("invalid_id", "id must be a UUID").of_field("id"))?;
    administrator.record(AdminAction::ReadBroadcast, Some(&id.to_string()), None).await?;
    let progress = reader.run(move |connection| broadcasts::find(connection, id)).await?;
    let progress = progress.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(Answer::from(&progress)))
}
