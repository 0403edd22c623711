//! Bringing the tables up to date. Twins of the same names lie in `migrations/postgres` and
//! `migrations/sqlite` and are built into the binary.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::pool::{ConnectError, Pool};
use crate::config::DatabaseSettings;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// An arbitrary number that all bellhop instances agree on: only one of them migrates at a time.
const ADVISORY_LOCK: i64 = 0x0062_656c_6c68_6f70;

/// Brings the tables of the configured database up to date, on a connection of its own whose statements
/// may take as long as they need: building an index, or waiting for another instance that does.
pub fn bring_up_to_date(settings: &DatabaseSettings) -> Result<Vec<String>, BringUpError> {
    let unhurried = DatabaseSettings { statement_timeout_ms: 0, ..settings.clone() };
    let pool = Pool::open(&unhurried, 1)?;
    Ok(migrate(&mut *pool.get()?)?)
}

/// Why the tables are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum BringUpError {
    #[error("the database cannot be opened: {0}")]
    Connect(#[from] ConnectError),
    #[error("the tables cannot be brought up to date: {0}")]
    Migrate(#[from] StorageError),
}

/// Applies what is missing; answers the names of what was applied. Instances that start together take
/// turns: on PostgreSQL by an advisory lock, on SQLite by one transaction around it all.
pub fn migrate(connection: &mut AnyConnection) -> Result<Vec<String>, StorageError> {
    match connection {
        AnyConnection::Postgres(c) => {
            c.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
            let applied = run(c, POSTGRES);
            c.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
            applied
        }
        AnyConnection::Sqlite(_) => {
            connection.begin()?;
            connection.finish(|connection| match connection {
                AnyConnection::Sqlite(c) => run(c, SQLITE),
                AnyConnection::Postgres(c) => run(c, POSTGRES),
            })
        }
    }
}

fn run<D: Backend>(
    connection: &mut impl MigrationHarness<D>,
    source: EmbeddedMigrations,
) -> Result<Vec<String>, StorageError> {
    connection
        .run_pending_migrations(source)
        .map(|versions| versions.iter().map(ToString::to_string).collect())
        .map_err(|error| StorageError::Corrupt(format!("a migration failed: {error}")))
}

/// Takes every migration back, newest first, and with them everything that is stored; answers the names
/// of what was taken back. No command does this: it is what proves that each `down.sql` works.
pub fn revert_all(connection: &mut AnyConnection) -> Result<Vec<String>, StorageError> {
    let source = if matches!(connection, AnyConnection::Postgres(_)) { POSTGRES } else { SQLITE };
    on_db!(connection, |c| c
        .revert_all_migrations(source)
        .map(|versions| versions.iter().map(ToString::to_string).collect()))
    .map_err(|error| StorageError::Corrupt(format!("a migration could not be taken back: {error}")))
}
