//! Who saw what and what administrators did, as one list, newest first: receipts and deeds, each read in the order of
//! time by an index of its own and put together here.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use serde::{Deserialize, Serialize};

use crate::domain::{AdminAction, NotificationId, Step, Timestamp, UserId};
use crate::storage::connection::{AnyConnection, on_db};
use crate::storage::error::StorageError;
use crate::storage::scan::{Found, look_through};
use crate::storage::schema::{audit, receipts};

/// Which entries are wanted. What is said of deeds alone (`actor`, `action`, `target`) leaves receipts out, and `step`
/// leaves deeds out, unless both kinds are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose notifications, and deeds that concern this user.
    pub user: Option<UserId>,
    /// Deeds of this administrator.
    pub actor: Option<UserId>,
    pub action: Option<AdminAction>,
    pub step: Option<Step>,
    /// Its receipts, and deeds that concern it.
    pub notification: Option<NotificationId>,
    pub target: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A place in the list; larger is newer. Of the same microsecond deeds come before receipts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    at: i64,
    is_deed: bool,
    /// A deed's id, or what tells receipts of one time apart.
    key: [String; 3],
}

/// What a user or the server did with a notification.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = receipts)]
pub struct Seen {
    at: i64,
    pub notification_id: String,
    pub user_id: String,
    pub step: String,
    /// Empty where there is none; so is the device.
    pub channel: String,
    pub device: String,
    pub error: Option<String>,
}

/// What an administrator did.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub struct Deed {
    id: String,
    at: i64,
    pub actor_id: String,
    pub device: String,
    pub action: String,
    pub target: Option<String>,
    /// JSON.
    pub detail: Option<String>,
    pub request_id: String,
}

#[derive(Debug, Clone)]
pub enum Entry {
    Seen(Seen),
    Deed(Deed),
}

impl Entry {
    pub fn at(&self) -> Timestamp {
        let (Self::Seen(Seen { at, .. }) | Self::Deed(Deed { at, .. })) = self;
        Timestamp::from_micros(*at)
    }
}

/// A page of the list.
#[derive(Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Where to go on, also where nothing was found so far.
    pub next: Option<Place>,
}

/// The next `limit` entries beyond `after`, newest first.
pub fn page(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<Page, StorageError> {
    let none = || Found { items: Vec::new(), stopped_at: None };
    let of_deeds_alone = filter.actor.is_some() || filter.target.is_some();
    let wants_seen = !of_deeds_alone && (filter.action.is_none() || filter.step.is_some());
    let wants_deeds = filter.step.is_none() || filter.action.is_some() || of_deeds_alone;
    let seen = if wants_seen { find_seen(connection, filter, after.clone(), limit)? } else { none() };
    let deeds = if wants_deeds { find_deeds(connection, filter, after, limit)? } else { none() };
    Ok(put_together(seen, deeds, limit))
}

/// Beyond where either way was broken off nothing is certain: what was found there is found again next time.
fn put_together(seen: Found<Place, Entry>, deeds: Found<Place, Entry>, limit: usize) -> Page {
    let certain_to = seen.stopped_at.into_iter().chain(deeds.stopped_at).max();
    let mut items: Vec<(Place, Entry)> = seen.items.into_iter().chain(deeds.items).collect();
    items.retain(|(place, _)| certain_to.as_ref().is_none_or(|end| place >= end));
    items.sort_by(|(one, _), (other, _)| other.cmp(one));
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(|(place, _)| place.clone())
    } else {
        certain_to
    };
    Page { entries: items.into_iter().map(|(_, entry)| entry).collect(), next }
}

