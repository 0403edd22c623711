//! Keeps in Redis who is online here, by a lease that is renewed: what an instance kept that died is gone when its
//! lease is over. Asks what others keep; nobody is asked but Redis.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, cmd};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use super::keys::{entry, range, user_of};
use super::link::{Link, LinkError};
use crate::bus::Heard;
use crate::bus::presence::{Figures, Instance, Person, RollQuery};
use crate::domain::UserId;

/// How many people are told of at once.
const PORTION: usize = 256;
/// How often a lease is renewed while it lasts.
const RENEWALS: u32 = 3;
/// What is in the hash and in the sorted set from the first, and in no user's name: where it is missing, Redis was
/// emptied, or ran out of memory, or was away for longer than the lease.
const MARK: &str = "";

/// Takes back what is known of an earlier connection: everything will be said again.
pub(super) async fn begin(shared: &Arc<Shared>, link: &Link) -> Result<(), LinkError> {
    shared.shelf.clear();
    forget(shared, link).await?;
    let Shared { keys, name, lease, .. } = &**shared;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("HSET").arg(keys.people(name)).arg(MARK).arg(MARK).ignore();
    pipeline.cmd("ZADD").arg(keys.order(name)).arg(0).arg(MARK).ignore();
    for key in [keys.people(name), keys.order(name)] {
        pipeline.cmd("PEXPIRE").arg(key).arg(milliseconds(*lease)).ignore();
    }
    link.clone().ask_all::<()>(&pipeline).await?;
    renew(shared, link).await?;
    Ok(())
}

/// Takes back that this instance is there.
pub(super) async fn leave(shared: &Shared, link: Link) -> Result<(), LinkError> {
    forget(shared, &link).await
}

async fn forget(shared: &Shared, link: &Link) -> Result<(), LinkError> {
    let Shared { keys, name, .. } = shared;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SREM").arg(keys.instances()).arg(&**name);
    pipeline.cmd("DEL").arg(keys.figures(name)).arg(keys.people(name)).arg(keys.order(name));
    Ok(link.clone().ask_all(&pipeline).await?)
}

/// Keeps what comes, renews the lease, and asks now and then whether Redis is there at all.
pub(super) async fn run(
    shared: &Arc<Shared>,
    link: &Link,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    let mut renewal = interval(shared.lease / RENEWALS);
    let mut check = interval(shared.patience.max(Duration::from_millis(100)));
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_known = tokio::select! {
            () = shared.shelf.filled() => keep(shared, link).await?,
            _ = renewal.tick() => renew(shared, link).await?,
            _ = check.tick() => {
                link.clone().ask::<()>(&cmd("PING")).await?;
                true
            }
        };
        if !is_known {
            log::info!("Redis has forgotten who is online here, and is told again");
            begin(shared, link).await?;
            heard.send(Heard::Forgotten).await.map_err(|_| LinkError::Unwanted)?;
        }
    }
}

/// Says that this instance lives; answers whether Redis still has everything that it was told.
async fn renew(shared: &Shared, link: &Link) -> Result<bool, LinkError> {
    let Shared { keys, name, lease, .. } = shared;
    let lease = milliseconds(*lease);
    let figures = json(&shared.shelf.figures())?;
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SADD").arg(keys.instances()).arg(&**name).ignore();
    pipeline.cmd("SET").arg(keys.figures(name)).arg(figures).arg("PX").arg(lease).ignore();
    pipeline.cmd("PEXPIRE").arg(keys.order(name)).arg(lease).ignore();
    pipeline.cmd("PEXPIRE").arg(keys.people(name)).arg(lease).ignore();
    pipeline.cmd("HEXISTS").arg(keys.people(name)).arg(MARK);
    pipeline.cmd("ZSCORE").arg(keys.order(name)).arg(MARK);
    let (in_people, in_order): (bool, Option<f64>) = link.clone().ask_all(&pipeline).await?;
    Ok(in_people && in_order.is_some())
}

