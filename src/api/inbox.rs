//! Everybody's own inbox under `/notifications`: count, list, one by its id, mark-read, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::tag::{self, Tagged};
use crate::actors::persistence::{Delete, MarkRead, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::domain::notification::check_type;
use crate::domain::{Category, Channel, InboxState, Invalid, NotificationId, Selection};
use crate::http::etag::Known;
use crate::http::{Caller, JsonBody, Problem};
use crate::protocol::events::SelectionBody;
use crate::protocol::json::Envelope;
use crate::storage::notifications::{Filter, Position, find_own, page};
use crate::storage::{StorageError, categories, inboxes};

/// Items of a page when none are asked for, and the most.
pub(super) const LIMIT_DEFAULT: i64 = 20;
pub(super) const LIMIT_MAX: i64 = 100;
/// How deep `page` goes; further back, `cursor` costs nothing.
pub(super) const PAGE_DEPTH_MAX: i64 = 10_000;

/// What `GET /notifications/count` answers.
#[derive(Debug, Serialize)]
struct Count {
    unread: i64,
    /// How many are kept; `seq` says how many there ever were.
    total: i64,
    seq: i64,
    categories: BTreeMap<String, CountOf>,
}

#[derive(Debug, Serialize)]
struct CountOf {
    unread: i64,
    total: i64,
}

/// `GET /notifications/count`: how many are unread and how many there are, in all and by category, with an
/// `ETag`, so that polling costs next to nothing.
pub(super) async fn count(
    request: HttpRequest,
    caller: Caller,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    let known = Known::of(&request);
    let answer = reader
        .run(move |connection| {
            let standing = inboxes::standing(connection, &user)?.unwrap_or_default();
            let tag = tag::of(&user, standing);
            if known.has(&tag) {
                return Ok(Tagged { tag, body: None });
            }
            let categories = categories::of(connection, &user)?.into_iter();
            let categories = categories
                .map(|one| (one.category, CountOf { unread: one.unread, total: one.total }))
                .collect();
            let InboxState { last_seq, unread } = standing.inbox;
            let count = Count { unread, total: standing.total, seq: last_seq, categories };
            Ok(Tagged { tag, body: Some(json(&count)?) })
        })
        .await?;
    Ok(answer.into_response())
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
            (Some(cursor), None, None) => from_cursor(cursor)
                .ok_or_else(|| invalid("cursor", "must be a nextCursor of an earlier answer"))?,
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

/// What begins a cursor that leads upwards, from the oldest to the newest.
const UPWARDS: &str = "after-";

/// Where the page behind one that ended at `seq` begins, going the same way.
fn to_cursor(position: Position, seq: i64) -> String {
    match position {
        Position::Before(_) => seq.to_string(),
        Position::After(_) => format!("{UPWARDS}{seq}"),
    }
}

fn from_cursor(cursor: &str) -> Option<Position> {
    let seq = |digits: &str| digits.parse().ok().filter(|seq: &i64| *seq >= 0);
    match cursor.strip_prefix(UPWARDS) {
        Some(digits) => seq(digits).map(Position::After),
        None => seq(cursor).map(Position::Before),
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
    let known = Known::of(&request);
    let answer = reader
        .run(move |connection| {
            // Looked at before the page is read: a page that is newer than its tag is asked for again, one that
            // is older would be kept.
            let tag = tag::of(&user, inboxes::standing(connection, &user)?.unwrap_or_default());
            if known.has(&tag) {
                return Ok(Tagged { tag, body: None });
            }
            // One more than asked for tells whether there is a next page.
            let mut found = page(connection, &user, &filter, position, limit + 1, skip)?;
            let more = i64::try_from(found.len()).is_ok_and(|found| found > limit);
            if more {
                found.pop();
            }
            let next_cursor = found.last().filter(|_| more).map(|last| to_cursor(position, last.seq));
            let items: Vec<Envelope<'_>> = found.iter().map(Envelope::from).collect();
            Ok(Tagged { tag, body: Some(json(&Page { items, next_cursor })?) })
        })
        .await?;
    Ok(answer.into_response())
}

/// `GET /notifications/{id}`: one of one's own.
pub(super) async fn read(
    caller: Caller,
    id: web::Path<String>,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let (user, id) = (caller.0.user, notification_id(&id)?);
    let body = reader
        .run(move |connection| {
            let found = find_own(connection, &user, id)?;
            found.map(|notification| json(&Envelope::from(&notification))).transpose()
        })
        .await?
        .ok_or_else(Problem::not_found)?;
    let mut response = HttpResponse::Ok();
    tag::keep_private(&mut response);
    Ok(response.content_type("application/json").body(body))
}

fn notification_id(text: &str) -> Result<NotificationId, Problem> {
    NotificationId::parse("id", text)
        .map_err(|_| Problem::bad_request("invalid_id", "id must be a UUID").of_field("id"))
}

/// Written where it was read: the database's borrowed rows need not be copied.
fn json(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| StorageError::Corrupt(error.to_string()))
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

/// `POST /notifications/delete`: the same body; answers the new counts, and every device hears of it.
pub(super) async fn delete(
    caller: Caller,
    body: JsonBody<SelectionBody>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let selection = Selection::try_from(body.value)?;
    let message = Delete { device: Arc::new(caller.0.into_device(Channel::Rest)), selection };
    let deleted = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(deleted))
}

/// `DELETE /notifications/{id}`: one of one's own.
pub(super) async fn delete_one(
    caller: Caller,
    id: web::Path<String>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let selection = Selection::Ids(vec![notification_id(&id)?]);
    let message = Delete { device: Arc::new(caller.0.into_device(Channel::Rest)), selection };
    let deleted = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    if deleted.ids.is_empty() {
        return Err(Problem::not_found());
    }
    Ok(HttpResponse::Ok().json(deleted))
}
