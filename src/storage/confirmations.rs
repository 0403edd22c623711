//! Confirmations: what devices have proven to have, ended and receipted by one statement on PostgreSQL.
//! Most of what is written after a booking is this.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::arrays::{Column, Statement};
use super::connection::AnyConnection;
use super::deliveries::{self, Ending, finish_pending};
use super::error::StorageError;
use super::outgoing::{self, Happened};
use super::receipts::{self, NewRow, device_name};
use super::{inboxes, notifications};
use crate::domain::{Channel, Device, Proven, Step, Timestamp, UpTo};

/// How many unread notifications below a seq are looked at together when a device says that it has everything up
/// to there. Where one of them was pending, the next older ones are looked at as well.
pub const UP_TO_MAX: i64 = 256;

/// How many devices have a notification before those who are given it again leave no receipt. A device without
/// a name of its own is another one at every connection, and may come back as often as it likes.
pub const REPLAYED_MAX: i64 = 16;

const CONFIRM: &str = "
WITH confirmed AS (
    UPDATE deliveries SET state = 'confirmed', finished_at = $
    WHERE notification_id = ANY ($) AND state = $
    RETURNING notification_id
), kept AS (
    INSERT INTO receipts (notification_id, user_id, at, step, channel, device)
    SELECT p.notification_id, p.user_id, p.at, 'confirmed', p.channel, p.device
    FROM unnest($, $, $, $, $, $) AS p (notification_id, user_id, at, channel, device, replayed)
    WHERE p.replayed = 0
        OR (SELECT count(*) FROM receipts AS r
            WHERE r.notification_id = p.notification_id AND r.step = 'confirmed') < $
    ON CONFLICT DO NOTHING
)
SELECT notification_id FROM confirmed";

/// Ends the pending deliveries of what was proven; answers by which door each of them came to its end. Every proof leaves a
/// receipt, also a second device's and one that comes after the mail, up to [`REPLAYED_MAX`] of them.
pub fn confirm(
    connection: &mut AnyConnection,
    proofs: &[Proven],
    now: Timestamp,
) -> Result<Vec<Channel>, StorageError> {
    let confirmed = confirm_each(connection, proofs, now)?;
    Ok(confirmed.into_iter().map(|(_, proven)| proven.device.channel).collect())
}

/// The same, and keeps for the broker what came to its end: in one transaction with it.
pub fn confirm_and_tell(
    connection: &mut AnyConnection,
    proofs: &[Proven],
    now: Timestamp,
) -> Result<Vec<Channel>, StorageError> {
    let confirmed = confirm_each(connection, proofs, now)?;
    let happened = confirmed
        .iter()
        .map(|(id, proven)| outgoing::NewRow::on_device(id, Happened::Delivered, &proven.device, proven.at));
    outgoing::insert(connection, &happened.collect::<Vec<_>>())?;
    Ok(confirmed.into_iter().map(|(_, proven)| proven.device.channel).collect())
}

/// What came to its end, and by which proof.
fn confirm_each<'a>(
    connection: &mut AnyConnection,
    proofs: &'a [Proven],
    now: Timestamp,
) -> Result<Vec<(String, &'a Proven)>, StorageError> {
    if proofs.is_empty() {
        return Ok(Vec::new());
    }
    // By id: two writers lock in one order, and the index of receipts takes them in its own.
    let mut proofs: Vec<(String, &'a Proven)> =
        proofs.iter().map(|proven| (proven.notification.to_string(), proven)).collect();
    proofs.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let AnyConnection::Postgres(connection) = connection {
        let statement: Statement<'_, Text> = Statement::new(CONFIRM, proof_columns(&proofs, now));
        let confirmed: Vec<String> = statement.get_results(connection)?;
        return Ok(with_proofs(confirmed, &proofs));
    }
    let ids: Vec<&str> = proofs.iter().map(|(id, _)| id.as_str()).collect();
    let confirmed = finish_pending(connection, &ids, Ending::Confirmed, now)?;
    let replayed: Vec<&str> =
        proofs.iter().filter(|(_, proven)| proven.replayed).map(|(id, _)| id.as_str()).collect();
    let full = receipts::confirmed_by(connection, &replayed, REPLAYED_MAX)?;
    let rows: Vec<NewRow<'_>> = proofs
        .iter()
        .filter(|(id, proven)| !(proven.replayed && full.contains(id)))
        .map(|(id, proven)| NewRow::on_device(id, &proven.device, Step::Confirmed, proven.at))
        .collect();
    receipts::insert(connection, &rows)?;
    Ok(with_proofs(confirmed, &proofs))
}

/// The proofs of these; `proofs` are in the order of ids.
fn with_proofs<'a>(confirmed: Vec<String>, proofs: &[(String, &'a Proven)]) -> Vec<(String, &'a Proven)> {
    let with_proof = |id: String| {
        let first = proofs.partition_point(|(proven, _)| *proven < id);
        let (_, proven) = proofs.get(first)?;
        Some((id, *proven))
    };
    confirmed.into_iter().filter_map(with_proof).collect()
}

