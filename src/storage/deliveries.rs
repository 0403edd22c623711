//! Deliveries: what becomes of a notification when no device confirms it. A claim moves `escalate_at`
//! ahead by a lease, so whoever claims and dies leaves it to be claimed again.

use std::collections::{BTreeMap, HashSet};

use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::connection::{AnyConnection, SQLITE_VARIABLES, on_db};
use super::error::StorageError;
use super::receipts::{self, NewRow as NewReceipt};
use super::schema::{deliveries, notifications};
use crate::domain::{BookingId, NotificationId, Step, Timestamp, UserId};

/// The one channel beyond the devices so far.
const EMAIL: &str = "email";
pub(super) const PENDING: &str = "pending";
/// How many ids one statement names: what SQLite takes, less the other variables of such a statement.
pub(super) const IDS_PER_STATEMENT: usize = SQLITE_VARIABLES - 16;

/// Written out rather than bound, where the index of what is pending is wanted: only then do the
/// databases see that it fits. Where ids are named, the primary key serves better.
fn is_pending() -> SqlLiteral<Bool> {
    sql::<Bool>("deliveries.state = 'pending'")
}

/// Every state that a delivery may be in.
pub const STATES: [&str; 6] = [
    PENDING,
    Ending::Confirmed.as_str(),
    Ending::Emailed.as_str(),
    Ending::Suppressed.as_str(),
    Ending::Withdrawn.as_str(),
    Ending::Failed.as_str(),
];

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A device has it.
    Confirmed,
    /// The mail server took the mail.
    Emailed,
    /// The recipient has no address, or does not want mail of this category.
    Suppressed,
    /// The booking was cancelled before anybody saw it.
    Withdrawn,
    /// Every try was used up, or the mail server refused for good.
    Failed,
}

impl Ending {
    /// The step that leads there.
    pub const fn step(self) -> Step {
        match self {
            Self::Confirmed => Step::Confirmed,
            Self::Emailed => Step::Emailed,
            Self::Suppressed => Step::Suppressed,
            Self::Withdrawn => Step::Withdrawn,
            Self::Failed => Step::Failed,
        }
    }

    /// The state's name, which is the step's.
    pub const fn as_str(self) -> &'static str {
        self.step().as_str()
    }
}

/// The columns of [`NewRow`].
const COLUMNS: usize = 5;

#[derive(Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    notification_id: &'a str,
    channel: &'static str,
    state: &'static str,
    attempts: i32,
    escalate_at: i64,
}

impl<'a> NewRow<'a> {
    pub(super) fn pending(notification_id: &'a str, escalate_at: Timestamp) -> Self {
        let escalate_at = escalate_at.as_micros();
        Self { notification_id, channel: EMAIL, state: PENDING, attempts: 0, escalate_at }
    }
}

/// Keeps all of `rows`, in one statement unless they are more than SQLite takes; see `append` for PostgreSQL.
pub(super) fn insert(connection: &mut SqliteConnection, rows: &[NewRow<'_>]) -> Result<(), StorageError> {
    for rows in rows.chunks(SQLITE_VARIABLES / COLUMNS) {
        diesel::insert_into(deliveries::table).values(rows).execute(connection)?;
    }
    Ok(())
}

/// Ends the pending deliveries of these notifications; answers of which there were any.
pub fn finish_pending<S: AsRef<str>>(
    connection: &mut AnyConnection,
    notifications: &[S],
    ending: Ending,
    now: Timestamp,
) -> Result<Vec<String>, StorageError> {
    let mut changed = Vec::new();
    for some in notifications.chunks(IDS_PER_STATEMENT) {
        let pending = deliveries::table
            .filter(deliveries::notification_id.eq_any(some.iter().map(AsRef::as_ref)))
            .filter(deliveries::state.eq(PENDING));
        let ended: Vec<String> = on_db!(connection, |c| diesel::update(pending)
            .set((deliveries::state.eq(ending.as_str()), deliveries::finished_at.eq(now.as_micros())))
            .returning(deliveries::notification_id)
            .get_results(c))?;
        changed.extend(ended);
    }
    Ok(changed)
}

/// Removes the deliveries of notifications that are removed. Who is sending a mail of one will find nothing to
/// write its end to, and leaves a receipt of what was sent. Answers how many were pending.
pub(super) fn remove(connection: &mut AnyConnection, notifications: &[&str]) -> Result<usize, StorageError> {
    let mut pending = 0;
    for some in notifications.chunks(IDS_PER_STATEMENT) {
        let theirs = deliveries::table.filter(deliveries::notification_id.eq_any(some));
        let states: Vec<String> =
            on_db!(connection, |c| diesel::delete(theirs).returning(deliveries::state).get_results(c))?;
        pending += states.iter().filter(|state| *state == PENDING).count();
    }
    Ok(pending)
}

/// Which of these notifications somebody is still to be told of.
pub(super) fn pending_among(
    connection: &mut AnyConnection,
    notifications: &[&str],
) -> Result<HashSet<String>, StorageError> {
    let mut pending = HashSet::new();
    for some in notifications.chunks(IDS_PER_STATEMENT) {
        let theirs = deliveries::table
            .filter(deliveries::notification_id.eq_any(some))
            .filter(deliveries::state.eq(PENDING))
            .select(deliveries::notification_id);
        pending.extend(theirs.load::<String>(connection)?);
    }
    Ok(pending)
}

/// Ends what is pending about a booking except the notification that says so itself.
pub fn withdraw(
    connection: &mut AnyConnection,
    booking: BookingId,
    now: Timestamp,
) -> Result<usize, StorageError> {
    let about: Vec<(String, String)> = notifications::table
        .filter(notifications::booking_id.eq(booking.to_string()))
        .select((notifications::id, notifications::user_id))
        .load(connection)?;
    let users: BTreeMap<String, UserId> =
        about.into_iter().map(|(id, user)| (id, UserId::from_stored(user))).collect();
    let ids: Vec<&String> = users.keys().collect();
    let withdrawn = finish_pending(connection, &ids, Ending::Withdrawn, now)?;
    let rows: Vec<NewReceipt<'_>> = withdrawn
        .iter()
        .filter_map(|id| Some(NewReceipt::without_device(id, users.get(id)?, Step::Withdrawn, now)))
        .collect();
    receipts::insert(connection, &rows)?;
    Ok(withdrawn.len())
}

/// A mail that is ours to send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub notification: NotificationId,
    /// 1 for the first try.
    pub attempt: i32,
}

