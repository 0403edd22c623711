//! Idempotency keys: the first answer to a key, so that a repeat gets the same one.

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::error::StorageError;
use super::schema::idempotency_keys;
use crate::domain::{Timestamp, UserId};

/// A key that came with a request, and what was asked under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    pub user: UserId,
    /// 1 to 255 characters, the client's.
    pub key: String,
    /// A digest of the route and the body.
    pub fingerprint: String,
    /// What was asked under the key before this time does not count any more; none where all of it does.
    pub not_before: Option<Timestamp>,
}

/// What was answered under a key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    pub fingerprint: String,
    /// The answer as JSON.
    pub answer: String,
}

#[derive(Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    pub(super) user_id: &'a str,
    pub(super) key: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) answer: String,
    pub(super) created_at: i64,
}

/// What was answered under the key before. What does not count any more is removed, so that the key is free.
pub(super) fn find(
    connection: &mut AnyConnection,
    claim: &IdempotencyClaim,
) -> Result<Option<Earlier>, StorageError> {
    if let Some(not_before) = claim.not_before {
        let old = idempotency_keys::table
            .filter(idempotency_keys::user_id.eq(claim.user.as_str()))
            .filter(idempotency_keys::key.eq(claim.key.as_str()))
            .filter(idempotency_keys::created_at.lt(not_before.as_micros()));
        diesel::delete(old).execute(connection)?;
    }
    let row: Option<(String, String)> = idempotency_keys::table
        .find((claim.user.as_str(), claim.key.as_str()))
        .select((idempotency_keys::fingerprint, idempotency_keys::answer))
        .first(connection)
        .optional()?;
    Ok(row.map(|(fingerprint, answer)| Earlier { fingerprint, answer }))
}

pub(super) fn insert(connection: &mut AnyConnection, rows: Vec<NewRow<'_>>) -> Result<(), StorageError> {
    super::connection::on_db!(connection, |c| diesel::insert_into(idempotency_keys::table)
        .values(rows)
        .execute(c))?;
    Ok(())
}

/// Forgets keys older than `before`; answers how many.
pub fn forget(connection: &mut AnyConnection, before: Timestamp) -> Result<usize, StorageError> {
    let old = idempotency_keys::table.filter(idempotency_keys::created_at.lt(before.as_micros()));
    Ok(diesel::delete(old).execute(connection)?)
}
