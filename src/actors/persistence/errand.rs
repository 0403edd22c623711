//! Errands: what is written although nobody waits for it, found in the database by a look now and then. The clerk
//! looks, the append worker does a portion at a time, and whoever books in between is served in between.

use super::{Parts, broadcasts, reminders};

/// What there may be to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    Broadcasts,
    Reminders,
}

impl Errand {
    /// Whether there is something to do. A database that is away is told of by whoever has something to write.
    pub(super) fn is_due(self, parts: &Parts) -> bool {
        let due = match self {
            Self::Broadcasts => broadcasts::is_any_due(parts),
            Self::Reminders => reminders::is_any_due(parts),
        };
        due.unwrap_or_else(|error| {
            log::debug!("it could not be looked for {self:?}: {error}");
            false
        })
    }
}
