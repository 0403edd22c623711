//! What clients may say, whatever door they came through: names and data in, typed events out.

use serde::Deserialize;
use serde_json::Value;

use super::whole;
use crate::config::Secret;
use crate::domain::{NotificationId, Selection, UserId};

/// The most ids that one event or request may name.
pub const IDS_MAX: usize = 1_000;

/// A client's event, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// Answered with the same data.
    Ping(Value),
    /// A user id, or none for one's own.
    Subscribe(Option<String>),
    Unsubscribe(Option<String>),
    /// A room as the client spells it.
    JoinRoom(String),
    LeaveRoom(String),
    /// Whether these users are online, beside the totals.
    GetPresence(Vec<UserId>),
    MarkRead(Selection),
    /// Everything up to this seq has been received.
    Ack(i64),
    /// Everything up to this seq was received, perhaps on another connection; what came after it is asked for.
    Resume(i64),
    /// A fresh token to go on with, which is never printed.
    RefreshToken(Secret),
}

/// An event that was refused; the connection stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn bad_data(message: &str) -> Self {
        Self::new("bad_data", message)
    }
}

impl ClientEvent {
    /// Reads an event by name. Data that does not fit is refused with `bad_data`, a name that is not
    /// known with `unknown_event`.
    pub fn parse(name: &str, data: Option<&str>) -> Result<Self, Refusal> {
        let data = match data {
            Some(text) => serde_json::from_str(text).map_err(|_| Refusal::bad_data("data must be JSON"))?,
            None => Value::Null,
        };
        match name {
            "ping" => Ok(Self::Ping(data)),
            "subscribe" => user(data).map(Self::Subscribe),
            "unsubscribe" => user(data).map(Self::Unsubscribe),
            "joinRoom" => room(data).map(Self::JoinRoom),
            "leaveRoom" => room(data).map(Self::LeaveRoom),
            "getPresence" => users(data).map(Self::GetPresence),
            "markNotificationRead" => selection(data).map(Self::MarkRead),
            "ack" => seq(data, "seq").map(Self::Ack),
            "refreshToken" => token(data).map(Self::RefreshToken),
            "resume" => seq(data, "since").map(Self::Resume),
            _ => Err(Refusal::new("unknown_event", "this event is not known")),
        }
    }
}

fn user(data: Value) -> Result<Option<String>, Refusal> {
    match data {
        Value::Null => Ok(None),
        Value::String(id) => Ok(Some(id)),
        Value::Number(id) => Ok(Some(id.to_string())),
        Value::Object(mut fields) => match fields.remove("userId") {
            Some(value @ (Value::String(_) | Value::Number(_))) => user(value),
            _ => Err(Refusal::bad_data("data must be a user id, {userId} or nothing")),
        },
        _ => Err(Refusal::bad_data("data must be a user id, {userId} or nothing")),
    }
}

fn room(data: Value) -> Result<String, Refusal> {
    match data {
        Value::String(room) => Ok(room),
        Value::Object(mut fields) => match fields.remove("room") {
            Some(Value::String(room)) => Ok(room),
            _ => Err(Refusal::bad_data("data must be a room's name or {room}")),
        },
        _ => Err(Refusal::bad_data("data must be a room's name or {room}")),
    }
}

fn token(data: Value) -> Result<Secret, Refusal> {
    let token = match data {
        Value::Object(mut fields) => fields.remove("token"),
        data => Some(data),
    };
    match token {
        Some(Value::String(token)) if !token.is_empty() => Ok(Secret::new(token)),
        _ => Err(Refusal::bad_data("data must be {token}")),
    }
}

/// A seq by itself or in the field `name`.
fn seq(mut data: Value, name: &str) -> Result<i64, Refusal> {
    let value = data.get_mut(name).map(Value::take).unwrap_or(data);
    let seq = value.as_i64().filter(|seq| *seq >= 0);
    seq.ok_or_else(|| Refusal::bad_data(&format!("data must be {{{name}}}, a whole number, 0 or above")))
}

fn users(data: Value) -> Result<Vec<UserId>, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Asked {
        #[serde(default)]
        user_ids: Vec<String>,
    }
    let unfit = || Refusal::bad_data("data must be {userIds: […]} or nothing");
    if data.is_null() {
        return Ok(Vec::new());
    }
    // Left to itself the parser takes an array for the fields in their order.
    if !data.is_object() {
        return Err(unfit());
    }
    let asked: Asked = serde_json::from_value(data).map_err(|_| unfit())?;
    if asked.user_ids.len() > IDS_MAX {
        return Err(Refusal::bad_data("at most 1000 user ids"));
    }
    asked
        .user_ids
        .iter()
        .map(|id| UserId::parse("userIds", id).map_err(|error| Refusal::bad_data(&error.to_string())))
        .collect()
}

/// `{ids}`, `{id}`, `{notificationId}`, `{upTo}` or `{all: true}`: exactly one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectionBody {
    ids: Option<Vec<String>>,
    id: Option<String>,
    notification_id: Option<String>,
    #[serde(deserialize_with = "whole::optional")]
    up_to: Option<i64>,
    all: Option<bool>,
}

impl TryFrom<SelectionBody> for Selection {
    type Error = Refusal;

