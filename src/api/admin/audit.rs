//! `/admin/audit`: who saw what, when and on which device, and what administrators did; one list in the order of time.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::query::{self, Span};
use crate::actors::reader::Reader;
use crate::api::openapi::{administration, params};
use crate::domain::{AdminAction, NotificationId, Step, Timestamp, UserId};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};
use crate::storage::StorageError;
use crate::storage::audit::list::{self, Deed, Entry, Filter, Seen};

/// The longest target that is looked for.
pub(in crate::api) const TARGET_MAX: usize = 200;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditQuery {
    limit: Option<i64>,
    cursor: Option<String>,
    user_id: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    step: Option<String>,
    notification_id: Option<String>,
    target: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl AuditQuery {
    fn filter(&self) -> Result<Filter, Problem> {
        let user = |field, id: &Option<String>| {
            id.as_deref().map(|id| UserId::parse(field, id)).transpose().map_err(query::unfit)
        };
        let notification = self.notification_id.as_deref();
        let notification = notification.map(|id| NotificationId::parse("notificationId", id)).transpose();
        if self.target.as_ref().is_some_and(|target| target.is_empty() || target.chars().count() > TARGET_MAX)
        {
            return Err(query::invalid("target", &format!("must have 1 to {TARGET_MAX} characters")));
        }
        if self.target.as_ref().is_some_and(|target| target.contains('\0')) {
            return Err(query::invalid("target", "must not contain a NUL character"));
        }
        let Span { from, to } = Span::parse(self.from.as_deref(), self.to.as_deref())?;
        Ok(Filter {
            user: user("userId", &self.user_id)?,
            actor: user("actor", &self.actor)?,
            action: query::word("action", self.action.as_deref(), &AdminAction::ALL, AdminAction::as_str)?,
            step: query::word("step", self.step.as_deref(), &Step::ALL, Step::as_str)?,
            notification: notification.map_err(query::unfit)?,
            target: self.target.clone(),
            from,
            to,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    items: Vec<EntryView>,
    next_cursor: Option<String>,
}

/// Everything has every field; what a kind does not have is null.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    at: Timestamp,
    kind: &'static str,
    /// Who did it; none where the server did.
    actor: Option<String>,
    device: Option<String>,
    user_id: Option<String>,
    notification_id: Option<String>,
    step: Option<String>,
    channel: Option<String>,
    error: Option<String>,
    action: Option<String>,
    target: Option<String>,
    detail: Option<Box<RawValue>>,
    request_id: Option<String>,
}

fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Whether a step is the user's own; the others are the server's.
fn is_of_user(step: &str) -> bool {
    [Step::Confirmed, Step::Read, Step::Deleted].iter().any(|own| own.as_str() == step)
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let at = entry.at();
        match entry {
            Entry::Seen(seen) => Self { at, ..Self::from(seen) },
            Entry::Deed(deed) => Self { at, ..Self::from(deed) },
        }
    }
}

impl From<Seen> for EntryView {
    fn from(seen: Seen) -> Self {
        Self {
            kind: "receipt",
            actor: is_of_user(&seen.step).then(|| seen.user_id.clone()),
            device: present(seen.device),
            user_id: Some(seen.user_id),
            notification_id: Some(seen.notification_id),
            step: Some(seen.step),
            channel: present(seen.channel),
            error: seen.error,
            ..Self::default()
        }
    }
}

impl From<Deed> for EntryView {
    fn from(deed: Deed) -> Self {
        Self {
            kind: "deed",
            actor: Some(deed.actor_id),
            device: present(deed.device),
            action: Some(deed.action),
            target: deed.target,
            // It was written as JSON.
            detail: deed.detail.and_then(|detail| RawValue::from_string(detail).ok()),
            request_id: present(deed.request_id),
            ..Self::default()
        }
    }
}

refusals!(AuditRefusals: codes::TOKEN, codes::FORBIDDEN, codes::QUERY, codes::STORED);

/// `GET /admin/audit`: an administrator's.
#[utoipa::path(
    get, path = "/admin/audit", operation_id = "readAudit", tag = "administration",
    summary = "Look who saw and did what",
    description = "For administrators: what users did with notifications, on which device, what became of mails, and \
        what administrators did and looked at, newest first. What is seldom is looked for a bounded way at a time: a \
        page may have few items, or none, and yet a `nextCursor`.",
    params(params::AuditList),
    responses((status = 200, description = "A page", body = administration::AuditPage), AuditRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    request: HttpRequest,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, Problem> {
    let asked: AuditQuery = query::parse(&request)?;
    let (filter, limit) = (asked.filter()?, query::limit(asked.limit)?);
    let after = query::from_cursor(asked.cursor.as_deref())?;
    administrator.record(AdminAction::ReadAudit, None, query::detail(&asked).as_ref()).await?;
    let body = reader
        .run(move |connection| {
            let page = list::page(connection, &filter, after, limit)?;
            let next_cursor = page.next.as_ref().map(query::to_cursor).transpose();
            let corrupt = |error: serde_json::Error| StorageError::Corrupt(error.to_string());
            let items = page.entries.into_iter().map(EntryView::from).collect();
            let answer = Answer { items, next_cursor: next_cursor.map_err(corrupt)? };
            serde_json::to_string(&answer).map_err(corrupt)
        })
        .await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}
