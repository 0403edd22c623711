//! A look into a test server's database beside the server: what became of a delivery, and a lock that
//! holds every writer up for as long as a test wants.

use std::sync::mpsc;
use std::thread;

use bellhop::config::{self, Sources};
use bellhop::storage::{AnyConnection, Pool, StorageError};
use diesel::RunQueryDsl;
use diesel::sql_types::{Integer, Nullable, Text};
use serde_json::Value;

use super::app::TestApp;
use super::deadline::{SOON, wait_until_async};

/// A row of the table of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, diesel::QueryableByName)]
pub struct Delivery {
    #[diesel(sql_type = Text)]
    pub notification_id: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
}

impl TestApp {
    /// Connections of the test's own.
    pub fn database(&self) -> Pool {
        let environment = vec![("DATABASE_URL".to_owned(), self.setting("DATABASE_URL").to_owned())];
        let settings = config::load(&Sources { files: Vec::new(), environment }).unwrap();
        Pool::open(&settings.database, 1).unwrap()
    }

    /// All deliveries, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        const ALL: &str = "SELECT notification_id, state, attempts, error FROM deliveries ORDER BY 1";
        let mut connection = self.database().get().unwrap();
        match &mut *connection {
            AnyConnection::Postgres(c) => diesel::sql_query(ALL).load(c),
            AnyConnection::Sqlite(c) => diesel::sql_query(ALL).load(c),
        }
        .unwrap()
    }

    /// What became of a notification, given as an answer or an event shows it.
    pub fn delivery(&self, notification: &Value) -> Delivery {
        let id = notification["id"].as_str().expect("an id");
        let found = self.deliveries().into_iter().find(|delivery| delivery.notification_id == id);
        found.unwrap_or_else(|| panic!("no delivery of {notification}"))
    }

    /// Waits until a notification's delivery is in this state.
    pub async fn wait_for_delivery(&self, notification: &Value, state: &str) -> Delivery {
        wait_until_async(format_args!("the delivery of {notification} to be {state}"), async || {
            Some(self.delivery(notification)).filter(|delivery| delivery.state == state)
        })
        .await
    }

    /// Holds up whoever writes, until what is returned is dropped.
    pub fn hold_writers(&self) -> Hold {
        self.hold("LOCK TABLE inboxes, audit IN EXCLUSIVE MODE")
    }

    /// The same for whoever reads, on PostgreSQL only: nothing keeps a reader of SQLite waiting.
    pub fn hold_readers(&self) -> Hold {
        self.hold("LOCK TABLE inboxes, notifications IN ACCESS EXCLUSIVE MODE")
    }

    fn hold(&self, lock: &'static str) -> Hold {
        let pool = self.database();
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let hold = pool.write(|connection| {
                // On SQLite one writer is enough to keep the others out.
                if let AnyConnection::Postgres(connection) = connection {
                    diesel::sql_query(lock).execute(connection)?;
                }
                tell.send(()).unwrap();
                let _ = released.recv();
                Ok::<(), StorageError>(())
            });
            hold.unwrap();
        });
        told.recv_timeout(SOON).expect("the lock is taken");
        Hold { release: Some(release), thread: Some(thread) }
    }
}

/// See [`TestApp::hold_writers`].
#[derive(Debug)]
pub struct Hold {
    release: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.release.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the lock broke");
    }
}
