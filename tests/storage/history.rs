//! What is kept of an inbox as it is read: whatever happens in whatever order, the counters say what
//! counting says, and a long inbox is worked off in steps.

use bellhop::domain::{Category, NotificationId, Selection};
use bellhop::storage::append::Entry;
use bellhop::storage::history::{self, Course, STEP_MAX};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore, device, draft, note};

const USERS: [&str; 3] = ["ann", "bob", "cleo"];
const CATEGORIES: [&str; 3] = ["bookings", "social", "system"];

/// A few notifications of any category to any of the users.
fn some_entry(random: &mut StdRng) -> Entry {
    let drafts = (0..random.random_range(1..6)).map(|_| {
        let mut draft = draft(USERS.choose(random).unwrap());
        draft.category = Category::parse(CATEGORIES.choose(random).unwrap()).unwrap();
        draft
    });
    Entry { booking: None, drafts: drafts.collect(), claim: None }
}

/// Some ids of anybody's, up to a seq, or everything.
fn some_selection(random: &mut StdRng, known: &[NotificationId]) -> Selection {
    match random.random_range(0..5) {
        0 => Selection::All,
        1 => Selection::UpTo(random.random_range(0..40)),
        _ => {
            let mut ids = known.to_vec();
            ids.shuffle(random);
            ids.truncate(random.random_range(0..6));
            Selection::Ids(ids)
        }
    }
}

fn one_life(store: &TestStore, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut known = Vec::new();
    for _ in 0..40 {
        let user = USERS.choose(&mut random).unwrap();
        match random.random_range(0..2) {
            0 => known.extend(store.append(&[some_entry(&mut random)]).iter().map(|one| one.notification.id)),
            _ => drop(store.read(user, &some_selection(&mut random, &known))),
        }
        store.assert_counters();
    }
}

on_both_stores! {
    fn counters_say_what_counting_says(store) {
        for seed in 0..6 {
            one_life(&store, seed);
        }
    }

    fn a_stretch_ends_where_the_inbox_stood_when_the_work_began(store) {
        let more = usize::try_from(STEP_MAX).unwrap() + 2;
        store.append(&[note(&vec!["host"; more])]);
        let phone = device("host", "phone");
        let step = |course| {
            store.write(|connection| history::read(connection, &phone, &Selection::All, course, NOW))
        };
        let first = step(Course::default());
        assert_eq!((first.ids.len(), first.standing.inbox.unread), (more - 2, 2));
        store.append(&[note(&["host"])]);
        let second = step(first.rest.expect("there is more"));
        assert_eq!((second.ids.len(), second.rest, second.standing.inbox.unread), (2, None, 1));
        assert_eq!(second.up_to, i64::try_from(more).ok(), "what came later is not read");
    }
}
