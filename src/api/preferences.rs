//! `/notifications/preferences`: what a person wants to get, where, and in which language.

use actix::Addr;
use actix_web::{HttpResponse, web};

use crate::actors::persistence::{Persistence, SavePreferences, WriteError};
use crate::actors::reader::Reader;
use crate::domain::Preferences;
use crate::http::{Caller, JsonBody, Problem};
use crate::storage::recipients;

/// `GET`: what was chosen; nothing chosen is an answer too.
pub(super) async fn read(caller: Caller, reader: web::Data<Reader>) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    let known = reader.run(move |connection| recipients::find(connection, &user)).await?;
    let preferences = known.map(|recipient| recipient.preferences).unwrap_or_default();
    Ok(HttpResponse::Ok().json(preferences))
}

/// `PUT`: replaces what was chosen; what is left out is as if never chosen.
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
