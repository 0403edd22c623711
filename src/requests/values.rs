//! The shapes of the single values that requests say, with the bounds that are checked here and in `domain`: for the
//! document of the API.

use serde_json::json;

use super::shapes::{BLANKS, CONTROLS, Shape, one_of, text, user_id};
use crate::domain::booking::{GUESTS_MAX, LISTING_ID_MAX, NAME_MAX, NOTE_MAX};
use crate::domain::ids::USER_ID_MAX;
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX, TYPE_MAX, reserved_types};
use crate::domain::room::ROOM_NAME_MAX;

/// A notification's category.
pub fn category() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z0-9_-]+$", "examples": ["bookings"],
    }))
}

/// A notification's type.
pub fn kind() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": TYPE_MAX, "pattern": "^[A-Za-z0-9._:-]+$",
        "examples": ["booking.created"],
    }))
}

/// A type that a sender may choose: the doors use some names for themselves.
pub fn chosen_kind() -> Shape {
    kind().with("not", json!({"enum": reserved_types()}))
}

pub fn priority() -> Shape {
    one_of(&["low", "normal", "high", "critical"])
}

/// Any JSON value.
pub fn anything() -> Shape {
    Shape(json!({"description": "Any JSON value."}))
}

/// A title, a message, what is said of an actor.
pub fn title() -> Shape {
    text(TITLE_MAX)
}

pub fn message() -> Shape {
    text(MESSAGE_MAX)
}

pub fn optional_title() -> Shape {
    title().or_null()
}

pub fn optional_actor_text() -> Shape {
    text(ACTOR_TEXT_MAX).or_null()
}

pub fn optional_category() -> Shape {
    category().or_null()
}

/// How many there may be is configured; see `app`.
pub fn optional_user_ids() -> Shape {
    user_id().list().with("minItems", 1).or_null()
}

/// A role's name, as in the name of its room.
pub fn optional_role() -> Shape {
    role_name().or_null()
}

pub fn role_name() -> Shape {
    let most = ROOM_NAME_MAX - "role:".len();
    let shape =
        json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": format!("^[^{BLANKS}]+$")});
    Shape(shape).with("examples", json!(["PROFESSIONAL"]))
}

/// A room in any of its spellings.
pub fn optional_room() -> Shape {
    let id = format!("[^{BLANKS}]");
    let pattern = format!("^(?:(?:user[:_]|host[-_:]){id}{{1,{USER_ID_MAX}}}|(?!user:|host:)[a-z-]+:{id}+)$");
    let shape = json!({"type": "string", "minLength": 3, "maxLength": ROOM_NAME_MAX, "pattern": pattern});
    Shape(shape).with("examples", json!(["listing:sea-view"])).or_null()
}

/// A name or an id on one line.
pub fn line(most: usize) -> Shape {
    let inner = format!("[^{CONTROLS}]*");
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": most, "pattern": format!("^{inner}[^{BLANKS}]{inner}$"),
    }))
}

pub fn listing_id() -> Shape {
    line(LISTING_ID_MAX).with("examples", json!(["sea-view"]))
}

/// A name in a form, which may have been left empty.
pub fn optional_name() -> Shape {
    let pattern = format!("^(?:[{BLANKS}]*|[^{CONTROLS}]*)$");
    Shape(json!({"type": "string", "maxLength": NAME_MAX, "pattern": pattern})).or_null()
}

/// A note in a form, which may have been left empty, and may have lines.
pub fn optional_note() -> Shape {
    let pattern = format!("^(?:[{BLANKS}]*|(?:[^{CONTROLS}]|[\\n\\t]|\\r\\n)*)$");
    Shape(json!({"type": "string", "maxLength": NOTE_MAX, "pattern": pattern})).or_null()
}

/// Seldom given: a booking is mostly for who books.
pub fn optional_user_id() -> Shape {
    user_id().or_null()
}

const YEARS: &str = "(?:19[7-9][0-9]|[2-9][0-9]{3})";

pub fn day() -> Shape {
    let pattern = format!("^{YEARS}-[0-9]{{2}}-[0-9]{{2}}$");
    Shape(json!({"type": "string", "format": "date", "pattern": pattern, "examples": ["2030-12-03"]}))
}

/// A date, or a time of which the date counts.
pub fn day_or_time() -> Shape {
    let time = json!({"type": "string", "format": "date-time", "pattern": format!("^{YEARS}-[0-9]{{2}}-[0-9]{{2}}T")});
    Shape(json!({"anyOf": [day(), time], "examples": ["2030-12-03"]}))
}

pub fn guests() -> Shape {
    Shape(json!({"type": "integer", "minimum": 1, "maximum": GUESTS_MAX, "examples": [2]}))
}
