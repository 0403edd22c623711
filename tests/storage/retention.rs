//! Removing what is too old: by several at once, beside those who write, and nothing that is still pending.

use std::thread;
use std::time::Duration;

use bellhop::domain::{NotificationId, Selection, Timestamp};
use bellhop::storage::append::append;
use bellhop::storage::deliveries::{Ending, finish_pending};
use bellhop::storage::retention::{trim_notifications, trim_receipts};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore, note};

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Removes what is older, in batches of three; answers how much that was.
fn trim(store: &TestStore, before: Timestamp) -> usize {
    let (mut place, mut removed) = (Some(String::new()), 0);
    while let Some(from) = place {
        let trimmed = store.write(|connection| trim_notifications(connection, &from, before, 3));
        removed += trimmed.removed;
        place = trimmed.rest;
    }
    removed
}

fn end_deliveries(store: &TestStore, ids: &[NotificationId]) {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    store.write(|connection| finish_pending(connection, &ids, Ending::Emailed, NOW));
}

/// Notifications of these users, made at this time, of which nothing is pending.
fn told_at(store: &TestStore, time: Timestamp, to: &[&str]) -> Vec<NotificationId> {
    let entry = note(to);
    let ids: Vec<NotificationId> = entry.drafts.iter().map(|draft| draft.id).collect();
    store.write(|connection| append(connection, &[entry], time, &|_| Duration::ZERO));
    end_deliveries(store, &ids);
    ids
}

on_both_stores! {
    fn only_what_is_older_and_ended_is_removed(store) {
        told_at(&store, NOW, &["ann", "bob", "ann", "ann"]);
        told_at(&store, after(10), &["ann", "bob"]);
        store.append(&[note(&["ann"])]);
        assert_eq!(trim(&store, NOW), 0);
        assert_eq!(trim(&store, after(5)), 4, "one of that age is pending");
        store.assert_counters();
        assert_eq!(store.number("SELECT COUNT(*) FROM deliveries"), 3);
        assert_eq!(trim(&store, after(11)), 2);
        store.assert_counters();
        assert_eq!(store.number("SELECT COUNT(*) FROM inbox_categories"), 1);
    }

    fn several_that_trim_while_others_write_count_right(store) {
        for round in 0..20 {
            told_at(&store, NOW, if round % 2 == 0 { &["ann", "bob", "cleo"] } else { &["cleo", "ann"] });
        }
        let removed = thread::scope(|scope| {
            let trimmers: Vec<_> = (0..3).map(|_| scope.spawn(|| trim(&store, after(1)))).collect();
            scope.spawn(|| (0..20).for_each(|_| drop(told_at(&store, after(9), &["bob", "ann"]))));
            scope.spawn(|| (0..20).for_each(|seq| drop(store.read("ann", &Selection::UpTo(seq)))));
            scope.spawn(|| (0..20).for_each(|_| drop(store.delete("cleo", &Selection::UpTo(5)))));
            trimmers.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        let deleted = store.number("SELECT COUNT(*) FROM receipts WHERE step = 'deleted'");
        assert_eq!(i64::try_from(removed).unwrap() + deleted, 50, "each once");
        assert_eq!(store.number("SELECT COUNT(*) FROM notifications"), 40);
        store.assert_counters();
    }

    fn receipts_go_by_their_own_age(store) {
        for _ in 0..4 {
            told_at(&store, NOW, &["ann", "ann"]);
            // At this time.
            store.read("ann", &Selection::All);
        }
        told_at(&store, NOW, &["ann"]);
        store.delete("ann", &Selection::All);
        let sweep = |before| {
            let (mut place, mut removed) = (Some(String::new()), 0);
            while let Some(from) = place {
                let trimmed = store.write(|connection| trim_receipts(connection, &from, before, 3));
                removed += trimmed.removed;
                place = trimmed.rest;
            }
            removed
        };
        assert_eq!(sweep(NOW), 0);
        assert_eq!(sweep(after(1)), 8 + 9, "also of what is gone");
        assert_eq!(store.number("SELECT COUNT(*) FROM receipts"), 0);
    }
}
