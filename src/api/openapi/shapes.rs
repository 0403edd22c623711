//! The shapes of what the API takes and answers, with the bounds that `domain` and the handlers check. Those
//! of `domain`'s and `protocol`'s own types are written here, so that these layers know nothing of documents;
//! that they are what is sent is held by a run of the fuzzer against the server.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::api::idempotency::KEY_MAX;
use crate::api::inbox::LIMIT_MAX;
use crate::api::publish::PublishRequest;
use crate::api::receipts::SESSION_ID_MAX;
use crate::api::trail::STEPS_MAX;
use crate::domain::booking::{GUESTS_MAX, LISTING_ID_MAX, NAME_MAX, NOTE_MAX};
use crate::domain::ids::USER_ID_MAX;
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX, TYPE_MAX, reserved_types};
use crate::domain::recipient::CATEGORIES_MAX;
use crate::domain::room::ROOM_NAME_MAX;
use crate::domain::{BookingStatus, Channel, Door, Step};
use crate::http::openapi::shapes::*;
use crate::protocol::events::IDS_MAX;

/// Makes a type that stands for a named shape in attributes.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident: $shape:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(in crate::api) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $shape.into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+
    };
}

named! {
    /// [`crate::domain::Booking`].
    Booking: booking();
    /// [`crate::protocol::json::Envelope`], stored.
    Notification: notification();
    /// [`crate::domain::Preferences`].
    Preferences: preferences();
    /// The same as it is answered: everything is said.
    PreferencesAnswer: Shape::closed(choices());
    /// A page of a list.
    Page: Shape::closed([
        ("items", Shape::named("Notification").list().with("maxItems", LIMIT_MAX)),
        ("nextCursor", Shape(json!({"type": "string", "pattern": "^[0-9]+$"})).or_null()),
    ]);
    /// Where the caller's inbox stands.
    Count: Shape::closed([("unread", count()), ("total", count()), ("seq", count())]);
    /// What to mark as read.
    Selection: selection();
    /// What was marked as read.
    ReadAnswer: read_answer();
    /// Up to where receipt is confirmed.
    Acknowledged: Shape::closed([("seq", count())]);
    /// A ticket.
    TicketAnswer: ticket();
    /// A notification's whole way.
    Trail: trail();
    /// That the process is alive.
    Health: Shape::closed([("status", one_of(&["ok"]))]);
    /// Whether new connections should come here, and which part is degraded.
    Readiness: readiness();
    /// A token.
    Token: Shape::closed([("token", any_text()), ("expiresAt", timestamp())]);
    /// Where a notification went.
    NotificationPlace: Shape::closed([("id", uuid()), ("seq", seq())]);
    /// A [`PublishRequest`] with whom it is for, which no derived schema can say.
    Publication: Shape(json!({"allOf": [PublishRequest::schema(), {"oneOf": targets()}], "examples": [publication()]}));
    /// The answer to what is kept.
    Published: Shape(json!({"oneOf": [
        Shape::closed([("notifications", places())]),
        Shape::closed([("count", count())]),
    ]}));
    /// The answer to what is passing.
    Passed: Shape::closed([("passing", Shape(json!({"type": "boolean", "enum": [true]})))]);
    /// The answer of the development route.
    TestAnswer: Shape::closed([("notifications", places())]);
}

/// Where notifications went, by user.
fn places() -> Shape {
    let place = Shape::closed([("id", uuid()), ("userId", user_id()), ("seq", seq())]);
    place.list().with("minItems", 1)
}

fn publication() -> Value {
    json!({
        "type": "review.created", "userId": "demo-host", "title": "New review", "message": "Five stars for Sea View",
        "data": {"reviewId": "r-7"},
    })
}

/// One target and no other; `null` is none. A room that is nobody's inbox takes what is passing only.
fn targets() -> Vec<Value> {
    let given = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    let mut targets: Vec<Value> = ["userId", "userIds", "role"].map(given).into();
    let inbox = json!({"properties": {"room": {"pattern": "^(?:user[:_]|host[-_:]|role:)"}}});
    let passing = json!({"required": ["passing"], "properties": {"passing": {"enum": [true]}}});
    targets.push(json!({"allOf": [given("room"), {"anyOf": [inbox, passing]}]}));
    targets
}

