//! A connection to either database, and the two things that differ between them everywhere: how a
//! writing transaction begins, and that some query shapes compile per backend only.

use diesel::connection::{AnsiTransactionManager, Connection, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::{PgConnection, SqliteConnection};

use super::error::StorageError;

/// The most variables that one statement on SQLite may have (`SQLITE_MAX_VARIABLE_NUMBER`'s default).
/// PostgreSQL takes whole columns and lists as one variable each.
pub(super) const SQLITE_VARIABLES: usize = 32_766;

/// A connection to the configured database.
#[derive(diesel::MultiConnection)]
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub enum AnyConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Compiles one query text for each backend. Upserts, batches and row types need the concrete
/// connection; plain queries go through [`AnyConnection`] as it is.
macro_rules! on_db {
    ($connection:expr, |$c:ident| $body:expr) => {
        match $connection {
            $crate::storage::AnyConnection::Postgres($c) => $body,
            $crate::storage::AnyConnection::Sqlite($c) => $body,
        }
    };
}
pub(super) use on_db;

impl AnyConnection {
    /// Begins a transaction that writes. On SQLite it begins as `IMMEDIATE`: a deferred one that turns
    /// into a writer while another writes fails at once instead of waiting its turn.
    pub(super) fn begin(&mut self) -> Result<(), StorageError> {
        if let Self::Sqlite(connection) = self {
            AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")?;
        } else {
            <Self as Connection>::TransactionManager::begin_transaction(self)?;
        }
        Ok(())
    }

    /// Runs `body` in the transaction that was begun, and ends that.
    pub(super) fn finish<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match body(self) {
            Ok(value) => {
                <Self as Connection>::TransactionManager::commit_transaction(self)?;
                Ok(value)
            }
            Err(error) => {
                // The first error is the one that tells; a rollback that fails too leaves a broken
                // connection, which the pool throws away.
                let _ = <Self as Connection>::TransactionManager::rollback_transaction(self);
                Err(error)
            }
        }
    }

    /// Runs `body`, several statements that only read, on what was there at one moment: one by one they would see, on
    /// PostgreSQL, what was written between them.
    pub fn snapshot<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Self::Postgres(connection) = self {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            AnsiTransactionManager::begin_transaction_sql(connection, begin)?;
        } else {
            // It sees one moment from its first statement on, and keeps nobody from writing.
            <Self as Connection>::TransactionManager::begin_transaction(self)?;
        }
        self.finish(body)
    }

    /// Whether what failed took the connection with it. Diesel notices a loss at some of its calls only;
    /// this makes one of those, and from then on the connection counts as broken.
    pub(super) fn is_lost_by<T>(&mut self, result: &Result<T, StorageError>) -> bool {
        if !matches!(result, Err(StorageError::Broken(_))) {
            return false;
        }
        if !self.is_broken() {
            // On a lost connection this fails at once; its error says nothing new.
            let _ = self.batch_execute("SELECT 1");
        }
        self.is_broken()
    }

    /// Whether this connection is of no more use: it was lost, or hangs in a transaction.
    pub(super) fn is_broken(&mut self) -> bool {
        match self {
            Self::Postgres(connection) => R2D2Connection::is_broken(connection),
            Self::Sqlite(connection) => R2D2Connection::is_broken(connection),
        }
    }
}
