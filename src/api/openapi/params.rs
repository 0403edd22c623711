//! Parameters of the API's routes.

use super::values;
use crate::api::admin::audit::TARGET_MAX;
use crate::api::admin::query;
use crate::api::idempotency::KEY_MAX;
use crate::api::inbox::{LIMIT_DEFAULT, LIMIT_MAX, PAGE_DEPTH_MAX};
use crate::domain::{AdminAction, Step};
use crate::http::openapi::parameters;
use crate::http::openapi::shapes::{Shape, any_text, boolean, one_of, text, user_id, uuid, whole_number};

parameters! {
    BookingId {
        Path "id" True uuid(), "The booking's id.";
    }
    NotificationId {
        Path "id" True uuid(), "The notification's id.";
    }
    User {
        Path "id" True user_id(), "The user's id.";
    }
    BroadcastId {
        Path "id" True uuid(), "The broadcast's id.";
    }
    AssetName {
        Path "file" True asset_name(), "The file's name.";
    }
    IfNoneMatch {
        Header "If-None-Match" False any_text(), "The ETag of an earlier answer.";
    }
    MailList {
        Query "to" False any_text(), "Only those to this address.";
    }
    MailId {
        Path "id" True any_text(), "The mail's id.";
    }
    LinkKeyIfAny {
        Query "key" False any_text(), "What the link was given; the page says what is wrong with it.";
    }
    LinkKey {
        Query "key" True any_text(), "What the link was given.";
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
    PresenceList {
        Query "limit" False admin_limit(), "How many users.";
        Query "cursor" False user_id(), "The `nextCursor` of an earlier answer: the id of the last user there.";
        Query "role" False values::role_name(), "Only who holds this role.";
        Query "userId" False user_id(), "Only this user.";
    }
    LogList {
        Query "limit" False admin_limit(), "How many.";
        Query "cursor" False opaque_cursor(), "The `nextCursor` of an earlier answer.";
        Query "userId" False user_id(), "Only those of this user.";
        Query "type" False values::chosen_kind(), "Only of this type.";
        Query "category" False values::category(), "Only of this category.";
        Query "state" False values::delivery_states(), "Only those whose delivery is in this state.";
        Query "channel" False values::channels(), "Only those that first reached their user so.";
        Query "from" False moment(), "Not before this time.";
        Query "to" False moment(), "Before this time.";
    }
    Stats {
        Query "from" False moment(), "Not before this time; a day before the end unless said.";
        Query "to" False moment(), "Before this time; now unless said, and at most 31 days after the begin.";
    }
    AuditList {
        Query "limit" False admin_limit(), "How many.";
        Query "cursor" False opaque_cursor(), "The `nextCursor` of an earlier answer.";
        Query "userId" False user_id(), "Only what concerns this user.";
        Query "actor" False user_id(), "Only deeds of this administrator.";
        Query "action" False one_of(&AdminAction::ALL.map(AdminAction::as_str)), "Only such deeds.";
        Query "step" False one_of(&Step::ALL.map(Step::as_str)), "Only such receipts.";
        Query "notificationId" False uuid(), "Only what concerns this notification.";
        Query "target" False text(TARGET_MAX).with("minLength", 1), "Only deeds that concern this.";
        Query "from" False moment(), "Not before this time.";
        Query "to" False moment(), "Before this time.";
    }
}

fn admin_limit() -> Shape {
    whole_number(1, query::LIMIT_MAX).with("default", query::LIMIT_DEFAULT)
}

/// Only what was given is taken; what it says is nobody's to know.
fn opaque_cursor() -> Shape {
    any_text().with("pattern", "^[A-Za-z0-9_-]+$")
}

/// RFC 3339, in any zone.
fn moment() -> Shape {
    any_text().with("format", "date-time").with("examples", serde_json::json!(["2026-01-06T15:30:45Z"]))
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
