//! What is kept of an inbox as it is read, deleted and trimmed: whatever happens in whatever order, the counters say what
//! counting says, and a long inbox is worked off in steps.

use std::time::Duration;

use bellhop::domain::{Category, NotificationId, Selection};
use bellhop::storage::append::{Entry, append};
use bellhop::storage::deliveries::{self, Ending, claim_new};
use bellhop::storage::history::{self, Course, STEP_MAX};
use bellhop::storage::receipts::trail;
use bellhop::storage::retention::trim_notifications;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::support::both::on_both_stores;
use crate::support::store::{ESCALATE_AFTER, NOW, TestStore, device, draft, note, user};

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
    for round in 0..40 {
        let user = USERS.choose(&mut random).unwrap();
        match random.random_range(0..4) {
            0 => {
                let (entry, time) = (some_entry(&mut random), NOW.plus(Duration::from_secs(round)));
                known.extend(entry.drafts.iter().map(|draft| draft.id));
                store.write(|connection| append(connection, &[entry], time, &|_| Duration::ZERO));
            }
            1 => drop(store.read(user, &some_selection(&mut random, &known))),
            2 => drop(store.delete(user, &some_selection(&mut random, &known))),
            _ => {
                // What was read has nothing pending, and may go.
                let before = NOW.plus(Duration::from_secs(random.random_range(0..=round)));
                store.write(|connection| trim_notifications(connection, "", before, 20));
            }
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

    fn nothing_is_left_of_what_is_deleted_but_receipts(store) {
        const COUNT: usize = 2_500;
        store.fill("host", COUNT);
        store.append(&[note(&["host", "other"])]);
        let (gone, standing) = store.delete("host", &Selection::UpTo(i64::try_from(COUNT).unwrap()));
        assert_eq!((gone.len(), standing.total, standing.inbox.unread), (COUNT, 1, 1));
        store.assert_counters();
        let count = |table: &str| store.number(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!((count("notifications"), count("deliveries")), (2, 2));
        assert_eq!(count("receipts WHERE step = 'deleted'"), i64::try_from(COUNT).unwrap());
        store.delete("host", &Selection::All);
        assert_eq!(count("inbox_categories"), 1, "what counts nothing is not kept");
        assert_eq!(store.append(&[note(&["host"])])[0].notification.seq, 2_502, "no number is given twice");
    }

    fn a_mail_that_is_under_way_ends_without_its_notification(store) {
        let (lease, host) = (NOW.plus(ESCALATE_AFTER), user("host"));
        let ids: Vec<NotificationId> =
            store.append(&[note(&["host"; 4])]).iter().map(|one| one.notification.id).collect();
        assert_eq!(store.write(|connection| claim_new(connection, &ids, lease)).len(), 4);
        store.delete("host", &Selection::All);
        assert!(!deliveries::is_claimed(&mut store.connection(), ids[0], lease).unwrap());
        store.write(|connection| deliveries::finish(connection, ids[0], &host, Ending::Emailed, None, NOW));
        store.write(|connection| {
            deliveries::finish(connection, ids[1], &host, Ending::Failed, Some("why"), NOW)
        });
        store.write(|connection| deliveries::retry(connection, ids[2], &host, lease, "why", NOW));
        store.write(|connection| deliveries::release(connection, ids[3], lease, NOW));
        let steps = |id| {
            let trail = trail(&mut store.connection(), id, 9).unwrap();
            trail.into_iter().map(|receipt| receipt.step).collect::<Vec<_>>()
        };
        assert_eq!(steps(ids[0]), ["deleted", "emailed"], "what was sent was sent");
        assert!(ids[1..].iter().all(|id| steps(*id) == ["deleted"]));
        assert_eq!(store.number("SELECT COUNT(*) FROM deliveries"), 0);
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
