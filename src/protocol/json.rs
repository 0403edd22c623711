//! The JSON of the raw WebSocket door, and the one envelope that every door and the REST API share.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::{InboxState, Notification, Timestamp};

/// A notification as every client sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a> {
    id: String,
    /// The place in the inbox; `null` for a passing notification, which has none.
    seq: Option<i64>,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    priority: crate::domain::Priority,
    title: &'a str,
    message: &'a str,
    user_id: Option<&'a str>,
    actor_id: Option<&'a str>,
    actor_name: Option<&'a str>,
    actor_avatar: Option<&'a str>,
    data: Option<&'a RawValue>,
    timestamp: Timestamp,
    is_read: bool,
    read_at: Option<Timestamp>,
}

impl<'a> From<&'a Notification> for Envelope<'a> {
    fn from(notification: &'a Notification) -> Self {
        let content = &notification.content;
        Self {
            id: notification.id.to_string(),
            seq: Some(notification.seq),
            kind: &notification.kind,
            category: notification.category.as_str(),
            priority: content.priority,
            title: &content.title,
            message: &content.message,
            user_id: Some(notification.user.as_str()),
            actor_id: content.actor_id.as_deref(),
            actor_name: content.actor_name.as_deref(),
            actor_avatar: content.actor_avatar.as_deref(),
            data: content.data.as_deref(),
            timestamp: notification.created_at,
            is_read: notification.read_at.is_some(),
            read_at: notification.read_at,
        }
    }
}

impl<'a> Envelope<'a> {
    /// A notification that is pushed to whoever is there and kept for nobody: no seq, no user.
    pub fn passing(notification: &'a Notification) -> Self {
        Self { seq: None, user_id: None, ..Self::from(notification) }
    }
}

/// What is said whenever an inbox's count changes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UnreadCount {
    pub unread: i64,
    pub seq: i64,
}

impl From<InboxState> for UnreadCount {
    fn from(state: InboxState) -> Self {
        Self { unread: state.unread, seq: state.last_seq }
    }
}

/// The event of [`UnreadCount`].
pub const UNREAD_COUNT: &str = "notification:unread_count";

/// `{"event": name, "data": data}`, with the `id` of the client's frame that it answers.
pub fn answer<T: Serialize>(id: Option<&RawValue>, name: &str, data: T) -> String {
    frame(id, name, &self::data(data))
}

/// `{"event": name, "data": data}` of data that is JSON already.
pub fn event_of(name: &str, data: &str) -> String {
    frame(None, name, data)
}

fn frame(id: Option<&RawValue>, name: &str, data: &str) -> String {
    let mut frame = String::with_capacity(name.len() + data.len() + 32);
    frame.push('{');
    if let Some(id) = id {
        frame.extend(["\"id\":", id.get(), ","]);
    }
    frame.extend(["\"event\":", &self::data(name), ",\"data\":", data, "}"]);
    frame
}

/// Data as JSON.
pub fn data<T: Serialize>(data: T) -> String {
    serde_json::to_string(&data).unwrap_or_else(|error| {
        // Our own types always serialise; if one ever does not, the client is told rather than left waiting.
        log::error!("an event could not be encoded: {error}");
        r#"{"code":"internal","message":"the event could not be encoded"}"#.to_owned()
    })
}

/// A client's frame on the raw WebSocket door.
#[derive(Debug, Deserialize)]
pub struct ClientFrame<'a> {
    #[serde(borrow)]
    pub event: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// Echoed in the answer: a string or a number of at most [`ID_MAX`] bytes.
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
}

/// The longest `id` that is echoed.
pub const ID_MAX: usize = 128;

impl<'a> ClientFrame<'a> {
    /// None where the text is not a frame: not JSON, no `event`, or an `id` that is too long or not plain.
    pub fn parse(text: &'a str) -> Option<Self> {
        // An array of the right length would pass for an object.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let frame: Self = serde_json::from_str(text).ok()?;
        let plain = |id: &RawValue| id.get().len() <= ID_MAX && !id.get().starts_with(['{', '[']);
        frame.id.is_none_or(plain).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_needs_an_event_and_may_have_data_and_an_id() {
        let frame = ClientFrame::parse(r#"{"event":"ping","data":[1],"id":"a"}"#).expect("a frame");
        assert_eq!(frame.event, "ping");
        assert_eq!(frame.data.map(RawValue::get), Some("[1]"));
        assert_eq!(frame.id.map(RawValue::get), Some(r#""a""#));
    }

    #[test]
    fn what_is_not_a_frame_is_refused() {
        for text in [
            "",
            "ping",
            "[]",
            r#"["ping"]"#,
            "{}",
            r#"{"event":1}"#,
            r#"{"event":"ping","id":{"a":1}}"#,
            "{\"event\":",
        ] {
            assert!(ClientFrame::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_answer_echoes_the_clients_id_as_it_was_written() {
        let id: Box<RawValue> = serde_json::from_str("17").expect("a number");
        assert_eq!(answer(Some(&id), "pong", 1), r#"{"id":17,"event":"pong","data":1}"#);
    }
}
