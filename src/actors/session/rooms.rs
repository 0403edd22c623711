//! What a session does with rooms and presence: joining, leaving, and asking who is there. Whom a room
//! admits is the domain's to say, and a booking's parties the database's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use serde::Serialize;
use serde_json::json;

use super::lookups::Lookups;
use super::oversight::{self, Bearer};
use super::{Answer, Outbox, Reaction, Services, Session};
use crate::actors::hub::{Join, Joined, Leave};
use crate::actors::presence::{self, Everywhere};
use crate::actors::reader::ReadError;
use crate::bus::Figures;
use crate::domain::{BookingId, Channel, Member, Role, Room, UserId};
use crate::protocol::events::Refusal;
use crate::protocol::offset::Rooms;
use crate::storage::bookings;

/// What `getPresence` is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PresenceStats<'a> {
    total_online: usize,
    by_role: &'a BTreeMap<Role, usize>,
    connections: usize,
    sessions: usize,
    /// Whether all instances are in it.
    complete: bool,
    /// Of the users that were asked about, who is online.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<&'a str, bool>,
}

impl<'a> PresenceStats<'a> {
    fn new(everywhere: &'a Everywhere, asked: &'a [UserId]) -> Self {
        let Figures { users, by_role, connections, sessions, .. } = &everywhere.figures;
        Self {
            total_online: *users,
            by_role,
            connections: *connections,
            sessions: *sessions,
            complete: everywhere.is_complete,
            users: asked.iter().map(|user| (user.as_str(), everywhere.online.contains(user))).collect(),
        }
    }
}

impl Session {
    fn own_room(&self, user: Option<String>) -> Result<(String, Room), Refusal> {
        let user = user.unwrap_or_else(|| self.outbox.user().to_string());
        if user != self.outbox.user().as_str() {
            return Err(Refusal::new("forbidden", "only one's own notifications can be subscribed to"));
        }
        Ok((user, Room::User(self.outbox.user().clone())))
    }

    pub(super) fn subscribe(&self, user: Option<String>) -> Result<Reaction, Refusal> {
        let (user, room) = self.own_room(user)?;
        let data = json!({ "userId": user, "room": room.to_string() });
        Ok(Reaction::Later(self.join(room, Answer::new("subscribed", data))))
    }

    pub(super) fn unsubscribe(&self, user: Option<String>) -> Result<Reaction, Refusal> {
        let (user, room) = self.own_room(user)?;
        let data = json!({ "userId": user, "room": room.to_string() });
        self.leave(room);
        Ok(Reaction::Answer(Answer::new("unsubscribed", data)))
    }

    pub(super) fn join_room(&self, name: &str) -> Result<Reaction, Refusal> {
        let room = self.parse_room(name)?;
        let joined = Answer::new("joinedRoom", json!({ "room": name }));
        let me = self.me();
        if room.is_open_to(&me) {
            return Ok(Reaction::Later(self.join(room, joined)));
        }
        if booking_of(&room).is_none() && !room.admits(&me) {
            return Err(oversight::forbidden());
        }
        Ok(Reaction::Later(self.join_if_let_in(room, joined)))
    }

