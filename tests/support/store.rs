//! The storage layer alone, over a database of its own: for tests that need tables and no server.

use bellhop::config::{self, Settings, Sources};
use bellhop::domain::{
    Booking, BookingId, BookingStatus, Category, Channel, Content, Device, Draft, NotificationId, Selection,
    Timestamp, UserId,
};
use bellhop::storage::append::{self, Entry, Outcome, Stamped};
use bellhop::storage::history::{self, Course, Taken};
use bellhop::storage::inboxes::Standing;
use bellhop::storage::{AnyConnection, Pool, PooledConnection, StorageError, migrate};
use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

use super::app::Database;
use super::postgres::{self, Cluster, TestDatabase};

/// When everything happens, where a test does not say otherwise.
pub const NOW: Timestamp = Timestamp::from_micros(1_900_000_000_000_000);
/// How long devices have to confirm, in these tests.
pub const ESCALATE_AFTER: Duration = Duration::from_secs(5);

/// Connections of a test's pool: a few threads at once, and one that looks.
const POOL_SIZE: u32 = 6;

/// A step of reading or deleting.
type HistoryStep =
    fn(&mut AnyConnection, &Device, &Selection, Course, Timestamp) -> Result<Taken, StorageError>;

#[derive(Debug)]
pub struct TestStore {
    pub pool: Pool,
    settings: Settings,
    _folder: TempDir,
    // The last to be dropped: the pool's connections go first.
    _database: Option<TestDatabase<'static>>,
}

impl TestStore {
    /// A pool over tables that are there and empty.
    pub fn new(database: Database) -> Self {
        let store = Self::without_tables(database);
        migrate(&mut store.connection()).unwrap();
        store
    }

    /// A pool over a database in which nothing is.
    pub fn without_tables(database: Database) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-store-").tempdir().unwrap();
        let (database, url) = match database {
            Database::Sqlite => (None, format!("sqlite://{}", folder.path().join("bellhop.db").display())),
            Database::Postgres => {
                let database = postgres::shared().create_database();
                let url = database.url().to_owned();
                (Some(database), url)
            }
        };
        Self::open(&url, folder, database)
    }

    /// The same in a cluster of the test's own, which it may stop.
    pub fn in_cluster(cluster: &Cluster) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-store-").tempdir().unwrap();
        let store = Self::open(&cluster.url("postgres"), folder, None);
        migrate(&mut store.connection()).unwrap();
        store
    }

    fn open(url: &str, folder: TempDir, database: Option<TestDatabase<'static>>) -> Self {
        let settings = settings(&[("DATABASE_URL", url)]);
        let pool = Pool::open(&settings.database, POOL_SIZE).unwrap();
        Self { pool, settings, _folder: folder, _database: database }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn connection(&self) -> PooledConnection {
        self.pool.get().unwrap()
    }

    /// Runs what must succeed, in a transaction.
    pub fn write<T>(&self, body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>) -> T {
        self.pool.write(body).unwrap()
    }

    /// Appends at [`NOW`].
    pub fn try_append(&self, entries: &[Entry]) -> Result<Vec<Outcome>, StorageError> {
        self.pool.write(|connection| append::append(connection, entries, NOW, &|_| ESCALATE_AFTER))
    }

    /// Appends entries that are all new; answers their notifications, in order.
    pub fn append(&self, entries: &[Entry]) -> Vec<Stamped> {
        let stored = |outcome| match outcome {
            Outcome::Stored { notifications, .. } => notifications,
            other => panic!("not stored: {other:?}"),
        };
        self.try_append(entries).unwrap().into_iter().flat_map(stored).collect()
    }

    /// Fills an inbox that is empty by SQL, for sizes at which appending takes too long for a test.
    pub fn fill(&self, of: &str, count: usize) {
        let numbers =
            format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
        let id = if self.pool.is_postgres() {
            "'01980000-0000-7000-8000-' || lpad(i::text, 12, '0')"
        } else {
            "'01980000-0000-7000-8000-' || printf('%012d', i)"
        };
        let content = r#"{"priority":"normal","title":"t","message":"m"}"#;
        for sql in [
            format!(
                "INSERT INTO inboxes (user_id, last_seq, unread, total) \
                 VALUES ('{of}', {count}, {count}, {count})"
            ),
            format!(
                "INSERT INTO inbox_categories (user_id, category, total, unread) \
                 VALUES ('{of}', 'system', {count}, {count})"
            ),
            format!(
                "{numbers} INSERT INTO notifications \
                 (id, user_id, seq, kind, category, payload, created_at) \
                 SELECT {id}, '{of}', i, 'system.note', 'system', '{content}', 0 FROM n"
            ),
            format!(
                "{numbers} INSERT INTO deliveries (notification_id, channel, state, attempts, escalate_at) \
                 SELECT {id}, 'email', 'pending', 0, 0 FROM n"
            ),
        ] {
            self.write(|connection| Ok(diesel::sql_query(&sql).execute(connection)?));
        }
    }

    /// Marks as read on a phone, however many steps that takes; answers what changed and where the inbox
    /// stands then.
    pub fn read(&self, of: &str, selection: &Selection) -> (Vec<String>, Standing) {
        self.work_off(of, selection, history::read)
    }

    /// The same, deleting.
    pub fn delete(&self, of: &str, selection: &Selection) -> (Vec<String>, Standing) {
        self.work_off(of, selection, history::delete)
    }

    fn work_off(&self, of: &str, selection: &Selection, step: HistoryStep) -> (Vec<String>, Standing) {
        let phone = device(of, "phone");
        let mut course = Some(Course::default());
        let (mut ids, mut standing) = (Vec::new(), Standing::default());
        while let Some(from) = course {
            let taken = self.write(|connection| step(connection, &phone, selection, from, NOW));
            ids.extend(taken.ids);
            (standing, course) = (taken.standing, taken.rest);
        }
        (ids, standing)
    }

    /// That every counter says what counting says.
    pub fn assert_counters(&self) {
        let by_inbox = "SELECT COUNT(*) FROM inboxes AS i WHERE \
            i.total <> (SELECT COUNT(*) FROM notifications WHERE user_id = i.user_id) OR \
            i.unread <> (SELECT COUNT(*) FROM notifications WHERE user_id = i.user_id AND read_at IS NULL)";
        let by_category = "SELECT COUNT(*) FROM inbox_categories AS c WHERE c.total <> \
            (SELECT COUNT(*) FROM notifications WHERE user_id = c.user_id AND category = c.category) OR \
            c.unread <> (SELECT COUNT(*) FROM notifications \
            WHERE user_id = c.user_id AND category = c.category AND read_at IS NULL)";
        let uncounted = "SELECT COUNT(*) FROM notifications AS n WHERE NOT EXISTS \
            (SELECT 1 FROM inbox_categories WHERE user_id = n.user_id AND category = n.category)";
        for wrong in [by_inbox, by_category, uncounted] {
            assert_eq!(self.number(wrong), 0, "{wrong}");
        }
    }

    /// The number that a query answers, such as a count.
    pub fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let sql = format!("SELECT CAST(({sql}) AS BIGINT) AS number");
        diesel::sql_query(sql).get_result::<Row>(&mut *self.connection()).unwrap().number
    }

    /// How many deliveries are in this state.
    pub fn deliveries(&self, state: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM deliveries WHERE state = '{state}'"))
    }
}

