//! What operators see of a running server: log lines on standard error and figures for Prometheus.
//! Every layer may write to both; neither knows what is counted or logged by whom.

mod broker;
pub mod catalogue;
pub mod logging;
pub mod metrics;
pub mod process;
mod status;

pub use broker::BrokerHealth;
pub use metrics::Metrics;
