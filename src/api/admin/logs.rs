//! `/admin/notifications/logs`: all notifications with what became of them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::query::{self, Span};
use crate::actors::reader::Reader;
use crate::api::openapi::{administration, params};
use crate::domain::notification::check_type;
use crate::domain::{AdminAction, Category, Channel, Timestamp, UserId};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};
use crate::protocol::json::Envelope;
use crate::storage::StorageError;
use crate::storage::deliveries::STATES;
use crate::storage::logs::{self, Filter, Logged, Place};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogsQuery {
    limit: Option<i64>,
    cursor: Option<String>,
    user_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    category: Option<String>,
    state: Option<String>,
    channel: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl LogsQuery {
    fn filter(&self) -> Result<Filter, Problem> {
        let user = self.user_id.as_deref().map(|id| UserId::parse("userId", id)).transpose();
        self.category.as_deref().map(Category::parse).transpose().map_err(query::unfit)?;
        self.kind.as_deref().map(check_type).transpose().map_err(query::unfit)?;
        let Span { from, to } = Span::parse(self.from.as_deref(), self.to.as_deref())?;
        Ok(Filter {
            user: user.map_err(query::unfit)?,
            kind: self.kind.clone(),
            category: self.category.clone(),
            state: query::word("state", self.state.as_deref(), &STATES, |state| state)?,
            channel: query::word("channel", self.channel.as_deref(), &Channel::ALL, Channel::as_str)?,
            from,
            to,
        })
    }

    /// A cursor of one user's list says nothing in the list of all, nor the other way round.
    fn place(&self) -> Result<Option<Place>, Problem> {
        let place = query::from_cursor(self.cursor.as_deref())?;
        let fits =
            place.as_ref().is_none_or(|place| matches!(place, Place::Seq(_)) == self.user_id.is_some());
        fits.then_some(place).ok_or_else(|| query::invalid("cursor", "is of a list with other filters"))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    items: Vec<LogView<'a>>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogView<'a> {
    id: String,
    user_id: &'a UserId,
    seq: i64,
    /// The type once more, as front ends of logs call it.
    event: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    payload: Envelope<'a>,
    state: Option<&'a str>,
    channel: Option<&'a str>,
    delivered: bool,
    delivered_at: Option<Timestamp>,
    attempts: i32,
    error: Option<&'a str>,
    created_at: Timestamp,
    read_at: Option<Timestamp>,
}

/// The states of what reached its user.
const DELIVERED: [&str; 2] = ["confirmed", "emailed"];

impl<'a> From<&'a Logged> for LogView<'a> {
    fn from(Logged { notification, fate }: &'a Logged) -> Self {
        let delivered = fate.state.as_deref().is_some_and(|state| DELIVERED.contains(&state));
        Self {
            id: notification.id.to_string(),
            user_id: &notification.user,
            seq: notification.seq,
            event: &notification.kind,
            kind: &notification.kind,
            category: notification.category.as_str(),
            payload: Envelope::from(notification),
            state: fate.state.as_deref(),
            channel: fate.channel.as_deref(),
            delivered,
            delivered_at: fate.finished_at.filter(|_| delivered),
            attempts: fate.attempts,
            error: fate.error.as_deref(),
            created_at: notification.created_at,
            read_at: notification.read_at,
        }
    }
}

refusals!(LogsRefusals: codes::TOKEN, codes::FORBIDDEN, codes::QUERY, codes::STORED);

/// `GET /admin/notifications/logs`: an administrator's.
#[utoipa::path(
    get, path = "/admin/notifications/logs", operation_id = "readLogs", tag = "administration",
    summary = "Look through all notifications",
    description = "For administrators: every notification that is kept, with what became of it, newest first. What is \
        seldom is looked for a bounded way at a time: a page may have few items, or none, and yet a `nextCursor`.",
    params(params::LogList),
    responses((status = 200, description = "A page", body = administration::LogPage), LogsRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    request: HttpRequest,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let asked: LogsQuery = query::parse(&request)?;
    let (filter, limit, after) = (asked.filter()?, query::limit(asked.limit)?, asked.place()?);
    let detail = query::detail(&asked);
    administrator.record(AdminAction::ReadLogs, asked.user_id.as_deref(), detail.as_ref()).await?;
    let body = reader
        .run(move |connection| {
            let page = logs::page(connection, &filter, after, limit)?;
            let corrupt = |error: serde_json::Error| StorageError::Corrupt(error.to_string());
            let next_cursor = page.next.as_ref().map(query::to_cursor).transpose().map_err(corrupt)?;
            let items = page.items.iter().map(LogView::from).collect();
            serde_json::to_string(&Answer { items, next_cursor }).map_err(corrupt)
        })
        .await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}
