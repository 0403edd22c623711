//! Connections, pooled by r2d2. The URL's scheme chooses the database; a connect error is kept as the
//! database worded it, and a mistyped URL is an error, never a new SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::{PgConnection, SqliteConnection};
use tokio::time::Instant;

use super::connection::AnyConnection;
use super::error::StorageError;
use crate::config::DatabaseSettings;
use crate::telemetry::Metrics;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("a database URL begins with postgres:// or sqlite://")]
    UnknownScheme,
    #[error("a SQLite URL names a file, such as sqlite:///var/lib/bellhop/bellhop.db")]
    NoFile,
    #[error("the folder of the SQLite file cannot be made: {0}")]
    Folder(#[source] std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("no connection: {0}")]
    Pool(String),
}

/// Which database, from its URL.
#[derive(Debug, Clone)]
enum Target {
    Postgres(String),
    Sqlite(PathBuf),
}

/// Opens connections for r2d2.
#[derive(Debug)]
struct Manager {
    target: Target,
    statement_timeout: Duration,
    busy_timeout: Duration,
}

/// A connection on loan from a [`Pool`].
pub type PooledConnection = r2d2::PooledConnection<ManagerHandle>;

/// The pool's manager type; opaque outside this file.
#[derive(Debug)]
pub struct ManagerHandle(Manager);

/// A bounded set of connections.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: r2d2::Pool<ManagerHandle>,
    /// SQLite has one writer at a time. Who waits here is woken at once; who waits inside SQLite sleeps
    /// and looks again.
    turn: Option<Arc<Mutex<()>>>,
}

impl Pool {
    /// Opens the pool and proves that the database answers, within the configured time.
    pub fn open(settings: &DatabaseSettings, size: u32) -> Result<Self, ConnectError> {
        Self::open_watched(settings, size, Box::new(r2d2::NopEventHandler))
    }

    /// The same, counting how long is waited for connections.
    pub fn open_measured(
        settings: &DatabaseSettings,
        size: u32,
        metrics: &Metrics,
    ) -> Result<Self, ConnectError> {
        Self::open_watched(settings, size, Box::new(PoolWatch(metrics.clone())))
    }

    fn open_watched(
        settings: &DatabaseSettings,
        size: u32,
        watch: Box<dyn r2d2::HandleEvent>,
    ) -> Result<Self, ConnectError> {
        let manager = Manager::new(settings)?;
        // r2d2 reports a connect error only as "timed out", so the first connection is opened by hand.
        drop(manager.open()?);
        let turn = match manager.target {
            Target::Postgres(_) => None,
            Target::Sqlite(_) => Some(Arc::default()),
        };
        let connections = r2d2::Pool::builder()
            .max_size(size.max(1))
            .min_idle(Some(1))
            // A broken connection shows itself at its next use; asking first costs every batch a round trip.
            .test_on_check_out(false)
            .connection_timeout(Duration::from_millis(settings.connection_timeout_ms))
            .error_handler(Box::new(PoolLog::default()))
            .event_handler(watch)
            .build(ManagerHandle(manager))
            .map_err(|error| ConnectError::Pool(error.to_string()))?;
        Ok(Self { connections, turn })
    }

    /// Waits for a free connection, at most the configured time.
    pub fn get(&self) -> Result<PooledConnection, StorageError> {
        self.connections.get().map_err(|error| StorageError::Unavailable(error.to_string()))
    }

    /// How many connections are idle, and how many in use.
    pub fn connections(&self) -> (usize, usize) {
        let state = self.connections.state();
        (state.idle_connections as usize, state.connections.saturating_sub(state.idle_connections) as usize)
    }

    pub fn is_postgres(&self) -> bool {
        self.turn.is_none()
    }

