//! `/notifications`: publishing for services, and everybody's own inbox: count, list, mark-read.

use std::sync::Arc;

use actix::Addr;
use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::idempotency;
use crate::actors::persistence::{MarkRead, Notify, NotifyRole, Pass, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::config::LimitSettings;
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX, check_type};
use crate::domain::{
    Category, Channel, Content, Draft, IdGenerator, Invalid, NotificationId, Priority, Role, Room, Selection,
    UserId,
};
use crate::http::{Caller, JsonBody, Problem};
use crate::protocol::events::SelectionBody;
use crate::protocol::json::Envelope;
use crate::storage::idempotency::IdempotencyClaim;
use crate::storage::notifications::{Filter, Position, page};
use crate::storage::{StorageError, inboxes};

/// Items of a page when none are asked for, and the most.
const LIMIT_DEFAULT: i64 = 20;
const LIMIT_MAX: i64 = 100;
/// How deep `page` goes; further back, `cursor` costs nothing.
const PAGE_DEPTH_MAX: i64 = 10_000;

/// What a service sends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublishRequest {
    #[serde(rename = "type")]
    kind: String,
    category: Option<String>,
    #[serde(default)]
    priority: Priority,
    title: Option<String>,
    #[serde(default)]
    message: String,
    actor_id: Option<String>,
    actor_name: Option<String>,
    actor_avatar: Option<String>,
    data: Option<Box<RawValue>>,
    user_id: Option<String>,
    user_ids: Option<Vec<String>>,
    role: Option<String>,
    room: Option<String>,
    /// Pushed to whoever is there now, kept for nobody.
    #[serde(default)]
    passing: bool,
}

/// Whom a notification is for.
enum Target {
    Users(Vec<UserId>),
    Role(Role),
    Room(Room),
}

impl PublishRequest {
    fn target(&self, most: usize) -> Result<Target, Problem> {
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

    fn draft(self, ids: &dyn IdGenerator) -> Result<Draft, Problem> {
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
fn role_named(name: &str) -> Result<Role, Problem> {
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
    Ok(Draft { id, user, kind: kind.to_owned(), category, booking: None, content })
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

/// `POST /notifications`: stored for users or a role (201), or passing by a room (202).
pub(super) async fn publish(
    request: HttpRequest,
    caller: Caller,
    body: JsonBody<PublishRequest>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
    limits: web::Data<LimitSettings>,
) -> Result<HttpResponse, Problem> {
    if !caller.0.may_publish() {
        return Err(Problem::forbidden("only services and administrators publish"));
    }
    let claim = idempotency::claim(&request, &caller.0.user, &body.bytes)?;
    let passing = body.value.passing;
    let target = body.value.target(limits.recipients_per_request)?;
    let draft = body.value.draft(&*services.ids)?;
    match target {
        target if passing => pass(&persistence, target, &draft, claim).await,
        Target::Users(users) => notify(&persistence, &*services.ids, users, &draft, claim).await,
        Target::Role(role) => notify_role(&persistence, &role, draft, claim).await,
        Target::Room(_) => Err(Problem::unprocessable(
            "invalid_target",
            "a room that is nobody's inbox takes passing notifications only: set passing",
        )
        .of_field("room")),
    }
}

/// Pushed to whoever is there now; nothing is stored, so nothing could tell a repeat.
async fn pass(
    persistence: &Addr<Persistence>,
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
        let message = Pass { room, draft: draft.clone() };
        persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    }
    Ok(HttpResponse::Accepted().json(json!({ "passing": true })))
}

/// Stored in each user's inbox, for all of them or for none.
async fn notify(
    persistence: &Addr<Persistence>,
    ids: &dyn IdGenerator,
    users: Vec<UserId>,
    draft: &Draft,
    claim: Option<IdempotencyClaim>,
) -> Result<HttpResponse, Problem> {
    let drafts = users.into_iter().map(|user| {
        let id = NotificationId::from_uuid(ids.next());
        Draft { id, user, ..draft.clone() }
    });
    let message = Notify { drafts: drafts.collect(), claim };
    let acceptance = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Created().json(json!({ "notifications": acceptance.notifications })))
}

/// Stored for everybody who holds the role, in several transactions: there is no one answer to keep.
async fn notify_role(
    persistence: &Addr<Persistence>,
    role: &Role,
    draft: Draft,
    claim: Option<IdempotencyClaim>,
) -> Result<HttpResponse, Problem> {
    idempotency::none(claim.as_ref(), "not for a role: name the users")?;
    let message = NotifyRole { role: role.as_str().to_owned(), draft };
    let count = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Created().json(json!({ "count": count })))
}

/// `GET /notifications/count`: `{unread, total, seq}` with an `ETag`, so that polling costs nothing.
pub(super) async fn count(
    request: HttpRequest,
    caller: Caller,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    let state = reader.run(move |connection| inboxes::state(connection, &user)).await?;
    let tag = format!("\"{}-{}\"", state.last_seq, state.unread);
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|tags| tags.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/") == tag
    });
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "private, no-cache"));
    Ok(if known {
        response.finish()
    } else {
        response.json(json!({ "unread": state.unread, "total": state.last_seq, "seq": state.last_seq }))
    })
}

