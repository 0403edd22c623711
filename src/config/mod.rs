//! Settings: every figure that may be tuned, a section per concern, each in a file of its own.
//! Defaults come from `config/default.toml` (built in), then the mode's file, then a file the
//! operator names, then the environment. A constructor takes its own section, never all of them.

pub mod auth;
pub mod bus;
pub mod database;
pub mod delivery;
pub mod duration;
mod environment;
pub mod error;
pub mod limits;
mod load;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod network;
pub mod presence;
pub mod rabbitmq;
pub mod reminders;
pub mod retention;
mod schema;
pub mod secret;
pub mod secret_url;
pub mod server;
pub mod session;
pub mod socketio;
pub mod sse;
mod validate;
mod warnings;

use serde::{Deserialize, Serialize};

pub use auth::AuthSettings;
pub use bus::BusSettings;
pub use database::DatabaseSettings;
pub use delivery::DeliverySettings;
pub use duration::{Lifetime, parse_duration};
pub use error::ConfigError;
pub use limits::LimitSettings;
pub use load::{Sources, load};
pub use log::{LogFormat, LogSettings};
pub use mail::MailSettings;
pub use metrics::MetricsSettings;
pub use network::Network;
pub use presence::PresenceSettings;
pub use rabbitmq::RabbitMqSettings;
pub use reminders::ReminderSettings;
pub use retention::RetentionSettings;
pub use secret::Secret;
pub use secret_url::SecretUrl;
pub use server::{ForwardedHeader, ServerSettings};
pub use session::SessionSettings;
pub use socketio::SocketIoSettings;
pub use sse::SseSettings;
pub use warnings::warnings;

/// How careful the server is by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A random secret, SQLite under `data/`, mail as files, routes under `/dev`.
    Development,
    /// Refuses to start without a secret or a public key.
    Production,
}

/// Everything that is in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `development` or `production` (`BELLHOP_MODE`). Defaults to `development`.
    pub mode: Mode,
    pub server: ServerSettings,
    pub database: DatabaseSettings,
    pub auth: AuthSettings,
    pub mail: MailSettings,
    pub delivery: DeliverySettings,
    pub session: SessionSettings,
    pub socketio: SocketIoSettings,
    pub sse: SseSettings,
    pub presence: PresenceSettings,
    pub bus: BusSettings,
    pub rabbitmq: RabbitMqSettings,
    pub limits: LimitSettings,
    pub reminders: ReminderSettings,
    pub retention: RetentionSettings,
    pub metrics: MetricsSettings,
    pub log: LogSettings,
    /// Whether `auth.jwt_secret` was made up by `load`: a token signed elsewhere is then not believed.
    #[serde(skip)]
    pub secret_is_random: bool,
}
