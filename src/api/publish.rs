//! `/notifications`: publishing, for services and administrators.

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::idempotency;
use super::openapi::{params, shapes};
use crate::actors::persistence::{Notify, NotifyRole, PORTION, Pass, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::config::LimitSettings;
use crate::domain::{AdminAction, Draft, IdGenerator, Role, UserId};
use crate::http::limits::Bill;
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Caller, JsonBody, Problem, request};
use crate::requests::{PublishRequest, Target, drafts_for};
use crate::storage::idempotency::IdempotencyClaim;
use crate::storage::recipients::count_with_role;

refusals!(PublishRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::BODY, codes::FIELD,
    codes::TARGET, codes::IDEMPOTENCY, codes::NO_IDEMPOTENCY, codes::STORED);

/// `POST /notifications`: stored for users or a role (201), or passing by a room (202).
#[utoipa::path(
    post, path = "/notifications", operation_id = "publish", tag = "notifications",
    summary = "Notify",
    description = "For services and administrators: a notification of any type for users, a role or a room. It is \
        kept in the inboxes of users and of those who hold the role; what is passing, or for another room, is \
        pushed to whoever is there and kept for nobody. It counts for as many requests as it tells users, and again \
        for every 4 KiB that it says. An Idempotency-Key is taken for named users alone.",
    params(params::IdempotencyKey),
    request_body = shapes::Publication,
    responses(
        (status = 201, description = "Kept: where, by user, or for how many who hold the role",
            body = shapes::Published),
        (status = 202, description = "Pushed to whoever is there", body = shapes::Passed),
        PublishRefusals,
    ),
)]
pub(super) async fn publish(
    request: HttpRequest,
    caller: Caller,
    body: JsonBody<PublishRequest>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
    limits: web::Data<LimitSettings>,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    if !caller.0.may_publish() {
        return Err(Problem::forbidden("only services and administrators publish"));
    }
    let claim = idempotency::claim(&request, &caller.0.user, &body.bytes)?;
    let passing = body.value.passing;
    let target = body.value.target(limits.recipients_per_request)?;
    let draft = body.value.draft(&*services.ids, request::current())?;
    let mut bill = Bill::new(&request, &caller.0);
    charge(&mut bill, &target, &draft, passing, &reader).await?;
    if let Some(administrator) = Administrator::of(&caller.0, &services) {
        let (whom, count) = target.as_noted();
        let detail = json!({ "type": draft.kind, "passing": passing, "users": count });
        administrator.record(AdminAction::Publish, whom.as_deref(), Some(&detail)).await?;
    }
    let by = caller.0.user.clone();
    let answer = match target {
        target if passing => pass(&persistence, by, target, &draft, claim).await,
        Target::Users(users) => notify(&persistence, by, &*services.ids, users, &draft, claim).await,
        Target::Role(role) => notify_role(&persistence, by, &role, draft, claim).await,
        Target::Room(_) => Err(Target::no_inbox().into()),
    };
    if answer.is_err() {
        // What was not done is not paid for, except the asking.
        bill.refund();
    }
    answer
}

/// Charges for everybody who will have it, before anything is queued.
async fn charge(
    bill: &mut Bill<'_>,
    target: &Target,
    draft: &Draft,
    passing: bool,
    reader: &Reader,
) -> Result<(), Problem> {
    let each = draft.content.rows();
    let count = match target {
        Target::Users(users) => users.len(),
        Target::Role(role) if !passing => match bill.most() {
            Some(most) => {
                // Counting them has its price, which a flood of what will be refused pays as well.
                bill.amount_to(PORTION.min(usize::try_from(most / 4).unwrap_or(usize::MAX)))?;
                let (role, most) = (role.as_str().to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
                reader.run(move |connection| count_with_role(connection, &role, most)).await?
            }
            None => return Ok(()),
        },
        Target::Role(_) | Target::Room(_) => 1,
    };
    bill.amount_to(count.saturating_mul(each))
}

/// Pushed to whoever is there now; nothing is stored, so nothing could tell a repeat.
async fn pass(
    persistence: &Addr<Persistence>,
    by: UserId,
    target: Target,
    draft: &Draft,
    claim: Option<IdempotencyClaim>,
) -> Result<HttpResponse, Problem> {
    idempotency::none(claim.as_ref(), "not for what is passing: nothing of it is kept")?;
    for room in target.rooms() {
        let message = Pass { by: by.clone(), room, draft: draft.clone() };
        persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    }
    Ok(HttpResponse::Accepted().json(json!({ "passing": true })))
}

/// Stored in each user's inbox, for all of them or for none.
async fn notify(
    persistence: &Addr<Persistence>,
    by: UserId,
    ids: &dyn IdGenerator,
    users: Vec<UserId>,
    draft: &Draft,
    claim: Option<IdempotencyClaim>,
) -> Result<HttpResponse, Problem> {
    let message = Notify { by, drafts: drafts_for(users, draft, ids), claim };
    let acceptance = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Created().json(json!({ "notifications": acceptance.notifications })))
}

/// Stored for everybody who holds the role, in several transactions: there is no one answer to keep.
async fn notify_role(
    persistence: &Addr<Persistence>,
    by: UserId,
    role: &Role,
    draft: Draft,
    claim: Option<IdempotencyClaim>,
) -> Result<HttpResponse, Problem> {
    idempotency::none(claim.as_ref(), "not for a role: name the users")?;
    let message = NotifyRole { by, role: role.as_str().to_owned(), draft };
    let count = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Created().json(json!({ "count": count })))
}
