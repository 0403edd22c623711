//! `/notifications/preferences`: what a person wants to get, where, and in which language. With a token, or with a link
//! to the page: one from a mail opens what comes by mail and nothing else.

use std::collections::BTreeSet;

use actix::Addr;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::openapi::shapes;
use crate::actors::persistence::{Choice, Persistence, SavePreferences, WriteError};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::auth::{Links, Scope};
use crate::domain::{Category, Preferences, Timestamp};
use crate::http::chooser::Opened;
use crate::http::openapi::{codes, refusals};
use crate::http::{Caller, Chooser, JsonBody, PageAddress, Problem};
use crate::storage::{categories, recipients};

refusals!(ReadRefusals: codes::TOKEN, codes::STORED);
refusals!(SaveRefusals:
    codes::TOKEN, codes::ORIGIN, codes::BODY, codes::FIELD, codes::LINK, codes::LINK_SCOPE, codes::STORED);
refusals!(IssueRefusals: codes::TOKEN, codes::ORIGIN);
refusals!(OpenRefusals: codes::LINK, codes::STORED);

/// `GET`: what was chosen; nothing chosen is an answer too.
#[utoipa::path(
    get, path = "/notifications/preferences", operation_id = "readPreferences", tag = "preferences",
    summary = "Look at your preferences",
    description = "What the caller has chosen; nothing chosen is an answer too.",
    responses((status = 200, description = "The preferences", body = shapes::PreferencesAnswer), ReadRefusals),
)]
pub(super) async fn read(caller: Caller, reader: web::Data<Reader>) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    let known = reader.run(move |connection| recipients::find(connection, &user)).await?;
    let preferences = known.map(|recipient| recipient.preferences).unwrap_or_default();
    Ok(HttpResponse::Ok().json(preferences))
}

/// `PUT`: replaces what was chosen; what is left out is as if never chosen. By a mail's link, the categories that are
/// named are chosen, and everything else stays.
#[utoipa::path(
    put, path = "/notifications/preferences", operation_id = "savePreferences", tag = "preferences",
    summary = "Choose your preferences",
    description = "Replaces what the caller has chosen; what is left out is as if never chosen. With the link of a \
        mail, `channels` may be said and nothing else: the categories that are named are chosen, the rest stays.",
    request_body = shapes::Preferences,
    security(("bearer" = []), ("cookie" = []), ("link" = [])),
    responses(
        (status = 200, description = "The preferences as they are now", body = shapes::PreferencesAnswer),
        SaveRefusals,
    ),
)]
pub(super) async fn save(
    chooser: Chooser,
    body: JsonBody<Preferences>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let chosen = body.value.check()?;
    let all = chooser.may_choose_all();
    let choice = if all {
        Choice::Everything(chosen)
    } else {
        let Preferences { email: None, locale: None, time_zone: None, channels } = chosen else {
            return Err(Problem::forbidden_because(
                "link_scope",
                "this link opens what comes by mail and nothing else",
            ));
        };
        Choice::Channels(channels)
    };
    let message = SavePreferences { user: chooser.user().clone(), choice };
    let saved = persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(if all { saved } else { only_channels(saved) }))
}

/// What whoever has a mail may know.
pub(super) fn only_channels(preferences: Preferences) -> Preferences {
    Preferences { channels: preferences.channels, ..Preferences::default() }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuedLink {
    url: String,
    expires_at: Timestamp,
}

/// `POST …/link`: a link that opens the caller's page.
#[utoipa::path(
    post, path = "/notifications/preferences/link", operation_id = "issueLink", tag = "preferences",
    summary = "Get a link to your preferences page",
    description = "For a front end that opens the page for its user: good for half an hour. What it opens with is \
        behind the `#`, which no server is told.",
    responses((status = 201, description = "The link", body = shapes::PageLink), IssueRefusals),
)]
pub(super) async fn issue_link(
    caller: Caller,
    links: web::Data<Links>,
    services: web::Data<Services>,
    address: web::Data<PageAddress>,
) -> HttpResponse {
    let (scope, now) = (Scope::Person, services.clock.now());
    let key = links.issue(&caller.0.user, &scope, now);
    let issued = IssuedLink { url: address.preferences(&key), expires_at: now.plus(scope.lifetime()) };
    HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(issued)
}

/// What a link opens, as its page needs it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenedLink {
    scope: &'static str,
    /// The category of the mail that the link came with.
    category: Option<Category>,
    /// Where mail goes, so far that whose it is knows it: `z…@example.org`.
    address: Option<String>,
    /// What can be chosen: the categories of the inbox, those chosen before and those that there always are.
    categories: Vec<String>,
    preferences: Preferences,
}

/// Shown to everybody, whether or not anything of them has come yet.
const USUAL: [Category; 2] = [Category::BOOKINGS, Category::SYSTEM];

/// `GET …/link`: what the link's page shows.
#[utoipa::path(
    get, path = "/notifications/preferences/link", operation_id = "openLink", tag = "preferences",
    summary = "Open a link to a preferences page",
    description = "What the page shows. With the link of a mail, `preferences` has `channels` and nothing else.",
    security(("link" = [])),
    responses((status = 200, description = "What the link opens", body = shapes::OpenedLink), OpenRefusals),
)]
pub(super) async fn open_link(opened: Opened, reader: web::Data<Reader>) -> Result<HttpResponse, Problem> {
    let Opened(grant) = opened;
    let user = grant.user;
    let (known, inbox) = reader
        .run(move |connection| Ok((recipients::find(connection, &user)?, categories::of(connection, &user)?)))
        .await?;
    let address = known.as_ref().and_then(|known| known.address()).map(hint);
    let preferences = known.map(|known| known.preferences).unwrap_or_default();
    let (scope, category) = match grant.scope {
        Scope::Person => ("person", None),
        Scope::Mail(category) => ("mail", Some(category)),
    };
    let offered: BTreeSet<String> = USUAL
        .iter()
        .chain(category.as_ref())
        .map(|category| category.as_str().to_owned())
        .chain(inbox.into_iter().map(|of| of.category))
        .chain(preferences.channels.keys().cloned())
        .collect();
    Ok(HttpResponse::Ok().json(OpenedLink {
        scope,
        preferences: if category.is_none() { preferences } else { only_channels(preferences) },
        category,
        address,
        categories: offered.into_iter().collect(),
    }))
}

/// An address as far as only whose it is knows the rest.
fn hint(address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let first = local.chars().next().map(String::from).unwrap_or_default();
    format!("{first}…@{domain}")
}
