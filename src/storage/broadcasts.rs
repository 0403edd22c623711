//! Broadcasts: accepted with their note in the audit, worked off in portions, looked at.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::idempotency::{self, IdempotencyClaim};
use super::schema::{broadcasts, inboxes, recipients};
use super::{audit, recipients as known};
use crate::domain::{
    AuditEntry, Broadcast, Category, Content, NotificationId, RequestId, Role, Timestamp, UserId,
};

#[derive(Insertable)]
#[diesel(table_name = broadcasts, treat_none_as_default_value = false)]
struct NewRow<'a> {
    id: String,
    role: Option<&'a str>,
    kind: &'a str,
    category: &'a str,
    payload: String,
    actor_id: &'a str,
    request_id: Option<&'a str>,
    created_at: i64,
    reached: &'static str,
    told: i64,
    due_at: i64,
}

/// What became of a request to broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable under this id, or was so before.
    As(Uuid),
    /// Something else was asked before under this key.
    KeyReused,
}

/// The answer that is kept under an idempotency key.
#[derive(Debug, Serialize, Deserialize)]
struct KeptAnswer {
    id: Uuid,
}

/// Keeps a broadcast, to be worked off, with the note of the deed, if it is one of an administrator.
pub fn accept(
    connection: &mut AnyConnection,
    broadcast: &Broadcast,
    claim: Option<&IdempotencyClaim>,
    deed: Option<&AuditEntry>,
) -> Result<Accepted, StorageError> {
    let corrupt = |error: serde_json::Error| StorageError::Corrupt(format!("a broadcast: {error}"));
    if let Some(claim) = claim {
        if let Some(earlier) = idempotency::find(connection, claim)? {
            if earlier.fingerprint != claim.fingerprint {
                return Ok(Accepted::KeyReused);
            }
            let KeptAnswer { id } = serde_json::from_str(&earlier.answer).map_err(corrupt)?;
            deed.map(|deed| audit::record(connection, deed)).transpose()?;
            return Ok(Accepted::As(id));
        }
        let answer = serde_json::to_string(&KeptAnswer { id: broadcast.id }).map_err(corrupt)?;
        let row = idempotency::NewRow {
            user_id: claim.user.as_str(),
            key: &claim.key,
            fingerprint: &claim.fingerprint,
            answer,
            created_at: broadcast.created_at.as_micros(),
        };
        idempotency::insert(connection, vec![row])?;
    }
    let row = NewRow {
        id: broadcast.id.to_string(),
        role: broadcast.role.as_ref().map(Role::as_str),
        kind: &broadcast.kind,
        category: broadcast.category.as_str(),
        payload: serde_json::to_string(&broadcast.content).map_err(corrupt)?,
        actor_id: broadcast.actor.as_str(),
        request_id: broadcast.request.as_ref().map(RequestId::as_str),
        created_at: broadcast.created_at.as_micros(),
        reached: "",
        told: 0,
        due_at: broadcast.created_at.as_micros(),
    };
    on_db!(connection, |c| diesel::insert_into(broadcasts::table).values(row).execute(c))?;
    deed.map(|deed| audit::record(connection, deed)).transpose()?;
    Ok(Accepted::As(broadcast.id))
}

/// A broadcast and how far it has come.
#[derive(Debug, Clone)]
pub struct Progress {
    pub broadcast: Broadcast,
    /// How many users have it.
    pub told: i64,
    /// Everybody up to and with this user has it.
    reached: String,
    pub finished_at: Option<Timestamp>,
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = broadcasts)]
struct Row {
    id: String,
    role: Option<String>,
    kind: String,
    category: String,
    payload: String,
    actor_id: String,
    request_id: Option<String>,
    created_at: i64,
    reached: String,
    told: i64,
    finished_at: Option<i64>,
}

impl TryFrom<Row> for Progress {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let corrupt = |error: &dyn std::fmt::Display| StorageError::Corrupt(format!("a broadcast: {error}"));
        let content: Content = serde_json::from_str(&row.payload).map_err(|error| corrupt(&error))?;
        let broadcast = Broadcast {
            id: Uuid::parse_str(&row.id).map_err(|error| corrupt(&error))?,
            role: row.role.as_deref().map(Role::new),
            kind: row.kind,
            category: Category::from_stored(row.category),
            content,
            actor: UserId::from_stored(row.actor_id),
            request: row.request_id.map(RequestId::from_stored),
            created_at: Timestamp::from_micros(row.created_at),
        };
        let finished_at = row.finished_at.map(Timestamp::from_micros);
        Ok(Self { broadcast, told: row.told, reached: row.reached, finished_at })
    }
}

