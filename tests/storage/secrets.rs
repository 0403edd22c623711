//! Secrets: made once, by whoever comes first, and the same for everybody from then on.

use std::sync::Barrier;
use std::thread;

use bellhop::storage::secrets::{DEPLOYMENT, SECRET_BYTES, SharedSecret, obtain};
use bellhop::storage::{Pool, StorageError};
use diesel::RunQueryDsl;

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore};

fn secret(store: &TestStore, name: &str) -> SharedSecret {
    obtain(&mut store.connection(), name, NOW).unwrap()
}

fn secrets(store: &TestStore) -> i64 {
    store.number("SELECT COUNT(*) FROM secrets")
}

fn execute(store: &TestStore, sql: &str) {
    diesel::sql_query(sql).execute(&mut *store.connection()).unwrap();
}

on_both_stores! {
    fn a_secret_is_made_once_and_stays(store) {
        let first = secret(&store, DEPLOYMENT);
        assert_eq!(first.reveal().len(), SECRET_BYTES);
        assert_ne!(first.reveal(), [0; SECRET_BYTES]);
        assert_eq!(secret(&store, DEPLOYMENT), first);
        assert_eq!(store.write(|connection| obtain(connection, DEPLOYMENT, NOW)), first, "in a transaction");
        assert_eq!(secrets(&store), 1);
        assert_eq!(store.number("SELECT created_at FROM secrets"), NOW.as_micros());

        // A process that starts later, with a pool of its own.
        let later = Pool::open(&store.settings().database, 1).unwrap();
        assert_eq!(later.read(|connection| obtain(connection, DEPLOYMENT, NOW)).unwrap(), first);
    }

    fn each_name_has_a_secret_of_its_own(store) {
        assert_ne!(secret(&store, "one"), secret(&store, "other"));
        assert_eq!(secrets(&store), 2);
    }

    fn a_secret_that_was_taken_away_is_made_anew(store) {
        let first = secret(&store, DEPLOYMENT);
        execute(&store, "DELETE FROM secrets");
        assert_ne!(secret(&store, DEPLOYMENT), first);
    }

    fn a_secret_that_was_tampered_with_is_an_error_and_not_replaced(store) {
        secret(&store, DEPLOYMENT);
        execute(&store, "UPDATE secrets SET value = 'c2hvcnQ'");
        let error = obtain(&mut store.connection(), DEPLOYMENT, NOW).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt(_)), "{error:?}");
        assert!(!error.to_string().contains("c2hvcnQ"));
        assert_eq!(store.number("SELECT COUNT(*) FROM secrets WHERE value = 'c2hvcnQ'"), 1);
    }

    fn instances_that_start_together_are_answered_the_same(store) {
        const INSTANCES: usize = 4;
        // Each with a pool of its own, as processes have, and now and then in a transaction.
        let pools: Vec<Pool> =
            (0..INSTANCES).map(|_| Pool::open(&store.settings().database, 1).unwrap()).collect();
        for round in 0..10 {
            let name = format!("secret-{round}");
            let start = Barrier::new(INSTANCES);
            let ask = |index: usize, pool: &Pool| {
                start.wait();
                let ask = |connection: &mut _| obtain(connection, &name, NOW);
                if index.is_multiple_of(2) { pool.read(ask) } else { pool.write(ask) }.unwrap()
            };
            let ask = &ask;
            let answers: Vec<SharedSecret> = thread::scope(|scope| {
                let pools = pools.iter().enumerate();
                let threads: Vec<_> =
                    pools.map(|(index, pool)| scope.spawn(move || ask(index, pool))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{name}");
            assert_eq!(secret(&store, &name), answers[0], "it is the one that is kept");
        }
        assert_eq!(secrets(&store), 10);
    }
}
