//! `[database]`: which database, and how patient its users are.

use serde::{Deserialize, Serialize};

use super::secret_url::SecretUrl;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:///path`, `sqlite://relative/path` or `postgres://…` (`DATABASE_URL`).
    /// Defaults to `sqlite://data/bellhop.db`; production has no default.
    pub url: SecretUrl,
    /// Connections for reading. Defaults to 4.
    pub read_connections: u32,
    /// How long a request waits for a connection, in milliseconds. Defaults to 2000.
    pub connection_timeout_ms: u64,
    /// How long one statement may run on PostgreSQL, in milliseconds. Defaults to 15000.
    pub statement_timeout_ms: u64,
    /// How long a writer waits for another on SQLite, in milliseconds. Defaults to 5000.
    pub busy_timeout_ms: u64,
    /// Whether `serve` brings the tables up to date before it starts. Defaults to true.
    pub migrate_on_start: bool,
}
