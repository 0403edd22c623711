//! The audit: what administrators did and looked at, appended and never changed.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

pub mod list;

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::error::StorageError;
use super::schema::audit;
use crate::domain::{AuditEntry, Timestamp};

#[derive(Debug, Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
struct NewRow<'a> {
    id: String,
    at: i64,
    actor_id: &'a str,
    device: &'a str,
    action: &'static str,
    target: Option<&'a str>,
    detail: Option<&'a str>,
    request_id: &'a str,
}

/// Keeps one deed.
pub fn record(connection: &mut AnyConnection, entry: &AuditEntry) -> Result<(), StorageError> {
    let row = NewRow {
        id: entry.id.to_string(),
        at: entry.at.as_micros(),
        actor_id: entry.actor.as_str(),
        device: &entry.device,
        action: entry.action.as_str(),
        target: entry.target.as_deref(),
        detail: entry.detail.as_deref(),
        request_id: &entry.request_id,
    };
    match connection {
        AnyConnection::Postgres(connection) => {
            diesel::insert_into(audit::table).values(&row).execute(connection)?
        }
        AnyConnection::Sqlite(connection) => {
            diesel::insert_into(audit::table).values(&row).execute(connection)?
        }
    };
    Ok(())
}

/// Removes at most `batch` of the oldest deeds from before `before`; answers how many.
pub fn trim(connection: &mut AnyConnection, before: Timestamp, batch: u32) -> Result<usize, StorageError> {
    let old: Vec<String> = audit::table
        .filter(audit::at.lt(before.as_micros()))
        .order((audit::at, audit::id))
        .limit(i64::from(batch))
        .select(audit::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(audit::table.filter(audit::id.eq_any(old))).execute(connection)?)
}
