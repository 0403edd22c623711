//! Receipts: a trail tells every step in the order of time, once.

use std::time::Duration;

use bellhop::domain::{NotificationId, Selection, Timestamp};
use bellhop::storage::deliveries::{self, Ending, claim_overdue, finish, finish_pending, retry, withdraw};
use bellhop::storage::history::{Course, read};
use bellhop::storage::receipts::{Receipt, trail};

use crate::support::both::on_both_stores;
use crate::support::store::{ESCALATE_AFTER, NOW, TestStore, booked, device, note, user};

const BUSY: &str = "RCPT TO: the mail server answered 451";

fn after(milliseconds: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(milliseconds))
}

fn told(store: &TestStore) -> NotificationId {
    store.append(&[note(&["host"])])[0].notification.id
}

fn all(store: &TestStore, id: NotificationId) -> Vec<Receipt> {
    trail(&mut store.connection(), id, 100).unwrap()
}

fn of_mail(at: Timestamp, step: &str, error: Option<&str>) -> Receipt {
    let error = error.map(ToOwned::to_owned);
    Receipt { at, step: step.to_owned(), channel: Some("email".to_owned()), device: None, error }
}

on_both_stores! {
    fn the_tries_of_a_mail_are_told_in_order_with_their_errors(store) {
        let (id, host) = (told(&store), user("host"));
        told(&store);
        let due = NOW.plus(ESCALATE_AFTER);
        store.write(|connection| claim_overdue(connection, due, due, 1));
        for at in [10, 20] {
            let retried = |connection: &mut _| retry(connection, id, &host, after(at + 5), BUSY, after(at));
            store.write(retried);
            // Nobody knew whether the commit came through.
            store.write(retried);
        }
        for _ in 0..2 {
            store.write(|connection| finish(connection, id, &host, Ending::Emailed, None, after(30)));
        }
        let wanted = [
            of_mail(after(10), "deferred", Some(BUSY)),
            of_mail(after(20), "deferred", Some(BUSY)),
            of_mail(after(30), "emailed", None),
        ];
        assert_eq!(all(&store, id), wanted);
        let newest = trail(&mut store.connection(), id, 2).unwrap();
        assert_eq!(newest, wanted[1..], "the newest, in the order of time");
        let delivery = deliveries::find(&mut store.connection(), id).unwrap().unwrap();
        assert_eq!((delivery.state.as_str(), delivery.attempts), ("emailed", 1));
        assert_eq!((&delivery.error, delivery.finished_at()), (&None, Some(after(30))));
        assert_eq!(store.number("SELECT COUNT(*) FROM receipts"), 3, "the other has none");
        assert_eq!(store.number("SELECT COUNT(*) FROM receipts WHERE user_id = 'host'"), 3);
    }

    fn what_became_of_a_mail_that_was_no_longer_wanted_is_no_step(store) {
        let (id, host) = (told(&store), user("host"));
        store.write(|connection| finish_pending(connection, &[id.to_string()], Ending::Confirmed, NOW));
        for ending in [Ending::Failed, Ending::Suppressed] {
            store.write(|connection| finish(connection, id, &host, ending, Some("why"), after(1)));
        }
        store.write(|connection| retry(connection, id, &host, after(9), BUSY, after(2)));
        assert_eq!(all(&store, id), []);
        store.write(|connection| finish(connection, id, &host, Ending::Emailed, None, after(3)));
        assert_eq!(all(&store, id), [of_mail(after(3), "emailed", None)], "but one that went out went out");
    }

    fn a_cancelled_booking_leaves_a_receipt_for_each_who_was_not_told(store) {
        let (seen, cancelled) = (booked("guest", "host"), booked("guest", "host"));
        let ids = [seen.drafts[0].id, cancelled.drafts[0].id];
        let bookings = [&seen, &cancelled].map(|entry| entry.booking.as_ref().unwrap().id);
        store.append(&[seen, cancelled]);
        store.write(|connection| finish_pending(connection, &[ids[0].to_string()], Ending::Confirmed, NOW));
        for booking in bookings {
            store.write(|connection| withdraw(connection, booking, after(1)));
        }
        assert_eq!(all(&store, ids[0]), []);
        let withdrawn =
            Receipt { at: after(1), step: "withdrawn".to_owned(), channel: None, device: None, error: None };
        assert_eq!(all(&store, ids[1]), [withdrawn]);
    }

    fn a_reader_is_named_with_the_device(store) {
        let ids = [told(&store), told(&store)];
        for (id, name) in [(ids[0], "phone"), (ids[0], "tablet"), (ids[1], "")] {
            let (device, selection) = (device("host", name), Selection::Ids(vec![id]));
            store.write(|connection| read(connection, &device, &selection, Course::default(), NOW));
        }
        let read_on = |device: Option<&str>| Receipt {
            at: NOW,
            step: "read".to_owned(),
            channel: Some("websocket".to_owned()),
            device: device.map(ToOwned::to_owned),
            error: None,
        };
        assert_eq!(all(&store, ids[0]), [read_on(Some("phone"))], "nobody reads what was read");
        assert_eq!(all(&store, ids[1]), [read_on(None)]);
        assert_eq!(all(&store, NotificationId::from_uuid(uuid::Uuid::now_v7())), []);
    }
}
