//! Who is in which room: a plain struct without actors. A reverse index from sessions to rooms makes a
//! disconnect cost what the session joined, not what the instance holds. Who has gone stays online for a grace time,
//! in which a page that is reloaded comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::messages::{Admission, Arrival, CallRoll, Connection, Joined, Online, Presence, Roll, SessionRef};
use super::news::News;
use crate::bus::Figures;
use crate::domain::{Channel, Member, Role, Room, UserId};

/// The rooms and presence of one instance.
#[derive(Debug)]
pub(super) struct Registry {
    rooms: HashMap<Room, Sessions>,
    sessions: HashMap<SessionRef, Seat>,
    /// Who is online, whatever rooms their sessions are in; in order, so that a page of them costs a page.
    users: BTreeMap<UserId, Here>,
    /// Until when those count as online who have gone, in the order in which they went.
    leaving: VecDeque<(Instant, UserId)>,
    grace: Duration,
    /// What others are to be told.
    news: News,
    /// Log-ins online, and how many sessions each has.
    logins: HashMap<Box<str>, usize>,
    /// Users online by role; a role nobody holds has no entry.
    by_role: BTreeMap<Role, BTreeSet<UserId>>,
    by_door: BTreeMap<Channel, usize>,
    most_sessions: usize,
    most_per_user: usize,
}

/// Somebody who is online.
#[derive(Debug, Default)]
struct Here {
    sessions: Sessions,
    /// Who it was whose last session ended, and until when they may come back; none while there is a session.
    left: Option<Box<(Instant, Arc<Member>)>>,
}

/// A session's place.
#[derive(Debug)]
pub(super) struct Seat {
    member: Arc<Member>,
    arrival: Arrival,
    /// Every room it is in: the reverse index.
    rooms: Vec<Room>,
}

impl Seat {
    pub(super) fn new(member: Arc<Member>, arrival: Arrival) -> Self {
        Self { member, arrival, rooms: Vec::new() }
    }
}

/// Most rooms and most users have one session: that one costs no allocation.
type Sessions = SmallVec<[SessionRef; 1]>;

/// The rooms a member is in from the start.
fn own_rooms(member: &Member) -> impl Iterator<Item = Room> + '_ {
    std::iter::once(Room::User(member.user.clone()))
        .chain(member.roles.iter().cloned().map(Room::Role))
        .chain(member.session.iter().map(|session| Room::Session(session.to_string())))
}

impl Registry {
    /// `news` gathers what other instances are to be told, if there are any.
    pub(super) fn new(most_sessions: usize, most_per_user: usize, grace: Duration, news: News) -> Self {
        Self {
            rooms: HashMap::new(),
            sessions: HashMap::new(),
            users: BTreeMap::new(),
            leaving: VecDeque::new(),
            grace,
            news,
            logins: HashMap::new(),
            by_role: BTreeMap::new(),
            by_door: BTreeMap::new(),
            most_sessions,
            most_per_user,
        }
    }

    pub(super) fn connect(&mut self, session: SessionRef, mut seat: Seat) -> Admission {
        let member = Arc::clone(&seat.member);
        if self.sessions.contains_key(&session) {
            return Admission::Welcome;
        }
        if self.sessions.len() >= self.most_sessions {
            return Admission::Full;
        }
        if self.sessions_of(&member.user).len() >= self.most_per_user {
            return Admission::TooManyOfUser;
        }
        self.come_back(&member.user);
        self.news.of_person(&member.user);
        self.count_roles(&member, session, true);
        *self.by_door.entry(seat.arrival.door).or_default() += 1;
        if let Some(login) = &member.session {
            *self.logins.entry(login.clone()).or_default() += 1;
        }
        self.users.entry(member.user.clone()).or_default().sessions.push(session);
        seat.rooms = own_rooms(&member).collect();
        for room in &seat.rooms {
            enter(&mut self.rooms, &mut self.news, room, session);
        }
        self.sessions.insert(session, seat);
        Admission::Welcome
    }

    /// Somebody who had gone is there again; what they were before is forgotten.
    fn come_back(&mut self, user: &UserId) {
        if let Some(left) = self.users.get_mut(user).and_then(|here| here.left.take()) {
            self.drop_roles(user, &left.1.roles);
        }
    }

