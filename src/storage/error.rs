//! What can go wrong with the database, in the two kinds that matter to a caller: it is away for now
//! (ask again), or this very request cannot be served.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A failed piece of work on the database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection could be had in time.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke or the database could not go on for now: nothing is known to be wrong with
    /// the request, and whether it took effect may be unknown.
    #[error("the database broke off: {0}")]
    Broken(String),
    /// The database refused the statement.
    #[error("the database refused: {0}")]
    Refused(#[source] DieselError),
    /// A stored value does not read back as what was stored.
    #[error("stored data does not read back: {0}")]
    Corrupt(String),
    /// A secret was to be made, and the operating system had no random bytes.
    #[error("no random bytes: {0}")]
    NoRandomness(String),
}

impl StorageError {
    /// Whether the same request may well succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Broken(_))
    }
}

impl StorageError {
    /// Whether a row of the same id is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
    }
}

/// Texts of errors for which the databases have no kind of their own but that pass: PostgreSQL going
/// down, coming up, ending a statement, or out of disk, memory or connections, SQLite waiting for a lock or for space on
/// the disk.
const PASSING: [&str; 17] = [
    "terminating connection",
    "server closed the connection",
    "no connection to the server",
    "connection not open",
    "could not receive data from server",
    "the database system is",
    "statement timeout",
    "deadlock detected",
    "database is locked",
    "disk is full",
    "disk I/O error",
    "readonly database",
    "No space left on device",
    "could not extend file",
    "out of memory",
    "out of shared memory",
    "remaining connection slots",
];

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        let passing = match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                // A standby, until it is or finds its primary.
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => true,
            DieselError::DatabaseError(_, info) => PASSING.iter().any(|text| info.message().contains(text)),
            _ => false,
        };
        if passing { Self::Broken(error.to_string()) } else { Self::Refused(error) }
    }
}
