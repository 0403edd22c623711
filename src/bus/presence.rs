//! Who is online at an instance, as others are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Channel, Role, Timestamp, UserId};

/// How many are online at one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Users, those counted that may be about to come back.
    pub users: usize,
    pub by_role: BTreeMap<Role, usize>,
    pub connections: usize,
    pub by_door: BTreeMap<Channel, usize>,
    /// Log-ins of the platform with at least one connection.
    pub sessions: usize,
}

impl Figures {
    /// Adds another instance's.
    pub fn add(&mut self, other: &Self) {
        let add = |sum: &mut usize, more: usize| *sum = sum.saturating_add(more);
        add(&mut self.users, other.users);
        add(&mut self.connections, other.connections);
        add(&mut self.sessions, other.sessions);
        for (role, count) in &other.by_role {
            add(self.by_role.entry(role.clone()).or_default(), *count);
        }
        for (door, count) in &other.by_door {
            add(self.by_door.entry(*door).or_default(), *count);
        }
    }
}

/// An instance and its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub name: Box<str>,
    pub figures: Figures,
}

/// Somebody who is online at one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Each once, in order.
    pub roles: Vec<Role>,
    /// None of somebody who may be about to come back.
    pub connections: Vec<Seat>,
}

/// One connection of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// As `connected` called it.
    pub session: Box<str>,
    pub door: Channel,
    pub since: Timestamp,
}

/// What has changed at an instance since it was last said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceNews {
    pub figures: Figures,
    /// Nobody for who is online there no more.
    pub people: Vec<(UserId, Option<Person>)>,
}

/// Whom a page is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollQuery {
    /// Where the last page ended.
    pub after: Option<UserId>,
    /// Only who holds this role.
    pub role: Option<Role>,
    /// Only this one.
    pub user: Option<UserId>,
    /// At least one.
    pub limit: usize,
}
