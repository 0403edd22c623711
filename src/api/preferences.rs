//! `/notifications/preferences`: what a person wants to get, where, and in which language.

use actix::Addr;
use actix_web::{HttpResponse, web};

use super::openapi::shapes;
use crate::actors::persistence::{Persistence, SavePreferences, WriteError};
use crate::actors::reader::Reader;
use crate::domain::Preferences;
use crate::http::openapi::{codes, refusals};
use crate::http::{Caller, JsonBody, Problem};
use crate::storage::recipients;

refusals!(ReadRefusals: codes::TOKEN, codes::STORED);
refusals!(SaveRefusals: codes::TOKEN, codes::ORIGIN, codes::BODY, codes::FIELD, codes::STORED);

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

/// `PUT`: replaces what was chosen; what is left out is as if never chosen.
#[utoipa::path(
    put, path = "/notifications/preferences", operation_id = "savePreferences", tag = "preferences",
    summary = "Choose your preferences",
    description = "Replaces what the caller has chosen; what is left out is as if never chosen.",
    request_body = shapes::Preferences,
    responses(
        (status = 200, description = "The preferences as they are now", body = shapes::PreferencesAnswer),
        SaveRefusals,
    ),
)]
pub(super) async fn save(
    caller: Caller,
    body: JsonBody<Preferences>,
    persistence: web::Data<Addr<Persistence>>,
) -> Result<HttpResponse, Problem> {
    let preferences = body.value.check()?;
    let message = SavePreferences { user: caller.0.user, preferences: preferences.clone() };
    persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Ok().json(preferences))
}
