//! Errors in the document: one schema for all of them, and for each route and status the codes it can have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::json;
use utoipa::openapi::header::Header;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::codes::{Code, Codes};
use super::shapes::{self, Shape};

/// The media type of every error.
const MEDIA_TYPE: &str = "application/problem+json";

/// Describes the body of a [`Problem`](crate::http::Problem).
#[derive(Debug)]
pub struct ProblemSchema;

impl PartialSchema for ProblemSchema {
    fn schema() -> RefOr<Schema> {
        let shape = json!({
            "type": "object",
            "description": "An error (RFC 9457). `code` is stable, for programs; `detail` is for people.",
            "required": ["type", "title", "status", "code", "detail", "requestId"],
            "properties": {
                "type": {"type": "string", "enum": ["about:blank"]},
                "title": {"type": "string", "description": "What the status means."},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "code": {"type": "string", "pattern": "^[a-z_]+$"},
                "detail": {"type": "string"},
                "field": {"type": "string", "description": "The field or parameter at fault, where it is one."},
                "requestId": {"type": "string", "description": "The same as the header X-Request-Id."},
            },
            "additionalProperties": false,
        });
        Shape(shape).into()
    }
}

impl ToSchema for ProblemSchema {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

/// The answers that refuse with one of these codes, by status.
pub fn responses(groups: &[Codes]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&Code>> = BTreeMap::new();
    for code in groups.iter().copied().flatten() {
        by_status.entry(code.status).or_default().push(code);
    }
    let answer = |(status, codes): (u16, Vec<&Code>)| (status.to_string(), RefOr::T(refusal(status, &codes)));
    by_status.into_iter().map(answer).collect()
}

fn refusal(status: u16, codes: &[&Code]) -> Response {
    let title =
        StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let lines: Vec<String> = codes.iter().map(|code| format!("- `{}`: {}", code.name, code.means)).collect();
    let names: Vec<&str> = codes.iter().map(|code| code.name).collect();
    let schema = json!({
        "allOf": [
            {"$ref": format!("#/components/schemas/{}", ProblemSchema::name())},
            {"type": "object", "properties": {"status": {"enum": [status]}, "code": {"enum": names}}},
        ],
    });
    let response = ResponseBuilder::new()
        .description(format!("{title}\n\n{}", lines.join("\n")))
        .content(MEDIA_TYPE, Content::new(Some(Shape(schema))));
    headers(status)
        .into_iter()
        .fold(response, |response, (name, header)| response.header(name, header))
        .build()
}

/// The headers that an error of this status has beside those of every answer.
fn headers(status: u16) -> Vec<(&'static str, Header)> {
    let one_of = |values: &[&str], why: &str| {
        let mut header = Header::new(shapes::one_of(values));
        header.description = Some(why.to_owned());
        header
    };
    match status {
        401 => vec![("WWW-Authenticate", one_of(&["Bearer"], "What would do."))],
        426 => vec![
            ("Upgrade", one_of(&["websocket"], "What would do.")),
            ("Sec-WebSocket-Version", one_of(&["13"], "What would do.")),
        ],
        429 | 503 => {
            let mut header = Header::new(shapes::count());
            header.description = Some("Seconds after which it makes sense to ask again.".to_owned());
            vec![("Retry-After", header)]
        }
        _ => Vec::new(),
    }
}