    /// Those whose grace is over have gone.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, user)) = self.leaving.pop_front_if(|(until, _)| *until <= now) {
            // Unless they came back, and may have gone again since.
            let has_gone = |here: &Here| here.left.as_ref().is_some_and(|left| left.0 == until);
            if self.users.get(&user).is_some_and(has_gone) {
                self.come_back(&user);
                self.users.remove(&user);
                self.news.of_person(&user);
                self.news.of_room(&Room::User(user), false);
            }
        }
        if self.leaving.is_empty() {
            self.leaving.shrink_to_fit();
        }
    }

    /// Whether the user of this room has gone only just now.
    pub(super) fn is_leaving(&self, room: &Room) -> bool {
        let Room::User(user) = room else { return false };
        self.users.get(user).is_some_and(|here| here.left.is_some())
    }

    pub(super) fn news(&mut self) -> &mut News {
        &mut self.news
    }

    /// Everybody is news.
    pub(super) fn tell_of_everybody(&mut self) {
        self.users.keys().for_each(|user| self.news.of_person(user));
    }

    /// So many of those who are online, in the order of their ids.
    pub(super) fn users_after(&self, after: Option<&UserId>, limit: usize) -> Vec<UserId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.users
            .range::<UserId, _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(user, _)| user.clone())
            .collect()
    }

    /// Gives a session another member, of the same user and log-in: into the rooms of its roles, and out of those that
    /// only the one before was admitted to. Answers these.
    pub(super) fn recast(&mut self, session: SessionRef, member: &Arc<Member>) -> Option<Vec<Room>> {
        let before = Arc::clone(&self.sessions.get(&session)?.member);
        self.count_roles(&before, session, false);
        self.count_roles(member, session, true);
        let seat = self.sessions.get_mut(&session)?;
        seat.member = Arc::clone(member);
        let is_lost = |room: &Room| before_admits_alone(&before, member, room);
        let lost: Vec<Room> = seat.rooms.extract_if(.., |room| is_lost(room)).collect();
        for room in &lost {
            remove_from(&mut self.rooms, &mut self.news, room, session);
        }
        for role in member.roles.iter().filter(|role| !before.roles.contains(role)) {
            let room = Room::Role(role.clone());
            enter(&mut self.rooms, &mut self.news, &room, session);
            seat.rooms.push(room);
        }
        self.news.of_person(&member.user);
        Some(lost)
    }

    /// Notes the roles that a session alone brings, or no longer brings, to its user.
    fn count_roles(&mut self, member: &Member, session: SessionRef, brings: bool) {
        for role in self.roles_only_of(member, session) {
            if brings {
                self.by_role.entry(role).or_default().insert(member.user.clone());
            } else {
                self.drop_roles(&member.user, std::slice::from_ref(&role));
            }
        }
    }

    fn drop_roles(&mut self, user: &UserId, roles: &[Role]) {
        for role in roles {
            let Some(holders) = self.by_role.get_mut(role) else { continue };
            holders.remove(user);
            if holders.is_empty() {
                self.by_role.remove(role);
            }
        }
    }

    pub(super) fn disconnect(&mut self, session: SessionRef, now: Instant) {
        let Some(Seat { member, rooms, arrival }) = self.sessions.remove(&session) else { return };
        let lingers = !self.grace.is_zero() && *self.sessions_of(&member.user) == [session];
        for room in &rooms {
            // What is said to who lingers is heard, so that it is not said to nobody.
            let is_kept = lingers && *room == Room::User(member.user.clone());
            let news = if is_kept { &mut News::none() } else { &mut self.news };
            remove_from(&mut self.rooms, news, room, session);
        }
        self.news.of_person(&member.user);
        if lingers && let Some(here) = self.users.get_mut(&member.user) {
            let until = now + self.grace;
            here.sessions.clear();
            here.left = Some(Box::new((until, Arc::clone(&member))));
            self.leaving.push_back((until, member.user.clone()));
        } else {
            self.count_roles(&member, session, false);
            self.remove_from_user(&member.user, session);
        }
        if let Some(count) = self.by_door.get_mut(&arrival.door) {
            *count -= 1;
        }
        if let Some(login) = &member.session {
            decrease(&mut self.logins, login);
        }
    }

    /// Puts a session into a room; `most` bounds the rooms of one session.
    pub(super) fn join(&mut self, session: SessionRef, room: Room, most: usize) -> Joined {
        let Some(seat) = self.sessions.get_mut(&session) else { return Joined::Gone };
        if seat.rooms.contains(&room) {
            return Joined::In;
        }
        if seat.rooms.len() >= most {
            return Joined::TooManyRooms;
        }
        enter(&mut self.rooms, &mut self.news, &room, session);
        seat.rooms.push(room);
        Joined::In
    }

    pub(super) fn leave(&mut self, session: SessionRef, room: &Room) {
        let Some(seat) = self.sessions.get_mut(&session) else { return };
        if let Some(position) = seat.rooms.iter().position(|joined| joined == room) {
            seat.rooms.swap_remove(position);
            remove_from(&mut self.rooms, &mut self.news, room, session);
        }
    }

    pub(super) fn members(&self, room: &Room) -> &[SessionRef] {
        self.rooms.get(room).map_or(&[], SmallVec::as_slice)
    }

    pub(super) fn sessions_of(&self, user: &UserId) -> &[SessionRef] {
        self.users.get(user).map_or(&[], |here| here.sessions.as_slice())
    }

    pub(super) fn sessions(&self) -> Vec<SessionRef> {
        self.sessions.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The memory that all of this takes, estimated without looking at each: what the tables have room for, and
    /// what a session owns beside them.
    pub(super) fn bytes(&self) -> usize {
        /// A hash table's own byte for each place.
        const TAG: usize = 1;
        /// A session's rooms, as many as most have (its user's, a role's, its own), with an allocation's overhead.
        const ROOMS: usize = 3 * size_of::<Room>() + 16;
        /// The texts of ids, roles and names that it shares with nobody.
        const TEXTS: usize = 160;
        let tables = self.rooms.capacity() * (size_of::<(Room, Sessions)>() + TAG)
            + self.users.len() * size_of::<(UserId, Here)>() * 3 / 2
            + self.sessions.capacity() * (size_of::<(SessionRef, Seat)>() + TAG)
            + self.logins.capacity() * (size_of::<(Box<str>, usize)>() + TAG);
        tables + self.sessions.len() * (size_of::<Member>() + ROOMS + TEXTS)
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            users: self.users.len(),
            by_role: self.by_role.iter().map(|(role, holders)| (role.clone(), holders.len())).collect(),
            connections: self.sessions.len(),
            by_door: self.by_door.iter().filter(|(_, count)| **count > 0).map(|(d, c)| (*d, *c)).collect(),
            sessions: self.logins.len(),
        }
    }

    pub(super) fn presence(&self, asked: &[UserId]) -> Presence {
        Presence {
            figures: self.figures(),
            online: asked.iter().filter(|user| self.users.contains_key(*user)).cloned().collect(),
        }
    }

    /// A page of those who are online. What it costs is the page's, not the instance's.
    pub(super) fn roll(&self, asked: &CallRoll) -> Roll {
        let CallRoll { after, role, user, limit } = asked;
        let behind = |id: &UserId| after.as_ref().is_none_or(|after| id > after);
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let beyond = (from, Bound::Unbounded);
        let holders = role.as_ref().map(|role| self.by_role.get(role));
        let mut found: Box<dyn Iterator<Item = &UserId>> = match (user, &holders) {
            (Some(user), holders) => {
                let holds = holders.is_none_or(|holders| holders.is_some_and(|all| all.contains(user)));
                let known = self.users.get_key_value(user).filter(|(id, _)| holds && behind(id));
                Box::new(known.map(|(id, _)| id).into_iter())
            }
            (None, Some(holders)) => {
                Box::new(holders.iter().flat_map(move |all| all.range::<UserId, _>(beyond)))
            }
            (None, None) => Box::new(self.users.range::<UserId, _>(beyond).map(|(id, _)| id)),
        };
        let users = found.by_ref().take(*limit).map(|id| self.online(id)).collect();
        Roll { presence: self.presence(&[]), users, more: found.next().is_some() }
    }

    /// Somebody with their connections; with none whoever is not here, or may be about to come back.
    pub(super) fn online(&self, user: &UserId) -> Online {
        let seats = self.sessions_of(user).iter();
        let seats = seats.filter_map(|session| Some((session, self.sessions.get(session)?)));
        let connections = seats.map(|(session, seat)| Connection {
            session: *session,
            member: Arc::clone(&seat.member),
            arrival: seat.arrival.clone(),
        });
        let left = self.users.get(user).and_then(|here| here.left.as_ref()).map(|left| Arc::clone(&left.1));
        Online { user: user.clone(), connections: connections.collect(), left }
    }

    pub(super) fn is_online(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    fn remove_from_user(&mut self, user: &UserId, session: SessionRef) {
        let Some(here) = self.users.get_mut(user) else { return };
        here.sessions.retain(|other| *other != session);
        if here.sessions.is_empty() {
            self.users.remove(user);
        }
    }

    /// The roles of `member` that no other session of the same user brings.
    fn roles_only_of(&self, member: &Member, session: SessionRef) -> Vec<Role> {
        let others: Vec<&Seat> = self
            .sessions_of(&member.user)
            .iter()
            .filter(|other| **other != session)
            .filter_map(|other| self.sessions.get(other))
            .collect();
        let only = |role: &&Role| !others.iter().any(|seat| seat.member.roles.contains(role));
        member.roles.iter().filter(only).cloned().collect()
    }
}

/// Whether a room is no longer open for the reason that it was: an administrator, too, is out of what no claim opens
/// any more, until it is noted that they are in it as one.
fn before_admits_alone(before: &Member, after: &Member, room: &Room) -> bool {
    room.admits(before) && !room.admits(after) || room.is_open_to(before) && !room.is_open_to(after)
}

fn enter(rooms: &mut HashMap<Room, Sessions>, news: &mut News, room: &Room, session: SessionRef) {
    let members = rooms.entry(room.clone()).or_default();
    if members.is_empty() {
        news.of_room(room, true);
    }
    members.push(session);
}

fn remove_from(rooms: &mut HashMap<Room, Sessions>, news: &mut News, room: &Room, session: SessionRef) {
    let Some(members) = rooms.get_mut(room) else { return };
    if let Some(position) = members.iter().position(|other| *other == session) {
        members.swap_remove(position);
    }
    if members.is_empty() {
        rooms.remove(room);
        news.of_room(room, false);
    }
}

fn decrease(counts: &mut HashMap<Box<str>, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
