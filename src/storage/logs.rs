//! All notifications with what became of them, newest first, for administrators. Ids are in the order of their
//! making, so that the list of all needs no index that every booking would have to pay for; one user's is their
//! inbox's. What else is asked for is looked through.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use diesel::dsl::min;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::AnyConnection;
use super::error::StorageError;
use super::notifications::Row as NotificationRow;
use super::scan::look_through;
use super::schema::{deliveries, notifications, receipts};
use crate::domain::{Channel, Notification, NotificationId, Step, Timestamp, UserId};

/// By how much a notification's id may be older than its row: it is made before what waits in the line is written.
pub const ID_AGE_MAX: Duration = Duration::from_secs(5);

/// No id begins with it; without an end SQLite would not say that it goes by the key.
const BEYOND_EVERY_ID: &str = "g";

/// Which notifications are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub user: Option<UserId>,
    pub kind: Option<String>,
    pub category: Option<String>,
    /// A delivery's state.
    pub state: Option<&'static str>,
    /// Through what it first reached its user.
    pub channel: Option<Channel>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Filter {
    fn has_residue(&self) -> bool {
        let by_words = self.kind.is_some() || self.category.is_some();
        let by_fate = self.state.is_some() || self.channel.is_some();
        by_words || by_fate || self.from.is_some() || self.to.is_some()
    }
}

/// A place in the list: of all by id, of one user's by seq.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Id(String),
    Seq(i64),
}

/// A notification and what became of it.
#[derive(Debug, Clone)]
pub struct Logged {
    pub notification: Notification,
    pub fate: Fate,
}

/// What became of a notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fate {
    /// None where nothing is known of its delivery.
    pub state: Option<String>,
    pub attempts: i32,
    pub error: Option<String>,
    pub finished_at: Option<Timestamp>,
    /// Through what it first reached its user, if it did.
    pub channel: Option<String>,
}

/// A page of the list.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Logged>,
    /// Where to go on, also where nothing was found so far.
    pub next: Option<Place>,
}

/// What is looked through: the columns that are filtered by, without the payload.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = notifications)]
struct Light {
    id: String,
    seq: i64,
    kind: String,
    category: String,
    created_at: i64,
}

/// The next `limit` notifications beyond `after`, newest first.
pub fn page(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<Page, StorageError> {
    // Both ways of looking need the connection, one after the other.
    let connection = RefCell::new(connection);
    let mut found = look_through(
        after,
        limit,
        !filter.has_residue(),
        |after, count| read(&mut connection.borrow_mut(), filter, after, count),
        |rows| fitting(&mut connection.borrow_mut(), filter, rows),
    )?;
    let more = found.items.len() > limit;
    found.items.truncate(limit);
    let last = found.items.last().map(|(place, _)| place.clone()).filter(|_| more);
    let ids: Vec<String> = found.items.into_iter().map(|(_, light)| light.id).collect();
    let items = load(&mut connection.borrow_mut(), &ids)?;
    Ok(Page { items, next: last.or(found.stopped_at) })
}

fn read(
    connection: &mut AnyConnection,
    filter: &Filter,
    after: Option<&Place>,
    count: usize,
) -> Result<Vec<(Place, Light)>, StorageError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let mut query = notifications::table.select(Light::as_select()).limit(count).into_boxed();
    let by_seq = filter.user.is_some();
    if let Some(user) = &filter.user {
        query = query.filter(notifications::user_id.eq(user.as_str())).order(notifications::seq.desc());
        let below = if let Some(Place::Seq(seq)) = after { *seq } else { i64::MAX };
        query = query.filter(notifications::seq.lt(below));
    } else {
        query = query.order(notifications::id.desc());
        if let Some(from) = filter.from {
            query = query
                .filter(notifications::id.ge(NotificationId::first_at(from.minus(ID_AGE_MAX)).to_string()));
        }
        let end = filter.to.map(|to| NotificationId::first_at(to.plus(ID_AGE_MAX)).to_string());
        let end = match (after, end) {
            (Some(Place::Id(id)), Some(end)) => Some(end.min(id.clone())),
            (Some(Place::Id(id)), None) => Some(id.clone()),
            (_, end) => end,
        };
        query = query.filter(notifications::id.lt(end.unwrap_or_else(|| BEYOND_EVERY_ID.to_owned())));
    }
    let rows: Vec<Light> = query.load(connection)?;
    let place = |light: &Light| if by_seq { Place::Seq(light.seq) } else { Place::Id(light.id.clone()) };
    Ok(rows.into_iter().map(|light| (place(&light), light)).collect())
}