fn proof_columns<'a>(proofs: &'a [(String, &Proven)], now: Timestamp) -> Vec<Column<'a>> {
    let ids = || Column::Text(proofs.iter().map(|(id, _)| id.as_str()).collect());
    vec![
        Column::Number(now.as_micros()),
        ids(),
        Column::Word(deliveries::PENDING),
        ids(),
        Column::Text(proofs.iter().map(|(_, proven)| proven.device.user.as_str()).collect()),
        Column::BigInt(proofs.iter().map(|(_, proven)| proven.at.as_micros()).collect()),
        Column::Text(proofs.iter().map(|(_, proven)| proven.device.channel.as_str()).collect()),
        Column::CowText(proofs.iter().map(|(_, proven)| device_name(&proven.device)).collect()),
        Column::Integer(proofs.iter().map(|(_, proven)| i32::from(proven.replayed)).collect()),
        Column::Number(REPLAYED_MAX),
    ]
}

const CONFIRM_UP_TO: &str = "
WITH unread AS (
    SELECT n.id, n.seq, a.position, a.user_id, a.channel, a.device
    FROM unnest($, $, $, $, $, $) AS a (position, user_id, above, seq, channel, device)
    JOIN inboxes AS i ON i.user_id = a.user_id AND a.seq <= i.last_seq
    CROSS JOIN LATERAL (
        SELECT id, seq FROM notifications
        WHERE user_id = a.user_id AND read_at IS NULL AND seq <= a.seq AND seq > a.above
        ORDER BY seq DESC LIMIT $
    ) AS n
), confirmed AS (
    UPDATE deliveries SET state = 'confirmed', finished_at = $
    WHERE notification_id = ANY (ARRAY (SELECT DISTINCT id FROM unread ORDER BY id)) AND state = $
    RETURNING notification_id
), kept AS (
    INSERT INTO receipts (notification_id, user_id, at, step, channel, device)
    SELECT u.id, u.user_id, $, 'confirmed', u.channel, u.device
    FROM confirmed JOIN unread AS u ON u.id = confirmed.notification_id
    ON CONFLICT DO NOTHING
)
SELECT u.position, count(*), min(u.seq), (SELECT count(*) FROM confirmed),
    array_agg(c.notification_id) FILTER (WHERE c.notification_id IS NOT NULL)
FROM unread AS u LEFT JOIN confirmed AS c ON c.notification_id = u.id
GROUP BY u.position";

/// A row of that: the device's place, how many were looked at for it, the lowest of them, how many ended for all
/// devices together, and which ended for this one.
type UpToRow = (i64, i64, i64, i64, Option<Vec<String>>);
type UpToTypes = (BigInt, BigInt, BigInt, BigInt, Nullable<Array<Text>>);

/// What came of it when devices said that they have everything up to a seq.
#[derive(Debug, Default)]
pub struct ConfirmedUpTo {
    /// How many deliveries ended.
    pub count: usize,
    /// By which door each of them did.
    pub channels: Vec<Channel>,
    /// What ended, with the place of the device that has it among those that were asked about.
    pub ended: Vec<(String, usize)>,
    /// What is to be confirmed next: older notifications than were looked at, of devices with whom that may be
    /// worth while.
    pub rest: Vec<UpTo>,
}

impl ConfirmedUpTo {
    /// Of one device `looked_at` were looked at, `ended` of them were pending.
    fn add(&mut self, device: &UpTo, looked_at: i64, lowest: i64, ended: i64) {
        // What two devices of one user say that they have came to its end once.
        let left = self.count - self.channels.len().min(self.count);
        let ended_here = usize::try_from(ended).unwrap_or_default().min(left);
        self.channels.extend(std::iter::repeat_n(device.device.channel, ended_here));
        if ended > 0 && looked_at >= UP_TO_MAX && lowest - 1 > device.above {
            self.rest.push(UpTo { seq: lowest - 1, ..device.clone() });
        }
    }
}