fn find_seen(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<Found<Place, Entry>, StorageError> {
    let user = filter.user.as_ref().map(UserId::as_str);
    let step = filter.step.map(Step::as_str);
    let fits = |seen: &Seen| {
        user.is_none_or(|user| seen.user_id == user) && step.is_none_or(|step| seen.step == step)
    };
    let found = look_through(
        after,
        limit,
        user.is_none() && step.is_none(),
        |after, count| {
            let rows = read_seen(connection, filter, after, i64::try_from(count).unwrap_or(i64::MAX))?;
            Ok(rows.into_iter().map(|row| (Place::from(&row), row)).collect())
        },
        |rows| Ok(rows.into_iter().filter(|(_, seen)| fits(seen)).collect()),
    )?;
    let items = found.items.into_iter().map(|(place, seen)| (place, Entry::Seen(seen))).collect();
    Ok(Found { items, stopped_at: found.stopped_at })
}

fn read_seen(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<&Place>,
    count: i64,
) -> Result<Vec<Seen>, StorageError> {
    let notification = filter.notification.map(|id| id.to_string());
    on_db!(connection, |c| {
        let mut query = receipts::table
            .select(Seen::as_select())
            .order((
                receipts::at.desc(),
                receipts::notification_id.desc(),
                receipts::step.desc(),
                receipts::device.desc(),
            ))
            .limit(count)
            .into_boxed();
        if let Some(id) = &notification {
            query = query.filter(receipts::notification_id.eq(id));
        }
        if let Some(from) = filter.from {
            query = query.filter(receipts::at.ge(from.as_micros()));
        }
        query = query.filter(receipts::at.lt(filter.to.map_or(i64::MAX, Timestamp::as_micros)));
        query = match after {
            Some(Place { at, is_deed: true, .. }) => query.filter(receipts::at.le(*at)),
            Some(Place { at, is_deed: false, key: [id, step, device] }) => {
                // The first of the two is what an index by time alone understands.
                let beyond = sql::<Bool>("(at, notification_id, step, device) < (")
                    .bind::<BigInt, _>(*at)
                    .sql(", ")
                    .bind::<Text, _>(id)
                    .sql(", ")
                    .bind::<Text, _>(step)
                    .sql(", ")
                    .bind::<Text, _>(device)
                    .sql(")");
                query.filter(receipts::at.le(*at)).filter(beyond)
            }
            None => query,
        };
        Ok(query.load(c)?)
    })
}

impl From<&Seen> for Place {
    fn from(seen: &Seen) -> Self {
        let key = [&seen.notification_id, &seen.step, &seen.device].map(Clone::clone);
        Self { at: seen.at, is_deed: false, key }
    }
}

fn find_deeds(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<Found<Place, Entry>, StorageError> {
    let user = filter.user.as_ref().map(ToString::to_string);
    let notification = filter.notification.map(|id| id.to_string());
    let targets: Vec<String> = filter.target.clone().into_iter().chain(user).chain(notification).collect();
    let action = filter.action.map(AdminAction::as_str);
    // An administrator's are found by an index, and what they concern is looked at; or the other way round.
    let by_index = usize::from(filter.actor.is_none());
    let fits = |deed: &Deed| {
        let concerns = |target: &String| deed.target.as_ref() == Some(target);
        targets.iter().all(concerns) && action.is_none_or(|action| deed.action == action)
    };
    let found = look_through(
        after,
        limit,
        action.is_none() && targets.len() <= by_index,
        |after, count| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            let rows = read_deeds(connection, filter, targets.first(), after, count)?;
            Ok(rows.into_iter().map(|row| (Place::from(&row), row)).collect())
        },
        |rows| Ok(rows.into_iter().filter(|(_, deed)| fits(deed)).collect()),
    )?;
    let items = found.items.into_iter().map(|(place, deed)| (place, Entry::Deed(deed))).collect();
    Ok(Found { items, stopped_at: found.stopped_at })
}

/// Those of one administrator, or those that concern something, or all.
fn read_deeds(
    connection: &mut AnyConnection,
    filter: &Filter,
    target: Option<&String>,
    after: Option<&Place>,
    count: i64,
) -> Result<Vec<Deed>, StorageError> {
    on_db!(connection, |c| {
        let mut query = audit::table
            .select(Deed::as_select())
            .order((audit::at.desc(), audit::id.desc()))
            .limit(count)
            .into_boxed();
        if let Some(actor) = &filter.actor {
            query = query.filter(audit::actor_id.eq(actor.as_str()));
        } else if let Some(target) = target {
            query = query.filter(audit::target.eq(target));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit::at.ge(from.as_micros()));
        }
        query = query.filter(audit::at.lt(filter.to.map_or(i64::MAX, Timestamp::as_micros)));
        query = match after {
            // A receipt comes after the deeds of its time.
            Some(Place { at, is_deed: false, .. }) => query.filter(audit::at.lt(*at)),
            Some(Place { at, is_deed: true, key: [id, ..] }) => {
                let beyond = sql::<Bool>("(at, id) < (");
                query.filter(beyond.bind::<BigInt, _>(*at).sql(", ").bind::<Text, _>(id).sql(")"))
            }
            None => query,
        };
        Ok(query.load(c)?)
    })
}

impl From<&Deed> for Place {
    fn from(deed: &Deed) -> Self {
        Self { at: deed.at, is_deed: true, key: [deed.id.clone(), String::new(), String::new()] }
    }
}
