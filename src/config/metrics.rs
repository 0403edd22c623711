//! `[metrics]`: the figures of `/metrics`, and how often the database is asked for them.

use serde::{Deserialize, Serialize};

use super::secret::Secret;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// What `/metrics` wants to be shown as `Authorization: Bearer`. Empty means that everybody may read it in
    /// development, and that there is no such path in production. Defaults to empty.
    pub token: Secret,
    /// How often the database is asked what is pending, overdue and lost, in milliseconds. Defaults to 5000.
    pub watch_interval_ms: u64,
    /// How long after its time a delivery counts as overdue, in milliseconds. Defaults to 60000.
    pub overdue_grace_ms: u64,
}
