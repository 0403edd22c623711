//! What event streams of this instance gave to whom: a client that comes back with a notification's own id, which
//! says nothing else, has what the stream gave up to there that it came on; and so has one that acknowledges. Ids and
//! acks that say more need none of this; what is forgotten here is proven by nothing, and goes by mail.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::UserId;

/// How long a stream that has ended is remembered: browsers come back within seconds.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How many streams of one user, and how many users.
const STREAMS_MAX: usize = 64;
const USERS_MAX: usize = 50_000;

/// What one stream gives: everything above one seq, up to another one once it has ended.
#[derive(Debug)]
struct Run {
    /// The number of its session.
    session: u64,
    /// What the client calls it.
    name: Box<str>,
    /// None where it leaves out what its client does not want.
    above: Option<i64>,
    end: Option<(i64, Instant)>,
}

impl Run {
    fn is_forgotten(&self, now: Instant) -> bool {
        self.end.is_some_and(|(_, at)| now >= at + REMEMBERED)
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Runs(Mutex<HashMap<UserId, VecDeque<Run>>>);

impl Runs {
    /// A stream begins.
    pub(super) fn begin(&self, user: &UserId, session: u64, name: Box<str>, above: Option<i64>) {
        let now = Instant::now();
        let mut users = self.users();
        if users.len() >= USERS_MAX {
            users.values_mut().for_each(|runs| runs.retain(|run| run.end.is_none()));
            users.retain(|_, runs| !runs.is_empty());
        }
        let runs = users.entry(user.clone()).or_default();
        runs.retain(|run| !run.is_forgotten(now));
        if runs.len() >= STREAMS_MAX {
            runs.pop_front();
        }
        runs.push_back(Run { session, name, above, end: None });
    }

    /// A stream has ended, and its client was given everything up to `high`, or less.
    pub(super) fn end(&self, user: &UserId, session: u64, high: i64) {
        if let Some(run) =
            self.users().get_mut(user).and_then(|runs| runs.iter_mut().find(|run| run.session == session))
        {
            run.end = Some((high, Instant::now()));
        }
    }

    /// Above which seq the client has everything that came back with this one. Of several streams that may have given
    /// it, the one that gave least.
    pub(super) fn above(&self, user: &UserId, seq: i64) -> Option<i64> {
        let now = Instant::now();
        let gave = |run: &&Run| !run.is_forgotten(now) && run.end.is_none_or(|(high, _)| seq <= high);
        let users = self.users();
        users.get(user)?.iter().filter(gave).filter_map(|run| run.above).filter(|above| *above < seq).max()
    }

    /// The same of a client that names the stream: what a stream gave that leaves others out is that one alone.
    pub(super) fn above_on(&self, user: &UserId, name: &str, seq: i64) -> Option<i64> {
        let users = self.users();
        let run = users.get(user)?.iter().rev().find(|run| &*run.name == name)?;
        Some(run.above.unwrap_or(seq - 1).min(seq))
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, VecDeque<Run>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::from_stored(name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_has_what_the_stream_gave_for_a_while() {
        let (runs, ann) = (Runs::default(), user("ann"));
        runs.begin(&ann, 1, "a".into(), Some(40));
        assert_eq!(runs.above(&ann, 43), Some(40), "its end may not have been noticed");
        runs.end(&ann, 1, 43);
        assert_eq!((runs.above(&ann, 43), runs.above(&ann, 41)), (Some(40), Some(40)));
        assert_eq!((runs.above(&ann, 40), runs.above(&ann, 44)), (None, None), "it did not give these");
        assert_eq!(runs.above(&user("bob"), 43), None);
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(runs.above(&ann, 43), None);
    }

    #[test]
    fn of_several_the_one_counts_that_gave_least() {
        let (runs, ann) = (Runs::default(), user("ann"));
        runs.begin(&ann, 1, "a".into(), Some(40));
        runs.begin(&ann, 2, "a".into(), Some(44));
        assert_eq!((runs.above(&ann, 45), runs.above(&ann, 44)), (Some(44), Some(40)));
    }

    #[test]
    fn who_acknowledges_has_what_the_stream_gave_that_it_names() {
        let (runs, ann) = (Runs::default(), user("ann"));
        runs.begin(&ann, 1, "wide".into(), Some(40));
        runs.begin(&ann, 2, "narrow".into(), None);
        assert_eq!(runs.above_on(&ann, "wide", 43), Some(40));
        assert_eq!(runs.above_on(&ann, "wide", 39), Some(39), "it gave nothing of that");
        assert_eq!(runs.above_on(&ann, "narrow", 43), Some(42), "and not what it left out");
        assert_eq!(runs.above_on(&ann, "other", 43), None);
        assert_eq!(runs.above_on(&user("bob"), "wide", 43), None);
        assert_eq!(runs.above(&ann, 43), Some(40));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let runs = Runs::default();
        for session in 0..1_000 {
            runs.begin(&user("ann"), session, "a".into(), Some(0));
        }
        assert_eq!(runs.users().get(&user("ann")).map(VecDeque::len), Some(STREAMS_MAX));
        for number in 0..2 * USERS_MAX as u64 {
            let user = user(&number.to_string());
            runs.begin(&user, number, "a".into(), Some(0));
            runs.end(&user, number, 1);
        }
        assert!(runs.users().len() <= USERS_MAX + 1);
    }
}