    /// Runs `body`, which only reads.
    pub fn read<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut connection = self.get()?;
        let result = body(&mut connection);
        connection.is_lost_by(&result);
        result
    }

    /// Runs `body` on a connection, in a transaction that writes. A connection that turns out to be dead
    /// before `body` runs is replaced: after a restart of the database the first write need not fail.
    pub fn write<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut connection = self.get()?;
        let _turn = self.take_turn();
        let mut begun = connection.begin();
        // Any that was open may have died with the others.
        for _ in 0..self.connections.max_size() {
            if !connection.is_lost_by(&begun) {
                break;
            }
            drop(connection);
            connection = self.get()?;
            begun = connection.begin();
        }
        begun?;
        let result = connection.finish(body);
        connection.is_lost_by(&result);
        result
    }

    /// Runs `body`, which is a single statement that writes: a transaction by itself, without the round
    /// trips of beginning and committing one.
    pub fn write_statement<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut connection = self.get()?;
        let _turn = self.take_turn();
        let result = body(&mut connection);
        connection.is_lost_by(&result);
        result
    }

    /// Runs `body`, which is a single statement on PostgreSQL and several on SQLite, as one transaction.
    pub fn write_batch<T>(
        &self,
        body: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.is_postgres() { self.write_statement(body) } else { self.write(body) }
    }

    /// Runs the cheapest query there is: whether the database answers.
    pub fn ping(&self) -> Result<(), StorageError> {
        self.read(|connection| Ok(connection.batch_execute("SELECT 1")?))
    }

    /// A writer that panicked has rolled back: the turn it held is free.
    fn take_turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Notes how long is waited for a connection.
#[derive(Debug)]
struct PoolWatch(Metrics);

impl r2d2::HandleEvent for PoolWatch {
    fn handle_checkout(&self, event: r2d2::event::CheckoutEvent) {
        self.0.database_wait("pool").observe(event.duration().as_secs_f64());
    }

    fn handle_timeout(&self, event: r2d2::event::TimeoutEvent) {
        self.0.database_wait("pool").observe(event.timeout().as_secs_f64());
    }
}

/// r2d2's own complaints, where operators look. It makes several a second while the database is away: one
/// in a while is written.
#[derive(Debug, Default)]
struct PoolLog(Mutex<Option<Instant>>);

/// How often that a connection fails is written to the log.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(5);

impl r2d2::HandleError<ConnectError> for PoolLog {
    fn handle_error(&self, error: ConnectError) {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.duration_since(last) >= COMPLAINT_INTERVAL) {
            *last = Some(now);
            log::warn!("no new database connection: {error}");
        }
    }
}

impl r2d2::ManageConnection for ManagerHandle {
    type Connection = AnyConnection;
    type Error = ConnectError;

    fn connect(&self) -> Result<AnyConnection, ConnectError> {
        self.0.open()
    }

    fn is_valid(&self, connection: &mut AnyConnection) -> Result<(), ConnectError> {
        connection.batch_execute("SELECT 1").map_err(|error| ConnectError::Refused(error.to_string()))
    }

