//! `/notifications`: publishing, for services and administrators.

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::idempotency;
use super::openapi::{params, shapes, values};
use crate::actors::persistence::{Notify, NotifyRole, PORTION, Pass, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::config::LimitSettings;
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX, check_type};
use crate::domain::{
    AdminAction, Category, Content, Draft, IdGenerator, Invalid, NotificationId, Priority, Role, Room, UserId,
};
use crate::http::limits::Bill;
use crate::http::openapi::shapes::boolean;
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Caller, JsonBody, Problem, request};
use crate::storage::idempotency::IdempotencyClaim;
use crate::storage::recipients::count_with_role;

/// What a service sends. Whom it is for is said by exactly one of `userId`, `userIds`, `role` and `room`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublishRequest {
    #[serde(rename = "type")]
    #[schema(schema_with = values::chosen_kind)]
    kind: String,
    #[schema(schema_with = values::optional_category)]
    category: Option<String>,
    #[serde(default)]
    #[schema(schema_with = values::priority)]
    priority: Priority,
    #[schema(schema_with = values::optional_title)]
    title: Option<String>,
    #[serde(default)]
    #[schema(schema_with = values::message)]
    message: String,
    #[schema(schema_with = values::optional_actor_text)]
    actor_id: Option<String>,
    #[schema(schema_with = values::optional_actor_text)]
    actor_name: Option<String>,
    #[schema(schema_with = values::optional_actor_text)]
    actor_avatar: Option<String>,
    #[schema(schema_with = values::anything)]
    data: Option<Box<RawValue>>,
    #[schema(schema_with = values::optional_user_id)]
    user_id: Option<String>,
    #[schema(schema_with = values::optional_user_ids)]
    user_ids: Option<Vec<String>>,
    #[schema(schema_with = values::optional_role)]
    role: Option<String>,
    #[schema(schema_with = values::optional_room)]
    room: Option<String>,
    /// Not served: who says it must not be taken for somebody who said nothing.
    #[schema(ignore)]
    near: Option<IgnoredAny>,
    /// Pushed to whoever is there now, kept for nobody.
    #[serde(default)]
    #[schema(schema_with = boolean)]
    pub(super) passing: bool,
}

/// Whom a notification is for.
enum Target {
    Users(Vec<UserId>),
    Role(Role),
    Room(Room),
}

impl Target {
    /// Whom the audit names, and how many users where they are named.
    fn as_noted(&self) -> (Option<String>, Option<usize>) {
        match self {
            Self::Users(users) => match users.as_slice() {
                [one] => (Some(one.to_string()), Some(1)),
                several => (None, Some(several.len())),
            },
            Self::Role(role) => (Some(role.to_string()), None),
            Self::Room(room) => (Some(room.to_string()), None),
        }
    }
}

impl PublishRequest {
    fn target(&self, most: usize) -> Result<Target, Problem> {
        if self.near.is_some() {
            return Err(one_target());
        }
        match (&self.user_id, &self.user_ids, &self.role, &self.room) {
            (Some(user), None, None, None) => Ok(Target::Users(vec![UserId::parse("userId", user)?])),
            (None, Some(users), None, None) => {
                if users.is_empty() || users.len() > most {
                    return Err(Invalid::new("userIds", format!("must name 1 to {most} users")).into());
                }
                let mut users: Vec<UserId> =
                    users.iter().map(|id| UserId::parse("userIds", id)).collect::<Result<_, _>>()?;
                users.sort();
                users.dedup();
                Ok(Target::Users(users))
            }
            (None, None, Some(role), None) => role_named(role).map(Target::Role),
            (None, None, None, Some(room)) => Ok(match Room::parse(room)? {
                Room::User(user) => Target::Users(vec![user]),
                Room::Role(role) => Target::Role(role),
                other => Target::Room(other),
            }),
            _ => Err(one_target()),
        }
    }