/// Ends what is pending among the newest [`UP_TO_MAX`] unread notifications of each device's user above the one seq and
/// up to the other that it says. Who says more than there is remembers another inbox,
/// as after a backup was restored, and that proves nothing of this one. A receipt is kept of those only:
/// such a device proved the others before, or came after somebody else did.
pub fn confirm_up_to(
    connection: &mut AnyConnection,
    devices: &[UpTo],
    now: Timestamp,
) -> Result<ConfirmedUpTo, StorageError> {
    let mut result = ConfirmedUpTo::default();
    if devices.is_empty() {
        return Ok(result);
    }
    if let AnyConnection::Postgres(connection) = connection {
        let statement: Statement<'_, UpToTypes> = Statement::new(CONFIRM_UP_TO, up_to_columns(devices, now));
        let rows: Vec<UpToRow> = statement.get_results(connection)?;
        for (position, looked_at, lowest, all, ended) in rows {
            result.count = usize::try_from(all).unwrap_or_default();
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            if let Some(device) = devices.get(position) {
                let ended = ended.unwrap_or_default();
                result.add(device, looked_at, lowest, i64::try_from(ended.len()).unwrap_or(i64::MAX));
                result.ended.extend(ended.into_iter().map(|id| (id, position)));
            }
        }
        return Ok(result);
    }
    let mut unread = Vec::with_capacity(devices.len());
    for UpTo { device, above, seq } in devices {
        let is_known = *seq <= inboxes::state(connection, &device.user)?.last_seq;
        unread.push(if is_known {
            notifications::newest_unread(connection, &device.user, *above, *seq, UP_TO_MAX)?
        } else {
            Vec::new()
        });
    }
    let ids: BTreeSet<&str> = unread.iter().flatten().map(|(id, _)| id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let ended: HashSet<String> =
        finish_pending(connection, &ids, Ending::Confirmed, now)?.into_iter().collect();
    result.count = ended.len();
    let mut rows: Vec<NewRow<'_>> = Vec::with_capacity(ended.len());
    for (position, (one, unread)) in devices.iter().zip(&unread).enumerate() {
        let before = rows.len();
        let confirmed = unread.iter().filter(|(id, _)| ended.contains(id));
        result.ended.extend(confirmed.clone().map(|(id, _)| (id.clone(), position)));
        rows.extend(confirmed.map(|(id, _)| NewRow::on_device(id, &one.device, Step::Confirmed, now)));
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        if let Some((_, lowest)) = unread.last() {
            result.add(one, count(unread.len()), *lowest, count(rows.len() - before));
        }
    }
    receipts::insert(connection, &rows)?;
    Ok(result)
}

/// The same, and keeps for the broker what came to its end: in one transaction with it.
pub fn confirm_up_to_and_tell(
    connection: &mut AnyConnection,
    devices: &[UpTo],
    now: Timestamp,
) -> Result<ConfirmedUpTo, StorageError> {
    let confirmed = confirm_up_to(connection, devices, now)?;
    let event = |(id, position): &'_ (String, usize)| {
        let device = &devices.get(*position)?.device;
        Some((id.clone(), device))
    };
    let ended: Vec<(String, &Arc<Device>)> = confirmed.ended.iter().filter_map(event).collect();
    let happened =
        ended.iter().map(|(id, device)| outgoing::NewRow::on_device(id, Happened::Delivered, device, now));
    outgoing::insert(connection, &happened.collect::<Vec<_>>())?;
    Ok(confirmed)
}

fn up_to_columns(devices: &[UpTo], now: Timestamp) -> Vec<Column<'_>> {
    let now = now.as_micros();
    let positions = (0..).take(devices.len());
    vec![
        Column::BigInt(positions.collect()),
        Column::Text(devices.iter().map(|one| one.device.user.as_str()).collect()),
        Column::BigInt(devices.iter().map(|one| one.above).collect()),
        Column::BigInt(devices.iter().map(|one| one.seq).collect()),
        Column::Text(devices.iter().map(|one| one.device.channel.as_str()).collect()),
        Column::CowText(devices.iter().map(|one| device_name(&one.device)).collect()),
        Column::Number(UP_TO_MAX),
        Column::Number(now),
        Column::Word(deliveries::PENDING),
        Column::Number(now),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_have_a_place_for_every_column() {
        let now = Timestamp::default();
        assert_eq!(CONFIRM.matches('$').count(), proof_columns(&[], now).len());
        assert_eq!(CONFIRM_UP_TO.matches('$').count(), up_to_columns(&[], now).len());
    }
}