    /// A booking's own parties are let in, which the database knows, and administrators when that is noted.
    fn join_if_let_in(&self, room: Room, joined: Answer) -> LocalBoxFuture<'static, Answer> {
        let (services, outbox, bearer) = (Arc::clone(&self.services), Rc::clone(&self.outbox), self.bearer());
        let (lookups, ticket) = (self.lookups.clone(), self.lookups.begin(room.clone()));
        async move {
            let entered = bearer.enter(&room).await;
            let wanted = lookups.end(ticket);
            match entered {
                Ok(()) if !wanted => Refusal::new("left", "the room was left before it was joined").into(),
                // Not a moment earlier: the hub is told when this is called, not when it is awaited.
                Ok(()) => join(&services, &outbox, &lookups, room, joined).await,
                Err(refusal) => refusal.into(),
            }
        }
        .boxed_local()
    }

    /// Whether a client that comes back may have these rooms again: looked up, and noted, anew.
    pub fn may_rejoin(
        services: &Arc<Services>,
        me: &Arc<Member>,
        channel: Channel,
        rooms: &Rooms,
    ) -> LocalBoxFuture<'static, bool> {
        let Rooms::All(rooms) = rooms else { return std::future::ready(false).boxed_local() };
        if rooms.len() > services.settings.max_rooms {
            return std::future::ready(false).boxed_local();
        }
        let closed: Vec<Room> = rooms.iter().filter(|room| !room.is_open_to(me)).cloned().collect();
        let bearer = Bearer::new(Rc::new(RefCell::new(Arc::clone(me))), channel, Arc::clone(services));
        async move {
            for room in closed {
                if bearer.enter(&room).await.is_err() {
                    return false;
                }
            }
            true
        }
        .boxed_local()
    }

    /// Joins the rooms again that a client was found entitled to.
    pub fn rejoin(&self, rooms: Rooms) -> LocalBoxFuture<'static, ()> {
        let Rooms::All(rooms) = rooms else { return std::future::ready(()).boxed_local() };
        let joins: Vec<_> =
            rooms.into_iter().map(|room| self.join(room, Answer::new("joinedRoom", json!({})))).collect();
        async move {
            join_all(joins).await;
        }
        .boxed_local()
    }

    pub(super) fn leave_room(&self, name: &str) -> Result<Reaction, Refusal> {
        let room = self.parse_room(name)?;
        self.leave(room);
        Ok(Reaction::Answer(Answer::new("leftRoom", json!({ "room": name }))))
    }

    /// A room as the client spells it; one's own user id alone is one's own room.
    fn parse_room(&self, name: &str) -> Result<Room, Refusal> {
        if name == self.outbox.user().as_str() {
            return Ok(Room::User(self.outbox.user().clone()));
        }
        Room::parse(name).map_err(|error| Refusal::new("bad_room", error.to_string()))
    }

    fn join(&self, room: Room, done: Answer) -> LocalBoxFuture<'static, Answer> {
        join(&self.services, &self.outbox, &self.lookups, room, done)
    }

    /// Who is here, for what outlives the event.
    pub(super) fn bearer(&self) -> Bearer {
        Bearer::new(Rc::clone(&self.me), self.outbox.channel(), Arc::clone(&self.services))
    }

    /// Joins rooms on behalf of an answer that outlives the event.
    pub(super) fn rejoiner(&self) -> impl Fn(Room) -> LocalBoxFuture<'static, Answer> + use<> {
        let (services, outbox) = (Arc::clone(&self.services), Rc::clone(&self.outbox));
        let lookups = self.lookups.clone();
        move |room| join(&services, &outbox, &lookups, room, Answer::new("joinedRoom", json!({})))
    }

    fn leave(&self, room: Room) {
        self.lookups.cancel(&room);
        self.outbox.left(&room);
        self.services.hub.do_send(Leave { session: self.outbox.reference(), room });
    }

    /// Totals for everybody; of single users, administrators and services learn all, others only of
    /// themselves: a stranger looks the same whether online, offline or unknown.
    pub(super) fn presence(&self, asked: Vec<UserId>) -> LocalBoxFuture<'static, Answer> {
        let me = self.me();
        let all = me.has_role(Role::ADMIN) || me.has_role(Role::SERVICE);
        let visible: Vec<UserId> = asked.iter().filter(|user| all || **user == me.user).cloned().collect();
        let (services, bearer) = (Arc::clone(&self.services), self.bearer());
        async move {
            if let Err(refusal) = bearer.look_at(&visible).await {
                return refusal.into();
            }
            let Ok(everywhere) = presence::everywhere(&services, visible).await else {
                return Refusal::new("unavailable", "presence is not known: try again").into();
            };
            Answer::new("presenceStats", json!(PresenceStats::new(&everywhere, &asked)))
        }
        .boxed_local()
    }
}

/// The booking that a room is of.
pub(super) fn booking_of(room: &Room) -> Option<BookingId> {
    let Room::Other(canonical) = room else { return None };
    canonical.strip_prefix("booking:").and_then(|id| BookingId::parse("room", id).ok())
}

pub(super) fn is_party(
    services: &Arc<Services>,
    user: &UserId,
    id: BookingId,
) -> LocalBoxFuture<'static, Result<bool, ReadError>> {
    let (user, services) = (user.clone(), Arc::clone(services));
    async move {
        let booking = services.reader.run(move |connection| bookings::find(connection, id)).await?;
        Ok(booking.is_some_and(|booking| booking.is_party(&user)))
    }
    .boxed_local()
}

/// Asks the hub at once; `done` is the answer when the session is in the room.
fn join(
    services: &Services,
    outbox: &Rc<Outbox>,
    lookups: &Lookups,
    room: Room,
    done: Answer,
) -> LocalBoxFuture<'static, Answer> {
    let (lookups, ticket) = (lookups.clone(), lookups.begin(room.clone()));
    let most = services.settings.max_rooms;
    let request = services.hub.send(Join { session: outbox.reference(), room: room.clone(), most });
    let outbox = Rc::clone(outbox);
    async move {
        let joined = request.await;
        let is_wanted = lookups.end(ticket);
        match joined {
            Ok(Joined::In) => {
                // Who left meanwhile is out again.
                if is_wanted {
                    outbox.joined(room);
                }
                done
            }
            Ok(Joined::TooManyRooms) => {
                Refusal::new("too_many_rooms", format!("at most {most} rooms: leave one first")).into()
            }
            Ok(Joined::Gone) | Err(_) => {
                Refusal::new("unavailable", "the room could not be joined: try again").into()
            }
        }
    }
    .boxed_local()
}
