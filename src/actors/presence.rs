//! Who is online at all instances: what this one's hub knows, and what the others keep where all can read it. Where
//! they cannot be reached the answer is this instance's, and says so.

use actix::MailboxError;

use super::hub::{CallRoll, GetPresence};
use super::session::Services;
use crate::bus::{BusError, Figures, Instance, Person, RollQuery, Seat};
use crate::domain::UserId;

/// How many are online.
#[derive(Debug)]
pub struct Everywhere {
    /// Of all instances together; who is connected to two of them counts twice.
    pub figures: Figures,
    /// Each, this one first.
    pub instances: Vec<Instance>,
    /// Whether every other instance was asked.
    pub is_complete: bool,
    /// Of the users that were asked about, who is online.
    pub online: Vec<UserId>,
}

/// A page of those who are online.
#[derive(Debug)]
pub struct Page {
    pub everywhere: Everywhere,
    pub people: Vec<(UserId, Person)>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// The figures of all instances, and who of `asked` is online at any.
pub async fn everywhere(services: &Services, asked: Vec<UserId>) -> Result<Everywhere, MailboxError> {
    let here = services.hub.send(GetPresence { users: asked.clone() }).await?;
    let mut everywhere = gather(services, here.figures).await;
    everywhere.online = here.online;
    let others: Vec<UserId> = asked.into_iter().filter(|user| !everywhere.online.contains(user)).collect();
    if !others.is_empty() && everywhere.is_complete {
        let found = services.bus.online(others).await;
        everywhere.is_complete &= found.is_ok();
        everywhere.online.extend(unless_parted(found));
    }
    Ok(everywhere)
}

/// A page of who is online at any instance, in the order of their ids.
pub async fn page(services: &Services, asked: CallRoll) -> Result<Page, MailboxError> {
    let CallRoll { after, role, user, limit } = asked.clone();
    let query = RollQuery { after, role, user, limit };
    let here = services.hub.send(asked).await?;
    let mut everywhere = gather(services, here.presence.figures).await;
    let more_here = here.more;
    let mut people: Vec<(UserId, Person)> =
        here.users.iter().map(|one| (one.user.clone(), one.person(services.instance()))).collect();
    if everywhere.is_complete {
        let found = services.bus.roll(query).await;
        everywhere.is_complete &= found.is_ok();
        for (user, person) in unless_parted(found) {
            match people.iter_mut().find(|(known, _)| *known == user) {
                Some((_, known)) => join(known, person),
                None => people.push((user, person)),
            }
        }
    }
    people.sort_by(|(one, _), (other, _)| one.cmp(other));
    // Each instance has said so many at least, if it has them: nobody is missing among the first of all.
    let more = people.len() > limit || more_here;
    people.truncate(limit);
    Ok(Page { everywhere, people, more })
}

async fn gather(services: &Services, here: Figures) -> Everywhere {
    let others = services.bus.instances().await;
    let is_complete = others.is_ok();
    let mut instances = vec![Instance { name: services.instance().into(), figures: here }];
    instances.extend(unless_parted(others));
    let mut figures = Figures::default();
    for instance in &instances {
        figures.add(&instance.figures);
    }
    Everywhere { figures, instances, is_complete, online: Vec::new() }
}

/// What could not be asked is left out, and the answer says so.
fn unless_parted<T>(found: Result<Vec<T>, BusError>) -> Vec<T> {
    found.unwrap_or_else(|error| {
        log::debug!("who is online elsewhere is not known: {error}");
        Vec::new()
    })
}

/// One person who is connected to two instances.
fn join(known: &mut Person, other: Person) {
    known.roles.extend(other.roles);
    known.roles.sort();
    known.roles.dedup();
    known.connections.extend(other.connections);
    known
        .connections
        .sort_by(|one: &Seat, other| (one.since, &one.session).cmp(&(other.since, &other.session)));
}
