//! Orders to revoke tokens and to end connections: added by the instance that took them, read by all.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::schema::revocations;
use super::schema::revocations::dsl;
use crate::domain::{Demand, Order, Timestamp, UserId};

const DISCONNECT: &str = "disconnect";
const TOKEN: &str = "token";
const ISSUED_BEFORE: &str = "issued_before";

/// An order as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Larger than that of every order which could be read before.
    pub id: i64,
    pub order: Order,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = revocations, treat_none_as_default_value = false)]
struct NewRow<'a> {
    id: i64,
    user_id: &'a str,
    kind: &'static str,
    token_id: Option<&'a str>,
    issued_before: Option<i64>,
    at: i64,
}

type Row = (i64, String, String, Option<String>, Option<i64>, i64);

/// Keeps an order.
pub fn add(connection: &mut AnyConnection, order: &Order) -> Result<Kept, StorageError> {
    if let AnyConnection::Postgres(c) = connection {
        // One that commits after another with a larger id would be passed over by whoever reads meanwhile. Readers
        // are not held up; on SQLite there is one writer at a time anyway.
        c.batch_execute("LOCK TABLE revocations IN EXCLUSIVE MODE")?;
    }
    let newest: Option<i64> = dsl::revocations.select(diesel::dsl::max(dsl::id)).first(connection)?;
    let id = newest.unwrap_or(0) + 1;
    let (kind, token_id, issued_before) = match &order.demand {
        Demand::Disconnect => (DISCONNECT, None, None),
        Demand::RevokeToken(token) => (TOKEN, Some(&**token), None),
        Demand::RevokeIssuedBefore(time) => (ISSUED_BEFORE, None, Some(time.as_micros())),
    };
    let (user_id, at) = (order.user.as_str(), order.at.as_micros());
    let row = NewRow { id, user_id, kind, token_id, issued_before, at };
    on_db!(connection, |c| diesel::insert_into(revocations::table).values(row).execute(c))?;
    Ok(Kept { id, order: order.clone() })
}

/// The oldest orders behind `id`, at most so many.
pub fn after(connection: &mut AnyConnection, id: i64, most: u32) -> Result<Vec<Kept>, StorageError> {
    let rows: Vec<Row> =
        dsl::revocations.filter(dsl::id.gt(id)).order(dsl::id).limit(i64::from(most)).load(connection)?;
    rows.into_iter().map(kept).collect()
}

/// The oldest orders behind the one that was read last, at most so many; none where that one is not in its place any
/// more. The newest is never removed, so the table was set back then, to a copy of before for example, and its ids may
/// be others' by now.
pub fn behind(
    connection: &mut AnyConnection,
    read: Option<&Kept>,
    most: u32,
) -> Result<Option<Vec<Kept>>, StorageError> {
    let Some(read) = read else { return after(connection, 0, most).map(Some) };
    let mut orders = after(connection, read.id - 1, most.saturating_add(1))?.into_iter();
    Ok((orders.next().as_ref() == Some(read)).then(|| orders.collect()))
}

fn kept((id, user, kind, token, before, at): Row) -> Result<Kept, StorageError> {
    let demand = match (kind.as_str(), token, before) {
        (DISCONNECT, _, _) => Demand::Disconnect,
        (TOKEN, Some(token), _) => Demand::RevokeToken(token.into()),
        (ISSUED_BEFORE, _, Some(time)) => Demand::RevokeIssuedBefore(Timestamp::from_micros(time)),
        // An order that is not understood must not be taken for carried out.
        _ => return Err(StorageError::Corrupt(format!("the order {id}"))),
    };
    let order = Order { user: UserId::from_stored(user), demand, at: Timestamp::from_micros(at) };
    Ok(Kept { id, order })
}

/// Removes disconnections from before the one time and, if there is one, what was revoked before the other; answers
/// how many there were. The newest order stays whatever it is: its id must not be given again.
pub fn forget(
    connection: &mut AnyConnection,
    disconnected: Timestamp,
    revoked: Option<Timestamp>,
) -> Result<usize, StorageError> {
    let newest: Option<i64> = dsl::revocations.select(diesel::dsl::max(dsl::id)).first(connection)?;
    let Some(newest) = newest else { return Ok(0) };
    let old = dsl::revocations.filter(dsl::id.lt(newest));
    let ended = old.filter(dsl::kind.eq(DISCONNECT).and(dsl::at.lt(disconnected.as_micros())));
    let mut forgotten = diesel::delete(ended).execute(connection)?;
    if let Some(revoked) = revoked {
        let expired = old.filter(dsl::kind.ne(DISCONNECT).and(dsl::at.lt(revoked.as_micros())));
        forgotten += diesel::delete(expired).execute(connection)?;
    }
    Ok(forgotten)
}
