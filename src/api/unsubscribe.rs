//! `/notifications/unsubscribe`: what a mail program does when somebody presses its button for no more mail of a kind
//! (RFC 8058). Only a POST does it: links are opened by scanners, too.

use std::collections::BTreeMap;

use actix::Addr;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};

use super::openapi::{params, shapes};
use crate::actors::persistence::{Choice, Persistence, SavePreferences, WriteError};
use crate::auth::Scope;
use crate::domain::recipient::ChannelChoice;
use crate::http::chooser::open;
use crate::http::credentials::query_value;
use crate::http::openapi::{codes, refusals};
use crate::http::{PageAddress, Problem};

refusals!(StopRefusals: codes::LINK, codes::LINK_SCOPE, codes::STORED);

/// `GET`: the page, where somebody may press a button.
#[utoipa::path(
    get, path = "/notifications/unsubscribe", operation_id = "askToUnsubscribe", tag = "preferences",
    security(()),
    summary = "Open the page of a mail's link",
    description = "Changes nothing: what looks into mails opens links, too. Of a link that is no good the page says so.",
    params(params::LinkKeyIfAny),
    responses((status = 303, description = "The page", headers(("Location" = String)))),
)]
pub(super) async fn ask(request: HttpRequest, address: web::Data<PageAddress>) -> HttpResponse {
    let mut key = key_of(&request);
    // Whatever it is, it stays behind the `#`.
    key.retain(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    HttpResponse::SeeOther().insert_header((LOCATION, address.preferences(&key))).finish()
}

/// `POST`: no more mail of the kind that the link came with. The body says `List-Unsubscribe=One-Click` and is not
/// looked at.
#[utoipa::path(
    post, path = "/notifications/unsubscribe", operation_id = "unsubscribe", tag = "preferences",
    security(("linkInUrl" = [])),
    summary = "Get no more mail of a kind",
    description = "What a mail program does by the header `List-Unsubscribe` (RFC 8058). Devices are told as ever.",
    params(params::LinkKey),
    responses(
        (status = 200, description = "What is chosen now", body = shapes::PreferencesAnswer), StopRefusals,
    ),
)]
pub(super) async fn stop(
    request: HttpRequest,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let grant = open(&request, &key_of(&request))?;
    let Scope::Mail(category) = grant.scope else {
        return Err(Problem::forbidden_because("link_scope", "this link came with no mail"));
    };
    let channels = BTreeMap::from([(category.as_str().to_owned(), ChannelChoice { email: false })]);
    let message = SavePreferences { user: grant.user, choice: Choice::Channels(channels) };
    let saved = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(super::preferences::only_channels(saved)))
}

fn key_of(request: &HttpRequest) -> String {
    query_value(request.query_string(), "key").unwrap_or_default()
}
