//! `[presence]`: how long somebody counts as online.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceSettings {
    /// How long somebody whose last connection ended still counts as online, in milliseconds. Defaults to 5000.
    pub grace_ms: u64,
    /// How long what an instance said of who is online counts without being said again, in milliseconds. Defaults to
    /// 15000.
    pub lease_ms: u64,
}
