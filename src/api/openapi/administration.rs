//! The shapes of what administrators are answered.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::shapes::named;
use super::values::{category, channels, delivery_states, kind, role_name};
use crate::api::admin::query::LIMIT_MAX;
use crate::api::admin::stats::NAMES_MAX;
use crate::domain::notification::TITLE_MAX;
use crate::domain::{AdminAction, Step};
use crate::http::openapi::shapes::{
    Shape, any_text, boolean, count, one_of, seq, text, timestamp, user_id, uuid,
};
use crate::requests::PublishRequest;
use crate::storage::deliveries::STATES;

named! {
    /// Who is online.
    Presence: presence();
    /// A [`PublishRequest`] for everybody or a role, which no derived schema can say.
    BroadcastBody: broadcast_body();
    /// The answer to a broadcast.
    Broadcasting: Shape(json!({"oneOf": [
        Shape::closed([("id", uuid())]),
        Shape::closed([("passing", Shape(json!({"type": "boolean", "enum": [true]})))]),
    ]}));
    /// How a broadcast stands.
    Broadcast: broadcast();
    /// A page of the logs.
    LogPage: page(log_entry());
    /// Figures of notifications.
    Stats: stats();
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
        ("complete", boolean().with("description", "Whether every instance is in it.")),
        ("totalOnline", count().with("description", "Users online, by instance and added up.")),
        ("connections", count()),
        ("sessions", count().with("description", "Log-ins of the platform with at least one connection.")),
        ("byRole", figures(&role_name(), "Users online by role.")),
        ("byDoor", figures(&channels(), "Connections by door.")),
        ("users", user.list().with("maxItems", LIMIT_MAX)),
        ("nextCursor", user_id().or_null()),
    ])
}

fn broadcast_body() -> Shape {
    let given = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    let everybody = json!({"required": ["all"], "properties": {"all": {"enum": [true]}}});
    let absent = |name: &str| json!({"properties": {name: {"type": "null"}}});
    Shape(json!({
        "allOf": [
            PublishRequest::schema(),
            {"properties": {"all": {"type": "boolean"}}},
            {"oneOf": [given("role"), everybody]},
            absent("userId"), absent("userIds"), absent("room"),
        ],
        "examples": [{
            "type": "system.maintenance", "all": true, "title": "Maintenance",
            "message": "We are back at six o'clock.",
        }],
    }))
}

fn broadcast() -> Shape {
    Shape::closed([
        ("id", uuid()),
        ("state", one_of(&["pending", "finished"])),
        ("role", role_name().or_null().with("description", "Null for everybody.")),
        ("type", kind()),
        ("category", category()),
        ("title", text(TITLE_MAX)),
        ("actor", user_id()),
        ("told", count().with("description", "How many users have it in their inboxes by now.")),
        ("createdAt", timestamp()),
        ("finishedAt", timestamp().or_null()),
    ])
}

fn log_entry() -> Shape {
    let reached = "Through what it first reached its user; null where it did not.";
    Shape::closed([
        ("id", uuid()),
        ("userId", user_id()),
        ("seq", seq()),
        ("event", kind().with("description", "The type once more.")),
        ("type", kind()),
        ("category", category()),
        ("payload", Shape::named("Notification")),
        ("state", delivery_states().or_null()),
        ("channel", channels().or_null().with("description", reached)),
        ("delivered", boolean().with("description", "Whether a device has it, or the mail server.")),
        ("deliveredAt", timestamp().or_null()),
        ("attempts", count().with("description", "How often mail was tried.")),
        ("error", any_text().or_null()),
        ("createdAt", timestamp()),
        ("readAt", timestamp().or_null()),
    ])
}

fn stats() -> Shape {
    let time = || Shape(json!({"type": ["number", "null"], "minimum": 0}));
    let times = |description: &str| {
        let percentiles =
            [("p50", time()), ("p90", time()), ("p95", time()), ("p99", time()), ("max", time())];
        let [p50, p90, p95, p99, max] = percentiles;
        Shape::closed([("count", count()), p50, p90, p95, p99, max]).with("description", description)
    };
    let others = |of: &str| count().with("description", format!("Of {of} that are not named."));
    let states = one_of(&[&STATES[..], &["unknown"]].concat());
    Shape::closed([
        ("from", timestamp()),
        ("to", timestamp()),
        ("complete", boolean().with("description", "Whether everything of that time was counted.")),
        ("countedFrom", timestamp().with("description", "From where on it was.")),
        ("total", count()),
        ("byType", figures(&kind(), "The hundred that came most often.").with("maxProperties", NAMES_MAX)),
        ("otherTypes", others("types")),
        ("byCategory", figures(&category(), "The same by category.").with("maxProperties", NAMES_MAX)),
        ("otherCategories", others("categories")),
        ("byState", figures(&states, "By the delivery's state.")),
        ("byChannel", figures(&channels(), "By through what they first reached their users.")),
        ("byHour", Shape::closed([("hour", timestamp()), ("count", count())]).list()),
        ("delivery", times("Milliseconds until a device or the mail server had it.")),
        ("confirmation", times("Milliseconds until the first device had it.")),
        ("mail", times("Milliseconds until the mail server had it.")),
        ("reading", times("Milliseconds until it was read.")),
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
