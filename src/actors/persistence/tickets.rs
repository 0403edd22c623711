//! The clerk's work on tickets: a batch is one transaction, because people who come back after a restart all want
//! a ticket and show it at once.

use std::time::Duration;

use super::Parts;
use super::append_worker::{Reply, answer, report};
use super::messages::{IssueTicket, Issued, RedeemTicket, WriteError};
use crate::domain::Identity;
use crate::storage::StorageError;
use crate::storage::tickets::{self, Grant, Ticket};

/// How often expired tickets are removed: whoever asks for many and shows none leaves the table no larger than
/// what they may hold in this time.
pub(super) const FORGET_EVERY: Duration = Duration::from_mins(1);

pub(super) fn issue(parts: &Parts, wanted: Vec<(IssueTicket, Reply<Issued>)>) {
    if wanted.is_empty() {
        return;
    }
    let (wanted, replies): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    answer_all(replies, try_issue(parts, &wanted), |issued| issued.ok_or(WriteError::TooManyTickets));
}

fn try_issue(parts: &Parts, wanted: &[IssueTicket]) -> Result<Vec<Option<Issued>>, StorageError> {
    let now = parts.clock.now();
    let fresh = |message: &IssueTicket| {
        Ok(Issued { ticket: Ticket::fresh()?, expires_at: now.plus(message.lifetime) })
    };
    let fresh: Vec<Issued> = wanted.iter().map(fresh).collect::<Result<_, StorageError>>()?;
    let grants = wanted.iter().zip(&fresh).map(|(message, issued)| Grant {
        ticket: &issued.ticket,
        door: message.door,
        bearer: &message.bearer,
        expires_at: issued.expires_at,
        at_most: message.at_most,
    });
    let grants: Vec<Grant<'_>> = grants.collect();
    let granted = parts.pool.write(|connection| tickets::issue(connection, &grants, now))?;
    Ok(fresh.into_iter().zip(granted).map(|(issued, granted)| granted.then_some(issued)).collect())
}

pub(super) fn redeem(parts: &Parts, shown: Vec<(RedeemTicket, Reply<Option<Identity>>)>) {
    if shown.is_empty() {
        return;
    }
    let (shown, replies): (Vec<_>, Vec<_>) =
        shown.into_iter().map(|(RedeemTicket { ticket, door }, reply)| ((ticket, door), reply)).unzip();
    let now = parts.clock.now();
    let bearers = parts.pool.write(|connection| tickets::redeem(connection, &shown, now));
    answer_all(replies, bearers, |bearer| bearer.map_err(|error| report(&error)));
}

/// Answers everybody of a batch, in order; what failed has failed for all of them.
fn answer_all<T, R>(
    replies: Vec<Reply<T>>,
    results: Result<Vec<R>, StorageError>,
    each: impl Fn(R) -> Result<T, WriteError>,
) {
    match results {
        Ok(results) => {
            for (reply, result) in replies.into_iter().zip(results) {
                answer(reply, each(result));
            }
        }
        Err(error) => {
            let error = report(&error);
            for reply in replies {
                answer(reply, Err(error.clone()));
            }
        }
    }
}

/// A failure is logged where it is reported; the next minute's job tries again.
pub(super) fn forget(parts: &Parts) {
    let now = parts.clock.now();
    match parts.pool.write(|connection| tickets::forget(connection, now)) {
        Ok(0) => {}
        Ok(forgotten) => log::debug!(forgotten = forgotten; "expired tickets were removed"),
        Err(error) => drop(report(&error)),
    }
}
