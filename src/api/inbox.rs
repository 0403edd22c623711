//! Everybody's own inbox under `/notifications`: count, list, mark-read.

use std::sync::Arc;

use actix::Addr;
use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::actors::persistence::{MarkRead, Persistence, WriteError};
use crate::actors::reader::Reader;
use crate::domain::notification::check_type;
use crate::domain::{Category, Channel, Invalid, Selection};
use crate::http::{Caller, JsonBody, Problem};
use crate::protocol::events::SelectionBody;
use crate::protocol::json::Envelope;
use crate::storage::notifications::{Filter, Position, page};
use crate::storage::{StorageError, inboxes};

/// Items of a page when none are asked for, and the most.
const LIMIT_DEFAULT: i64 = 20;
const LIMIT_MAX: i64 = 100;
/// How deep `page` goes; further back, `cursor` costs nothing.
const PAGE_DEPTH_MAX: i64 = 10_000;

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
