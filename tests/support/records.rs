//! What the database holds, read beside the server, for what no client is told.

use diesel::pg::Pg;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection};

use super::deadline::wait_until_async;

#[derive(Debug, QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// What a query finds, a value for each row.
pub fn rows<T: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static>(url: &str, sql: &str) -> Vec<T> {
    let query = diesel::sql_query(sql);
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut connection = SqliteConnection::establish(path).unwrap();
            diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut connection).unwrap();
            query.load(&mut connection).unwrap()
        }
        None => query.load(&mut PgConnection::establish(url).unwrap()).unwrap(),
    }
}

/// What a query finds that selects one column of text as `value`.
pub fn texts(url: &str, sql: &str) -> Vec<String> {
    rows::<Value>(url, sql).into_iter().map(|row| row.value).collect()
}

/// Changes what the database holds, as nobody but an operator can.
pub fn execute(url: &str, sql: &str) {
    let query = diesel::sql_query(sql);
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut connection = SqliteConnection::establish(path).unwrap();
            diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut connection).unwrap();
            query.execute(&mut connection).unwrap();
        }
        None => drop(query.execute(&mut PgConnection::establish(url).unwrap()).unwrap()),
    }
}

/// What became of a notification so far.
pub fn delivery_state(url: &str, notification: &str) -> String {
    let sql = format!("SELECT state AS value FROM deliveries WHERE notification_id = '{notification}'");
    texts(url, &sql).pop().expect("every notification has a delivery")
}

/// Waits until that is what became of a notification.
pub async fn await_delivery_state(url: &str, notification: &str, state: &str) {
    wait_until_async(format_args!("the delivery of {notification} to be {state}"), async || {
        (delivery_state(url, notification) == state).then_some(())
    })
    .await;
}
