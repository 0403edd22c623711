//! How long storage waits: for a statement, for a free connection, for another writer, for a database
//! that is away; and that it goes on when that is over.

use std::time::Duration;

use bellhop::config::DatabaseSettings;
use bellhop::storage::{AnyConnection, Pool, StorageError, inboxes, migrate};
use diesel::RunQueryDsl;
use tokio::time::Instant;

use crate::support::app::Database;
use crate::support::both::on_both_stores;
use crate::support::deadline::wait_until;
use crate::support::postgres::{Cluster, Durability};
use crate::support::store::{TestStore, note, settings, user};

fn execute(connection: &mut AnyConnection, sql: &str) -> Result<usize, StorageError> {
    diesel::sql_query(sql).execute(connection).map_err(StorageError::from)
}

fn impatient(store: &TestStore, change: impl FnOnce(&mut DatabaseSettings)) -> Pool {
    let mut settings = store.settings().database.clone();
    change(&mut settings);
    Pool::open(&settings, 1).unwrap()
}

on_both_stores! {
    fn a_pool_that_is_used_up_says_so_in_time(store) {
        let pool = impatient(&store, |settings| settings.connection_timeout_ms = 200);
        let taken = pool.get().unwrap();
        let began = Instant::now();
        let refused = pool.get().err().expect("there is one connection");
        assert!(matches!(refused, StorageError::Unavailable(_)) && refused.is_unavailable(), "{refused}");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(10), "{waited:?}");
        drop(taken);
        pool.ping().unwrap();
    }

    fn a_writer_that_panics_gives_back_its_turn_and_writes_nothing(store) {
        let panicked = std::thread::scope(|scope| {
            let writer = || {
                store.write::<()>(|connection| {
                    execute(
                        connection,
                        "INSERT INTO inboxes (user_id, last_seq, unread) VALUES ('a', 1, 1)",
                    )?;
                    panic!("in the middle of a transaction")
                });
            };
            scope.spawn(writer).join()
        });
        assert!(panicked.is_err());
        assert_eq!(store.append(&[note(&["a"])])[0].notification.seq, 1);
    }

    fn what_the_database_refuses_is_not_taken_for_an_outage(store) {
        let connection = &mut *store.connection();
        for sql in [
            "SELECT * FROM no_such_table",
            "INSERT INTO inboxes (user_id, last_seq, unread) VALUES ('a', 1, -1)",
        ] {
            let refused = execute(connection, sql).unwrap_err();
            assert!(matches!(refused, StorageError::Refused(_)) && !refused.is_unavailable(), "{refused}");
        }
        execute(connection, "SELECT 1").expect("the connection is still good");
    }
}

#[test]
fn a_statement_that_takes_too_long_is_ended_on_postgres() {
    let store = TestStore::new(Database::Postgres);
    let pool = impatient(&store, |settings| settings.statement_timeout_ms = 100);
    let connection = &mut *pool.get().unwrap();
    let began = Instant::now();
    let ended = execute(connection, "SELECT pg_sleep(30)").unwrap_err();
    assert!(ended.is_unavailable(), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    execute(connection, "SELECT 1").expect("the connection is still good");
}

#[test]
fn a_deadlock_that_postgres_breaks_is_worth_another_try() {
    let store = TestStore::new(Database::Postgres);
    store.append(&[note(&["a", "b"])]);
    let both_hold_one = std::sync::Barrier::new(2);
    let touch = |first: &str, second: &str| {
        store.pool.write(|connection| {
            let sql = |user: &str| format!("UPDATE inboxes SET unread = unread WHERE user_id = '{user}'");
            execute(connection, &sql(first))?;
            both_hold_one.wait();
            execute(connection, &sql(second))
        })
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| touch("b", "a"));
        (touch("a", "b"), other.join().unwrap())
    });
    let broken = one.as_ref().err().or(other.as_ref().err()).expect("one of the two is ended");
    assert!(broken.is_unavailable(), "{broken}");
    assert!(one.is_ok() || other.is_ok(), "and only one");
}

#[test]
fn a_writer_of_another_process_is_waited_for_only_so_long_on_sqlite() {
    let store = TestStore::new(Database::Sqlite);
    // Two pools share no turn: they are as two processes are.
    let other = impatient(&store, |settings| settings.busy_timeout_ms = 100);
    store.write(|_| {
        let refused = other.write(|connection| execute(connection, "DELETE FROM inboxes")).unwrap_err();
        assert!(refused.is_unavailable(), "{refused}");
        Ok(())
    });
    other.write(|connection| execute(connection, "DELETE FROM inboxes")).expect("the other has finished");
}

#[test]
fn a_database_that_went_away_and_came_back_is_used_again() {
    const CONNECTIONS: u32 = 4;
    let cluster = Cluster::start_new(Durability::NoFsync);
    let database = cluster.create_database();
    let mut settings = settings(&[("DATABASE_URL", database.url())]).database;
    settings.connection_timeout_ms = 300;
    let pool = Pool::open(&settings, CONNECTIONS).unwrap();
    migrate(&mut pool.get().unwrap()).unwrap();
    // All of its connections are open and idle when the server goes.
    drop((0..CONNECTIONS).map(|_| pool.get().unwrap()).collect::<Vec<_>>());

    cluster.stop();
    for _ in 0..=CONNECTIONS {
        let refused = pool.ping().unwrap_err();
        assert!(refused.is_unavailable(), "{refused}");
    }
    assert!(
        matches!(pool.get(), Err(StorageError::Unavailable(_))),
        "no dead connection is handed out for ever"
    );

    cluster.start();
    wait_until("the pool connects again", || pool.ping().ok());
    // Again, with nobody asking while the server is away: each connection is found dead by a reader.
    drop((0..CONNECTIONS).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    cluster.stop();
    cluster.start();
    let read = || pool.read(|connection| inboxes::state(connection, &user("a")));
    let failed = (0..CONNECTIONS * 3).filter(|_| read().is_err()).count();
    assert!(
        failed <= CONNECTIONS as usize,
        "{failed} reads met a dead connection: they are handed out again"
    );
    pool.write(|connection| {
        execute(connection, "INSERT INTO inboxes (user_id, last_seq, unread) VALUES ('a', 1, 1)")
    })
    .unwrap();
}