/// Those that fit; what is asked of the delivery and the receipts is looked up only of what fits otherwise.
fn fitting(
    connection: &mut AnyConnection,
    filter: &Filter,
    mut rows: Vec<(Place, Light)>,
) -> Result<Vec<(Place, Light)>, StorageError> {
    let (from, to) = (filter.from.map(Timestamp::as_micros), filter.to.map(Timestamp::as_micros));
    rows.retain(|(_, light)| {
        filter.kind.as_ref().is_none_or(|kind| light.kind == *kind)
            && filter.category.as_ref().is_none_or(|category| light.category == *category)
            && from.is_none_or(|from| light.created_at >= from)
            && to.is_none_or(|to| light.created_at < to)
    });
    let ids = |rows: &[(Place, Light)]| rows.iter().map(|(_, light)| light.id.clone()).collect::<Vec<_>>();
    if let Some(state) = filter.state {
        let fates = of_deliveries(connection, &ids(&rows))?;
        let state_of = |light: &Light| fates.get(&light.id).and_then(|fate| fate.state.as_deref());
        rows.retain(|(_, light)| state_of(light) == Some(state));
    }
    if let Some(channel) = filter.channel {
        let channels = first_channels(connection, &ids(&rows))?;
        rows.retain(|(_, light)| channels.get(&light.id).is_some_and(|first| first == channel.as_str()));
    }
    Ok(rows)
}

/// The whole of these, in this order.
fn load(connection: &mut AnyConnection, ids: &[String]) -> Result<Vec<Logged>, StorageError> {
    let rows: Vec<NotificationRow> = notifications::table
        .filter(notifications::id.eq_any(ids))
        .select(NotificationRow::as_select())
        .load(connection)?;
    let mut fates = fates(connection, ids)?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let notification = Notification::try_from(row)?;
        let fate = fates.remove(&notification.id.to_string()).unwrap_or_default();
        items.push(Logged { notification, fate });
    }
    let order: HashMap<&str, usize> =
        ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    items.sort_by_key(|item| order.get(item.notification.id.to_string().as_str()).copied());
    Ok(items)
}

/// What became of these, by id.
fn fates(connection: &mut AnyConnection, ids: &[String]) -> Result<HashMap<String, Fate>, StorageError> {
    let mut fates = of_deliveries(connection, ids)?;
    for (id, channel) in first_channels(connection, ids)? {
        fates.entry(id).or_default().channel = Some(channel);
    }
    Ok(fates)
}

fn of_deliveries(
    connection: &mut AnyConnection,
    ids: &[String],
) -> Result<HashMap<String, Fate>, StorageError> {
    type Row = (String, String, i32, Option<String>, Option<i64>);
    let rows: Vec<Row> = deliveries::table
        .filter(deliveries::notification_id.eq_any(ids))
        .filter(deliveries::channel.eq(Channel::Email.as_str()))
        .select((
            deliveries::notification_id,
            deliveries::state,
            deliveries::attempts,
            deliveries::error,
            deliveries::finished_at,
        ))
        .load(connection)?;
    let fates = rows.into_iter().map(|(id, state, attempts, error, finished_at)| {
        let finished_at = finished_at.map(Timestamp::from_micros);
        (id, Fate { state: Some(state), attempts, error, finished_at, channel: None })
    });
    Ok(fates.collect())
}

/// Through what each of these first reached its user, where it did.
fn first_channels(
    connection: &mut AnyConnection,
    ids: &[String],
) -> Result<HashMap<String, String>, StorageError> {
    // However often a device has confirmed, there are few rows for each.
    let rows: Vec<(String, String, Option<i64>)> = receipts::table
        .filter(receipts::notification_id.eq_any(ids))
        .filter(receipts::step.eq_any(REACHED.map(Step::as_str)))
        .group_by((receipts::notification_id, receipts::channel))
        .select((receipts::notification_id, receipts::channel, min(receipts::at)))
        .load(connection)?;
    let mut first: HashMap<String, (i64, String)> = HashMap::with_capacity(rows.len());
    for (id, channel, at) in rows {
        let found = (at.unwrap_or(i64::MAX), channel);
        let known = first.entry(id).or_insert_with(|| found.clone());
        if found < *known {
            *known = found;
        }
    }
    Ok(first.into_iter().map(|(id, (_, channel))| (id, channel)).collect())
}

/// The steps that say that a notification reached its user.
const REACHED: [Step; 3] = [Step::Confirmed, Step::Read, Step::Emailed];
