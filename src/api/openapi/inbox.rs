//! What the routes of everybody's own inbox take and answer.

#![expect(dead_code, reason = "these stand for the handlers, in the document alone")]

use super::{params, shapes, values};
use crate::http::openapi::{codes, refusals};
use utoipa::IntoParams;

refusals!(ListRefusals: codes::TOKEN, codes::QUERY, codes::STORED);
refusals!(OneRefusals: codes::TOKEN, codes::ID, codes::NOT_FOUND, codes::STORED);
refusals!(CountRefusals: codes::TOKEN, codes::STORED);
refusals!(MarkRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::STORED);

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// How many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// The `nextCursor` of an earlier answer.
    #[param(pattern = "^(after-)?[0-9]{1,18}$")]
    cursor: Option<String>,
    /// Instead of a cursor, where it is not far: the page's number, at most 10,000 items deep.
    #[param(minimum = 1, maximum = 100)]
    page: Option<i64>,
    /// Instead of both: what came after this seq, oldest first.
    #[param(minimum = 0)]
    since: Option<i64>,
    /// Only what is unread.
    unread: Option<bool>,
    /// Only of this category.
    #[param(schema_with = values::category)]
    category: Option<String>,
    /// Only of this type.
    #[param(rename = "type", schema_with = values::chosen_kind)]
    kind: Option<String>,
}

#[utoipa::path(
    get, path = "/notifications", operation_id = "list", tag = "notifications",
    summary = "List your notifications",
    description = "Newest first, by cursor or by page; with `since`, what came after it, oldest first. Only one of \
        `cursor`, `page` and `since` is taken.",
    params(ListParams, params::IfNoneMatch),
    responses(
        (status = 200, description = "A page", body = shapes::Page,
            headers(("ETag" = String, description = "Changes with the inbox"))),
        (status = 304, description = "Nothing has changed",
            headers(("ETag" = String, description = "The same again"))),
        ListRefusals,
    ),
)]
pub(super) fn list() {}

#[utoipa::path(
    get, path = "/notifications/list", operation_id = "listAgain", tag = "notifications",
    summary = "List your notifications, under another path",
    description = "The same as `GET /notifications`.",
    params(ListParams, params::IfNoneMatch),
    responses(
        (status = 200, description = "A page", body = shapes::Page,
            headers(("ETag" = String, description = "Changes with the inbox"))),
        (status = 304, description = "Nothing has changed",
            headers(("ETag" = String, description = "The same again"))),
        ListRefusals,
    ),
)]
pub(super) fn list_again() {}

#[utoipa::path(
    get, path = "/notifications/count", operation_id = "count", tag = "notifications",
    summary = "Count your notifications",
    description = "With an ETag, so that polling costs nothing.",
    params(params::IfNoneMatch),
    responses(
        (status = 200, description = "Where the inbox stands", body = shapes::Count,
            headers(("ETag" = String, description = "Changes with the answer"))),
        (status = 304, description = "Nothing has changed",
            headers(("ETag" = String, description = "The same again"))),
        CountRefusals,
    ),
)]
pub(super) fn count() {}

#[utoipa::path(
    post, path = "/notifications/mark-read", operation_id = "markRead", tag = "notifications",
    summary = "Mark notifications as read",
    description = "Answers the new count; every device of the user hears of it.",
    request_body = shapes::Selection,
    responses((status = 200, description = "Where the inbox stands now", body = shapes::ReadAnswer), MarkRefusals),
)]
pub(super) fn mark_read() {}

#[utoipa::path(
    get, path = "/notifications/{id}", operation_id = "readNotification", tag = "notifications",
    summary = "Look at one of your notifications",
    params(params::NotificationId),
    responses((status = 200, description = "The notification", body = shapes::Notification), OneRefusals),
)]
pub(super) fn read() {}