    /// Whom a broadcast is for: exactly one of a role and everybody, which is none.
    pub(super) fn audience(&self, all: bool) -> Result<Option<Role>, Problem> {
        let names_others =
            self.user_id.is_some() || self.user_ids.is_some() || self.room.is_some() || self.near.is_some();
        match &self.role {
            Some(role) if !all && !names_others => role_named(role).map(Some),
            None if all && !names_others => Ok(None),
            _ => Err(Problem::unprocessable("invalid_target", "exactly one of role and all is needed")),
        }
    }

    pub(super) fn draft(self, ids: &dyn IdGenerator) -> Result<Draft, Problem> {
        let category = match &self.category {
            Some(category) => Category::parse(category)?,
            None => Category::of_type(&self.kind),
        };
        let content = Content {
            priority: self.priority,
            title: self.title.unwrap_or_else(|| self.kind.clone()),
            message: self.message,
            actor_id: self.actor_id,
            actor_name: self.actor_name,
            actor_avatar: self.actor_avatar,
            data: self.data,
        };
        // Whom it is for is set where it is multiplied.
        let nobody = UserId::from_stored(String::new());
        draft_of(ids, nobody, &self.kind, category, content)
    }
}

/// A role's name follows the same rules here as in the name of its room.
pub(super) fn role_named(name: &str) -> Result<Role, Problem> {
    match Room::parse(&format!("role:{name}")) {
        Ok(Room::Role(role)) => Ok(role),
        _ => Err(Invalid::new("role", "must be a role's name without white space").into()),
    }
}

fn one_target() -> Problem {
    Problem::unprocessable("invalid_target", "exactly one of userId, userIds, role or room is needed")
}

/// A checked draft.
pub(super) fn draft_of(
    ids: &dyn IdGenerator,
    user: UserId,
    kind: &str,
    category: Category,
    content: Content,
) -> Result<Draft, Problem> {
    check_type(kind)?;
    at_most("title", Some(&content.title), TITLE_MAX)?;
    at_most("message", Some(&content.message), MESSAGE_MAX)?;
    at_most("actorId", content.actor_id.as_deref(), ACTOR_TEXT_MAX)?;
    at_most("actorName", content.actor_name.as_deref(), ACTOR_TEXT_MAX)?;
    at_most("actorAvatar", content.actor_avatar.as_deref(), ACTOR_TEXT_MAX)?;
    readable("data", content.data.as_deref())?;
    let id = NotificationId::from_uuid(ids.next());
    Ok(Draft {
        id,
        user,
        kind: kind.to_owned(),
        category,
        booking: None,
        request: request::current(),
        content,
    })
}

/// PostgreSQL's text cannot hold a NUL, so no text of ours does.
fn at_most(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Invalid> {
    let text = text.unwrap_or_default();
    if text.chars().count() > most {
        return Err(Invalid::new(field, format!("must have at most {most} characters")));
    }
    if text.contains('\0') {
        return Err(Invalid::new(field, "must not contain a NUL character"));
    }
    Ok(())
}

/// JSON that is passed on unread may be well formed and yet be more than a client's reader takes: nested
/// without end, a number beyond any float, half of a surrogate pair. One such value would cost its
/// recipient the whole list.
fn readable(field: &'static str, json: Option<&RawValue>) -> Result<(), Invalid> {
    match json.map(|json| serde_json::from_str::<serde_json::Value>(json.get())) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => {
            Err(Invalid::new(field, "must not be nested too deep, nor hold odd numbers or broken text"))
        }
    }
}

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
    let draft = body.value.draft(&*services.ids)?;
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
        Target::Room(_) => Err(Problem::unprocessable(
            "invalid_target",
            "a room that is nobody's inbox takes passing notifications only: set passing",
        )
        .of_field("room")),
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
    let rooms = match target {
        Target::Users(users) => users.into_iter().map(Room::User).collect(),
        Target::Role(role) => vec![Room::Role(role)],
        Target::Room(room) => vec![room],
    };
    for room in rooms {
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
    let drafts = users.into_iter().map(|user| {
        let id = NotificationId::from_uuid(ids.next());
        Draft { id, user, ..draft.clone() }
    });
    let message = Notify { by, drafts: drafts.collect(), claim };
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
