//! Confirmations: a proof ends what is pending and nothing else, and leaves a receipt each.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use bellhop::domain::{NotificationId, Proven, Selection, Timestamp, UpTo};
use bellhop::storage::confirmations::{ConfirmedUpTo, REPLAYED_MAX, UP_TO_MAX, confirm, confirm_up_to};
use bellhop::storage::deliveries::{Ending, finish, retry};
use bellhop::storage::receipts::trail;

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore, device, note, user};

/// So many notifications of one user's, in order.
fn told(store: &TestStore, to: &str, count: usize) -> Vec<NotificationId> {
    store.append(&[note(&vec![to; count])]).into_iter().map(|one| one.notification.id).collect()
}

fn proven(notification: NotificationId, of: &str, name: &str, at: Timestamp) -> Proven {
    Proven { notification, device: device(of, name), at, replayed: false }
}

fn after(milliseconds: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(milliseconds))
}

fn up_to(of: &str, seq: i64) -> UpTo {
    UpTo { device: device(of, "phone"), above: 0, seq }
}

fn confirm_all(store: &TestStore, devices: &[UpTo], now: Timestamp) -> ConfirmedUpTo {
    store.write(|connection| confirm_up_to(connection, devices, now))
}

/// The steps of a notification, each with its device.
fn steps(store: &TestStore, id: NotificationId) -> Vec<(String, String)> {
    let trail = trail(&mut store.connection(), id, 100).unwrap();
    trail.into_iter().map(|one| (one.step, one.device.unwrap_or_default())).collect()
}

fn of_devices(step: &str, devices: &[&str]) -> Vec<(String, String)> {
    devices.iter().map(|device| (step.to_owned(), (*device).to_owned())).collect()
}

fn receipts(store: &TestStore) -> i64 {
    store.number("SELECT COUNT(*) FROM receipts")
}

