//! Who is in which room: a plain struct without actors. A reverse index from sessions to rooms makes a
//! disconnect cost what the session joined, not what the instance holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use super::messages::{Admission, Arrival, CallRoll, Connection, Joined, Online, Presence, Roll, SessionRef};
use crate::domain::{Channel, Member, Role, Room, UserId};

/// The rooms and presence of one instance.
#[derive(Debug)]
pub(super) struct Registry {
    rooms: HashMap<Room, Sessions>,
    sessions: HashMap<SessionRef, Seat>,
    /// Who is online, whatever rooms their sessions are in; in order, so that a page of them costs a page.
    users: BTreeMap<UserId, Sessions>,
    /// Log-ins online, and how many sessions each has.
    logins: HashMap<Box<str>, usize>,
    /// Users online by role; a role nobody holds has no entry.
    by_role: BTreeMap<Role, BTreeSet<UserId>>,
    by_door: BTreeMap<Channel, usize>,
    most_sessions: usize,
    most_per_user: usize,
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
    pub(super) fn new(most_sessions: usize, most_per_user: usize) -> Self {
        Self {
            rooms: HashMap::new(),
            sessions: HashMap::new(),
            users: BTreeMap::new(),
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
        if self.users.get(&member.user).map_or(0, SmallVec::len) >= self.most_per_user {
            return Admission::TooManyOfUser;
        }
        self.count_roles(&member, session, true);
        *self.by_door.entry(seat.arrival.door).or_default() += 1;
        if let Some(login) = &member.session {
            *self.logins.entry(login.clone()).or_default() += 1;
        }
        self.users.entry(member.user.clone()).or_default().push(session);
        seat.rooms = own_rooms(&member).collect();
        for room in &seat.rooms {
            self.rooms.entry(room.clone()).or_default().push(session);
        }
        self.sessions.insert(session, seat);
        Admission::Welcome
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
            remove_from(&mut self.rooms, room, session);
        }
        for role in member.roles.iter().filter(|role| !before.roles.contains(role)) {
            let room = Room::Role(role.clone());
            self.rooms.entry(room.clone()).or_default().push(session);
            seat.rooms.push(room);
        }
        Some(lost)
    }

    /// Notes the roles that a session alone brings, or no longer brings, to its user.
    fn count_roles(&mut self, member: &Member, session: SessionRef, brings: bool) {
        for role in self.roles_only_of(member, session) {
            if brings {
                self.by_role.entry(role).or_default().insert(member.user.clone());
            } else if let Some(holders) = self.by_role.get_mut(&role) {
                holders.remove(&member.user);
                if holders.is_empty() {
                    self.by_role.remove(&role);
                }
            }
        }
    }

    pub(super) fn disconnect(&mut self, session: SessionRef) {
        let Some(Seat { member, rooms, arrival }) = self.sessions.remove(&session) else { return };
        for room in &rooms {
            remove_from(&mut self.rooms, room, session);
        }
        self.remove_from_user(&member.user, session);
        if let Some(count) = self.by_door.get_mut(&arrival.door) {
            *count -= 1;
        }
        if let Some(login) = &member.session {
            decrease(&mut self.logins, login);
        }
        self.count_roles(&member, session, false);
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
        self.rooms.entry(room.clone()).or_default().push(session);
        seat.rooms.push(room);
        Joined::In
    }

    pub(super) fn leave(&mut self, session: SessionRef, room: &Room) {
        let Some(seat) = self.sessions.get_mut(&session) else { return };
        if let Some(position) = seat.rooms.iter().position(|joined| joined == room) {
            seat.rooms.swap_remove(position);
            remove_from(&mut self.rooms, room, session);
        }
    }

    pub(super) fn members(&self, room: &Room) -> &[SessionRef] {
        self.rooms.get(room).map_or(&[], SmallVec::as_slice)
    }

    pub(super) fn sessions_of(&self, user: &UserId) -> &[SessionRef] {
        self.users.get(user).map_or(&[], SmallVec::as_slice)
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
            + self.users.len() * size_of::<(UserId, Sessions)>() * 3 / 2
            + self.sessions.capacity() * (size_of::<(SessionRef, Seat)>() + TAG)
            + self.logins.capacity() * (size_of::<(Box<str>, usize)>() + TAG);
        tables + self.sessions.len() * (size_of::<Member>() + ROOMS + TEXTS)
    }

