//! What the routes of everybody's own inbox take and answer.

#![expect(dead_code, reason = "these stand for the handlers, in the document alone")]

use super::{params, shapes};
use crate::http::openapi::{codes, refusals};

refusals!(ListRefusals: codes::TOKEN, codes::QUERY, codes::STORED);
refusals!(OneRefusals: codes::TOKEN, codes::ID, codes::NOT_FOUND, codes::STORED);
refusals!(CountRefusals: codes::TOKEN, codes::STORED);
refusals!(MarkRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::STORED);

#[utoipa::path(
    get, path = "/notifications", operation_id = "list", tag = "notifications",
    summary = "List your notifications",
    description = "Newest first, by cursor or by page; with `since`, what came after it, oldest first. Only one of \
        `cursor`, `page` and `since` is taken.",
    params(params::List, params::IfNoneMatch),
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
    params(params::List, params::IfNoneMatch),
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

refusals!(DeleteOneRefusals: codes::TOKEN, codes::ORIGIN, codes::ID, codes::NOT_FOUND, codes::STORED);

#[utoipa::path(
    post, path = "/notifications/delete", operation_id = "deleteNotifications", tag = "notifications",
    summary = "Delete notifications",
    description = "Answers the new counts; every device of the user hears of it.",
    request_body = shapes::Selection,
    responses((status = 200, description = "Where the inbox stands now", body = shapes::DeleteAnswer), MarkRefusals),
)]
pub(super) fn delete() {}

#[utoipa::path(
    delete, path = "/notifications/{id}", operation_id = "deleteNotification", tag = "notifications",
    summary = "Delete one of your notifications",
    description = "Answers the new counts; every device of the user hears of it.",
    params(params::NotificationId),
    responses(
        (status = 200, description = "Where the inbox stands now", body = shapes::DeleteAnswer),
        DeleteOneRefusals,
    ),
)]
pub(super) fn delete_one() {}