fn booking() -> Shape {
    Shape::closed([
        ("id", uuid()),
        ("hostId", user_id()),
        ("guestId", user_id()),
        ("guestName", line(NAME_MAX).or_null()),
        ("listingId", line(LISTING_ID_MAX)),
        ("listingName", line(NAME_MAX).or_null()),
        ("checkIn", day()),
        ("checkOut", day()),
        ("guests", guests()),
        ("note", any_text().with("maxLength", NOTE_MAX).or_null()),
        ("status", one_of(&statuses())),
        ("createdAt", timestamp()),
        ("updatedAt", timestamp()),
    ])
    .with("description", "A booking as it is kept.")
}

fn statuses() -> [&'static str; 4] {
    use BookingStatus::{Accepted, Cancelled, Completed, Pending};
    [Pending, Accepted, Completed, Cancelled].map(BookingStatus::as_str)
}

fn notification() -> Shape {
    Shape::closed([
        ("id", uuid()),
        ("seq", seq()),
        ("type", kind()),
        ("category", category()),
        ("priority", priority()),
        ("title", text(TITLE_MAX)),
        ("message", text(MESSAGE_MAX)),
        ("userId", user_id()),
        ("actorId", text(ACTOR_TEXT_MAX).or_null()),
        ("actorName", text(ACTOR_TEXT_MAX).or_null()),
        ("actorAvatar", text(ACTOR_TEXT_MAX).or_null()),
        ("data", anything()),
        ("timestamp", timestamp()),
        ("isRead", boolean()),
        ("readAt", timestamp().or_null()),
    ])
    .with("description", "A notification, the same on every door. `seq` is its place in its user's inbox.")
}

fn preferences() -> Shape {
    let properties = Map::from_iter(choices().map(|(name, shape)| (name.to_owned(), shape.0)));
    Shape(json!({
        "type": "object", "properties": properties, "additionalProperties": false,
        "description": "What a person chooses. What is not said is as if never chosen, and allowed.",
        "examples": [{"email": "host-7@example.org", "locale": "de", "channels": {"reviews": {"email": false}}}],
    }))
}

fn choices() -> [(&'static str, Shape); 4] {
    let channels = json!({
        "type": "object", "maxProperties": CATEGORIES_MAX, "propertyNames": category(),
        "additionalProperties": Shape::closed([("email", boolean())]),
        "description": "By category: whether what no device confirmed is sent as e-mail.",
    });
    [
        ("email", email().or_null().with("description", "The address that mail goes to.")),
        ("locale", language_or_zone().or_null().with("description", "A BCP 47 language tag.")),
        ("timeZone", language_or_zone().or_null().with("description", "An IANA time zone name.")),
        ("channels", Shape(channels)),
    ]
}

fn selection() -> Shape {
    let ids = uuid().list().with("minItems", 1).with("maxItems", IDS_MAX);
    let up_to = count().with("maximum", i64::MAX);
    let all = Shape(json!({"type": "boolean"}));
    let given = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    let choices = ["ids", "id", "notificationId", "upTo"].map(given).into_iter();
    let choices = choices.chain([json!({"required": ["all"], "properties": {"all": {"enum": [true]}}})]);
    Shape(json!({
        "type": "object",
        "description": "Exactly one of these: some by their ids, all up to and with a seq, or all.",
        "properties": {
            "ids": ids.or_null(), "id": uuid().or_null(), "notificationId": uuid().or_null(),
            "upTo": up_to.or_null(), "all": all.or_null(),
        },
        "oneOf": choices.collect::<Vec<_>>(),
        "examples": [{"all": true}],
    }))
}

fn read_answer() -> Shape {
    Shape(json!({
        "type": "object", "required": ["ids", "unread", "seq"], "additionalProperties": false,
        "properties": {
            "ids": uuid().list().with("maxItems", IDS_MAX).with("description", "Those that changed."),
            "upTo": count().with("description", "Where a whole stretch was marked: everything up to this seq."),
            "unread": count(), "seq": count(),
        },
    }))
}

fn ticket() -> Shape {
    Shape::closed([
        ("ticket", Shape(json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}))),
        ("door", door()),
        ("expiresAt", timestamp()),
        ("expiresIn", count().with("description", "Seconds.")),
    ])
}

