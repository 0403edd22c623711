//! Whom requests come from: what a token says of a person is kept, so that mail can be addressed to
//! somebody who never opens a socket. It is kept when their token says something else than their last
//! one did, and again at the next request where it could not be written.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;

use crate::actors::persistence::{Greet, Persistence};
use crate::domain::{Identity, Profile};

/// How many people are remembered as noted; beyond it all are noted anew, which costs a look-up each.
const MOST: usize = 100_000;

/// How many people are being noted at once. That is a few batches of the database; whoever comes beyond
/// it is noted at their next request.
const MOST_UNDER_WAY: usize = 1_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct Acquaintances {
    persistence: Addr<Persistence>,
    hasher: RandomState,
    people: Arc<Mutex<People>>,
}

/// People and what was said of them are digests here.
#[derive(Debug, Default)]
struct People {
    /// What was last written of each.
    written: HashMap<u64, u64>,
    /// Of whom something is being written: one at a time, so that the last token's word is the last.
    under_way: HashMap<u64, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    digest: u64,
    /// What a newer token says, to be written after it.
    next: Option<Note>,
}

#[derive(Debug)]
struct Note {
    digest: u64,
    profile: Profile,
}

impl Acquaintances {
    pub fn new(persistence: Addr<Persistence>) -> Self {
        Self { persistence, hasher: RandomState::new(), people: Arc::default() }
    }

    /// Has a person's profile kept, without waiting. If that fails, the next request tries again.
    pub fn note(&self, identity: &Identity) {
        let Identity { user, email, name, locale, time_zone, roles, .. } = identity;
        let person = self.hasher.hash_one(user);
        let digest = self.hasher.hash_one((email, name, locale, time_zone, roles));
        let begun = lock(&self.people).begin(person, digest, || Profile::of(identity));
        if let Some(note) = begun {
            actix::spawn(write(Arc::clone(&self.people), self.persistence.clone(), person, note));
        }
    }
}

/// Writes what is said of a person, then what was said meanwhile.
async fn write(people: Arc<Mutex<People>>, persistence: Addr<Persistence>, person: u64, note: Note) {
    let mut waiting = Some(note);
    while let Some(Note { digest, profile }) = waiting {
        let written = matches!(persistence.send(Greet { profile }).await, Ok(Ok(_)));
        waiting = lock(&people).end(person, written.then_some(digest));
    }
}

fn lock(people: &Mutex<People>) -> MutexGuard<'_, People> {
    people.lock().unwrap_or_else(PoisonError::into_inner)
}

impl People {
    /// What the caller must write now, if anything.
    fn begin(&mut self, person: u64, digest: u64, profile: impl FnOnce() -> Profile) -> Option<Note> {
        if let Some(under_way) = self.under_way.get_mut(&person) {
            let is_newer = under_way.digest != digest;
            under_way.next = is_newer.then(|| Note { digest, profile: profile() });
            return None;
        }
        if self.written.get(&person) == Some(&digest) || self.under_way.len() >= MOST_UNDER_WAY {
            return None;
        }
        self.under_way.insert(person, UnderWay { digest, next: None });
        Some(Note { digest, profile: profile() })
    }

    /// Ends a write and answers what to write next. Of one that failed nobody knows what it left.
    fn end(&mut self, person: u64, written: Option<u64>) -> Option<Note> {
        if let Some(digest) = written {
            if self.written.len() >= MOST {
                self.written.clear();
            }
            self.written.insert(person, digest);
        } else {
            self.written.remove(&person);
        }
        let next = self.under_way.get_mut(&person).and_then(|under_way| {
            let next = under_way.next.take()?;
            under_way.digest = next.digest;
            Some(next)
        });
        if next.is_none() {
            self.under_way.remove(&person);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    fn profile() -> Profile {
        let user = UserId::from_stored("ann".to_owned());
        Profile { user, email: None, name: None, locale: None, time_zone: None, roles: Vec::new() }
    }

    fn begin(people: &mut People, person: u64, digest: u64) -> Option<u64> {
        people.begin(person, digest, profile).map(|note| note.digest)
    }

    fn end(people: &mut People, person: u64, written: Option<u64>) -> Option<u64> {
        people.end(person, written).map(|note| note.digest)
    }

    #[test]
    fn what_is_said_meanwhile_is_written_after_and_only_the_last_of_it() {
        let mut people = People::default();
        assert_eq!(begin(&mut people, 1, 10), Some(10));
        for digest in [10, 20, 30] {
            assert_eq!(begin(&mut people, 1, digest), None, "one at a time");
        }
        assert_eq!(end(&mut people, 1, Some(10)), Some(30));
        assert_eq!(end(&mut people, 1, Some(30)), None);
        assert_eq!(begin(&mut people, 1, 30), None, "it is written");
        assert_eq!(begin(&mut people, 1, 10), Some(10), "it is no longer what was last written");
        assert_eq!(begin(&mut people, 1, 20), None);
        assert_eq!(begin(&mut people, 1, 10), None, "what is under way is the last word again");
        assert_eq!(end(&mut people, 1, Some(10)), None);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let mut people = People::default();
        assert_eq!(begin(&mut people, 1, 10), Some(10));
        assert_eq!(end(&mut people, 1, Some(10)), None);
        assert_eq!(begin(&mut people, 1, 20), Some(20));
        assert_eq!(end(&mut people, 1, None), None);
        assert_eq!(begin(&mut people, 1, 10), Some(10));
        assert_eq!(end(&mut people, 1, None), None);
        assert_eq!(begin(&mut people, 1, 10), Some(10));
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        let mut people = People::default();
        for person in 0..MOST_UNDER_WAY as u64 {
            assert_eq!(begin(&mut people, person, 1), Some(1));
        }
        let late = MOST_UNDER_WAY as u64;
        assert_eq!(begin(&mut people, late, 1), None);
        assert_eq!(end(&mut people, 0, Some(1)), None);
        assert_eq!(begin(&mut people, late, 1), Some(1));
    }
}
