//! What one connection may hear, in which order: `connected` first, then what was missed, then what is new,
//! each notification after the one before it. Knows no socket.

use std::ops::Range;

use serde_json::Value;

use crate::support::socket::Event;

/// A notification as a device was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) seq: i64,
    /// The seqs between the one before it and this: none, where nothing was left out.
    pub(super) left_out: Range<i64>,
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
    /// Questions of the device that have no answer yet.
    asked: usize,
}

impl Conversation {
    pub(super) fn new(host: &str, since: Option<i64>, highest: i64) -> Self {
        Self { host: host.to_owned(), since, highest, stage: Stage::Silent, last: None, asked: 0 }
    }

    /// The seq after which the next one must come, once that is known.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }

    /// The device says that something was read, which may be refused for the moment.
    pub(super) fn ask(&mut self) {
        self.asked += 1;
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
            "resumed" if number(&event.data["from"]) != self.since.map(|since| since + 1) => {
                return wrong("not what was asked for");
            }
            "resumed" if number(&event.data["to"]) != self.last => return wrong("not all was replayed"),
            "resumed" => self.stage = Stage::Live,
            "error" if self.asked == 0 => return wrong("nothing was asked"),
            "error" => self.asked -= 1,
            // Also when another device of the host has read something.
            "notificationRead" => self.asked = self.asked.saturating_sub(1),
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
        let next = self.last.map_or(seq, |last| last + 1);
        if seq < next {
            return wrong("a repeat");
        }
        self.last = Some(seq);
        self.highest = self.highest.max(seq);
        Ok(Some(Told { id: id.to_owned(), seq, left_out: next..seq }))
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

    /// The end of the replay since 3.
    fn resumed(to: i64) -> Event {
        event("resumed", json!({"from": 4, "to": to}))
    }

    /// Whether all of this may be said, in this order.
    fn may_be_said(since: Option<i64>, events: &[Event]) -> bool {
        let mut conversation = Conversation::new("host", since, 3);
        events.iter().all(|event| {
            let told = conversation.hear(event);
            told.is_ok_and(|told| told.is_none_or(|told| told.left_out.is_empty()))
        })
    }

    #[test]
    fn what_is_missed_comes_before_what_is_new_without_a_hole() {
        let count = event("notification:unread_count", json!({"unread": 5, "seq": 5}));
        assert!(may_be_said(Some(3), &[connected(5), booking(4), booking(5), resumed(5), booking(6), count]));
        assert!(may_be_said(Some(3), &[connected(3), resumed(3), booking(4)]));
        assert!(may_be_said(None, &[connected(5), booking(6), booking(7)]));
    }

    #[test]
    fn a_question_may_be_refused_once() {
        let mut conversation = Conversation::new("host", None, 0);
        conversation.hear(&connected(0)).unwrap();
        conversation.ask();
        let refusal = event("error", json!({"code": "unavailable"}));
        assert_eq!(conversation.hear(&refusal), Ok(None));
        assert!(conversation.hear(&refusal).is_err());
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
