//! Who is online where.

use std::collections::BTreeMap;

use bellhop::bus::{Figures, Person, PresenceNews, RollQuery, Seat};
use bellhop::domain::{Channel, Role, Timestamp, UserId};

use super::meeting::{Meeting, Member, on_every_bus, until};

fn user(name: &str) -> UserId {
    UserId::from_stored(name.to_owned())
}

fn person(roles: &[&str], session: &str) -> Person {
    let seat = Seat { session: session.into(), door: Channel::Sse, since: Timestamp::from_micros(1_000_000) };
    Person { roles: roles.iter().map(|role| Role::new(role)).collect(), connections: vec![seat] }
}

fn figures(users: usize) -> Figures {
    let by_role = BTreeMap::from([(Role::new("ADMIN"), 1)]);
    let by_door = BTreeMap::from([(Channel::Sse, users)]);
    Figures { users, by_role, connections: users, by_door, sessions: 0 }
}

/// These are online there, and nobody else.
fn keep(member: &Member, people: &[(&str, Option<Person>)], users: usize) {
    let people = people.iter().map(|(name, person)| (user(name), person.clone())).collect();
    member.bus.keep(PresenceNews { figures: figures(users), people });
}

async fn names(member: &Member, query: RollQuery) -> Vec<String> {
    let mut found = member.bus.roll(query).await.unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.into_iter().map(|(user, _)| user.to_string()).collect()
}

fn all() -> RollQuery {
    RollQuery { limit: 10, ..RollQuery::default() }
}

on_every_bus! {
    async fn each_sees_the_figures_of_the_others(meeting) {
        let (a, b, c) = (meeting.join("a").await, meeting.join("b").await, meeting.join("c").await);
        keep(&a, &[("ann", Some(person(&["ADMIN"], "a-1")))], 1);
        keep(&b, &[("bob", Some(person(&[], "b-1"))), ("cy", Some(person(&[], "b-2")))], 2);
        let seen = async |member: &Member| {
            let found = member.bus.instances().await.unwrap();
            let mut found: Vec<_> = found.into_iter().map(|one| (one.name.to_string(), one.figures)).collect();
            found.sort_by(|one, other| one.0.cmp(&other.0));
            found
        };
        let of = |name: &str, users| (name.to_owned(), if users == 0 { Figures::default() } else { figures(users) });
        until(vec![of("a", 1), of("b", 2)], async || seen(&c).await).await;
        until(vec![of("b", 2), of("c", 0)], async || seen(&a).await).await;
        b.bus.leave().await;
        until(vec![of("a", 1)], async || seen(&c).await).await;
    }

    async fn each_finds_who_is_online_at_the_others(meeting) {
        let (a, b) = (meeting.join("a").await, meeting.join("b").await);
        let (ann, bob) = (person(&["ADMIN", "PROFESSIONAL"], "a-1"), person(&["PROFESSIONAL"], "a-2"));
        keep(&a, &[("ann", Some(ann.clone())), ("bob", Some(bob)), ("cy", Some(Person::default()))], 3);
        until(vec!["ann".to_owned(), "bob".to_owned(), "cy".to_owned()], async || names(&b, all()).await).await;
        assert!(names(&a, all()).await.is_empty(), "who asks knows its own");
        let role = Some(Role::new("PROFESSIONAL"));
        assert_eq!(names(&b, RollQuery { role: role.clone(), ..all() }).await, ["ann", "bob"]);
        assert_eq!(names(&b, RollQuery { role, after: Some(user("ann")), ..all() }).await, ["bob"]);
        assert_eq!(names(&b, RollQuery { after: Some(user("ann")), ..all() }).await, ["bob", "cy"]);
        assert_eq!(names(&b, RollQuery { limit: 1, ..all() }).await, ["ann", "bob"], "one more says that there are more");
        let one = b.bus.roll(RollQuery { user: Some(user("ann")), ..all() }).await.unwrap();
        assert_eq!(one, [(user("ann"), ann)]);
        let asked = vec![user("bob"), user("eve"), user("cy")];
        assert_eq!(b.bus.online(asked).await.unwrap(), [user("bob"), user("cy")]);
    }

    async fn who_goes_or_changes_is_kept_as_they_are_now(meeting) {
        let (a, b) = (meeting.join("a").await, meeting.join("b").await);
        keep(&a, &[("ann", Some(person(&["ADMIN"], "a-1"))), ("bob", Some(person(&["ADMIN"], "a-2")))], 2);
        let admins = || RollQuery { role: Some(Role::new("ADMIN")), ..all() };
        until(vec!["ann".to_owned(), "bob".to_owned()], async || names(&b, admins()).await).await;
        keep(&a, &[("ann", Some(person(&["GUEST"], "a-1"))), ("bob", None)], 1);
        until(vec![], async || names(&b, admins()).await).await;
        assert_eq!(names(&b, all()).await, ["ann"]);
        assert_eq!(names(&b, RollQuery { role: Some(Role::new("GUEST")), ..all() }).await, ["ann"]);
    }
}
