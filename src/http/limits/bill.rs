//! What a request is charged for that asks for much: as many as it writes, not one. It was charged as one when it came;
//! the rest is asked for when its body has been read, and before anything of it is queued.

use actix_web::{HttpMessage, HttpRequest, web};

use super::standing::Standing;
use super::{Limits, Sender};
use crate::domain::Identity;
use crate::http::problem::Problem;

/// See the module's documentation.
#[derive(Debug)]
pub struct Bill<'a> {
    /// None where nothing is limited.
    limits: Option<web::Data<Limits>>,
    request: &'a HttpRequest,
    sender: &'a Identity,
    paid: u64,
}

impl<'a> Bill<'a> {
    pub fn new(request: &'a HttpRequest, sender: &'a Identity) -> Self {
        let limits = request.app_data::<web::Data<Limits>>().cloned();
        Self { limits, request, sender, paid: Sender::COST }
    }

    /// The most that anything costs; none where nothing does.
    pub fn most(&self) -> Option<u64> {
        self.limits.as_ref()?.of_sender(self.sender).0.map(|table| table.rate().quota())
    }

    /// Charges for so many altogether, or gives back what was charged beyond that. What is more than a quota is possible
    /// when nothing of it is used. Whoever is refused is told when there will be enough.
    pub fn amount_to(&mut self, rows: usize) -> Result<(), Problem> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let (Some(table), policy) = limits.of_sender(self.sender) else { return Ok(()) };
        let rows = u64::try_from(rows).unwrap_or(u64::MAX).min(table.rate().quota()).max(Sender::COST);
        if rows == self.paid {
            return Ok(());
        }
        let name = self.sender.user.as_str();
        let left = match rows.checked_sub(self.paid) {
            Some(more) => table.take_more(name, self.paid, more),
            None => table.give_back(name, self.paid - rows),
        };
        let standing = Standing::new(policy, *table.rate(), left);
        let refusal = standing.problem();
        if refusal.is_some() {
            limits.0.metrics.refused(standing.label()).inc();
        } else {
            self.paid = rows;
        }
        // The answer says how it stands now.
        self.request.extensions_mut().insert(standing);
        refusal.map_or(Ok(()), Err)
    }

    /// Gives back what was charged beyond the request itself.
    pub fn refund(&mut self) {
        // Who gives something back is not refused.
        let _ = self.amount_to(0);
    }
}