/// A door that lets in by ticket.
pub(in crate::api) fn door() -> Shape {
    one_of(&Door::ALL.map(Door::as_str))
}

pub(in crate::api) fn optional_session_id() -> Shape {
    Shape(json!({"type": "string", "maxLength": SESSION_ID_MAX})).or_null()
}

fn trail() -> Shape {
    let delivery = Shape::closed([
        ("channel", one_of(&["email"])),
        ("state", delivery_states()),
        ("attempts", count()),
        ("error", any_text().or_null()),
        ("escalateAt", timestamp().or_null()),
        ("finishedAt", timestamp().or_null()),
    ]);
    let step = Shape::closed([
        ("at", timestamp()),
        ("step", steps()),
        ("channel", channels().or_null()),
        ("device", any_text().or_null()),
        ("error", any_text().or_null()),
    ]);
    Shape::closed([
        ("notification", Shape::named("Notification")),
        ("delivery", Shape(json!({"anyOf": [delivery, {"type": "null"}]}))),
        ("trail", step.list().with("minItems", 1).with("maxItems", STEPS_MAX + 1)),
        ("truncated", boolean().with("description", "Whether older steps were left out.")),
    ])
}

fn readiness() -> Shape {
    let state = || one_of(&["ok", "degraded"]);
    let parts = Shape::closed([("database", state()), ("mail", state())]);
    Shape::closed([("status", state()), ("parts", parts), ("overdueMails", count())])
}

/// A language tag or a time zone.
fn language_or_zone() -> Shape {
    Shape(json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9/_+-]+$"}))
}

/// A notification's category.
pub(in crate::api) fn category() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z0-9_-]+$", "examples": ["bookings"],
    }))
}

/// A notification's type.
pub(in crate::api) fn kind() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": TYPE_MAX, "pattern": "^[A-Za-z0-9._:-]+$",
        "examples": ["booking.created"],
    }))
}

/// A type that a sender may choose: the doors use some names for themselves.
pub(in crate::api) fn chosen_kind() -> Shape {
    kind().with("not", json!({"enum": reserved_types()}))
}

pub(in crate::api) fn priority() -> Shape {
    one_of(&["low", "normal", "high", "critical"])
}

/// Any JSON value.
pub(in crate::api) fn anything() -> Shape {
    Shape(json!({"description": "Any JSON value."}))
}

/// A title, a message, what is said of an actor.
pub(in crate::api) fn title() -> Shape {
    text(TITLE_MAX)
}

pub(in crate::api) fn message() -> Shape {
    text(MESSAGE_MAX)
}

pub(in crate::api) fn optional_title() -> Shape {
    title().or_null()
}

pub(in crate::api) fn optional_actor_text() -> Shape {
    text(ACTOR_TEXT_MAX).or_null()
}

pub(in crate::api) fn optional_category() -> Shape {
    category().or_null()
}

/// How many there may be is configured; see `app`.
pub(in crate::api) fn optional_user_ids() -> Shape {
    user_id().list().with("minItems", 1).or_null()
}

/// A role's name, as in the name of its room.
pub(in crate::api) fn optional_role() -> Shape {
    let most = ROOM_NAME_MAX - "role:".len();
    let shape =
        json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": format!("^[^{BLANKS}]+$")});
    Shape(shape).with("examples", json!(["PROFESSIONAL"])).or_null()
}

