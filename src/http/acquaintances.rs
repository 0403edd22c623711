//! Whom requests come from: what a token says of a person is kept, so that mail can be addressed to
//! somebody who never opens a socket. A person is noted once, and again when their token says something new.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use actix::Addr;

use crate::actors::persistence::{Greet, Persistence};
use crate::domain::{Identity, Profile};

/// How many people are remembered as noted; beyond it all are noted anew, which costs a look-up each.
const MOST: usize = 100_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct Acquaintances {
    persistence: Addr<Persistence>,
    hasher: RandomState,
    /// Digests of what was noted.
    noted: Mutex<HashSet<u64>>,
}

impl Acquaintances {
    pub fn new(persistence: Addr<Persistence>) -> Self {
        Self { persistence, hasher: RandomState::new(), noted: Mutex::default() }
    }

    /// Has a person's profile kept, without waiting. If that is refused, the next request tries again.
    pub fn note(&self, identity: &Identity) {
        let Identity { user, email, name, locale, time_zone, roles, .. } = identity;
        let digest = self.hasher.hash_one((user, email, name, locale, time_zone, roles));
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.contains(&digest) {
            return;
        }
        if self.persistence.try_send(Greet { profile: Profile::of(identity) }).is_ok() {
            if noted.len() >= MOST {
                noted.clear();
            }
            noted.insert(digest);
        }
    }
}
