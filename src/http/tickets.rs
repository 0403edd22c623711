//! Issues and redeems tickets for whoever cannot send a token otherwise than in a URL.

use std::time::Duration;

use actix::Addr;

use super::problem::Problem;
use crate::actors::persistence::{IssueTicket, Persistence, RedeemTicket, WriteError};
use crate::config::{AuthSettings, LimitSettings};
use crate::domain::{Door, Identity, Timestamp};
use crate::storage::tickets::Ticket;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct TicketOffice {
    persistence: Addr<Persistence>,
    lifetime: Duration,
    /// How many that have not expired one user may hold.
    at_most: usize,
}

/// A ticket as its bearer is given it.
#[derive(Debug)]
pub struct Admission {
    pub ticket: Ticket,
    pub expires_at: Timestamp,
    pub lifetime: Duration,
}

impl TicketOffice {
    pub fn new(persistence: Addr<Persistence>, auth: &AuthSettings, limits: &LimitSettings) -> Self {
        let lifetime = Duration::from_secs(auth.ticket_seconds);
        Self { persistence, lifetime, at_most: limits.tickets_per_user }
    }

    /// Issues a ticket, which lasts no longer than the bearer's token is `believed_for`.
    pub(super) async fn issue(
        &self,
        bearer: Identity,
        door: Door,
        believed_for: Option<Duration>,
    ) -> Result<Admission, Problem> {
        let lifetime = believed_for.map_or(self.lifetime, |believed_for| believed_for.min(self.lifetime));
        let message = IssueTicket { bearer, door, lifetime, at_most: self.at_most };
        let issued = self.persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded));
        let issued = issued.map_err(|error| {
            let problem = Problem::from(error);
            // By then the first of those that are held has expired, unless it was used before.
            if problem.is_too_many() { problem.after(self.lifetime) } else { problem }
        })?;
        Ok(Admission { ticket: issued.ticket, expires_at: issued.expires_at, lifetime })
    }

    /// Whom a ticket lets in. Of one that does not, nobody is told why.
    pub(super) async fn redeem(&self, text: &str, door: Door) -> Result<Identity, Problem> {
        let invalid = || {
            Problem::unauthorized(
                "ticket_invalid",
                "the ticket is none, was used, has expired or is for another door",
            )
        };
        let ticket = Ticket::parse(text).ok_or_else(invalid)?;
        let message = RedeemTicket { ticket, door };
        let bearer = self.persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
        bearer.ok_or_else(invalid)
    }
}
