//! Appending: one sequence per user without gaps, in commit order, whoever writes at the same time.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use bellhop::domain::Timestamp;
use bellhop::storage::append::{Acceptance, Entry, Outcome};
use bellhop::storage::idempotency::{self, IdempotencyClaim};
use bellhop::storage::notifications::{Filter, Position, page};
use bellhop::storage::{AnyConnection, StorageError, bookings, inboxes};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, booked, draft, note, user};

fn under_key(mut entry: Entry, of: &str, key: &str, fingerprint: &str) -> Entry {
    entry.claim = Some(IdempotencyClaim {
        user: user(of),
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        not_before: None,
    });
    entry
}

/// Every seq of a user, oldest first, as stored.
fn seqs(connection: &mut AnyConnection, of: &str) -> Vec<i64> {
    let all = page(connection, &user(of), &Filter::default(), Position::After(0), 100_000, 0).unwrap();
    all.into_iter().map(|notification| notification.seq).collect()
}

fn stored(outcome: &Outcome) -> &Acceptance {
    match outcome {
        Outcome::Stored { acceptance, .. } => acceptance,
        other => panic!("not stored: {other:?}"),
    }
}

on_both_stores! {
    fn a_batch_numbers_each_inbox_from_1_and_counts_what_is_unread(store) {
        let stamped = store.append(&[note(&["a"]), note(&["b", "a"]), note(&["a"])]);
        let places: Vec<(String, i64, i64)> = stamped
            .iter()
            .map(|one| (one.notification.user.to_string(), one.notification.seq, one.unread))
            .collect();
        let place = |user: &str, seq, unread| (user.to_owned(), seq, unread);
        assert_eq!(places, [place("a", 1, 1), place("b", 1, 1), place("a", 2, 2), place("a", 3, 3)]);

        let stamped = store.append(&[note(&["b"]), note(&["a"])]);
        assert_eq!(stamped.iter().map(|one| one.notification.seq).collect::<Vec<_>>(), [2, 4]);
        let state = inboxes::state(&mut store.connection(), &user("a")).unwrap();
        assert_eq!((state.last_seq, state.unread), (4, 4));
    }

    fn a_booking_reads_back_as_it_was_written(store) {
        let entry = booked("guest", "host");
        let outcomes = store.try_append(std::slice::from_ref(&entry)).unwrap();
        let acceptance = stored(&outcomes[0]);
        let booking = entry.booking.unwrap();
        let connection = &mut *store.connection();
        assert_eq!(bookings::find(connection, booking.id).unwrap().as_ref(), Some(&booking));
        assert_eq!(acceptance.booking.as_ref(), Some(&booking));

        let inbox = page(connection, &user("host"), &Filter::default(), Position::After(0), 10, 0).unwrap();
        assert_eq!(inbox[0].id, entry.drafts[0].id);
        assert_eq!(inbox[0].content.message, entry.drafts[0].content.message);
        assert_eq!(
            inbox[0].content.data.as_ref().unwrap().get(),
            entry.drafts[0].content.data.as_ref().unwrap().get()
        );
        assert_eq!((inbox[0].created_at, inbox[0].read_at), (NOW, None));
    }

    fn writers_of_the_same_inboxes_leave_no_gap_and_never_wait_for_each_other(store) {
        const WRITERS: usize = 4;
        const BATCHES: usize = 25;
        // Every writer names the users in another order: what would deadlock if rows were locked in it.
        let users: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
        let start = Barrier::new(WRITERS);
        let write = |writer: usize| {
            start.wait();
            for batch in 0..BATCHES {
                let mut order: Vec<&str> = users.iter().map(String::as_str).collect();
                order.rotate_left((writer + batch) % users.len());
                if writer.is_multiple_of(2) {
                    order.reverse();
                }
                store.try_append(&order.iter().map(|to| note(&[to])).collect::<Vec<_>>()).unwrap();
            }
        };
        thread::scope(|scope| (0..WRITERS).for_each(|writer| drop(scope.spawn(move || write(writer)))));

        let wanted: Vec<i64> = (1..=i64::try_from(WRITERS * BATCHES).unwrap()).collect();
        for of in &users {
            assert_eq!(seqs(&mut store.connection(), of), wanted, "{of}");
        }
    }

    fn who_reads_up_to_a_seq_never_finds_an_older_one_later(store) {
        const BATCHES: i64 = 60;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..BATCHES).for_each(|_| drop(store.append(&[note(&["host", "host"])]))));
            }
            // A reader that only ever asks for what comes after the newest that it has.
            let mut cursor = 0;
            let deadline = tokio::time::Instant::now() + crate::support::deadline::SOON;
            while cursor < BATCHES * 4 {
                assert!(tokio::time::Instant::now() < deadline, "only {cursor} came");
                let connection = &mut *store.connection();
                let news =
                    page(connection, &user("host"), &Filter::default(), Position::After(cursor), 100, 0);
                for notification in news.unwrap() {
                    assert_eq!(notification.seq, cursor + 1, "a hole that is filled later");
                    cursor = notification.seq;
                }
            }
        });
    }

    fn what_is_rolled_back_leaves_no_hole(store) {
        store.append(&[note(&["host"])]);
        let spoilt = store.pool.write(|connection| {
            bellhop::storage::append::append(connection, &[note(&["host"])], NOW, &|_| {
                std::time::Duration::ZERO
            })?;
            Err::<(), _>(StorageError::Corrupt("a change of mind".to_owned()))
        });
        assert!(spoilt.is_err());
        let stamped = store.append(&[note(&["host"])]);
        assert_eq!((stamped[0].notification.seq, stamped[0].unread), (2, 2));
    }

    fn a_key_that_comes_again_gets_the_first_answer(store) {
        let first = under_key(booked("guest", "host"), "guest", "k", "f");
        let outcomes = store.try_append(&[first]).unwrap();
        let acceptance = stored(&outcomes[0]).clone();

        let again = under_key(booked("guest", "host"), "guest", "k", "f");
        let other = under_key(booked("guest", "host"), "guest", "k", "another body");
        let somebody_else = under_key(booked("other", "host"), "other", "k", "f");
        let outcomes = store.try_append(&[again, other, somebody_else]).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Repeated(earlier) if *earlier == acceptance), "{outcomes:?}");
        assert!(matches!(&outcomes[1], Outcome::KeyReused));
        assert_ne!(stored(&outcomes[2]).booking, acceptance.booking, "keys belong to users");
        assert_eq!(seqs(&mut store.connection(), "host"), [1, 2]);
        assert_eq!(store.number("SELECT COUNT(*) FROM bookings"), 2);
    }

    fn a_key_twice_in_one_batch_is_one_booking(store) {
        let entry = || under_key(booked("guest", "host"), "guest", "k", "f");
        let other = under_key(booked("guest", "host"), "guest", "k", "another body");
        let outcomes = store.try_append(&[booked("guest", "host"), entry(), other, entry()]).unwrap();
        let acceptance = stored(&outcomes[1]);
        assert!(matches!(&outcomes[2], Outcome::KeyReused));
        assert!(matches!(&outcomes[3], Outcome::Repeated(earlier) if earlier == acceptance), "{outcomes:?}");
        assert_eq!(seqs(&mut store.connection(), "host"), [1, 2]);
    }

    fn the_same_key_by_two_writers_at_once_is_one_booking(store) {
        let start = Barrier::new(2);
        let ask = || {
            let entry = under_key(booked("guest", "host"), "guest", "k", "f");
            start.wait();
            // One of the two may be refused by the table; asking again, as its client does, tells it.
            let first = store.try_append(std::slice::from_ref(&entry));
            let outcomes = first.or_else(|_| store.try_append(std::slice::from_ref(&entry))).unwrap();
            match outcomes.into_iter().next() {
                Some(Outcome::Stored { acceptance, .. } | Outcome::Repeated(acceptance)) => acceptance,
                other => panic!("{other:?}"),
            }
        };
        let (one, two) = thread::scope(|scope| {
            let one = scope.spawn(ask);
            let two = ask();
            (one.join().unwrap(), two)
        });
        assert_eq!(one, two);
        assert_eq!(seqs(&mut store.connection(), "host"), [1]);
    }

    fn keys_are_forgotten_when_they_are_old(store) {
        store.append(&[under_key(note(&["host"]), "guest", "k", "f")]);
        assert_eq!(store.write(|connection| idempotency::forget(connection, NOW)), 0);
        let later = Timestamp::from_micros(NOW.as_micros() + 1);
        assert_eq!(store.write(|connection| idempotency::forget(connection, later)), 1);
        store.append(&[under_key(note(&["host"]), "guest", "k", "f")]);
        assert_eq!(seqs(&mut store.connection(), "host"), [1, 2]);
    }

    fn a_bad_entry_fails_its_batch_and_leaves_nothing_behind(store) {
        let known = draft("host");
        store.append(&[Entry { booking: None, drafts: vec![known.clone()], claim: None }]);
        let bad = Entry { booking: None, drafts: vec![known], claim: None };
        let refused = store.try_append(&[booked("guest", "host"), bad, note(&["other"])]);
        assert!(
            matches!(&refused, Err(error @ StorageError::Refused(_)) if !error.is_unavailable()),
            "{refused:?}"
        );
        let counts: BTreeMap<&str, i64> = ["bookings", "notifications", "deliveries", "inboxes"]
            .map(|table| (table, store.number(&format!("SELECT COUNT(*) FROM {table}"))))
            .into();
        assert_eq!(counts, [("bookings", 0), ("deliveries", 1), ("inboxes", 1), ("notifications", 1)].into());
    }

    fn a_batch_of_nothing_is_nothing(store) {
        assert!(store.try_append(&[]).unwrap().is_empty());
        let outcomes = store.try_append(&[note(&[])]).unwrap();
        assert!(stored(&outcomes[0]).notifications.is_empty());
        assert_eq!(store.number("SELECT COUNT(*) FROM inboxes"), 0);
    }

    fn the_largest_batch_that_the_limits_allow_is_written(store) {
        // As many events as one transaction takes by default, each to as many users as one request may name.
        let limits = &store.settings().limits;
        let users: Vec<String> =
            (0..limits.recipients_per_request).map(|number| format!("user-{number}")).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        // Fewer events than the limit keep the test quick; they are past every bound on variables.
        let events = (limits.write_batch / 16).max(1);
        let entries: Vec<Entry> = (0..events).map(|_| note(&users)).collect();
        assert_eq!(store.append(&entries).len(), events * users.len());
    }
}
