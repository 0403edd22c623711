//! `[bus]`: how several instances over one database hear of each other.

use serde::{Deserialize, Serialize};

use super::secret_url::SecretUrl;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusSettings {
    /// Redis 6 or newer (`REDIS_URL`, comma separated): `redis://`, or `rediss://` for TLS. Of several, the first that is
    /// a master, or the nodes of a cluster. Defaults to none: this instance is alone.
    pub redis_url: Vec<SecretUrl>,
    /// Whether it is a Redis Cluster. Defaults to false.
    pub cluster: bool,
    /// What every key and channel begins with, before the deployment's own name. Defaults to `bellhop`.
    pub prefix: String,
    /// How long Redis may take for an answer before its connection is given up, in milliseconds. Defaults to 1000.
    pub timeout_ms: u64,
    /// How often the database is asked, while Redis is away, what other instances wrote for who is connected here, in
    /// milliseconds. Defaults to 2000.
    pub poll_ms: u64,
}
