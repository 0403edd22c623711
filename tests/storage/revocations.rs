//! Orders to revoke and to disconnect: read in the order in which they became visible, and forgotten in time.

use std::time::Duration;

use bellhop::domain::{Demand, Order, UserId};
use bellhop::storage::revocations::{Kept, add, after, behind, forget};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore};

const HOUR: Duration = Duration::from_hours(1);

fn order(demand: Demand, age: Duration) -> Order {
    Order { user: UserId::from_stored("ann".to_owned()), demand, at: NOW.minus(age) }
}

fn keep(store: &TestStore, demand: Demand, age: Duration) -> Kept {
    let order = order(demand, age);
    store.write(|connection| add(connection, &order))
}

fn read(store: &TestStore, id: i64, most: u32) -> Vec<Kept> {
    store.pool.read(|connection| after(connection, id, most)).unwrap()
}

on_both_stores! {
    fn orders_are_read_back_whole_and_in_their_order(store) {
        assert_eq!(read(&store, 0, 10), []);
        let demands =
            [Demand::Disconnect, Demand::RevokeToken("a\"b ☾".into()), Demand::RevokeIssuedBefore(NOW)];
        let kept = demands.map(|demand| keep(&store, demand, HOUR));
        assert_eq!(read(&store, 0, 10), kept);
        assert_eq!(read(&store, kept[0].id, 1), kept[1..2]);
        assert_eq!(read(&store, kept[2].id, 10), []);
    }

    fn orders_are_forgotten_by_kind_and_no_id_is_given_twice(store) {
        let old = [Demand::Disconnect, Demand::RevokeToken("a".into()), Demand::RevokeIssuedBefore(NOW)];
        let old = old.map(|demand| keep(&store, demand, 2 * HOUR));
        let young = keep(&store, Demand::RevokeToken("b".into()), Duration::ZERO);
        let before = NOW.minus(HOUR);
        let forget = |revoked| store.write(|connection| forget(connection, before, revoked));
        assert_eq!(forget(None), 1, "what was revoked is remembered for ever");
        assert_eq!(read(&store, 0, 10), [old[1].clone(), old[2].clone(), young.clone()]);
        assert_eq!(forget(Some(before)), 2);
        assert_eq!(forget(Some(NOW.plus(HOUR))), 0, "the newest stays");
        assert_eq!(read(&store, 0, 10), std::slice::from_ref(&young));
        assert!(keep(&store, Demand::Disconnect, Duration::ZERO).id > young.id);
    }

    fn whoever_reads_on_notices_that_the_table_was_set_back(store) {
        let behind = |read: Option<&Kept>, most| store.pool.read(|c| behind(c, read, most)).unwrap();
        assert_eq!(behind(None, 10), Some(Vec::new()));
        let kept = ["a", "b", "c"].map(|id| keep(&store, Demand::RevokeToken(id.into()), HOUR));
        assert_eq!(behind(None, 2), Some(kept[..2].to_vec()));
        assert_eq!(behind(Some(&kept[0]), 1), Some(kept[1..2].to_vec()));
        assert_eq!(behind(Some(&kept[2]), 1), Some(Vec::new()));
        // What is old and not the newest may be forgotten, and is not missed.
        assert_eq!(store.write(|connection| forget(connection, NOW, Some(NOW))), 2);
        assert_eq!(behind(Some(&kept[2]), 1), Some(Vec::new()));
        store.write(|connection| {
            Ok(diesel::RunQueryDsl::execute(diesel::sql_query("DELETE FROM revocations"), connection)?)
        });
        assert_eq!(behind(Some(&kept[2]), 1), None);
        // Its id is another's now.
        for id in ["d", "e", "f", "g"] {
            keep(&store, Demand::RevokeToken(id.into()), HOUR);
        }
        assert_eq!(behind(Some(&kept[2]), 10), None);
    }

    fn whoever_reads_while_many_add_passes_none_over(store) {
        const EACH: usize = 50;
        const WRITERS: usize = 3;
        let mut seen = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| (0..EACH).for_each(|_| drop(keep(&store, Demand::Disconnect, HOUR))));
            }
            crate::support::deadline::wait_until("all orders to be read", || {
                let page = read(&store, seen.last().copied().unwrap_or(0), 1_000);
                seen.extend(page.iter().map(|kept| kept.id));
                (seen.len() == EACH * WRITERS).then_some(())
            });
        });
        assert_eq!(read(&store, 0, 1_000).len(), EACH * WRITERS);
    }
}
