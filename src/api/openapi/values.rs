//! The shapes of single values of the API, with the bounds that `domain` and the handlers check. Those of what is
//! asked for are with the requests.

use serde_json::json;

use crate::api::receipts::SESSION_ID_MAX;
use crate::domain::{Channel, Door, Step};
use crate::http::openapi::shapes::{Shape, count, email, one_of};
pub(in crate::api) use crate::requests::values::*;
use crate::storage::deliveries::STATES;

/// A language tag or a time zone.
pub(in crate::api) fn language_or_zone() -> Shape {
    Shape(json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9/_+-]+$"}))
}

pub(in crate::api) fn optional_email() -> Shape {
    email().or_null()
}

/// Through what somebody was reached.
pub(in crate::api) fn channels() -> Shape {
    one_of(&Channel::ALL.map(Channel::as_str))
}

/// What happens to a notification: its beginning, and what receipts are kept of.
pub(in crate::api) fn steps() -> Shape {
    one_of(&[&["pending"], Step::ALL.map(Step::as_str).as_slice()].concat())
}

/// Where a delivery stands.
pub(in crate::api) fn delivery_states() -> Shape {
    one_of(&STATES)
}

/// A door that lets in by ticket.
pub(in crate::api) fn door() -> Shape {
    one_of(&Door::ALL.map(Door::as_str))
}

pub(in crate::api) fn optional_session_id() -> Shape {
    Shape(json!({"type": "string", "maxLength": SESSION_ID_MAX})).or_null()
}

pub(in crate::api) fn optional_count() -> Shape {
    count().or_null()
}

/// A time in seconds; what is longer than a year is taken for that.
pub(in crate::api) fn optional_seconds() -> Shape {
    Shape(json!({"type": "integer", "minimum": 0, "maximum": u64::MAX, "examples": [3600]})).or_null()
}