/// A room in any of its spellings.
pub(in crate::api) fn optional_room() -> Shape {
    let id = format!("[^{BLANKS}]");
    let pattern = format!("^(?:(?:user[:_]|host[-_:]){id}{{1,{USER_ID_MAX}}}|(?!user:|host:)[a-z-]+:{id}+)$");
    let shape = json!({"type": "string", "minLength": 3, "maxLength": ROOM_NAME_MAX, "pattern": pattern});
    Shape(shape).with("examples", json!(["listing:sea-view"])).or_null()
}

/// A name or an id on one line.
fn line(most: usize) -> Shape {
    let inner = format!("[^{CONTROLS}]*");
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": most, "pattern": format!("^{inner}[^{BLANKS}]{inner}$"),
    }))
}

pub(in crate::api) fn listing_id() -> Shape {
    line(LISTING_ID_MAX).with("examples", json!(["sea-view"]))
}

/// A name in a form, which may have been left empty.
pub(in crate::api) fn optional_name() -> Shape {
    let pattern = format!("^(?:[{BLANKS}]*|[^{CONTROLS}]*)$");
    Shape(json!({"type": "string", "maxLength": NAME_MAX, "pattern": pattern})).or_null()
}

/// A note in a form, which may have been left empty, and may have lines.
pub(in crate::api) fn optional_note() -> Shape {
    let pattern = format!("^(?:[{BLANKS}]*|(?:[^{CONTROLS}]|[\\n\\t]|\\r\\n)*)$");
    Shape(json!({"type": "string", "maxLength": NOTE_MAX, "pattern": pattern})).or_null()
}

pub(in crate::api) fn optional_email() -> Shape {
    email().or_null()
}

/// Seldom given: a booking is mostly for who books.
pub(in crate::api) fn optional_user_id() -> Shape {
    user_id().or_null()
}

const YEARS: &str = "(?:19[7-9][0-9]|[2-9][0-9]{3})";

fn day() -> Shape {
    let pattern = format!("^{YEARS}-[0-9]{{2}}-[0-9]{{2}}$");
    Shape(json!({"type": "string", "format": "date", "pattern": pattern, "examples": ["2030-12-03"]}))
}

/// A date, or a time of which the date counts.
pub(in crate::api) fn day_or_time() -> Shape {
    let time = json!({"type": "string", "format": "date-time", "pattern": format!("^{YEARS}-[0-9]{{2}}-[0-9]{{2}}T")});
    Shape(json!({"anyOf": [day(), time], "examples": ["2030-12-03"]}))
}

pub(in crate::api) fn guests() -> Shape {
    Shape(json!({"type": "integer", "minimum": 1, "maximum": GUESTS_MAX, "examples": [2]}))
}

/// Through what somebody was reached.
pub(in crate::api) fn channels() -> Shape {
    use Channel::{Email, Rest, SocketIo, Sse, WebSocket};
    one_of(&[WebSocket, SocketIo, Sse, Rest, Email].map(Channel::as_str))
}

/// What happens to a notification: its beginning, and what receipts are kept of.
pub(in crate::api) fn steps() -> Shape {
    use Step::{Confirmed, Deferred, Emailed, Failed, Read, Suppressed, Withdrawn};
    let kept = [Confirmed, Read, Deferred, Emailed, Suppressed, Withdrawn, Failed].map(Step::as_str);
    one_of(&[&["pending"], kept.as_slice()].concat())
}

/// Where a delivery stands.
pub(in crate::api) fn delivery_states() -> Shape {
    one_of(&["pending", "confirmed", "emailed", "suppressed", "withdrawn", "failed"])
}

/// Entity tags (RFC 9110 §8.8.3).
pub(in crate::api) fn entity_tags() -> Shape {
    Shape(json!({"type": "string", "pattern": "^[!-~](?:[ -~]*[!-~])?$"}))
}

/// Visible ASCII; spaces within count, those around it do not arrive.
pub(in crate::api) fn idempotency_key() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~](?:[ -~]*[!-~])?$",
        "examples": ["booking-7-of-guest-3"],
    }))
}