/// How a broadcast stands.
pub fn find(connection: &mut AnyConnection, id: Uuid) -> Result<Option<Progress>, StorageError> {
    let row: Option<Row> =
        broadcasts::table.find(id.to_string()).select(Row::as_select()).first(connection).optional()?;
    row.map(Progress::try_from).transpose()
}

/// Whether there is something to work off.
pub fn is_any_due(connection: &mut AnyConnection, now: Timestamp) -> Result<bool, StorageError> {
    let due: Option<i64> = broadcasts::table
        .filter(broadcasts::finished_at.is_null())
        .filter(broadcasts::due_at.le(now.as_micros()))
        .order(broadcasts::due_at)
        .select(broadcasts::due_at)
        .first(connection)
        .optional()?;
    Ok(due.is_some())
}

/// Takes the one that has waited longest and holds it until the transaction ends. One that another instance works at
/// is left to that.
pub fn take_due(connection: &mut AnyConnection, now: Timestamp) -> Result<Option<Progress>, StorageError> {
    let due = broadcasts::table
        .filter(broadcasts::finished_at.is_null())
        .filter(broadcasts::due_at.le(now.as_micros()))
        .order(broadcasts::due_at)
        .limit(1);
    // Row locks are PostgreSQL's; SQLite has one writer at a time anyway.
    let row: Option<Row> = match connection {
        AnyConnection::Postgres(c) => {
            due.select(Row::as_select()).for_update().skip_locked().first(c).optional()?
        }
        AnyConnection::Sqlite(c) => due.select(Row::as_select()).first(c).optional()?,
    };
    row.map(Progress::try_from).transpose()
}

/// The next who are to be told, at most `limit`, in the order of their ids. Who becomes known while a broadcast is
/// worked off may be among them.
pub fn next_recipients(
    connection: &mut AnyConnection,
    progress: &Progress,
    limit: i64,
) -> Result<Vec<UserId>, StorageError> {
    let beyond = progress.reached.as_str();
    if let Some(role) = &progress.broadcast.role {
        return known::with_role(connection, role.as_str(), beyond, limit);
    }
    let profiles: Vec<String> = recipients::table
        .filter(recipients::user_id.gt(beyond))
        .order(recipients::user_id)
        .limit(limit)
        .select(recipients::user_id)
        .load(connection)?;
    let owners: Vec<String> = inboxes::table
        .filter(inboxes::user_id.gt(beyond))
        .order(inboxes::user_id)
        .limit(limit)
        .select(inboxes::user_id)
        .load(connection)?;
    let everybody: BTreeSet<String> = profiles.into_iter().chain(owners).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(everybody.into_iter().take(limit).map(UserId::from_stored).collect())
}

/// Notes that these have it, in the transaction that gave it to them; none means that everybody has.
pub fn advance(
    connection: &mut AnyConnection,
    progress: &Progress,
    told: &[UserId],
    now: Timestamp,
) -> Result<(), StorageError> {
    let row = broadcasts::table.find(progress.broadcast.id.to_string());
    let Some(last) = told.last() else {
        let finished = broadcasts::finished_at.eq(now.as_micros());
        diesel::update(row).set(finished).execute(connection)?;
        return Ok(());
    };
    let count = i64::try_from(told.len()).unwrap_or(i64::MAX);
    diesel::update(row)
        .set((
            broadcasts::reached.eq(last.as_str()),
            broadcasts::told.eq(broadcasts::told + count),
            broadcasts::due_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Has what is due now wait until `until`: the first of it could not be worked off.
pub fn postpone_due(
    connection: &mut AnyConnection,
    now: Timestamp,
    until: Timestamp,
) -> Result<(), StorageError> {
    if let Some(progress) = take_due(connection, now)? {
        let row = broadcasts::table.find(progress.broadcast.id.to_string());
        diesel::update(row).set(broadcasts::due_at.eq(until.as_micros())).execute(connection)?;
    }
    Ok(())
}

/// Removes at most `batch` that were finished and are from before `before`.
pub fn trim(connection: &mut AnyConnection, before: Timestamp, batch: u32) -> Result<usize, StorageError> {
    // Ids are in the order of their making.
    let old: Vec<String> = broadcasts::table
        .filter(broadcasts::id.lt(NotificationId::first_at(before).to_string()))
        .filter(broadcasts::finished_at.is_not_null())
        .order(broadcasts::id)
        .limit(i64::from(batch))
        .select(broadcasts::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(broadcasts::table.filter(broadcasts::id.eq_any(old))).execute(connection)?)
}
