//! Looks now and then whether the files with keys have changed, and has what they say be in force.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{Reload, Tokens};
use crate::telemetry::Metrics;

/// Goes on for as long as it is polled.
pub async fn watch_keys(tokens: Arc<Tokens>, metrics: Metrics, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let at_files = Arc::clone(&tokens);
        match tokio::task::spawn_blocking(move || at_files.reload_keys()).await {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Loaded) => {
                metrics.key_reloads("loaded").inc();
                log::info!("the files with keys have changed: their keys are in force");
            }
            Ok(Reload::Failed(error)) => {
                metrics.key_reloads("failed").inc();
                log::error!(
                    "the files with keys have changed and cannot be used, the keys of before stay: {error}"
                );
            }
            Err(error) => log::error!("the files with keys could not be looked at: {error}"),
        }
    }
}
