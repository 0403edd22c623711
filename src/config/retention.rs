//! `[retention]`: how long what was said is kept, and how gently it is removed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// How many days notifications are kept; 0 means for ever. Defaults to 365.
    pub notifications_days: u64,
    /// How many days receipts are kept, also of what was deleted; 0 means for ever. Defaults to 730.
    pub receipts_days: u64,
    /// How many days the audit of what administrators did is kept; 0 means for ever. Defaults to 730.
    pub audit_days: u64,
    /// How often what has become too old is looked for, in milliseconds. Defaults to 3600000.
    pub interval_ms: u64,
    /// How many rows one transaction looks at. Defaults to 500.
    pub batch: u32,
    /// How long others have the database to themselves between two batches, in milliseconds. Defaults to 100.
    pub pause_ms: u64,
}

impl RetentionSettings {
    /// How long notifications are kept; None for ever.
    pub fn of_notifications(&self) -> Option<Duration> {
        days(self.notifications_days)
    }

    /// How long the audit is kept; None for ever.
    pub fn of_audit(&self) -> Option<Duration> {
        days(self.audit_days)
    }

    /// How long receipts are kept; None for ever.
    pub fn of_receipts(&self) -> Option<Duration> {
        days(self.receipts_days)
    }
}

fn days(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(count.saturating_mul(86_400)))
}