/// The query of a list.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<i64>,
    cursor: Option<String>,
    page: Option<i64>,
    since: Option<i64>,
    #[serde(default)]
    unread: bool,
    category: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl ListQuery {
    fn parse(query: &str) -> Result<Self, Problem> {
        serde_urlencoded::from_str(query)
            .map_err(|error| Problem::bad_request("invalid_query", error.to_string()))
    }

    /// The position, the number of items, and how many to skip.
    fn window(&self) -> Result<(Position, i64, i64), Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(invalid("limit", &format!("must be 1 to {LIMIT_MAX}")));
        }
        let position = match (&self.cursor, self.since, self.page) {
            (None, None, None) => Position::Before(i64::MAX),
            (Some(cursor), None, None) => Position::Before(
                cursor.parse().map_err(|_| invalid("cursor", "must be a nextCursor of an earlier answer"))?,
            ),
            (None, Some(since), None) if since >= 0 => Position::After(since),
            (None, Some(_), None) => return Err(invalid("since", "must not be negative")),
            (None, None, Some(page)) => {
                let deepest = PAGE_DEPTH_MAX / limit;
                if !(1..=deepest).contains(&page) {
                    return Err(invalid(
                        "page",
                        &format!("must be 1 to {deepest}: further back, use cursor"),
                    ));
                }
                return Ok((Position::Before(i64::MAX), limit, (page - 1) * limit));
            }
            _ => return Err(invalid("cursor", "only one of cursor, since and page")),
        };
        Ok((position, limit, 0))
    }

    /// What no notification can have is refused before the database is asked.
    fn filter(self) -> Result<Filter, Problem> {
        let of_query = |refused: Invalid| invalid(refused.field, &refused.reason);
        self.category.as_deref().map(Category::parse).transpose().map_err(of_query)?;
        self.kind.as_deref().map(check_type).transpose().map_err(of_query)?;
        Ok(Filter { unread: self.unread, category: self.category, kind: self.kind })
    }
}

fn invalid(field: &'static str, reason: &str) -> Problem {
    Problem::bad_request("invalid_query", format!("{field} {reason}")).of_field(field)
}

/// A page, written as it is: a `Value` in between would change the numbers and the order of `data`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    items: Vec<Envelope<'a>>,
    next_cursor: Option<String>,
}

/// `GET /notifications` and `/notifications/list`: newest first; with `since`, what came after it,
/// oldest first.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let query = ListQuery::parse(request.query_string())?;
    let (position, limit, skip) = query.window()?;
    let filter = query.filter()?;
    let user = caller.0.user;
    let body = reader
        .run(move |connection| {
            // One more than asked for tells whether there is a next page.
            let mut found = page(connection, &user, &filter, position, limit + 1, skip)?;
            let more = i64::try_from(found.len()).is_ok_and(|found| found > limit);
            if more {
                found.pop();
            }
            let next_cursor = found.last().filter(|_| more).map(|last| last.seq.to_string());
            let items: Vec<Envelope<'_>> = found.iter().map(Envelope::from).collect();
            serde_json::to_string(&Page { items, next_cursor })
                .map_err(|error| StorageError::Corrupt(error.to_string()))
        })
        .await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// `POST /notifications/mark-read`: answers the new count; every device hears of it.
pub(super) async fn mark_read(
    caller: Caller,
    body: JsonBody<SelectionBody>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let selection = Selection::try_from(body.value)?;
    let message = MarkRead { device: Arc::new(caller.0.into_device(Channel::Rest)), selection, asker: None };
    let read = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(read))
}
