//! The document of the API, put together from what each layer says of its own routes.

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::api;
use crate::config::{Mode, Settings};
use crate::http::openapi::ProblemSchema;
use crate::transports;

#[derive(OpenApi)]
#[openapi(
    info(title = "bellhop", description = include_str!("document.md"), license(identifier = "MIT OR Apache-2.0")),
    servers((url = "/", description = "This server")),
    components(schemas(ProblemSchema)),
    security(("bearer" = []), ("cookie" = [])),
)]
struct Base;

/// What a server with these settings serves.
pub fn document(settings: &Settings) -> serde_json::Result<Value> {
    let mut whole = Base::openapi();
    whole.merge(api::openapi::Always::openapi());
    whole.merge(transports::openapi::Doors::openapi());
    if settings.mode == Mode::Development {
        whole.merge(api::openapi::Development::openapi());
    }
    let components = whole.components.get_or_insert_default();
    for (name, scheme) in schemes(&settings.auth.cookie) {
        components.add_security_scheme(name, scheme);
    }
    let mut whole = serde_json::to_value(whole)?;
    let most = settings.limits.recipients_per_request;
    let users = whole.pointer_mut("/components/schemas/Publication/allOf/0/properties/userIds");
    if let Some(Value::Object(users)) = users {
        users.insert("maxItems".to_owned(), json!(most));
    }
    Ok(whole)
}

/// The ways to bring a token.
fn schemes(cookie: &str) -> [(&'static str, SecurityScheme); 4] {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "From the platform; in development mode also from `POST /dev/token` or `bellhop token`.",
    ));
    let cookie = ApiKeyValue::with_description(
        cookie,
        "The same token. For what changes something, the page must be of an allowed origin.",
    );
    let query = ApiKeyValue::with_description("token", "The same token, for what can bring no header.");
    let ticket = ApiKeyValue::with_description("ticket", "From `POST /notifications/tickets`: good once.");
    [
        ("bearer", SecurityScheme::Http(bearer.build())),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("ticket", SecurityScheme::ApiKey(ApiKey::Query(ticket))),
        ("query", SecurityScheme::ApiKey(ApiKey::Query(query))),
    ]
}