on_both_stores! {
    fn every_device_leaves_a_receipt_and_the_first_ends_the_delivery(store) {
        let ids = told(&store, "host", 3);
        let first = [proven(ids[0], "host", "phone", after(2)), proven(ids[0], "host", "tablet", after(1))];
        assert_eq!(store.write(|connection| confirm(connection, &first, NOW)).len(), 1);
        let later = [proven(ids[1], "host", "phone", after(3)), proven(ids[0], "host", "laptop", after(3))];
        assert_eq!(store.write(|connection| confirm(connection, &later, NOW)).len(), 1);
        assert_eq!(steps(&store, ids[0]), of_devices("confirmed", &["tablet", "phone", "laptop"]));
        assert_eq!(steps(&store, ids[1]), of_devices("confirmed", &["phone"]));
        assert_eq!(steps(&store, ids[2]), []);
        assert_eq!((store.deliveries("confirmed"), store.deliveries("pending")), (2, 1));
        assert_eq!(store.write(|connection| confirm(connection, &[], NOW)).len(), 0);
    }

    fn a_batch_that_is_written_twice_is_recorded_once(store) {
        let ids = told(&store, "host", 50);
        let mut proofs: Vec<Proven> = ids.iter().map(|id| proven(*id, "host", "phone", after(7))).collect();
        proofs.extend(proofs.clone());
        assert_eq!(store.write(|connection| confirm(connection, &proofs, NOW)).len(), 50);
        assert_eq!(store.write(|connection| confirm(connection, &proofs, after(9))).len(), 0);
        assert_eq!(receipts(&store), 50);
        assert_eq!(
            store.number("SELECT COUNT(DISTINCT finished_at) FROM deliveries"),
            1,
            "the first proof stands"
        );
    }

    fn a_proof_after_the_mail_is_kept_beside_it(store) {
        let ids = told(&store, "host", 1);
        store.write(|connection| finish(connection, ids[0], &user("host"), Ending::Emailed, None, after(1)));
        let late = [proven(ids[0], "host", "phone", after(2))];
        assert_eq!(store.write(|connection| confirm(connection, &late, after(2))).len(), 0);
        assert_eq!(store.deliveries("emailed"), 1);
        let wanted = [("emailed".to_owned(), String::new()), ("confirmed".to_owned(), "phone".to_owned())];
        assert_eq!(steps(&store, ids[0]), wanted);
    }

    fn what_a_token_calls_its_session_keeps_no_proof_from_being_written(store) {
        let ids = told(&store, "host", 2);
        let odd = format!("a\0b{}", "é".repeat(5_000));
        let proofs = [proven(ids[0], "host", &odd, NOW), proven(ids[1], "host", "phone", NOW)];
        assert_eq!(store.write(|connection| confirm(connection, &proofs, NOW)).len(), 2);
        assert_eq!(receipts(&store), 2);
        let devices = [UpTo { device: device("host", &odd), above: 0, seq: 9 }];
        assert_eq!(confirm_all(&store, &devices, NOW).count, 0);
    }

    fn a_seq_confirms_what_is_pending_of_that_user_up_to_it(store) {
        let mine = told(&store, "host", 5);
        let others = told(&store, "other", 5);
        let far = told(&store, "third", 2);
        store.write(|connection| confirm(connection, &[proven(mine[1], "host", "laptop", NOW)], NOW));
        store.read("host", &Selection::Ids(vec![mine[0]]));

        let devices = [up_to("host", 3), up_to("third", 2), up_to("third", i64::MAX), up_to("nobody", 7), up_to("other", 0)];
        // Of the host's first three, one is read and one confirmed; the third user has two.
        assert_eq!(confirm_all(&store, &devices, after(1)).count, 3);
        assert_eq!(steps(&store, mine[0]), of_devices("read", &["phone"]), "what is read is not looked at");
        assert_eq!(steps(&store, mine[1]), of_devices("confirmed", &["laptop"]), "only what changed");
        assert_eq!(steps(&store, mine[2]), of_devices("confirmed", &["phone"]));
        assert_eq!(steps(&store, mine[3]), []);
        assert_eq!(steps(&store, far[1]), of_devices("confirmed", &["phone"]));
        for id in others {
            assert_eq!(steps(&store, id), [], "another's");
        }
        assert_eq!(confirm_all(&store, &devices, after(2)).count, 0);
        assert_eq!(receipts(&store), 5, "four and the reader's");
        assert_eq!(confirm_all(&store, &[], NOW).count, 0);
    }

    fn two_devices_that_come_back_at_once_both_have_it(store) {
        let ids = told(&store, "host", 2);
        let tablet = UpTo { device: device("host", "tablet"), above: 0, seq: 1 };
        let devices = [up_to("host", 2), tablet];
        assert_eq!(confirm_all(&store, &devices, NOW).count, 2);
        let first = steps(&store, ids[0]);
        assert_eq!(first, of_devices("confirmed", &["phone", "tablet"]));
        assert_eq!(steps(&store, ids[1]), of_devices("confirmed", &["phone"]));
    }

    fn who_says_more_than_there_is_has_nothing_of_it(store) {
        told(&store, "host", 3);
        let devices = [up_to("host", 4), up_to("host", i64::MAX)];
        assert_eq!(confirm_all(&store, &devices, NOW).count, 0);
    }

    fn who_is_given_the_same_over_and_over_leaves_no_receipts_without_end(store) {
        let ids = told(&store, "host", 2);
        let most = usize::try_from(REPLAYED_MAX).unwrap();
        for round in 0..most + 5 {
            let name = format!("device-{round}");
            let again = Proven { replayed: true, ..proven(ids[0], "host", &name, after(1)) };
            store.write(|connection| confirm(connection, &[again], NOW));
        }
        assert_eq!(steps(&store, ids[0]).len(), most);
        // What is pushed counts on.
        let pushed = [proven(ids[0], "host", "phone", after(2)), proven(ids[1], "host", "phone", after(2))];
        store.write(|connection| confirm(connection, &pushed, NOW));
        assert_eq!((steps(&store, ids[0]).len(), steps(&store, ids[1]).len()), (most + 1, 1));
    }

    fn who_ends_a_delivery_leaves_a_receipt_whatever_went_before(store) {
        let ids = told(&store, "host", 1);
        for round in 0..20 {
            store.write(|connection| {
                retry(connection, ids[0], &user("host"), after(9_000), "451 busy", after(round))
            });
        }
        let again = Proven { replayed: true, ..proven(ids[0], "host", "phone", after(100)) };
        assert_eq!(store.write(|connection| confirm(connection, &[again], after(100))).len(), 1);
        let steps = steps(&store, ids[0]);
        assert_eq!(steps.last(), Some(&("confirmed".to_owned(), "phone".to_owned())));
    }

    fn a_seq_confirms_the_newest_and_says_what_is_left(store) {
        let most = usize::try_from(UP_TO_MAX).unwrap();
        let ids = told(&store, "host", most + 10);
        let seq = UP_TO_MAX + 5;
        let first = confirm_all(&store, &[up_to("nobody", 1), up_to("host", seq)], NOW);
        assert_eq!(first.count, most);
        assert_eq!(steps(&store, ids[4]), [], "too old");
        assert_eq!(steps(&store, ids[5]), of_devices("confirmed", &["phone"]));
        assert_eq!(steps(&store, ids[most + 5]), [], "after the seq");
        let rest = |left: &ConfirmedUpTo| left.rest.iter().map(|one| one.seq).collect::<Vec<_>>();
        assert_eq!(rest(&first), [5]);
        let second = confirm_all(&store, &first.rest, NOW);
        assert_eq!((second.count, rest(&second)), (5, vec![]));
        assert_eq!(rest(&confirm_all(&store, &[up_to("host", seq)], NOW)), [0_i64; 0], "nothing was pending");
    }

    fn a_run_confirms_what_is_in_it(store) {
        let ids = told(&store, "host", 6);
        let run = |above, seq| UpTo { above, ..up_to("host", seq) };
        assert_eq!(confirm_all(&store, &[run(4, 4)], NOW).count, 0);
        assert_eq!(confirm_all(&store, &[run(2, 4)], NOW).count, 2);
        let confirmed: Vec<bool> = ids.iter().map(|id| !steps(&store, *id).is_empty()).collect();
        assert_eq!(confirmed, [false, false, true, true, false, false]);
        let most = usize::try_from(UP_TO_MAX).unwrap();
        told(&store, "host", most);
        let rest = confirm_all(&store, &[run(6, UP_TO_MAX + 6)], NOW).rest;
        assert_eq!(rest.len(), 0, "there is nothing more in the run");
    }

    fn writers_of_the_same_batch_do_not_wait_for_each_other_for_ever(store) {
        const WRITERS: usize = 4;
        for _ in 0..10 {
            let ids = told(&store, "host", 200);
            let start = Barrier::new(WRITERS);
            let confirmed: usize = thread::scope(|scope| {
                let write = |writer: usize| {
                    let (ids, start, store) = (&ids, &start, &store);
                    scope.spawn(move || {
                        let proofs = ids.iter().map(|id| proven(*id, "host", &format!("device-{writer}"), NOW));
                        let mut proofs: Vec<Proven> = proofs.collect();
                        proofs.rotate_left(writer * 50);
                        start.wait();
                        store.write(|connection| confirm(connection, &proofs, NOW))
                    })
                };
                let writers: Vec<_> = (0..WRITERS).map(write).collect();
                writers.into_iter().map(|writer| writer.join().unwrap().len()).sum()
            });
            assert_eq!(confirmed, ids.len());
        }
        assert_eq!(receipts(&store), 10 * 200 * i64::try_from(WRITERS).unwrap());
    }
}
