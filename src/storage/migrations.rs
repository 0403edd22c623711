//! Bringing the tables up to date. Twins of the same names lie in `migrations/postgres` and
//! `migrations/sqlite` and are built into the binary.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// An arbitrary number that all bellhop instances agree on: only one of them migrates at a time.
const ADVISORY_LOCK: i64 = 0x0062_656c_6c68_6f70;

/// Applies what is missing; answers the names of what was applied.
pub fn migrate(connection: &mut AnyConnection) -> Result<Vec<String>, StorageError> {
    use diesel::connection::SimpleConnection;
    let postgres = matches!(connection, AnyConnection::Postgres(_));
    if postgres {
        connection.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
    }
    let source = if postgres { POSTGRES } else { SQLITE };
    let applied = on_db!(connection, |c| c
        .run_pending_migrations(source)
        .map(|versions| versions.iter().map(ToString::to_string).collect()))
    .map_err(|error| StorageError::Corrupt(format!("a migration failed: {error}")));
    if postgres {
        connection.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
    }
    applied
}

/// Takes every migration back, newest first; answers the names of what was taken back.
#[cfg(test)]
pub(crate) fn revert_all(connection: &mut AnyConnection) -> Result<Vec<String>, StorageError> {
    let source = if matches!(connection, AnyConnection::Postgres(_)) { POSTGRES } else { SQLITE };
    on_db!(connection, |c| c
        .revert_all_migrations(source)
        .map(|versions| versions.iter().map(ToString::to_string).collect()))
    .map_err(|error| StorageError::Corrupt(format!("a migration could not be taken back: {error}")))
}
