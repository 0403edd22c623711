//! `/dev`: what makes trying bellhop out quick. In development mode only; otherwise nothing is there.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::openapi::{shapes, values};
use crate::actors::persistence::{Notify, Persistence, WriteError};
use crate::actors::session::Services;
use crate::auth::Minter;
use crate::domain::recipient::check_email;
use crate::domain::{Category, Clock, Content, Identity, Priority, Role, UserId};
use crate::http::openapi::shapes::user_id;
use crate::http::openapi::{codes, refusals};
use crate::http::{JsonBody, Problem, request};
use crate::protocol::whole;
use crate::requests::draft_of;

/// The longest life of a token that is minted here.
const LIFETIME_MAX: Duration = Duration::from_hours(366 * 24);

/// Mints tokens for whoever asks.
#[derive(Debug)]
pub struct TokenDesk {
    pub minter: Minter,
    pub lifetime: Duration,
    /// The clock that tokens are judged by.
    pub wall: Arc<dyn Clock>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({"userId": "demo-host", "role": "PROFESSIONAL"})))]
pub(super) struct TokenRequest {
    #[schema(schema_with = user_id)]
    user_id: String,
    role: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[schema(schema_with = values::optional_email)]
    email: Option<String>,
    name: Option<String>,
    session_id: Option<String>,
    locale: Option<String>,
    tz: Option<String>,
    #[serde(default)]
    rooms: Vec<String>,
    /// Seconds.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(schema_with = values::optional_seconds)]
    expires_in: Option<u64>,
}

refusals!(TokenRefusals: codes::BODY, codes::FIELD, codes::NO_SECRET, codes::FAILED);
refusals!(NotifyRefusals: codes::BODY, codes::FIELD, codes::STORED);

/// `POST /dev/token`: a token for anybody, without asking.
#[utoipa::path(
    post, path = "/dev/token", operation_id = "mintToken", tag = "development", security(()),
    summary = "Get a token",
    description = "For anybody, in development mode only: elsewhere there is no such path.",
    request_body = TokenRequest,
    responses((status = 200, description = "The token", body = shapes::Token), TokenRefusals),
)]
pub(super) async fn token(
    body: JsonBody<TokenRequest>,
    desk: web::Data<Option<TokenDesk>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Some(desk) = desk.get_ref() else {
        return Err(Problem::unprocessable(
            "no_secret",
            "tokens are verified with a public key: mint them elsewhere",
        ));
    };
    let asked = body.value;
    if let Some(email) = &asked.email {
        check_email("email", email)?;
    }
    let lifetime = asked.expires_in.map_or(desk.lifetime, Duration::from_secs).min(LIFETIME_MAX);
    let now = desk.wall.now();
    let identity = Identity {
        user: UserId::parse("userId", &asked.user_id)?,
        roles: asked.role.iter().chain(&asked.roles).map(|role| Role::new(role)).collect(),
        session: asked.session_id,
        email: asked.email,
        name: asked.name,
        locale: asked.locale,
        time_zone: asked.tz,
        rooms: asked.rooms,
        expires_at: None,
        token_id: Some(services.ids.next().to_string()),
        issued_at: None,
        signed_by: None,
    };
    let token = desk.minter.mint(&identity, lifetime, now).map_err(|error| {
        log::error!("a token could not be minted: {error}");
        Problem::internal()
    })?;
    Ok(HttpResponse::Ok().json(json!({ "token": token, "expiresAt": now.plus(lifetime) })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({"userId": "demo-host"})))]
pub(super) struct TestRequest {
    #[schema(schema_with = user_id)]
    user_id: String,
    #[serde(rename = "type", default = "default_type")]
    #[schema(schema_with = values::chosen_kind)]
    kind: String,
    #[serde(default = "default_title")]
    #[schema(schema_with = values::title)]
    title: String,
    #[serde(default = "default_message")]
    #[schema(schema_with = values::message)]
    message: String,
}

fn default_type() -> String {
    "system.test".to_owned()
}

fn default_title() -> String {
    "Test notification".to_owned()
}

fn default_message() -> String {
    "If you can read this, notifications reach you.".to_owned()
}

/// `POST /dev/notifications/test`: a notification for anybody, without asking.
#[utoipa::path(
    post, path = "/dev/notifications/test", operation_id = "testNotification", tag = "development", security(()),
    summary = "Notify anybody",
    description = "Without asking, in development mode only: elsewhere there is no such path.",
    request_body = TestRequest,
    responses((status = 201, description = "Kept", body = shapes::TestAnswer), NotifyRefusals),
)]
pub(super) async fn notify(
    body: JsonBody<TestRequest>,
    persistence: web::Data<Addr<Persistence>>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let TestRequest { user_id, kind, title, message } = body.value;
    let user = UserId::parse("userId", &user_id)?;
    let category = Category::of_type(&kind);
    let content = Content {
        priority: Priority::Normal,
        title,
        message,
        actor_id: None,
        actor_name: None,
        actor_avatar: None,
        data: None,
    };
    let draft = draft_of(&*services.ids, user.clone(), &kind, category, content, request::current())?;
    let acceptance = persistence
        .send(Notify { by: user, drafts: vec![draft], claim: None })
        .await
        .unwrap_or(Err(WriteError::Overloaded))?;
    Ok(HttpResponse::Created().json(json!({ "notifications": acceptance.notifications })))
}
