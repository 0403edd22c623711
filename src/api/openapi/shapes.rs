//! The shapes of what the API takes and answers, with the bounds that `domain` and the handlers check. Those
//! of `domain`'s and `protocol`'s own types are written here, so that these layers know nothing of documents;
//! that they are what is sent is held by a run of the fuzzer against the server.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::values::{
    anything, category, channels, day, delivery_states, door, guests, kind, language_or_zone, line,
    listing_id, priority, steps,
};
use crate::api::admin::trail::STEPS_MAX;
use crate::api::inbox::LIMIT_MAX;
use crate::domain::BookingStatus;
use crate::domain::booking::{NAME_MAX, NOTE_MAX};
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX};
use crate::domain::order::TOKEN_ID_MAX;
use crate::domain::recipient::CATEGORIES_MAX;
use crate::domain::request_id::REQUEST_ID_MAX;
use crate::http::openapi::shapes::{
    CONTROLS, Shape, any_text, boolean, count, email, one_of, seq, text, timestamp, user_id, uuid,
};
use crate::protocol::events::IDS_MAX;
use crate::requests::PublishRequest;

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

pub(super) use named;

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
        ("nextCursor", Shape(json!({"type": "string", "pattern": "^(?:after-)?[0-9]+$"})).or_null()),
    ]);
    /// A link to somebody's preferences page.
    PageLink: Shape::closed([("url", any_text()), ("expiresAt", timestamp())]);
    /// What such a link opens.
    OpenedLink: Shape::closed([
        ("scope", one_of(&["person", "mail"])),
        ("category", category().or_null()),
        ("address", any_text().or_null()),
        ("categories", category().list()),
        ("preferences", Shape::closed(choices())),
    ]);
    /// Where the caller's inbox stands.
    Count: inbox_count();
    /// What to mark as read.
    Selection: selection();
    /// What was marked as read.
    ReadAnswer: changed(&[]);
    /// What was deleted.
    DeleteAnswer: changed(&["total"]);
    /// Up to where receipt is confirmed.
    Acknowledged: Shape::closed([("seq", count())]);
    /// A ticket.
    TicketAnswer: ticket();
    /// A notification's whole way.
    Trail: trail();
    /// That a user's connections end.
    Disconnected: Shape::closed([("userId", user_id()), ("at", timestamp())]);
    /// What was revoked of a user.
    Revoked: revoked();
    /// What to revoke of a user.
    Revocation: revocation();
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
    /// The last mails.
    Mails: Shape::closed([("items", Shape::closed([
        ("id", any_text()),
        ("to", any_text()),
        ("subject", any_text()),
        ("date", timestamp()),
        ("text", any_text()),
        ("url", any_text()),
    ]).list())]);
    /// The answer of the development route.
    TestAnswer: Shape::closed([("notifications", places())]);
}

fn token_id() -> Shape {
    any_text()
        .with("minLength", 1)
        .with("maxLength", TOKEN_ID_MAX)
        .with("pattern", format!("^[^{CONTROLS}]+$"))
        .with("examples", json!(["0198a000-0000-7000-8000-00000000abcd"]))
}

fn revocation() -> Shape {
    Shape(json!({
        "type": "object",
        "properties": {"jti": token_id(), "issuedBefore": timestamp()},
        "additionalProperties": false,
        "maxProperties": 1,
        "examples": [{}],
    }))
}

fn revoked() -> Shape {
    Shape(json!({"oneOf": [
        Shape::closed([("userId", user_id()), ("jti", token_id()), ("at", timestamp())]),
        Shape::closed([("userId", user_id()), ("issuedBefore", timestamp()), ("at", timestamp())]),
    ]}))
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
        ("guestName", line(NAME_MAX).with("examples", json!(["Ada"])).or_null()),
        ("listingId", listing_id()),
        ("listingName", line(NAME_MAX).with("examples", json!(["Sea View"])).or_null()),
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

fn inbox_count() -> Shape {
    let of_category = Shape::closed([("unread", count()), ("total", count())]);
    let categories = json!({
        "type": "object", "propertyNames": category(), "additionalProperties": of_category,
        "examples": [{"bookings": {"unread": 3, "total": 17}}],
    });
    Shape::closed([
        ("unread", count()),
        ("total", count()),
        ("seq", count()),
        ("categories", Shape(categories)),
    ])
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

/// What was marked as read, or deleted with `more`: how many are kept.
fn changed(more: &[&str]) -> Shape {
    let required = [&["ids", "unread", "seq"], more].concat();
    let own = [
        ("ids", uuid().list().with("maxItems", IDS_MAX).with("description", "Those that changed.")),
        ("upTo", count().with("description", "Where a whole stretch changed: everything up to this seq.")),
        ("unread", count()),
        ("seq", count()),
    ];
    let more = more.iter().map(|name| (*name, count()));
    let properties: Map<String, Value> =
        own.into_iter().chain(more).map(|(name, shape)| (name.to_owned(), shape.0)).collect();
    Shape(json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
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
        (
            "notification",
            Shape::named("Notification")
                .or_null()
                .with("description", "None once it was deleted or is too old."),
        ),
        ("requestId", text(REQUEST_ID_MAX).or_null().with("description", "The request that it comes of.")),
        ("delivery", Shape(json!({"anyOf": [delivery, {"type": "null"}]}))),
        ("trail", step.list().with("maxItems", STEPS_MAX + 1)),
        ("truncated", boolean().with("description", "Whether older steps were left out.")),
    ])
}

fn readiness() -> Shape {
    let state = || one_of(&["ok", "degraded"]);
    let parts = ["database", "mail", "queues", "hub", "bus", "audit"].map(|part| (part, state()));
    let waiting = ["write", "clerical", "read", "mail", "confirmations"].map(|queue| (queue, count()));
    let memory = ["resident", "presence"].map(|part| (part, count()));
    Shape::closed([
        ("status", state()),
        ("parts", Shape::closed(parts).with_optional("rabbitmq", state())),
        ("overdueMails", count()),
        ("waiting", Shape::closed(waiting).with("description", "What waits, by queue.")),
        (
            "memory",
            Shape::closed(memory).with("description", "In bytes: the process's, and presence's share."),
        ),
    ])
}
