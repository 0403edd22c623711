//! What goes wrong with one event stays with it, and a worker that dies is replaced.

use bellhop::actors::persistence::{BookingEvent, WriteError};
use bellhop::domain::{BookingId, Transition};
use uuid::Uuid;

use super::bench::{Spoilt, answer, confirm, on_bench};
use crate::support::app::Database;
use crate::support::both::on_both_stores;
use crate::support::deadline::{soon, wait_until};
use crate::support::postgres::{Cluster, Durability};
use crate::support::store::{TestStore, draft, user};

on_both_stores! {
    fn a_bad_event_fails_alone(store) {
        on_bench(store, async |bench| {
            let held = bench.hold_worker().await;
            let twice = draft("host");
            let tasks = [
                bench.notify(draft("host")),
                bench.notify(twice.clone()),
                bench.notify(twice),
                bench.notify(draft("host")),
            ];
            bench.until_waiting(4).await;
            bench.ids.open();
            answer(held).await.unwrap();
            let mut seqs = Vec::new();
            for task in tasks {
                seqs.push(answer(task).await.map(|acceptance| acceptance.notifications[0].seq));
            }
            assert_eq!(seqs, [Ok(1), Ok(2), Err(WriteError::Failed), Ok(3)]);
            assert_eq!(bench.store.number("SELECT COUNT(*) FROM notifications"), 4);
        });
    }

    fn an_id_that_was_used_before_fails_its_booking_and_the_next_succeeds(store) {
        on_bench(store, async |bench| {
            bench.ids.spoil(Some(Spoilt::Always(Uuid::now_v7())));
            answer(bench.book("host")).await.unwrap();
            assert_eq!(answer(bench.book("host")).await, Err(WriteError::Failed));
            bench.ids.spoil(None);
            let acceptance = answer(bench.book("host")).await.unwrap();
            assert_eq!(acceptance.notifications[0].seq, 2, "what failed leaves no hole");
        });
    }

    fn a_worker_that_panics_is_replaced(store) {
        on_bench(store, async |bench| {
            for round in 1..=3 {
                bench.ids.spoil(Some(Spoilt::Panics));
                assert_eq!(answer(bench.book("host")).await, Err(WriteError::Failed));
                bench.ids.spoil(None);
                let acceptance = answer(bench.book("host")).await.expect("the next worker is there");
                assert_eq!(u64::try_from(acceptance.notifications[0].seq), Ok(round));
                assert_eq!(bench.metrics.refused("worker_panic").get(), round);
            }
        });
    }

    fn a_panic_in_the_middle_of_a_transaction_rolls_it_back(store) {
        on_bench(store, async |bench| {
            let booking = answer(bench.book("host")).await.unwrap().booking.unwrap().id;
            // A step makes its notification's id inside of the transaction that moves the booking.
            let accept = || BookingEvent::Moved { booking, step: Transition::Accept, by: user("host"), sender: None, claim: None, request: None };
            bench.ids.spoil(Some(Spoilt::Panics));
            let panicked = soon("an answer", bench.persistence.send(accept())).await.unwrap();
            assert_eq!(panicked, Err(WriteError::Failed));
            bench.ids.spoil(None);
            let acceptance = soon("an answer", bench.persistence.send(accept())).await.unwrap();
            assert_eq!(acceptance.expect("still pending").notifications[0].user, user("guest"));
        });
    }

    fn a_step_that_is_not_ones_own_or_does_not_fit_is_refused(store) {
        on_bench(store, async |bench| {
            let booking = answer(bench.book("host")).await.unwrap().booking.unwrap().id;
            let step = async |booking, step, by: &str| {
                let event = BookingEvent::Moved { booking, step, by: user(by), sender: None, claim: None, request: None };
                soon("an answer", bench.persistence.send(event)).await.unwrap().map(|_| ())
            };
            let unknown = BookingId::from_uuid(Uuid::now_v7());
            assert_eq!(step(unknown, Transition::Accept, "host").await, Err(WriteError::NotFound));
            assert_eq!(step(booking, Transition::Cancel, "stranger").await, Err(WriteError::NotFound));
            assert_eq!(step(booking, Transition::Accept, "guest").await, Err(WriteError::Forbidden));
            let wrong = step(booking, Transition::Complete, "host").await;
            assert!(matches!(wrong, Err(WriteError::WrongStatus(_))), "{wrong:?}");
            assert_eq!(step(booking, Transition::Cancel, "guest").await, Ok(()));
            let wrong = step(booking, Transition::Accept, "host").await;
            assert!(matches!(wrong, Err(WriteError::WrongStatus(_))), "{wrong:?}");
            assert_eq!(bench.store.deliveries("withdrawn"), 1);
            assert_eq!(bench.store.deliveries("pending"), 1, "the host is told of the cancellation");
        });
    }
}

/// PostgreSQL takes no NUL in a text, and nothing at the edge should let one through; if it does, nobody
/// else's event pays for it.
#[test]
fn a_text_that_postgres_cannot_hold_fails_alone() {
    on_bench(TestStore::new(Database::Postgres), async |bench| {
        let held = bench.hold_worker().await;
        let mut bad = draft("host");
        bad.kind = "a\0b".to_owned();
        let tasks = [bench.notify(draft("host")), bench.notify(bad), bench.notify(draft("host"))];
        bench.until_waiting(3).await;
        bench.ids.open();
        answer(held).await.unwrap();
        let [before, bad, after] = tasks;
        assert_eq!(answer(before).await.unwrap().notifications[0].seq, 1);
        assert_eq!(answer(bad).await, Err(WriteError::Failed));
        assert_eq!(answer(after).await.unwrap().notifications[0].seq, 2);
    });
}

#[test]
fn a_message_with_a_nul_is_stored_as_any_other() {
    for database in [Database::Sqlite, Database::Postgres] {
        on_bench(TestStore::new(database), async |bench| {
            let mut odd = draft("host");
            odd.content.message = "a\0b".to_owned();
            answer(bench.notify(odd)).await.unwrap();
        });
    }
}

#[test]
fn a_database_that_is_away_is_said_and_the_first_write_after_it_succeeds() {
    let cluster = Cluster::start_new(Durability::NoFsync);
    let store = TestStore::in_cluster(&cluster);
    // Connections that are open and idle when the server goes, as those of readers are.
    drop((0..4).map(|_| store.connection()).collect::<Vec<_>>());
    on_bench(store, async |bench| {
        answer(bench.book("host")).await.unwrap();
        cluster.stop();
        cluster.start();
        let acceptance = answer(bench.book("host")).await.expect("dead connections are replaced");
        assert_eq!(acceptance.notifications[0].seq, 2);

        cluster.stop();
        assert_eq!(answer(bench.book("host")).await, Err(WriteError::Unavailable));
        let refused = soon("an answer", bench.persistence.send(confirm(&acceptance))).await.unwrap();
        assert_eq!(refused, Err(WriteError::Unavailable));

        cluster.start();
        wait_until("the pool connects again", || bench.store.pool.ping().ok());
        assert_eq!(answer(bench.book("host")).await.unwrap().notifications[0].seq, 3);
    });
}
