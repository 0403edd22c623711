//! What a user does with what is kept: marking it as read, deleting it. A selection of any size is worked off in steps, a
//! transaction each, so that nobody waits long for the inbox that is held meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::categories::{self, Less};
use super::connection::AnyConnection;
use super::deliveries::{self, Ending, finish_pending};
use super::error::StorageError;
use super::inboxes::{self, Standing};
use super::notifications::{self, Item};
use super::receipts;
use crate::domain::{Device, Selection, Step, Timestamp, UserId};

/// How many notifications one step changes.
pub const STEP_MAX: i64 = 1_000;

/// How far the work on a selection has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course {
    after: i64,
    /// The last seq of a stretch: what was there when the work began. What arrives later is not in it.
    up_to: Option<i64>,
}

impl Course {
    /// Everything selected up to this seq is done.
    pub fn after(self) -> i64 {
        self.after
    }
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What changed.
    pub ids: Vec<String>,
    /// How many deliveries came to their end by it.
    pub ended: usize,
    /// Where the inbox stands afterwards.
    pub standing: Standing,
    /// The last seq of the stretch that was selected, where one was.
    pub up_to: Option<i64>,
    /// Where to go on; none when everything is done.
    pub rest: Option<Course>,
}

/// Marks what is selected and unread as read, one step further: ends what is pending of it, and keeps a
/// receipt of each.
pub fn read(
    connection: &mut AnyConnection,
    device: &Device,
    selection: &Selection,
    course: Course,
    now: Timestamp,
) -> Result<Taken, StorageError> {
    let Some(held) = inboxes::hold(connection, &device.user)? else {
        return Ok(Taken { up_to: stretch_end(selection, course, 0), ..Taken::default() });
    };
    let share = share(connection, &device.user, selection, course, held, true)?;
    if share.items.is_empty() {
        return share.taken(connection, &device.user);
    }
    let ids = share.ids();
    notifications::set_read(connection, &ids, now)?;
    let ended = finish_pending(connection, &ids, Ending::Confirmed, now)?.len();
    receipts::keep(connection, &ids, device, Step::Read, now)?;
    uncount(connection, &share.items, |_| Less { total: 0, unread: 1 })?;
    Ok(Taken { ended, ..share.taken(connection, &device.user)? })
}

/// Removes what is selected, one step further, and what is still to be delivered of it: it is mailed no more.
/// Receipts stay, with one more of each.
pub fn delete(
    connection: &mut AnyConnection,
    device: &Device,
    selection: &Selection,
    course: Course,
    now: Timestamp,
) -> Result<Taken, StorageError> {
    let Some(held) = inboxes::hold(connection, &device.user)? else {
        return Ok(Taken { up_to: stretch_end(selection, course, 0), ..Taken::default() });
    };
    let share = share(connection, &device.user, selection, course, held, false)?;
    let ids = share.ids();
    let ended = remove(connection, &share.items)?;
    receipts::keep(connection, &ids, device, Step::Deleted, now)?;
    Ok(Taken { ended, ..share.taken(connection, &device.user)? })
}

/// Removes these from inboxes that are held, and from all that counts them; answers how many deliveries were still
/// to be made.
pub(super) fn remove(connection: &mut AnyConnection, items: &[Item]) -> Result<usize, StorageError> {
    if items.is_empty() {
        return Ok(0);
    }
    let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let ended = deliveries::remove(connection, &ids)?;
    notifications::remove(connection, &ids)?;
    uncount(connection, items, |item| Less { total: 1, unread: i64::from(item.is_unread()) })?;
    let users: BTreeSet<&str> = items.iter().map(|item| item.user_id.as_str()).collect();
    categories::forget_empty(connection, &Vec::from_iter(users))?;
    Ok(ended)
}

/// What one step is about.
struct Share {
    items: Vec<Item>,
    up_to: Option<i64>,
    rest: Option<Course>,
}

/// Finds the next of what is selected in an inbox that is held.
fn share(
    connection: &mut AnyConnection,
    user: &UserId,
    selection: &Selection,
    course: Course,
    held: Standing,
    unread_only: bool,
) -> Result<Share, StorageError> {
    if let Selection::Ids(ids) = selection {
        let items = notifications::own_items(connection, user, ids, unread_only)?;
        return Ok(Share { items, up_to: None, rest: None });
    }
    let up_to = stretch_end(selection, course, held.inbox.last_seq);
    let stretch = (course.after, up_to.unwrap_or_default());
    let items = notifications::items_between(connection, user, stretch, unread_only, STEP_MAX)?;
    let is_full = i64::try_from(items.len()).is_ok_and(|count| count >= STEP_MAX);
    let rest = items.last().filter(|_| is_full).map(|last| Course { after: last.seq, up_to });
    Ok(Share { items, up_to, rest })
}

impl Share {
    fn ids(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.id.as_str()).collect()
    }

    fn taken(self, connection: &mut AnyConnection, user: &UserId) -> Result<Taken, StorageError> {
        let standing = inboxes::standing(connection, user)?.unwrap_or_default();
        let ids = self.items.into_iter().map(|item| item.id).collect();
        Ok(Taken { ids, ended: 0, standing, up_to: self.up_to, rest: self.rest })
    }
}

/// The last seq of the stretch that is selected in an inbox that stands at `last_seq`.
fn stretch_end(selection: &Selection, course: Course, last_seq: i64) -> Option<i64> {
    match selection {
        Selection::Ids(_) => None,
        Selection::UpTo(seq) => course.up_to.or(Some(last_seq.min(*seq))),
        Selection::All => course.up_to.or(Some(last_seq)),
    }
}

/// Takes from every counter what `less` says of each of `items`, whose inboxes are held.
fn uncount(
    connection: &mut AnyConnection,
    items: &[Item],
    less: impl Fn(&Item) -> Less,
) -> Result<(), StorageError> {
    let mut by_user: BTreeMap<&str, Less> = BTreeMap::new();
    let mut by_category: BTreeMap<(&str, &str), Less> = BTreeMap::new();
    for item in items {
        let less = less(item);
        *by_user.entry(&item.user_id).or_default() += less;
        *by_category.entry((&item.user_id, &item.category)).or_default() += less;
    }
    inboxes::subtract(connection, &by_user)?;
    categories::subtract(connection, &by_category)
}
