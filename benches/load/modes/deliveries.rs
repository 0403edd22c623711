//! What became of deliveries, asked of the database itself and not of the server: proof of receipt is
//! what is written there.

use anyhow::Result;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

/// A reader of SQLite may meet the server at a checkpoint.
const SQLITE_PATIENCE: &str = "PRAGMA busy_timeout = 5000";
/// A connection of the load program's own.
pub(super) enum Deliveries {
    Postgres(Box<PgConnection>),
    Sqlite(Box<SqliteConnection>),
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Deliveries {
    pub(super) fn open(url: &str) -> Result<Self> {
        Ok(match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path)?;
                connection.batch_execute(SQLITE_PATIENCE)?;
                Self::Sqlite(Box::new(connection))
            }
            None => Self::Postgres(Box::new(PgConnection::establish(url)?)),
        })
    }

    /// How many are in a state; all of them where none is named.
    pub(super) fn count(&mut self, state: Option<&str>) -> Result<i64> {
        let all = "SELECT COUNT(*) AS count FROM deliveries";
        let query = state.map_or(all.to_owned(), |state| format!("{all} WHERE state = '{state}'"));
        let count: Count = match self {
            Self::Postgres(connection) => sql_query(query).get_result(&mut **connection)?,
            Self::Sqlite(connection) => sql_query(query).get_result(&mut **connection)?,
        };
        Ok(count.count)
    }
}
