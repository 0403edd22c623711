//! `/dev/mails`: the last mails that went out, as their readers see them. In development mode only.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::openapi::{params, shapes};
use crate::domain::Timestamp;
use crate::email::RecentMails;
use crate::http::credentials::query_value;
use crate::http::openapi::{codes, refusals};
use crate::http::{Problem, asset};

/// A mail may style itself and do nothing else; the demonstration shows it in a frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'";

refusals!(ReadRefusals: codes::NOT_FOUND);

#[derive(Serialize)]
struct Listed {
    id: String,
    to: String,
    subject: String,
    date: Timestamp,
    text: String,
    /// Where its HTML part is.
    url: String,
}

/// `GET /dev/mails`: the newest first.
#[utoipa::path(
    get, path = "/dev/mails", operation_id = "listMails", tag = "development", security(()),
    summary = "List the last mails",
    description = "Those that went out since the start, in development mode only: elsewhere there is no such path.",
    params(params::MailList),
    responses((status = 200, description = "At most twenty, the newest first", body = shapes::Mails)),
)]
pub(super) async fn list(request: HttpRequest, recent: web::Data<Option<RecentMails>>) -> HttpResponse {
    let mails = recent.as_ref().as_ref().map(RecentMails::list).unwrap_or_default();
    let asked = query_value(request.query_string(), "to");
    let wanted = mails.into_iter().filter(|mail| asked.as_ref().is_none_or(|to| *to == mail.to.address));
    let items: Vec<Listed> = wanted
        .map(|mail| {
            let id = id_of(&mail.message_id).to_owned();
            let url = format!("/dev/mails/{id}");
            Listed { id, to: mail.to.address, subject: mail.subject, date: mail.date, text: mail.text, url }
        })
        .collect();
    HttpResponse::Ok().json(serde_json::json!({ "items": items }))
}

/// `GET /dev/mails/{id}`: the part that a mail program shows.
#[utoipa::path(
    get, path = "/dev/mails/{id}", operation_id = "readMail", tag = "development", security(()),
    summary = "Look at a mail",
    description = "Its HTML part, in development mode only: elsewhere there is no such path.",
    params(params::MailId),
    responses((status = 200, description = "The mail", body = String, content_type = "text/html"), ReadRefusals),
)]
pub(super) async fn read(
    id: web::Path<String>,
    recent: web::Data<Option<RecentMails>>,
) -> Result<HttpResponse, Problem> {
    let mails = recent.as_ref().as_ref().map(RecentMails::list).unwrap_or_default();
    let mail = mails
        .into_iter()
        .find(|mail| id_of(&mail.message_id) == id.as_str())
        .ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(asset::HTML)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "SAMEORIGIN"))
        .body(mail.html))
}

/// The notification's id, with which a Message-ID begins.
fn id_of(message_id: &str) -> &str {
    message_id.trim_start_matches('<').split('@').next().unwrap_or_default()
}
