//! The shapes of what administrators are answered.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::shapes::named;
use super::values::{channels, role_name};
use crate::api::admin::query::LIMIT_MAX;
use crate::domain::{AdminAction, Step};
use crate::http::openapi::shapes::{Shape, any_text, count, one_of, timestamp, user_id, uuid};

named! {
    /// Who is online.
    Presence: presence();
    /// A page of the audit.
    AuditPage: page(audit_entry());
}

fn page(item: Shape) -> Shape {
    let cursor = any_text().with("pattern", "^[A-Za-z0-9_-]+$").or_null();
    Shape::closed([("items", item.list().with("maxItems", LIMIT_MAX)), ("nextCursor", cursor)])
}

/// Figures by name.
fn figures(names: &Shape, description: &str) -> Shape {
    let shape = json!({"type": "object", "propertyNames": names, "additionalProperties": count()});
    Shape(shape).with("description", description)
}

fn presence() -> Shape {
    let session = Shape::closed([("sessionId", any_text()), ("door", channels()), ("since", timestamp())]);
    let user = Shape::closed([
        ("userId", user_id()),
        ("roles", any_text().list()),
        ("connections", count()),
        ("sessions", session.list().with("description", "Every connection, oldest first.")),
    ]);
    let instance = Shape::closed([
        ("instance", any_text()),
        ("totalOnline", count()),
        ("connections", count()),
        ("sessions", count()),
    ]);
    Shape::closed([
        ("instance", any_text().with("description", "Which instance answers.")),
        ("instances", instance.list()),
        ("totalOnline", count().with("description", "Users with at least one connection.")),
        ("connections", count()),
        ("sessions", count().with("description", "Log-ins of the platform with at least one connection.")),
        ("byRole", figures(&role_name(), "Users online by role.")),
        ("byDoor", figures(&channels(), "Connections by door.")),
        ("users", user.list().with("maxItems", LIMIT_MAX)),
        ("nextCursor", user_id().or_null()),
    ])
}

fn audit_entry() -> Shape {
    let detail = json!({"type": ["object", "null"], "description": "How the deed was asked for."});
    Shape::closed([
        ("at", timestamp()),
        ("kind", one_of(&["receipt", "deed"])),
        ("actor", user_id().or_null().with("description", "Who did it; null where the server did.")),
        ("device", any_text().or_null()),
        ("userId", user_id().or_null().with("description", "Whose notification it is.")),
        ("notificationId", uuid().or_null()),
        ("step", one_of(&Step::ALL.map(Step::as_str)).or_null()),
        ("channel", channels().or_null()),
        ("error", any_text().or_null()),
        ("action", one_of(&AdminAction::ALL.map(AdminAction::as_str)).or_null()),
        ("target", any_text().or_null().with("description", "Whom or what the deed concerns.")),
        ("detail", Shape(detail)),
        ("requestId", any_text().or_null()),
    ])
}