    fn try_from(body: SelectionBody) -> Result<Self, Refusal> {
        const SHAPE: &str = "exactly one of id, notificationId, ids, upTo or all: true is needed";
        let single = |id: Option<String>| id.map(|id| vec![id]);
        let mut named = [body.ids, single(body.id), single(body.notification_id)].into_iter().flatten();
        match (named.next(), named.next(), body.up_to, body.all.unwrap_or(false)) {
            (Some(ids), None, None, false) => ids_of(&ids).map(Self::Ids),
            (None, None, Some(seq), false) if seq < 0 => Err(Refusal::bad_data("upTo must not be negative")),
            (None, None, Some(seq), false) => Ok(Self::UpTo(seq)),
            (None, None, None, true) => Ok(Self::All),
            _ => Err(Refusal::bad_data(SHAPE)),
        }
    }
}

fn ids_of(ids: &[String]) -> Result<Vec<NotificationId>, Refusal> {
    if ids.is_empty() {
        return Err(Refusal::bad_data("ids must not be empty"));
    }
    if ids.len() > IDS_MAX {
        return Err(Refusal::bad_data("at most 1000 ids"));
    }
    let parse = |id: &String| NotificationId::parse("id", id);
    ids.iter().map(|id| parse(id).map_err(|error| Refusal::bad_data(&error.to_string()))).collect()
}

fn selection(data: Value) -> Result<Selection, Refusal> {
    let body = match data {
        Value::String(id) => SelectionBody { id: Some(id), ..SelectionBody::default() },
        Value::Object(_) => {
            serde_json::from_value(data).map_err(|_| Refusal::bad_data("a field has the wrong type"))?
        }
        _ => return Err(Refusal::bad_data("data must be an id or an object")),
    };
    body.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01980000-0000-7000-8000-000000000001";

    #[test]
    fn every_spelling_of_mark_read_is_understood() {
        let one = Selection::Ids(vec![NotificationId::parse("id", ID).expect("a uuid")]);
        for (data, wanted) in [
            (format!("\"{ID}\""), one.clone()),
            (format!(r#"{{"id":"{ID}"}}"#), one.clone()),
            (format!(r#"{{"notificationId":"{ID}"}}"#), one.clone()),
            (format!(r#"{{"ids":["{ID}"]}}"#), one),
            (r#"{"upTo":7}"#.to_owned(), Selection::UpTo(7)),
            (r#"{"all":true}"#.to_owned(), Selection::All),
        ] {
            assert_eq!(
                ClientEvent::parse("markNotificationRead", Some(&data)),
                Ok(ClientEvent::MarkRead(wanted)),
                "{data}"
            );
        }
    }

    #[test]
    fn mark_read_without_exactly_one_choice_is_refused() {
        for data in [
            "{}",
            r#"{"all":false}"#,
            r#"{"all":true,"upTo":1}"#,
            r#"{"ids":[]}"#,
            r#"{"upTo":-1}"#,
            "7",
            "[]",
        ] {
            let refusal = ClientEvent::parse("markNotificationRead", Some(data)).expect_err(data);
            assert_eq!(refusal.code, "bad_data", "{data}");
        }
    }

    #[test]
    fn data_that_does_not_fit_is_refused_for_every_event() {
        for (name, data) in [
            ("subscribe", "[]"),
            ("subscribe", r#"{"userId":[]}"#),
            ("joinRoom", "7"),
            ("joinRoom", "{}"),
            ("leaveRoom", "null"),
            ("getPresence", r#"{"userIds":"x"}"#),
            ("getPresence", r#"{"userIds":[""]}"#),
            ("getPresence", r#"[["u1"]]"#),
            ("ack", "null"),
            ("ack", r#"{"seq":-1}"#),
            ("ack", r#"{"seq":1.5}"#),
            ("resume", r#"{"seq":1}"#),
            ("resume", r#"{"since":"1"}"#),
            ("resume", r#"{"since":9223372036854775808}"#),
        ] {
            let refusal = ClientEvent::parse(name, Some(data)).expect_err(data);
            assert_eq!(refusal.code, "bad_data", "{name} {data}");
        }
    }

    #[test]
    fn a_seq_may_stand_alone_or_in_its_field() {
        for data in ["7", r#"{"seq":7}"#] {
            assert_eq!(ClientEvent::parse("ack", Some(data)), Ok(ClientEvent::Ack(7)), "{data}");
        }
        assert_eq!(ClientEvent::parse("resume", Some(r#"{"since":0}"#)), Ok(ClientEvent::Resume(0)));
    }

    #[test]
    fn a_token_may_stand_alone_or_in_its_field_and_is_not_printed() {
        for data in ["\"a.b.c\"", r#"{"token":"a.b.c"}"#] {
            let event = ClientEvent::parse("refreshToken", Some(data)).expect(data);
            assert_eq!(event, ClientEvent::RefreshToken(Secret::new("a.b.c".to_owned())), "{data}");
            assert!(!format!("{event:?}").contains("a.b.c"), "{event:?}");
        }
        for data in ["null", "7", "\"\"", "{}", r#"{"token":7}"#, r#"["a.b.c"]"#] {
            let refusal = ClientEvent::parse("refreshToken", Some(data)).expect_err(data);
            assert_eq!(refusal.code, "bad_data", "{data}");
        }
    }

    #[test]
    fn an_unknown_event_is_told_apart_from_bad_data() {
        assert_eq!(ClientEvent::parse("dance", None).expect_err("unknown").code, "unknown_event");
    }
}