/// Claims deliveries that nobody has tried to send yet, because their users are away.
pub fn claim_new(
    connection: &mut AnyConnection,
    notifications: &[NotificationId],
    lease_until: Timestamp,
) -> Result<Vec<Claimed>, StorageError> {
    let ids: Vec<String> = notifications.iter().map(ToString::to_string).collect();
    let candidates = deliveries::table
        .filter(deliveries::notification_id.eq_any(ids))
        .filter(deliveries::channel.eq(EMAIL))
        .filter(deliveries::state.eq(PENDING))
        .filter(deliveries::attempts.eq(0))
        .select(deliveries::notification_id)
        .order(deliveries::notification_id);
    // Row locks are PostgreSQL's; SQLite has one writer at a time anyway.
    let ids: Vec<String> = match connection {
        AnyConnection::Postgres(c) => candidates.for_update().skip_locked().load(c)?,
        AnyConnection::Sqlite(c) => candidates.load(c)?,
    };
    lease(connection, &ids, lease_until)
}

/// Claims what is overdue, oldest first: devices that did not confirm in time, mails to be tried
/// again, and what an instance that died had claimed.
pub fn claim_overdue(
    connection: &mut AnyConnection,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claimed>, StorageError> {
    let candidates = deliveries::table
        .filter(is_pending())
        .filter(deliveries::escalate_at.le(now.as_micros()))
        .filter(deliveries::channel.eq(EMAIL))
        .select(deliveries::notification_id)
        .order(deliveries::escalate_at)
        .limit(i64::from(limit));
    let ids: Vec<String> = match connection {
        AnyConnection::Postgres(c) => candidates.for_update().skip_locked().load(c)?,
        AnyConnection::Sqlite(c) => candidates.load(c)?,
    };
    lease(connection, &ids, lease_until)
}

/// Makes due now what is due later than `latest`, which is later than any deadline that is ever set: a
/// clock that was ahead wrote it. Answers how many there were.
pub fn pull_in(
    connection: &mut AnyConnection,
    latest: Timestamp,
    now: Timestamp,
) -> Result<usize, StorageError> {
    let too_far = deliveries::table
        .filter(is_pending())
        .filter(deliveries::escalate_at.gt(latest.as_micros()))
        .filter(deliveries::channel.eq(EMAIL));
    Ok(diesel::update(too_far).set(deliveries::escalate_at.eq(now.as_micros())).execute(connection)?)
}

fn lease(
    connection: &mut AnyConnection,
    ids: &[String],
    until: Timestamp,
) -> Result<Vec<Claimed>, StorageError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let claimed = deliveries::table
        .filter(deliveries::notification_id.eq_any(ids))
        .filter(deliveries::channel.eq(EMAIL));
    let rows: Vec<(String, i32)> = on_db!(connection, |c| diesel::update(claimed)
        .set((
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::escalate_at.eq(until.as_micros())
        ))
        .returning((deliveries::notification_id, deliveries::attempts))
        .get_results(c))?;
    rows.into_iter()
        .map(|(id, attempt)| {
            let notification = NotificationId::parse("notification_id", &id)
                .map_err(|error| StorageError::Corrupt(error.to_string()))?;
            Ok(Claimed { notification, attempt })
        })
        .collect()
}

