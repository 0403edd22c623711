//! `[delivery]`: when a notification counts as delivered, and when it becomes e-mail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What counts as delivered to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The device answered a ping that was sent after the notification.
    Pong,
    /// The bytes were handed to a socket, as other servers count it: a dead socket loses them.
    Sent,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySettings {
    /// `pong` or `sent`. Defaults to `pong`.
    pub proof: Proof,
    /// How long a device has to confirm before e-mail is sent, in milliseconds. Defaults to 5000.
    pub escalate_after_ms: u64,
    /// The same for single categories. Defaults to none.
    #[serde(default)]
    pub escalate_after_ms_by_category: BTreeMap<String, u64>,
    /// How long devices have to come back, and to say what they have, before mail is begun: after a start
    /// and after the database was away, in milliseconds. Defaults to 5000.
    pub settle_ms: u64,
    /// How often overdue deliveries are looked for, in milliseconds. Defaults to 1000.
    pub sweep_interval_ms: u64,
    /// How many deliveries are claimed at once. Defaults to 100.
    pub claim_size: u32,
}

impl DeliverySettings {
    /// How long a device has to confirm a notification of `category`.
    pub fn escalate_after(&self, category: &str) -> std::time::Duration {
        let by_category = self.escalate_after_ms_by_category.get(category);
        std::time::Duration::from_millis(by_category.copied().unwrap_or(self.escalate_after_ms))
    }

    /// The longest that a device of any category has.
    pub fn longest_escalation(&self) -> std::time::Duration {
        let by_category = self.escalate_after_ms_by_category.values().copied().max().unwrap_or(0);
        std::time::Duration::from_millis(by_category.max(self.escalate_after_ms))
    }
}