    pub(super) fn presence(&self, asked: &[UserId]) -> Presence {
        Presence {
            users: self.users.len(),
            by_role: self.by_role.iter().map(|(role, holders)| (role.clone(), holders.len())).collect(),
            connections: self.sessions.len(),
            by_door: self.by_door.iter().filter(|(_, count)| **count > 0).map(|(d, c)| (*d, *c)).collect(),
            sessions: self.logins.len(),
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

    fn online(&self, user: &UserId) -> Online {
        let seats = self.users.get(user).into_iter().flatten();
        let seats = seats.filter_map(|session| Some((session, self.sessions.get(session)?)));
        let connections = seats.map(|(session, seat)| Connection {
            session: *session,
            member: Arc::clone(&seat.member),
            arrival: seat.arrival.clone(),
        });
        Online { user: user.clone(), connections: connections.collect() }
    }

    fn remove_from_user(&mut self, user: &UserId, session: SessionRef) {
        let Some(sessions) = self.users.get_mut(user) else { return };
        sessions.retain(|other| *other != session);
        if sessions.is_empty() {
            self.users.remove(user);
        }
    }

    /// The roles of `member` that no other session of the same user brings.
    fn roles_only_of(&self, member: &Member, session: SessionRef) -> Vec<Role> {
        let others: Vec<&Seat> = self
            .users
            .get(&member.user)
            .into_iter()
            .flatten()
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

fn remove_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Sessions>, key: &K, session: SessionRef) {
    let Some(sessions) = map.get_mut(key) else { return };
    if let Some(position) = sessions.iter().position(|other| *other == session) {
        sessions.swap_remove(position);
    }
    if sessions.is_empty() {
        map.remove(key);
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
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::super::messages::ShardId;
    use super::*;
    use crate::domain::Timestamp;

    fn session(number: u64) -> SessionRef {
        SessionRef { shard: ShardId(u32::try_from(number % 2).unwrap()), slot: 0, number }
    }

    fn member(user: u8, roles: &[u8], login: Option<u8>) -> Member {
        let roles: BTreeSet<Role> = roles.iter().map(|role| Role::new(&format!("r{role}"))).collect();
        Member {
            user: UserId::from_stored(format!("u{user}")),
            roles: roles.into_iter().collect(),
            session: login.map(|login| format!("s{login}").into()),
            rooms: Box::default(),
        }
    }

    fn seat(member: Member) -> Seat {
        let door = if member.session.is_some() { Channel::WebSocket } else { Channel::Sse };
        Seat::new(Arc::new(member), Arrival { door, since: Timestamp::default(), name: None })
    }

    #[derive(Debug, Clone)]
    enum Step {
        Connect(u64, u8, Vec<u8>, Option<u8>),
        Recast(u64, Vec<u8>),
        Disconnect(u64),
        Join(u64, u8),
        Leave(u64, u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..12_u64, 0..4_u8, prop::collection::vec(0..3_u8, 0..3), prop::option::of(0..3_u8))
                .prop_map(|(s, u, r, l)| Step::Connect(s, u, r, l)),
            2 => (0..12_u64, prop::collection::vec(0..3_u8, 0..3)).prop_map(|(s, r)| Step::Recast(s, r)),
            2 => (0..12_u64).prop_map(Step::Disconnect),
            2 => (0..12_u64, 0..4_u8).prop_map(|(s, r)| Step::Join(s, r)),
            1 => (0..12_u64, 0..4_u8).prop_map(|(s, r)| Step::Leave(s, r)),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn room(number: u8) -> Room {
        Room::Other(format!("booking:{number}"))
    }

    proptest! {
        /// Whatever happens, the registry says what a model that recounts everything says.
        #[test]
        fn the_registry_agrees_with_a_model_that_scans(steps in steps()) {
            const MOST_SESSIONS: usize = 8;
            const MOST_PER_USER: usize = 3;
            const MOST_ROOMS: usize = 6;
            let mut registry = Registry::new(MOST_SESSIONS, MOST_PER_USER);
            let mut model: HashMap<u64, (Member, BTreeSet<u8>)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Connect(s, u, r, l) => {
                        let who = member(u, &r, l);
                        let of_user = model.values().filter(|(m, _)| m.user == who.user).count();
                        let wanted = if model.contains_key(&s) {
                            Admission::Welcome
                        } else if model.len() >= MOST_SESSIONS {
                            Admission::Full
                        } else if of_user >= MOST_PER_USER {
                            Admission::TooManyOfUser
                        } else {
                            model.insert(s, (who.clone(), BTreeSet::new()));
                            Admission::Welcome
                        };
                        prop_assert_eq!(registry.connect(session(s), seat(who)), wanted);
                    }
                    Step::Recast(s, r) => {
                        let known = model.get_mut(&s).map(|(who, _)| {
                            let roles = member(0, &r, None).roles;
                            let lost = who.roles.iter().filter(|role| !roles.contains(role)).cloned();
                            let lost: HashSet<Room> = lost.map(Room::Role).collect();
                            who.roles = roles;
                            (who.clone(), lost)
                        });
                        let who = known.as_ref().map_or_else(|| member(0, &r, None), |(who, _)| who.clone());
                        let lost = registry.recast(session(s), &Arc::new(who)).map(HashSet::from_iter);
                        prop_assert_eq!(lost, known.map(|(_, lost)| lost));
                    }
                    Step::Disconnect(s) => {
                        model.remove(&s);
                        registry.disconnect(session(s));
                    }
                    Step::Join(s, r) => {
                        let wanted = match model.get_mut(&s) {
                            None => Joined::Gone,
                            Some((_, rooms)) if rooms.contains(&r) => Joined::In,
                            Some((m, rooms)) if own_rooms(m).collect::<HashSet<_>>().len() + rooms.len() >= MOST_ROOMS => {
                                Joined::TooManyRooms
                            }
                            Some((_, rooms)) => { rooms.insert(r); Joined::In }
                        };
                        prop_assert_eq!(registry.join(session(s), room(r), MOST_ROOMS), wanted);
                    }
                    Step::Leave(s, r) => {
                        if let Some((_, rooms)) = model.get_mut(&s) { rooms.remove(&r); }
                        registry.leave(session(s), &room(r));
                    }
                }
                let online: HashSet<&UserId> = model.values().map(|(m, _)| &m.user).collect();
                let logins: HashSet<&str> = model.values().filter_map(|(m, _)| m.session.as_deref()).collect();
                let mut by_role: BTreeMap<Role, HashSet<&UserId>> = BTreeMap::new();
                for (m, _) in model.values() {
                    for role in &m.roles { by_role.entry(role.clone()).or_default().insert(&m.user); }
                }
                let all: Vec<UserId> = (0..4).map(|u| member(u, &[], None).user).collect();
                let presence = registry.presence(&all);
                prop_assert_eq!(presence.users, online.len());
                prop_assert_eq!(presence.sessions, logins.len());
                prop_assert_eq!(presence.connections, model.len());
                prop_assert_eq!(presence.online.iter().collect::<HashSet<_>>(), online.clone());
                let asked = |role, after, user| CallRoll { role, after, user, limit: 2 };
                for (role, user) in [(None, None), (Some(Role::new("r1")), None), (None, all.get(1).cloned())] {
                    let fits = |id: &&UserId| {
                        user.as_ref().is_none_or(|user| user == *id)
                            && role.as_ref().is_none_or(|role| by_role.get(role).is_some_and(|u| u.contains(*id)))
                    };
                    let wanted: BTreeSet<&UserId> = online.iter().copied().filter(fits).collect();
                    let mut told = Vec::new();
                    loop {
                        let last = told.last().map(|online: &Online| online.user.clone());
                        let page = registry.roll(&asked(role.clone(), last, user.clone()));
                        told.extend(page.users);
                        if !page.more { break }
                    }
                    prop_assert_eq!(told.iter().map(|one| &one.user).collect::<Vec<_>>(), Vec::from_iter(wanted));
                    for one in &told {
                        let open = model.values().filter(|(m, _)| m.user == one.user).count();
                        prop_assert_eq!(one.connections.len(), open);
                    }
                }
                let doors: usize = presence.by_door.values().sum();
                prop_assert_eq!(doors, presence.connections);
                let by_sse = model.values().filter(|(m, _)| m.session.is_none()).count();
                prop_assert_eq!(presence.by_door.get(&Channel::Sse).copied().unwrap_or_default(), by_sse);
                let counts: BTreeMap<Role, usize> = by_role.into_iter().map(|(r, u)| (r, u.len())).collect();
                prop_assert_eq!(presence.by_role, counts);
                for r in 0..3 {
                    let role = Room::Role(Role::new(&format!("r{r}")));
                    let wanted: BTreeSet<SessionRef> = model
                        .iter()
                        .filter(|(_, (m, _))| role.admits(m))
                        .map(|(s, _)| session(*s))
                        .collect();
                    prop_assert_eq!(registry.members(&role).iter().copied().collect::<BTreeSet<_>>(), wanted);
                }
                for r in 0..4 {
                    let wanted: BTreeSet<SessionRef> =
                        model.iter().filter(|(_, (_, rooms))| rooms.contains(&r)).map(|(s, _)| session(*s)).collect();
                    prop_assert_eq!(registry.members(&room(r)).iter().copied().collect::<BTreeSet<_>>(), wanted);
                }
            }
            for s in 0..12 { registry.disconnect(session(s)); }
            prop_assert!(registry.rooms.is_empty() && registry.sessions.is_empty() && registry.by_role.is_empty());
            prop_assert!(registry.users.is_empty() && registry.logins.is_empty());
        }
    }
}