/// Whether a delivery is still to be made, under the lease that ends at `until`.
pub fn is_claimed(
    connection: &mut AnyConnection,
    notification: NotificationId,
    until: Timestamp,
) -> Result<bool, StorageError> {
    let found: Option<i64> = deliveries::table
        .find((notification.to_string(), EMAIL))
        .filter(deliveries::state.eq(PENDING))
        .filter(deliveries::escalate_at.eq(until.as_micros()))
        .select(deliveries::escalate_at)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// Takes a claim back that came to nothing, where the lease is still the one that ends at `until`.
pub fn release(
    connection: &mut AnyConnection,
    notification: NotificationId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StorageError> {
    let claimed = deliveries::table
        .filter(deliveries::notification_id.eq(notification.to_string()))
        .filter(deliveries::channel.eq(EMAIL))
        .filter(deliveries::state.eq(PENDING))
        .filter(deliveries::escalate_at.eq(until.as_micros()));
    diesel::update(claimed)
        .set((deliveries::attempts.eq(deliveries::attempts - 1), deliveries::escalate_at.eq(now.as_micros())))
        .execute(connection)?;
    Ok(())
}

/// Records how a claimed mail to `user` ended. A mail that was sent was sent, whatever else happened
/// meanwhile; of the other endings nothing came if the delivery had ended by then, so that they leave
/// no receipt either.
pub fn finish(
    connection: &mut AnyConnection,
    notification: NotificationId,
    user: &UserId,
    ending: Ending,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let id = notification.to_string();
    let states: &[&str] = if ending == Ending::Emailed {
        &[PENDING, Ending::Confirmed.as_str(), Ending::Withdrawn.as_str()]
    } else {
        &[PENDING]
    };
    let delivery = deliveries::table
        .filter(deliveries::notification_id.eq(&id))
        .filter(deliveries::channel.eq(EMAIL))
        .filter(deliveries::state.eq_any(states));
    let changed = diesel::update(delivery)
        .set((
            deliveries::state.eq(ending.as_str()),
            deliveries::error.eq(error),
            deliveries::finished_at.eq(now.as_micros()),
        ))
        .execute(connection)?;
    if changed == 0 && ending != Ending::Emailed {
        return Ok(());
    }
    let receipt = NewReceipt::without_device(&id, user, ending.step(), now).of_mail(error);
    receipts::insert(connection, &[receipt])
}

/// Puts a claimed mail to `user` back to be tried again at `at`, unless its delivery has ended meanwhile.
pub fn retry(
    connection: &mut AnyConnection,
    notification: NotificationId,
    user: &UserId,
    at: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<(), StorageError> {
    let id = notification.to_string();
    let delivery = deliveries::table
        .filter(deliveries::notification_id.eq(&id))
        .filter(deliveries::channel.eq(EMAIL))
        .filter(deliveries::state.eq(PENDING));
    let changed = diesel::update(delivery)
        .set((deliveries::escalate_at.eq(at.as_micros()), deliveries::error.eq(error)))
        .execute(connection)?;
    if changed == 0 {
        return Ok(());
    }
    let receipt = NewReceipt::without_device(&id, user, Step::Deferred, now).of_mail(Some(error));
    receipts::insert(connection, &[receipt])
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub struct Delivery {
    pub channel: String,
    pub state: String,
    pub attempts: i32,
    pub error: Option<String>,
    escalate_at: i64,
    finished_at: Option<i64>,
}

impl Delivery {
    /// When somebody looks at it next, while it is pending.
    pub fn escalate_at(&self) -> Timestamp {
        Timestamp::from_micros(self.escalate_at)
    }

    pub fn finished_at(&self) -> Option<Timestamp> {
        self.finished_at.map(Timestamp::from_micros)
    }
}

/// How the delivery of a notification stands.
pub fn find(
    connection: &mut AnyConnection,
    notification: NotificationId,
) -> Result<Option<Delivery>, StorageError> {
    let delivery = deliveries::table.find((notification.to_string(), EMAIL)).select(Delivery::as_select());
    Ok(delivery.first(connection).optional()?)
}

/// How many deliveries are past their time, up to `limit`: the measure of a mail queue's health.
pub fn count_overdue(
    connection: &mut AnyConnection,
    now: Timestamp,
    limit: i64,
) -> Result<usize, StorageError> {
    let overdue: Vec<i64> = deliveries::table
        .filter(is_pending())
        .filter(deliveries::escalate_at.le(now.as_micros()))
        .select(deliveries::escalate_at)
        .limit(limit)
        .load(connection)?;
    Ok(overdue.len())
}

/// How many deliveries wait for a device or a mail, up to `limit`.
pub fn count_pending(connection: &mut AnyConnection, limit: i64) -> Result<usize, StorageError> {
    let pending = deliveries::table.filter(is_pending()).select(deliveries::escalate_at).limit(limit);
    Ok(pending.load::<i64>(connection)?.len())
}
