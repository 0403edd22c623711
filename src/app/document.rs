//! The document of the API, put together from what each layer says of its own routes.

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::api;
use crate::config::{Mode, Settings};
use crate::http::chooser::LINK_KEY;
use crate::http::limits;
use crate::http::openapi::{ProblemSchema, codes, responses};
use crate::transports;
use crate::web;

/// What the figures' own token is called.
const FIGURES: &str = "figures";

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
    whole.merge(web::Pages::openapi());
    if settings.mode == Mode::Development {
        whole.merge(api::openapi::Development::openapi());
        whole.merge(web::Demonstration::openapi());
    }
    let components = whole.components.get_or_insert_default();
    for (name, scheme) in schemes(&settings.auth.cookie) {
        components.add_security_scheme(name, scheme);
    }
    if has_figures_token(settings) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer = bearer.description(Some("`metrics.token` of the configuration, for the figures alone."));
        components.add_security_scheme(FIGURES, SecurityScheme::Http(bearer.build()));
    }
    let mut whole = serde_json::to_value(whole)?;
    guard_figures(&mut whole, settings)?;
    add_limits(&mut whole)?;
    let most = settings.limits.recipients_per_request;
    let users = whole.pointer_mut("/components/schemas/Publication/allOf/0/properties/userIds");
    if let Some(Value::Object(users)) = users {
        users.insert("maxItems".to_owned(), json!(most));
    }
    Ok(whole)
}

fn has_figures_token(settings: &Settings) -> bool {
    !settings.metrics.token.is_empty()
}

/// Says who is refused the figures: as it is configured, whoever has not their token, or everybody, or nobody.
fn guard_figures(document: &mut Value, settings: &Settings) -> serde_json::Result<()> {
    let has_token = has_figures_token(settings);
    let refused = match (has_token, settings.mode) {
        (true, _) => codes::METRICS_TOKEN,
        (false, Mode::Production) => codes::METRICS_HIDDEN,
        (false, Mode::Development) => return Ok(()),
    };
    let refusals = serde_json::to_value(responses(&[refused]))?;
    let Some(Value::Object(figures)) = document.pointer_mut("/paths/~1metrics/get") else { return Ok(()) };
    if has_token {
        figures.insert("security".to_owned(), json!([{ FIGURES: [] }]));
    }
    if let (Some(Value::Object(answers)), Value::Object(refusals)) = (figures.get_mut("responses"), refusals)
    {
        answers.extend(refusals);
    }
    Ok(())
}

/// Every request may be one too many, except where that is not looked at or a door says so itself.
fn add_limits(document: &mut Value) -> serde_json::Result<()> {
    let refusal = serde_json::to_value(responses(&[codes::RATE]))?;
    let (Some(Value::Object(paths)), Some(refusal)) = (document.get_mut("paths"), refusal.get("429")) else {
        return Ok(());
    };
    let charged = paths.iter_mut().filter(|(path, _)| !limits::is_free(path));
    for operation in
        charged.filter_map(|(_, item)| item.as_object_mut()).flat_map(serde_json::Map::values_mut)
    {
        let Some(Value::Object(answers)) = operation.get_mut("responses") else { continue };
        let known = answers.entry("429").or_insert(Value::Null);
        if known.is_null() {
            known.clone_from(refusal);
        } else {
            add_codes(known, refusal);
        }
    }
    Ok(())
}

/// Adds the codes of one refusal to those of another of the same status.
fn add_codes(to: &mut Value, from: &Value) {
    const CODES: &str = "/content/application~1problem+json/schema/allOf/1/properties/code/enum";
    let more = from.pointer(CODES).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Array(codes)) = to.pointer_mut(CODES) {
        codes.extend(more);
    }
    let lines = from.get("description").and_then(Value::as_str).unwrap_or_default();
    let lines: Vec<&str> = lines.lines().filter(|line| line.starts_with('-')).collect();
    if let Some(Value::String(description)) = to.get_mut("description") {
        description.extend(lines.into_iter().flat_map(|line| ["\n", line]));
    }
}

/// The ways to bring a token.
fn schemes(cookie: &str) -> [(&'static str, SecurityScheme); 6] {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "From the platform; in development mode also from `POST /dev/token` or `bellhop token`.",
    ));
    let cookie = ApiKeyValue::with_description(
        cookie,
        "The same token. For what changes something, the page must be of an allowed origin.",
    );
    let query = ApiKeyValue::with_description("token", "The same token, for what can bring no header.");
    let ticket = ApiKeyValue::with_description("ticket", "From `POST /notifications/tickets`: good once.");
    let link = ApiKeyValue::with_description(
        LINK_KEY,
        "From the link in a mail, or from `POST /notifications/preferences/link`.",
    );
    let in_url = ApiKeyValue::with_description("key", "The same, for mail programs.");
    [
        ("bearer", SecurityScheme::Http(bearer.build())),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("ticket", SecurityScheme::ApiKey(ApiKey::Query(ticket))),
        ("query", SecurityScheme::ApiKey(ApiKey::Query(query))),
        ("linkInUrl", SecurityScheme::ApiKey(ApiKey::Query(in_url))),
        ("link", SecurityScheme::ApiKey(ApiKey::Header(link))),
    ]
}