/// Says who has come and gone; answers as [`renew`].
async fn keep(shared: &Shared, link: &Link) -> Result<bool, LinkError> {
    let Shared { keys, name, lease, .. } = shared;
    let (people, order) = (keys.people(name), keys.order(name));
    loop {
        let news = shared.shelf.take(PORTION);
        if news.is_empty() {
            return renew(shared, link).await;
        }
        let users: Vec<&str> = news.iter().map(|(user, _)| user.as_str()).collect();
        let before: Vec<Option<String>> = link.clone().ask(cmd("HMGET").arg(&people).arg(users)).await?;
        let mut pipeline = Pipeline::new();
        for ((user, person), before) in news.iter().zip(before) {
            let before = before.and_then(|text| serde_json::from_str::<Person>(&text).ok());
            for role in before.iter().flat_map(|person| &person.roles) {
                pipeline.cmd("ZREM").arg(&order).arg(entry(Some(role), user)).ignore();
            }
            let Some(person) = person else {
                pipeline.cmd("HDEL").arg(&people).arg(user.as_str()).ignore();
                pipeline.cmd("ZREM").arg(&order).arg(entry(None, user)).ignore();
                continue;
            };
            pipeline.cmd("HSET").arg(&people).arg(user.as_str()).arg(json(person)?).ignore();
            let added = pipeline.cmd("ZADD").arg(&order).arg(0).arg(entry(None, user));
            for role in &person.roles {
                added.arg(0).arg(entry(Some(role), user));
            }
            added.ignore();
        }
        // Together with what may have made them, so that neither ever stays without an end.
        pipeline.cmd("PEXPIRE").arg(&people).arg(milliseconds(*lease)).ignore();
        pipeline.cmd("PEXPIRE").arg(&order).arg(milliseconds(*lease)).ignore();
        link.clone().ask_all::<()>(&pipeline).await?;
    }
}

/// The other instances whose lease lasts.
pub(super) async fn instances(shared: &Shared, mut link: Link) -> Result<Vec<Instance>, LinkError> {
    let Shared { keys, name, .. } = shared;
    let names: Vec<String> = link.ask(cmd("SMEMBERS").arg(keys.instances())).await?;
    let names: Vec<String> = names.into_iter().filter(|other| **other != **name).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let figures: Vec<String> = names.iter().map(|name| keys.figures(name)).collect();
    let figures: Vec<Option<String>> = link.ask(cmd("MGET").arg(figures)).await?;
    let mut found = Vec::new();
    let mut dead = Vec::new();
    for (name, figures) in names.into_iter().zip(figures) {
        match figures {
            Some(text) => match parsed::<Figures>(&text) {
                Ok(figures) => found.push(Instance { name: name.into(), figures }),
                // One that is of another release, or of nobody, hides no others.
                Err(error) => log::debug!("the figures of {name} are left out: {error}"),
            },
            None => dead.push(name),
        }
    }
    if !dead.is_empty() {
        link.ask::<()>(cmd("SREM").arg(keys.instances()).arg(dead)).await?;
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Who of these is online at another instance.
pub(super) async fn online(
    shared: &Shared,
    mut link: Link,
    users: &[UserId],
) -> Result<Vec<UserId>, LinkError> {
    let others = instances(shared, link.clone()).await?;
    if others.is_empty() || users.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
    for other in &others {
        pipeline.cmd("HMGET").arg(shared.keys.people(&other.name)).arg(&ids);
    }
    let found: Vec<Vec<Option<String>>> = link.ask_all(&pipeline).await?;
    let is_online = |at: usize| found.iter().any(|one| one.get(at).is_some_and(Option::is_some));
    Ok(users.iter().enumerate().filter(|(at, _)| is_online(*at)).map(|(_, user)| user.clone()).collect())
}

/// A page of who is online at each other instance.
pub(super) async fn roll(
    shared: &Shared,
    mut link: Link,
    query: &RollQuery,
) -> Result<Vec<(UserId, Person)>, LinkError> {
    let RollQuery { after, role, user, limit } = query;
    let others = instances(shared, link.clone()).await?;
    let mut found = Vec::new();
    for other in &others {
        let users: Vec<UserId> = if let Some(user) = user {
            vec![user.clone()]
        } else {
            let (from, to) = range(role.as_ref(), after.as_ref());
            let mut asked = cmd("ZRANGEBYLEX");
            asked.arg(shared.keys.order(&other.name)).arg(from).arg(to).arg("LIMIT").arg(0).arg(limit + 1);
            let entries: Vec<String> = link.ask(&asked).await?;
            entries.iter().filter_map(|entry| user_of(entry)).collect()
        };
        if users.is_empty() {
            continue;
        }
        let ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let people: Vec<Option<String>> =
            link.ask(cmd("HMGET").arg(shared.keys.people(&other.name)).arg(ids)).await?;
        for (user, text) in users.into_iter().zip(people) {
            let Some(text) = text else { continue };
            let person: Person = parsed(&text)?;
            let is_behind = after.as_ref().is_none_or(|after| user > *after);
            if is_behind && role.as_ref().is_none_or(|role| person.roles.contains(role)) {
                found.push((user, person));
            }
        }
    }
    Ok(found)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn json(value: &impl serde::Serialize) -> Result<String, LinkError> {
    serde_json::to_string(value).map_err(|error| LinkError::Corrupt(error.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LinkError> {
    serde_json::from_str(text).map_err(|error| LinkError::Corrupt(error.to_string()))
}
