//! What shares a transaction, what is refused when the line is full, and what a flush waits for.

use bellhop::actors::persistence::{Flush, NotifyRole, PORTION, WriteError};
use bellhop::domain::{Profile, Role};
use bellhop::storage::recipients::remember;

use super::bench::{answer, confirm, on_bench, on_bench_with};
use crate::support::both::on_both_stores;
use crate::support::deadline::soon;
use crate::support::store::{NOW, TestStore, draft, user};

on_both_stores! {
    fn a_lone_event_is_written_by_itself(store) {
        on_bench(store, async |bench| {
            let acceptance = answer(bench.book("host")).await.unwrap();
            assert_eq!(acceptance.notifications[0].seq, 1);
            assert_eq!(bench.batches(), (1, 1.0));
        });
    }

    fn what_arrives_while_the_worker_is_busy_shares_a_transaction(store) {
        on_bench(store, async |bench| {
            let held = bench.hold_worker().await;
            let waiting: Vec<_> =
                (0..100).map(|number| bench.book(&format!("host-{}", number % 10))).collect();
            bench.until_waiting(100).await;
            bench.ids.open();
            answer(held).await.unwrap();
            for (number, task) in waiting.into_iter().enumerate() {
                let acceptance = answer(task).await.unwrap();
                assert_eq!(acceptance.notifications[0].seq, i64::try_from(number / 10 + 1).unwrap(), "in order");
            }
            assert_eq!(bench.batches(), (2, 101.0));
            assert_eq!(bench.metrics.write_queue_depth().get(), 0);
        });
    }

    fn a_batch_is_no_larger_than_its_limit(store) {
        on_bench_with(
            store,
            |limits| limits.write_batch = 8,
            async |bench| {
                let held = bench.hold_worker().await;
                let waiting: Vec<_> = (0..20).map(|_| bench.book("host")).collect();
                bench.until_waiting(20).await;
                bench.ids.open();
                answer(held).await.unwrap();
                for task in waiting {
                    answer(task).await.unwrap();
                }
                assert_eq!(bench.batches(), (1 + 3, 21.0));
            },
        );
    }

    fn a_full_line_is_refused_at_once_and_loses_nothing_that_was_taken(store) {
        on_bench_with(
            store,
            // Half of it for one sender.
            |limits| limits.write_queue = 6,
            async |bench| {
                let held = bench.hold_worker().await;
                let waiting: Vec<_> = (0..3).map(|_| bench.book("host")).collect();
                bench.until_waiting(3).await;
                assert_eq!(answer(bench.book("host")).await, Err(WriteError::Overloaded));
                assert_eq!(bench.metrics.refused("write_queue").get(), 1);
                bench.ids.open();
                for task in waiting.into_iter().chain([held]) {
                    answer(task).await.unwrap();
                }
                answer(bench.book("host")).await.expect("there is room again");
                assert_eq!(bench.store.number("SELECT COUNT(*) FROM bookings"), 5);
            },
        );
    }

    fn a_flush_waits_for_what_was_taken_and_refuses_what_comes_after(store) {
        on_bench(store, async |bench| {
            let held = bench.hold_worker().await;
            let taken = bench.book("host");
            bench.until_waiting(1).await;
            let flush = bench.persistence.send(Flush);
            let flush = actix::spawn(async move { soon("the flush", flush).await.unwrap() });
            // The actor takes messages in order: when it refuses this one, it has seen the flush.
            let late = loop {
                let late = bench.notify(draft("late"));
                if late.is_finished() || bench.metrics.refused("write_queue").get() > 0 {
                    break late;
                }
                tokio::task::yield_now().await;
            };
            assert!(!flush.is_finished(), "something is still being written");
            bench.ids.open();
            answer(flush).await;
            assert_eq!(
                bench.store.number("SELECT COUNT(*) FROM bookings"),
                2,
                "written when the flush is answered"
            );
            answer(held).await.unwrap();
            answer(taken).await.unwrap();
            drop(late);
            assert_eq!(answer(bench.book("host")).await, Err(WriteError::Overloaded));
        });
    }

    fn a_flush_of_nothing_is_answered_at_once_and_confirmations_are_still_taken(store) {
        on_bench(store, async |bench| {
            let acceptance = answer(bench.book("host")).await.unwrap();
            soon("the flush", bench.persistence.send(Flush)).await.unwrap();
            soon("an answer", bench.persistence.send(confirm(&acceptance))).await.unwrap().unwrap();
            assert_eq!(bench.store.deliveries("confirmed"), 1);
            soon("another flush", bench.persistence.send(Flush)).await.unwrap();
        });
    }

    fn everybody_who_holds_a_role_is_told_once_however_many_they_are(store) {
        // More than two of the portions that one transaction tells.
        const HOLDERS: usize = 1_100;
        hire(&store, HOLDERS);
        on_bench(store, async |bench| {
            let message = |role: &str| NotifyRole { by: user("backend"), role: role.to_owned(), draft: draft("nobody") };
            let told = soon("an answer", bench.persistence.send(message("CUSTOMER"))).await.unwrap();
            assert_eq!(told, Ok(HOLDERS));
            let count = |sql| usize::try_from(bench.store.number(sql)).unwrap();
            assert_eq!(count("SELECT COUNT(*) FROM notifications"), HOLDERS);
            assert_eq!(count("SELECT COUNT(DISTINCT user_id) FROM notifications"), HOLDERS);
            assert_eq!(soon("an answer", bench.persistence.send(message("NOBODYS"))).await.unwrap(), Ok(0));
        });
    }

    fn whoever_books_while_a_role_is_told_comes_between_two_portions(store) {
        hire(&store, PORTION * 4 + 1);
        on_bench(store, async |bench| {
            let held = bench.hold_worker().await;
            let told = NotifyRole { by: user("backend"), role: "CUSTOMER".to_owned(), draft: draft("nobody") };
            let told = bench.persistence.send(told);
            let told = actix::spawn(async move { soon("an answer", told).await.unwrap() });
            bench.until_waiting(i64::try_from(PORTION).unwrap()).await;
            let booked = bench.book("host");
            bench.until_waiting(i64::try_from(PORTION + 1).unwrap()).await;
            bench.ids.open();
            answer(held).await.unwrap();
            answer(booked).await.unwrap();
            assert_eq!(answer(told).await, Ok(PORTION * 4 + 1));
            // Ids are in the order of their making.
            let earlier = "SELECT COUNT(*) FROM notifications WHERE booking_id IS NULL AND id < \
                (SELECT MAX(id) FROM notifications WHERE booking_id IS NOT NULL)";
            assert_eq!(bench.store.number(earlier), i64::try_from(PORTION).unwrap());
        });
    }
}

/// So many people hold a role.
fn hire(store: &TestStore, count: usize) {
    store.write(|connection| {
        (0..count).try_for_each(|number| {
            let profile = Profile {
                user: user(&format!("user-{number:04}")),
                email: None,
                name: None,
                locale: None,
                time_zone: None,
                roles: vec![Role::new("CUSTOMER")],
            };
            remember(connection, &profile, NOW)
        })
    });
}
