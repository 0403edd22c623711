//! Parameters of the API's routes.

use super::values;
use crate::api::idempotency::KEY_MAX;
use crate::api::inbox::{LIMIT_DEFAULT, LIMIT_MAX, PAGE_DEPTH_MAX};
use crate::http::openapi::parameters;
use crate::http::openapi::shapes::{Shape, any_text, boolean, one_of, uuid, whole_number};

parameters! {
    BookingId {
        Path "id" True uuid(), "The booking's id.";
    }
    NotificationId {
        Path "id" True uuid(), "The notification's id.";
    }
    AssetName {
        Path "file" True asset_name(), "The file's name.";
    }
    IfNoneMatch {
        Header "If-None-Match" False any_text(), "The ETag of an earlier answer.";
    }
    IdempotencyKey {
        Header "Idempotency-Key" False idempotency_key(),
        "A request with the same key and body is done once, however often it comes: repeats get the first answer. \
         Keys are per user and are remembered for a week unless configured otherwise.";
    }
    List {
        Query "limit" False whole_number(1, LIMIT_MAX).with("default", LIMIT_DEFAULT), "How many.";
        Query "cursor" False cursor(), "The `nextCursor` of an earlier answer.";
        Query "page" False whole_number(1, PAGE_DEPTH_MAX),
            "Instead of a cursor, where it is not far: the page's number, at most 10,000 items deep.";
        Query "since" False whole_number(0, i64::MAX), "Instead of both: what came after this seq, oldest first.";
        Query "unread" False boolean(), "Only what is unread.";
        Query "category" False values::category(), "Only of this category.";
        Query "type" False values::chosen_kind(), "Only of this type.";
    }
}

fn asset_name() -> Shape {
    one_of(&["start.js", "swagger-ui-bundle.js", "swagger-ui.css"])
}

fn cursor() -> Shape {
    any_text().with("pattern", "^(?:after-)?[0-9]{1,19}$")
}

/// Visible ASCII; spaces within count, those around it do not arrive.
fn idempotency_key() -> Shape {
    any_text()
        .with("minLength", 1)
        .with("maxLength", KEY_MAX)
        .with("pattern", "^[!-~](?:[ -~]*[!-~])?$")
        .with("examples", serde_json::json!(["booking-7-of-guest-3"]))
}
