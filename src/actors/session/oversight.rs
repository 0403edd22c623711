//! What administrators may see over a connection only because they are administrators: noted before it is shown, as
//! over HTTP, and not shown where no note could be kept. For rooms and presence; of what they may as anybody else may,
//! nothing is noted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Services;
use super::rooms::{booking_of, is_party};
use crate::actors::persistence::{Audit, WriteError};
use crate::domain::{AdminAction, AuditEntry, Channel, Member, Role, Room, UserId};
use crate::protocol::events::Refusal;

/// Who is at a connection, and which: a session's, whose token may be replaced while something is waited for.
#[derive(Debug, Clone)]
pub(super) struct Bearer {
    me: Rc<RefCell<Arc<Member>>>,
    channel: Channel,
    services: Arc<Services>,
}

impl Bearer {
    pub(super) fn new(me: Rc<RefCell<Arc<Member>>>, channel: Channel, services: Arc<Services>) -> Self {
        Self { me, channel, services }
    }

    fn me(&self) -> Arc<Member> {
        Arc::clone(&self.me.borrow())
    }

    /// Whether a room that the token itself does not open is open all the same: to a booking's parties, and to
    /// administrators, of whom it is noted first.
    pub(super) async fn enter(&self, room: &Room) -> Result<(), Refusal> {
        let me = self.me();
        let party = match booking_of(room) {
            Some(booking) => is_party(&self.services, &me.user, booking).await,
            None => Ok(false),
        };
        if matches!(party, Ok(true)) {
            return Ok(());
        }
        let me = self.me();
        match party {
            _ if room.is_open_to(&me) => return Ok(()),
            // Whether they are a party, too, may stay unknown: then they come in as what they are for certain.
            _ if room.admits(&me) => {}
            Err(error) => {
                return Err(Refusal::new(error.code(), "the room could not be looked up: try again"));
            }
            Ok(_) => return Err(forbidden()),
        }
        self.note(AdminAction::JoinRoom, Some(room.to_string()), json!({})).await?;
        // Nobody comes in by a token that was replaced meanwhile.
        if room.admits(&self.me()) { Ok(()) } else { Err(forbidden()) }
    }

    /// Whether the presence of these users may be told; where an administrator asks, it is noted.
    pub(super) async fn look_at(&self, users: &[UserId]) -> Result<(), Refusal> {
        let others: Vec<&UserId> = users.iter().filter(|user| **user != self.me().user).collect();
        if others.is_empty() || !self.me().has_role(Role::ADMIN) {
            return Ok(());
        }
        let target = match others.as_slice() {
            [one] => Some(one.to_string()),
            _ => None,
        };
        // All of them: they came in one message, which has a bound.
        let detail = json!({ "userIds": others, "users": others.len() });
        self.note(AdminAction::ReadPresence, target, detail).await
    }

    /// Keeps the note of a deed. `detail` is an object, to which the door is added.
    async fn note(
        &self,
        action: AdminAction,
        target: Option<String>,
        mut detail: Value,
    ) -> Result<(), Refusal> {
        let (services, me) = (&self.services, self.me());
        if let Value::Object(detail) = &mut detail {
            detail.insert("channel".to_owned(), json!(self.channel.as_str()));
        }
        let entry = AuditEntry {
            id: services.ids.next(),
            at: services.clock.now(),
            actor: me.user.clone(),
            device: AuditEntry::device_of(me.session.as_deref()),
            action,
            target,
            detail: Some(detail.to_string()),
            // It was asked for in no request.
            request_id: String::new(),
        };
        let kept = services.persistence.send(Audit { entry }).await;
        kept.unwrap_or(Err(WriteError::Overloaded)).map_err(|error| {
            log::debug!("what an administrator asked for is refused, it could not be noted: {error}");
            Refusal::new(
                "unavailable",
                "what administrators see is noted, which is not possible now: try again",
            )
        })
    }
}

pub(super) fn forbidden() -> Refusal {
    Refusal::new("forbidden", "this room is not open to you")
}
