//! The registry against a model that scans everything, and the grace time of those who go.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::super::messages::ShardId;
use super::super::news::News;
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
        let mut registry = Registry::new(MOST_SESSIONS, MOST_PER_USER, Duration::ZERO, News::gathered());
        let mut model: HashMap<u64, (Member, BTreeSet<u8>)> = HashMap::new();
        let (mut heard, mut kept): (HashSet<Room>, HashSet<UserId>) = Default::default();
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
                    registry.disconnect(session(s), Instant::now());
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
            prop_assert_eq!(presence.figures.users, online.len());
            prop_assert_eq!(presence.figures.sessions, logins.len());
            prop_assert_eq!(presence.figures.connections, model.len());
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
            let doors: usize = presence.figures.by_door.values().sum();
            prop_assert_eq!(doors, presence.figures.connections);
            let by_sse = model.values().filter(|(m, _)| m.session.is_none()).count();
            prop_assert_eq!(presence.figures.by_door.get(&Channel::Sse).copied().unwrap_or_default(), by_sse);
            let counts: BTreeMap<Role, usize> = by_role.into_iter().map(|(r, u)| (r, u.len())).collect();
            prop_assert_eq!(presence.figures.by_role, counts);
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
            // Who does what the news say listens to every room that somebody is in, and to no other.
            for (room, is_peopled) in registry.news().take_rooms() {
                if is_peopled { heard.insert(room); } else { heard.remove(&room); }
            }
            prop_assert_eq!(&heard, &registry.rooms.keys().cloned().collect::<HashSet<_>>());
            for user in registry.news().take_people(usize::MAX) {
                if registry.is_online(&user) { kept.insert(user); } else { kept.remove(&user); }
            }
            prop_assert_eq!(kept.iter().collect::<HashSet<_>>(), online);
        }
        for s in 0..12 { registry.disconnect(session(s), Instant::now()); }
        prop_assert!(registry.rooms.is_empty() && registry.sessions.is_empty() && registry.by_role.is_empty());
        prop_assert!(registry.users.is_empty() && registry.logins.is_empty());
    }
}

const GRACE: Duration = Duration::from_secs(5);

fn with_grace() -> Registry {
    Registry::new(10, 10, GRACE, News::gathered())
}

fn own_room(user: u8) -> Room {
    Room::User(member(user, &[], None).user)
}

fn rooms_told(registry: &mut Registry) -> HashMap<Room, bool> {
    registry.news().take_rooms()
}

#[test]
fn who_reloads_a_page_was_online_all_the_time() {
    let (mut registry, start) = (with_grace(), Instant::now());
    registry.connect(session(1), seat(member(7, &[1], None)));
    rooms_told(&mut registry);
    registry.disconnect(session(1), start);
    assert!(registry.is_leaving(&own_room(7)) && registry.members(&own_room(7)).is_empty());
    let figures = registry.figures();
    assert_eq!((figures.users, figures.connections, figures.by_role[&Role::new("r1")]), (1, 0, 1));
    assert!(
        !rooms_told(&mut registry).contains_key(&own_room(7)),
        "others are still to tell what is for them"
    );
    assert_eq!(registry.online(&member(7, &[], None).user).person("a").roles, [Role::new("r1")]);

    registry.expire(start + GRACE / 2);
    registry.connect(session(2), seat(member(7, &[2], None)));
    registry.expire(start + GRACE);
    let figures = registry.figures();
    assert_eq!((figures.users, figures.by_role.keys().collect::<Vec<_>>()), (1, vec![&Role::new("r2")]));
    assert!(!registry.is_leaving(&own_room(7)));
}

#[test]
fn who_does_not_come_back_has_gone_when_the_grace_time_is_over() {
    let (mut registry, start) = (with_grace(), Instant::now());
    registry.connect(session(1), seat(member(7, &[1], None)));
    registry.disconnect(session(1), start);
    // Came back and went again: the grace time is that of the last time.
    registry.connect(session(2), seat(member(7, &[1], None)));
    registry.disconnect(session(2), start + GRACE / 2);
    rooms_told(&mut registry);
    registry.expire(start + GRACE);
    assert_eq!(registry.figures().users, 1);
    registry.expire(start + GRACE * 3 / 2);
    assert_eq!(registry.figures(), Figures::default());
    assert_eq!(rooms_told(&mut registry), HashMap::from([(own_room(7), false)]));
    assert!(registry.leaving.is_empty() && registry.users.is_empty() && registry.by_role.is_empty());
}

#[test]
fn a_second_device_that_goes_leaves_nobody_waiting() {
    let (mut registry, start) = (with_grace(), Instant::now());
    registry.connect(session(1), seat(member(7, &[1], None)));
    registry.connect(session(2), seat(member(7, &[2], None)));
    registry.disconnect(session(1), start);
    assert!(!registry.is_leaving(&own_room(7)) && registry.leaving.is_empty());
    assert_eq!(registry.figures().by_role.keys().collect::<Vec<_>>(), [&Role::new("r2")]);
}
