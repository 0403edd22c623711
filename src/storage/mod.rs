//! What is kept: Diesel over PostgreSQL and SQLite, one set of queries. Diesel lives here only.
//!
//! A file per table holds its queries as verb-named functions that take a connection; their callers
//! own the transactions. Everything blocks, so it is called from worker threads.

pub mod append;
mod arrays;
pub mod audit;
pub mod bookings;
pub mod broadcasts;
pub mod categories;
pub mod confirmations;
mod connection;
pub mod deliveries;
mod error;
pub mod figures;
pub mod history;
pub mod idempotency;
pub mod inboxes;
pub mod logs;
pub mod lost;
mod migrations;
pub mod notifications;
pub mod outgoing;
mod pool;
pub mod receipts;
pub mod recipients;
pub mod retention;
pub mod revocations;
mod scan;
mod schema;
pub mod secrets;
pub mod tickets;

pub use connection::AnyConnection;
pub use error::StorageError;
pub use migrations::{BringUpError, bring_up_to_date, migrate, revert_all};
pub use pool::{ConnectError, Pool, PooledConnection};
