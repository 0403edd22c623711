//! What devices say of themselves, on its way through the actor into the receipts.

use bellhop::actors::persistence::{Confirm, Flush, MarkRead};
use bellhop::domain::{Selection, UpTo};
use futures_util::future::join_all;

use super::bench::{answer, confirm, on_bench};
use crate::support::both::on_both_stores;
use crate::support::deadline::soon;
use crate::support::store::{device, draft};

fn up_to(host: &str, seq: i64) -> Confirm {
    Confirm { proofs: Vec::new(), up_to: vec![UpTo { device: device(host, "phone"), above: 0, seq }] }
}

on_both_stores! {
    fn a_crowd_that_comes_back_at_once_is_answered_one_and_all(store) {
        const CROWD: usize = 600;
        on_bench(store, async |bench| {
            let hosts: Vec<String> = (0..CROWD).map(|number| format!("host-{number:03}")).collect();
            let told = join_all(hosts.iter().flat_map(|host| [bench.notify(draft(host)), bench.notify(draft(host))]));
            for told in told.await {
                told.unwrap().unwrap();
            }
            // Every other one has the first only.
            let back = hosts.iter().enumerate().map(|(number, host)| {
                let seq = if number % 2 == 0 { 2 } else { 1 };
                bench.persistence.send(up_to(host, seq))
            });
            for answer in soon("the answers", join_all(back)).await {
                answer.unwrap().unwrap();
            }
            let confirmed = i64::try_from(CROWD / 2 * 3).unwrap();
            assert_eq!(bench.store.deliveries("confirmed"), confirmed);
            assert_eq!(bench.store.number("SELECT COUNT(*) FROM receipts"), confirmed);
            let counted = bench.metrics.deliveries_finished("confirmed", "websocket").get();
            assert_eq!(i64::try_from(counted).unwrap(), confirmed);
        });
    }

    fn a_seq_is_taken_while_closing_as_any_confirmation(store) {
        on_bench(store, async |bench| {
            answer(bench.book("host")).await.unwrap();
            soon("the flush", bench.persistence.send(Flush)).await.unwrap();
            soon("an answer", bench.persistence.send(up_to("host", 1))).await.unwrap().unwrap();
            assert_eq!(bench.store.deliveries("confirmed"), 1);
        });
    }

    fn a_proof_and_a_reading_mark_are_two_receipts(store) {
        on_bench(store, async |bench| {
            let accepted = answer(bench.book("host")).await.unwrap();
            soon("an answer", bench.persistence.send(confirm(&accepted))).await.unwrap().unwrap();
            let mark = || MarkRead { device: device("host", "tablet"), selection: Selection::All, asker: None };
            for _ in 0..2 {
                soon("an answer", bench.persistence.send(mark())).await.unwrap().unwrap();
            }
            let of = |step: &str, device: &str| {
                let sql = format!("SELECT COUNT(*) FROM receipts WHERE step = '{step}' AND device = '{device}'");
                bench.store.number(&sql)
            };
            assert_eq!((of("confirmed", "phone"), of("read", "tablet")), (1, 1));
            assert_eq!(bench.store.number("SELECT COUNT(*) FROM receipts"), 2);
        });
    }
}
