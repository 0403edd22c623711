//! What one connection may hear, in which order: `connected` first, then what was missed, then what is new,
//! each notification right after the one before it. Knows no socket.

use serde_json::Value;

use crate::support::socket::Event;

/// A notification as a device was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) seq: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was said yet.
    Silent,
    /// What was missed comes, up to `resumed`.
    Replay,
    Live,
}

/// One connection, from its first word.
#[derive(Debug)]
pub(super) struct Conversation {
    host: String,
    /// The seq that the device asked to go on from.
    since: Option<i64>,
    /// The highest seq that the device was ever told of.
    highest: i64,
    stage: Stage,
    /// The seq after which the next one must come, once that is known.
    last: Option<i64>,
}

impl Conversation {
    pub(super) fn new(host: &str, since: Option<i64>, highest: i64) -> Self {
        Self { host: host.to_owned(), since, highest, stage: Stage::Silent, last: None }
    }

    /// Takes what was said next; answers the notification that it is, or what is wrong with it.
    pub(super) fn hear(&mut self, event: &Event) -> Result<Option<Told>, String> {
        let wrong = |why: &str| Err(format!("{why}: {event:?} after {self:?}"));
        if (self.stage == Stage::Silent) != (event.name == "connected") {
            return wrong("`connected` is said first, and once");
        }
        match event.name.as_str() {
            "connected" if event.data["userId"] != self.host => return wrong("another's session"),
            "connected" if number(&event.data["seq"]) < Some(self.highest) => {
                return wrong("an inbox shrank");
            }
            "connected" => {
                self.last = self.since;
                self.stage = if self.since.is_some() { Stage::Replay } else { Stage::Live };
            }
            "booking.created" => return self.notification(event),
            "resumed" if self.stage != Stage::Replay => return wrong("nothing is replayed"),
            "resumed" if number(&event.data["to"]) != self.last => return wrong("not all was replayed"),
            "resumed" => self.stage = Stage::Live,
            "notification:unread_count" | "heartbeat" => {}
            "gap" => return wrong("nothing was ever removed"),
            _ => return wrong("not an answer to anything"),
        }
        Ok(None)
    }

    fn notification(&mut self, event: &Event) -> Result<Option<Told>, String> {
        let wrong = |why: &str| Err(format!("{why}: {event:?} after {self:?}"));
        let (Some(id), Some(seq)) = (event.data["id"].as_str(), number(&event.data["seq"])) else {
            return wrong("a notification has an id and a seq");
        };
        if event.data["userId"] != self.host {
            return wrong("another's notification");
        }
        if self.last.is_some_and(|last| seq != last + 1) {
            return wrong("a hole or a repeat");
        }
        self.last = Some(seq);
        self.highest = self.highest.max(seq);
        Ok(Some(Told { id: id.to_owned(), seq }))
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, data: Value) -> Event {
        Event { name: name.to_owned(), data, id: None }
    }

    fn connected(seq: i64) -> Event {
        event("connected", json!({"userId": "host", "seq": seq}))
    }

    fn booking(seq: i64) -> Event {
        event("booking.created", json!({"userId": "host", "id": format!("n{seq}"), "seq": seq}))
    }

    fn resumed(to: i64) -> Event {
        event("resumed", json!({"from": 0, "to": to}))
    }

    /// Whether all of this may be said, in this order.
    fn may_be_said(since: Option<i64>, events: &[Event]) -> bool {
        let mut conversation = Conversation::new("host", since, 3);
        events.iter().all(|event| conversation.hear(event).is_ok())
    }

    #[test]
    fn what_is_missed_comes_before_what_is_new_without_a_hole() {
        let count = event("notification:unread_count", json!({"unread": 5, "seq": 5}));
        assert!(may_be_said(Some(3), &[connected(5), booking(4), booking(5), resumed(5), booking(6), count]));
        assert!(may_be_said(Some(3), &[connected(3), resumed(3), booking(4)]));
        assert!(may_be_said(None, &[connected(5), booking(6), booking(7)]));
    }

    #[test]
    fn holes_repeats_and_what_is_anothers_are_noticed() {
        let foreign = event("booking.created", json!({"userId": "other", "id": "n4", "seq": 4}));
        for (since, events) in [
            (None, vec![booking(4)]),
            (None, vec![connected(3), connected(3)]),
            (None, vec![connected(2)]),
            (None, vec![connected(3), booking(4), booking(6)]),
            (None, vec![connected(3), booking(4), booking(4)]),
            (None, vec![connected(3), foreign]),
            (None, vec![connected(3), resumed(3)]),
            (None, vec![connected(3), event("error", json!({"code": "rate_limited"}))]),
            (Some(3), vec![connected(5), booking(5)]),
            (Some(3), vec![connected(5), booking(4), resumed(5)]),
            (Some(3), vec![connected(5), event("gap", json!({"after": 3, "oldest": 5}))]),
        ] {
            assert!(!may_be_said(since, &events), "{events:?}");
        }
    }
}