/// Settings of development mode with these environment variables.
pub fn settings(environment: &[(&str, &str)]) -> Settings {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    config::load(&Sources { files: Vec::new(), environment }).unwrap()
}

pub fn user(id: &str) -> UserId {
    UserId::from_stored(id.to_owned())
}

/// A device of `of`.
pub fn device(of: &str, name: &str) -> Arc<Device> {
    Arc::new(Device { user: user(of), channel: Channel::WebSocket, name: name.into() })
}

/// A notification that says nothing in particular, with an id that is new.
pub fn draft(to: &str) -> Draft {
    Draft {
        id: NotificationId::from_uuid(Uuid::now_v7()),
        user: user(to),
        kind: "system.note".to_owned(),
        category: Category::of_type("system.note"),
        booking: None,
        request: None,
        content: Content {
            priority: bellhop::domain::Priority::Normal,
            title: "A note".to_owned(),
            message: "Nothing in particular".to_owned(),
            actor_id: None,
            actor_name: None,
            actor_avatar: None,
            data: None,
        },
    }
}

/// One entry that tells each of these users something.
pub fn note(to: &[&str]) -> Entry {
    Entry { booking: None, drafts: to.iter().map(|to| draft(to)).collect(), claim: None }
}

/// A new booking of `guest` with `host`, and the notification that tells of it.
pub fn booked(guest: &str, host: &str) -> Entry {
    let booking = Booking {
        id: BookingId::from_uuid(Uuid::now_v7()),
        host: user(host),
        guest: user(guest),
        guest_name: None,
        listing_id: "sea-view".to_owned(),
        listing_name: Some("Sea View".to_owned()),
        check_in: "2031-12-03".parse().unwrap(),
        check_out: "2031-12-05".parse().unwrap(),
        guests: 2,
        note: Some("We arrive late – 22 h ☾".to_owned()),
        status: BookingStatus::Pending,
        created_at: NOW,
        updated_at: NOW,
    };
    let drafts = vec![Draft::booking_created(NotificationId::from_uuid(Uuid::now_v7()), &booking)];
    Entry { booking: Some(booking), drafts, claim: None }
}
