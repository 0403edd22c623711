//! Deliveries: who claims one has it alone until the lease ends, and every ending is recorded once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bellhop::domain::{NotificationId, Timestamp};
use bellhop::storage::deliveries::{
    Claimed, Ending, claim_new, claim_overdue, count_overdue, finish, finish_pending, retry, withdraw,
};

use crate::support::both::on_both_stores;
use crate::support::store::{ESCALATE_AFTER, NOW, TestStore, booked, note, user};

const LEASE: Duration = Duration::from_mins(2);

fn due() -> Timestamp {
    NOW.plus(ESCALATE_AFTER)
}

/// So many deliveries that nobody has looked at yet.
fn pending(store: &TestStore, count: usize) -> Vec<NotificationId> {
    let users: Vec<String> = (0..count).map(|number| format!("user-{number}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    store.append(&[note(&users)]).into_iter().map(|one| one.notification.id).collect()
}

fn overdue(store: &TestStore, now: Timestamp, limit: u32) -> Vec<Claimed> {
    store.write(|connection| claim_overdue(connection, now, now.plus(LEASE), limit))
}

fn state(store: &TestStore, id: NotificationId, wanted: &str) -> bool {
    let sql =
        format!("SELECT COUNT(*) FROM deliveries WHERE notification_id = '{id}' AND state = '{wanted}'");
    store.number(&sql) == 1
}

/// Runs the same claim on several threads, again and again until there is nothing left; asserts that
/// together they got each delivery once.
fn claimed_by_many(ids: &[NotificationId], claim: impl Fn() -> Vec<Claimed> + Sync) {
    const CLAIMANTS: usize = 4;
    let start = Barrier::new(CLAIMANTS);
    let claim_all = || {
        start.wait();
        let mut mine = Vec::new();
        loop {
            let more = claim();
            if more.is_empty() {
                return mine;
            }
            mine.extend(more);
        }
    };
    let mut all: Vec<NotificationId> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLAIMANTS).map(|_| scope.spawn(claim_all)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).map(|one| one.notification).collect()
    });
    all.sort();
    assert_eq!(all, ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
}

on_both_stores! {
    fn many_who_claim_what_is_new_never_get_one_delivery_twice(store) {
        let ids = pending(&store, 200);
        claimed_by_many(&ids, || store.write(|connection| claim_new(connection, &ids, due().plus(LEASE))));
    }

    fn many_who_claim_what_is_overdue_never_get_one_delivery_twice(store) {
        let ids = pending(&store, 200);
        claimed_by_many(&ids, || overdue(&store, due(), 7));
    }

    fn what_is_handed_over_and_what_is_overdue_are_not_claimed_by_both(store) {
        let ids = pending(&store, 100);
        let turn = AtomicUsize::new(0);
        claimed_by_many(&ids, || {
            // Every other claim is of the other kind; both must find nothing before one gives up.
            let swept = turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            let new = || store.write(|connection| claim_new(connection, &ids, due().plus(LEASE)));
            let (first, second) =
                if swept { (overdue(&store, due(), 5), new()) } else { (new(), overdue(&store, due(), 5)) };
            first.into_iter().chain(second).collect()
        });
    }

    fn nothing_is_overdue_before_its_deadline(store) {
        pending(&store, 3);
        let before = due().minus(Duration::from_micros(1));
        assert!(overdue(&store, before, 10).is_empty());
        assert_eq!(count_overdue(&mut store.connection(), before, 10).unwrap(), 0);
        assert_eq!(count_overdue(&mut store.connection(), due(), 10).unwrap(), 3);
        assert_eq!(count_overdue(&mut store.connection(), due(), 2).unwrap(), 2);
        assert_eq!(overdue(&store, due(), 2).len(), 2);
        assert_eq!(overdue(&store, due(), 2).len(), 1);
    }

    fn a_claim_that_is_not_finished_can_be_claimed_again_after_its_lease(store) {
        let ids = pending(&store, 1);
        let first = store.write(|connection| claim_new(connection, &ids, due().plus(LEASE)));
        assert_eq!(first, [Claimed { notification: ids[0], attempt: 1 }]);
        assert!(store.write(|connection| claim_new(connection, &ids, due().plus(LEASE))).is_empty());
        assert!(overdue(&store, due().plus(LEASE).minus(Duration::from_micros(1)), 10).is_empty());
        assert_eq!(overdue(&store, due().plus(LEASE), 10), [Claimed { notification: ids[0], attempt: 2 }]);
    }

    fn a_retry_comes_at_its_time_and_counts_on(store) {
        let ids = pending(&store, 1);
        overdue(&store, due(), 10);
        let at = due().plus(Duration::from_secs(30));
        store.write(|connection| retry(connection, ids[0], &user("user-0"), at, "the server is busy", due()));
        assert!(overdue(&store, at.minus(Duration::from_micros(1)), 10).is_empty());
        assert_eq!(overdue(&store, at, 10), [Claimed { notification: ids[0], attempt: 2 }]);
    }

    fn an_ending_is_recorded_and_nothing_is_claimed_after_it(store) {
        let endings =
            [Ending::Confirmed, Ending::Emailed, Ending::Suppressed, Ending::Withdrawn, Ending::Failed];
        for (id, ending) in pending(&store, endings.len()).into_iter().zip(endings) {
            store.write(|connection| finish(connection, id, &user("host"), ending, Some("why"), NOW));
            assert!(state(&store, id, ending.as_str()), "{ending:?}");
        }
        assert!(overdue(&store, due(), 10).is_empty());
        assert_eq!(store.number("SELECT COUNT(*) FROM deliveries WHERE finished_at IS NULL"), 0);
    }

    fn a_mail_that_went_out_was_sent_whatever_else_happened_meanwhile(store) {
        let ids = pending(&store, 3);
        let endings = [Ending::Confirmed, Ending::Withdrawn, Ending::Failed];
        for (id, ending) in ids.iter().zip(endings) {
            store.write(|connection| finish(connection, *id, &user("host"), ending, None, NOW));
            store.write(|connection| finish(connection, *id, &user("host"), Ending::Emailed, None, NOW));
        }
        assert!(state(&store, ids[0], "emailed"));
        assert!(state(&store, ids[1], "emailed"));
        assert!(state(&store, ids[2], "failed"), "what was given up is not sent by anybody");
        store.write(|connection| finish(connection, ids[0], &user("host"), Ending::Confirmed, None, NOW));
        assert!(state(&store, ids[0], "emailed"), "the first proof stands");
    }

    fn confirming_ends_only_what_is_pending(store) {
        let ids = pending(&store, 3);
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let confirm = |texts: &[String]| {
            store.write(|connection| finish_pending(connection, texts, Ending::Confirmed, NOW)).len()
        };
        assert_eq!(confirm(&texts[..1]), 1);
        assert_eq!(confirm(&texts), 2);
        assert_eq!(confirm(&texts), 0);
        assert_eq!(confirm(&[]), 0);
    }

    fn withdrawing_a_booking_ends_what_is_pending_about_it_and_nothing_else(store) {
        let (cancelled, kept) = (booked("guest", "host"), booked("guest", "host"));
        let booking = cancelled.booking.as_ref().unwrap().id;
        let (gone, stays) = (cancelled.drafts[0].id, kept.drafts[0].id);
        store.append(&[cancelled, kept, note(&["host"])]);
        assert_eq!(store.write(|connection| withdraw(connection, booking, NOW)), 1);
        assert!(state(&store, gone, "withdrawn"));
        assert!(state(&store, stays, "pending"));
        assert_eq!(store.write(|connection| withdraw(connection, booking, NOW)), 0);
    }
}
