//! Reminders: both parties of an accepted booking are told of its check-in, once, a configured time before. What is
//! due is found by the days of check-in; the mark on a booking and what is said of it stand or fall together, so
//! that whoever goes on after a crash, here or on another instance, tells nobody twice and leaves nobody out.

use super::Parts;
use super::append_worker::{AppendWorker, report};
use crate::domain::{Booking, Draft, Timestamp};
use crate::storage::append::{Entry, Outcome, append};
use crate::storage::{AnyConnection, StorageError, bookings};

/// Whether somebody is to be reminded.
pub(super) fn is_any_due(parts: &Parts) -> Result<bool, StorageError> {
    let Some(days) = parts.reminders.due(parts.clock.now().to_utc()) else { return Ok(false) };
    parts.pool.read(|connection| bookings::is_any_to_remind(connection, &days))
}

impl AppendWorker {
    /// Reminds of the next portion of bookings; answers whether there may be more to do.
    pub(super) fn remind(&self) -> bool {
        match self.transaction(|connection, now| self.portion_to_remind(connection, now)) {
            Ok((count, outcomes)) => {
                self.push_stored(&outcomes);
                log::debug!(bookings = outcomes.len(); "parties were reminded");
                count >= self.parts.reminders.batch as usize
            }
            Err(error) => {
                // The next look finds them again.
                report(&error);
                false
            }
        }
    }

    /// Answers how many bookings were marked, and what was said of them.
    fn portion_to_remind(
        &self,
        connection: &mut AnyConnection,
        now: Timestamp,
    ) -> Result<(usize, Vec<Outcome>), StorageError> {
        let reminders = &self.parts.reminders;
        let Some(days) = reminders.due(now.to_utc()) else { return Ok((0, Vec::new())) };
        let claimed = bookings::claim_to_remind(connection, &days, reminders.batch, now)?;
        let count = claimed.len();
        let mut entries = Vec::with_capacity(count);
        for booking in claimed {
            match booking {
                Ok(booking) => entries.push(self.reminder_of(&booking)),
                // It stays marked: one that nobody can read must not keep the others waiting, again and again.
                Err(error) => log::error!("nobody can be reminded: {error}"),
            }
        }
        let outcomes = append(connection, &entries, now, &|category| self.escalate_after(category))?;
        Ok((count, outcomes))
    }

    fn reminder_of(&self, booking: &Booking) -> Entry {
        let to = |user| Draft::booking_reminder(self.next_notification(), booking, user);
        Entry { booking: None, drafts: vec![to(&booking.host), to(&booking.guest)], claim: None }
    }
}