    fn has_broken(&self, connection: &mut AnyConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

impl Manager {
    fn new(settings: &DatabaseSettings) -> Result<Self, ConnectError> {
        Ok(Self {
            target: Target::parse(settings.url.reveal())?.patient_for(settings.connection_timeout_ms),
            statement_timeout: Duration::from_millis(settings.statement_timeout_ms),
            busy_timeout: Duration::from_millis(settings.busy_timeout_ms),
        })
    }

    fn open(&self) -> Result<AnyConnection, ConnectError> {
        match &self.target {
            Target::Postgres(url) => {
                let mut connection = PgConnection::establish(url).map_err(postgres_refusal)?;
                let timeout = self.statement_timeout.as_millis();
                // Every query here has one good plan. Left to itself PostgreSQL plans the batch insert anew
                // for each small batch, which takes longer than running it.
                // Such a plan is made for a user of average size; where most have little it would gather all that
                // fits and sort it, also for who has a hundred thousand. Without bitmaps it takes what the index
                // has in order, and stops at the end of the page.
                let setup = format!(
                    "SET statement_timeout = {timeout}; SET synchronous_commit = on; \
                     SET plan_cache_mode = force_generic_plan; SET enable_bitmapscan = off"
                );
                connection.batch_execute(&setup).map_err(refused)?;
                Ok(AnyConnection::Postgres(connection))
            }
            Target::Sqlite(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(ConnectError::Folder)?;
                }
                let path = path.to_string_lossy();
                let mut connection = SqliteConnection::establish(&path).map_err(refused)?;
                // WAL lets readers go on beside the writer; FULL syncs it at every commit: durable.
                let setup = format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;",
                    self.busy_timeout.as_millis()
                );
                connection.batch_execute(&setup).map_err(refused)?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, ConnectError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite://") {
            // To SQLite these are no files: every connection would have a database of its own.
            Some(path) if path.starts_with(':') || path.starts_with("file:") => Err(ConnectError::NoFile),
            Some(path) if !path.is_empty() && !path.ends_with('/') => {
                Ok(Self::Sqlite(Path::new(path).into()))
            }
            _ => Err(ConnectError::UnknownScheme),
        }
    }
}

/// What libpq is told beside the URL, unless the URL says otherwise: without it a server that vanishes
/// without a word, as behind a firewall, holds its connection for minutes or for ever. A peer that does
/// not answer three probes, five seconds apart, after ten seconds of silence is gone.
const VIGILANCE: [(&str, u64); 4] = [
    ("keepalives_idle", 10),
    ("keepalives_interval", 5),
    ("keepalives_count", 3),
    ("tcp_user_timeout", 25_000),
];

impl Target {
    /// Limits how long connecting may take; libpq counts in whole seconds, and a single one as two.
    fn patient_for(self, milliseconds: u64) -> Self {
        let Self::Postgres(mut url) = self else { return self };
        let connecting = ("connect_timeout", milliseconds.div_ceil(1000).max(2));
        for (name, value) in VIGILANCE.into_iter().chain([connecting]) {
            if !url.contains(&format!("{name}=")) {
                let separator = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{separator}{name}={value}");
            }
        }
        Self::Postgres(url)
    }
}

fn refused(error: impl std::fmt::Display) -> ConnectError {
    ConnectError::Refused(error.to_string())
}

/// A libpq without TLS says only that the mode is invalid; the remedy belongs into the message.
fn postgres_refusal(error: impl std::fmt::Display) -> ConnectError {
    let text = error.to_string();
    if text.contains("sslmode") {
        return ConnectError::Refused(format!(
            "{text} (this build has no TLS to PostgreSQL: build with --no-default-features and \
             --features pq-tls-vendored or system-libpq)"
        ));
    }
    ConnectError::Refused(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_schemes_are_databases() {
        for url in ["", "weird.db", "mysql://x", "sqlite://", "sqlite:///tmp/", "sqlite:x"] {
            assert!(matches!(Target::parse(url), Err(ConnectError::UnknownScheme)), "{url}");
        }
        for url in ["sqlite://:memory:", "sqlite://file:x?mode=memory"] {
            assert!(matches!(Target::parse(url), Err(ConnectError::NoFile)), "{url}");
        }
        assert!(matches!(Target::parse("sqlite:///tmp/x.db"), Ok(Target::Sqlite(_))));
        assert!(matches!(Target::parse("postgresql://h/d"), Ok(Target::Postgres(_))));
    }

    #[test]
    fn what_the_url_says_goes_before_what_it_is_given() {
        let url = |text: &str| match Target::parse(text).unwrap().patient_for(2_500) {
            Target::Postgres(url) => url,
            Target::Sqlite(path) => path.display().to_string(),
        };
        assert!(url("postgres://h/d").starts_with("postgres://h/d?keepalives_idle=10&"));
        assert!(url("postgres://h/d").ends_with("&connect_timeout=3"));
        let own = url("postgres://h/d?connect_timeout=60&sslmode=disable");
        assert_eq!(own.matches("connect_timeout").count(), 1, "{own}");
        assert_eq!(url("sqlite://data/x.db"), "data/x.db");
    }
}
