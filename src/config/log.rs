//! `[log]`: what is written to standard error.

use serde::{Deserialize, Serialize};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or `env_logger`'s filter syntax (`LOG_LEVEL`). Defaults to `info`.
    pub level: String,
    /// `text` or `json`. Defaults to `text` in development, `json` in production.
    pub format: LogFormat,
}
