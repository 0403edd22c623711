//! What goes out again: that something was delivered or read, to an exchange, as NestJS would send it. Events are kept
//! in the database in the transaction in which they happened, taken from there under a lease, and removed when the
//! broker has confirmed them: each comes at least once, with the same message id every time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::json;
use tokio::time::sleep;

use super::Parts;
use super::consumer::APP_ID;
use super::link::{LinkError, ensure_exchange, name};
use crate::config::rabbitmq::OUTGOING;
use crate::storage::outgoing::{self, OutgoingEvent, Said};
use crate::storage::{AnyConnection, StorageError};

/// How many are on their way at once.
const BATCH: i64 = 256;
/// How often it is looked for more where there was none.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long who has taken events has for sending them.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked for what has waited for too long, and for how much waits.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How many of those are removed by one transaction.
const TIDY_BATCH: i64 = 1_000;
/// As far as it is counted what waits.
const COUNT_MAX: i64 = 10_000;
/// A message that survives the broker's end.
const PERSISTENT: u8 = 2;

/// A way to the exchange.
#[derive(Debug)]
pub(super) struct Events {
    channel: Channel,
    exchange: ShortString,
}

impl Events {
    pub(super) async fn open(connection: &Connection, exchange: &str) -> Result<Self, LinkError> {
        let exchange = name(exchange);
        ensure_exchange(connection, &exchange).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, exchange })
    }

    /// Tells the broker what happens, for as long as the connection lasts; answers how that ended.
    pub(super) async fn tell(self, parts: &Arc<Parts>) -> LinkError {
        let mut failed = 0;
        loop {
            let claimed = write(parts, |connection, parts| {
                let now = parts.clock.now();
                outgoing::claim(connection, now, now.plus(LEASE), BATCH)
            });
            let pause = match claimed.await {
                Ok((events, said)) => match self.send(parts, &events, &said).await {
                    Ok(()) if events.is_empty() => LOOK_EVERY,
                    Ok(()) => Duration::ZERO,
                    Err(error) => return error.into(),
                },
                Err(error) => {
                    failed += 1;
                    if failed == 1 {
                        log::warn!("events wait for the database: {error}");
                    }
                    sleep(parts.pause(failed)).await;
                    continue;
                }
            };
            failed = 0;
            sleep(pause).await;
        }
    }

    async fn send(
        &self,
        parts: &Arc<Parts>,
        events: &[OutgoingEvent],
        said: &Said,
    ) -> Result<(), lapin::Error> {
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            sent.push(self.publish(event, said).await?);
        }
        let mut done = Vec::with_capacity(events.len());
        for (event, confirmed) in events.iter().zip(join_all(sent).await) {
            match confirmed? {
                Confirmation::Ack(_) => done.push(event.id.clone()),
                // They are sent again when their lease ends.
                Confirmation::Nack(_) | Confirmation::NotRequested => {
                    parts.metrics.outgoing_events("failed").inc();
                }
            }
        }
        if done.is_empty() {
            return Ok(());
        }
        parts.metrics.outgoing_events("published").inc_by(done.len() as u64);
        if let Err(error) = write(parts, move |connection, _| outgoing::remove(connection, &done)).await {
            log::warn!("events that were sent are sent again: {error}");
        }
        Ok(())
    }

    async fn publish(
        &self,
        event: &OutgoingEvent,
        said: &Said,
    ) -> Result<lapin::PublisherConfirm, lapin::Error> {
        let [delivered, read] = OUTGOING;
        let pattern = if event.is_read() { read } else { delivered };
        let (seq, kind) = said.get(&event.notification_id).map(|(seq, kind)| (seq, kind)).unzip();
        let data = json!({
            "id": event.notification_id, "userId": event.user_id, "seq": seq, "type": kind,
            "channel": event.channel, "device": Some(&event.device).filter(|name| !name.is_empty()),
            "at": event.at(),
        });
        let body = json!({ "pattern": pattern, "data": data }).to_string();
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(name(&event.id))
            .with_type(pattern.into())
            .with_app_id(APP_ID.into());
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(self.exchange.clone(), pattern.into(), options, body.as_bytes(), properties)
            .await
    }
}

/// Drops what has waited for too long, whether or not the broker is there, and shows how much waits.
pub(super) async fn tidy(parts: Arc<Parts>) {
    loop {
        let tidied = write(&parts, |connection, parts| {
            let kept = Duration::from_secs(parts.settings.events_kept_hours.saturating_mul(3_600));
            let dropped = outgoing::trim(connection, parts.clock.now().minus(kept), TIDY_BATCH)?;
            Ok((dropped, outgoing::count(connection, COUNT_MAX)?))
        });
        match tidied.await {
            Ok((dropped, waiting)) => {
                if dropped > 0 {
                    log::warn!(dropped = dropped; "events were dropped: the broker has not taken them in time");
                }
                parts.metrics.outgoing_events("dropped").inc_by(dropped as u64);
                crate::telemetry::metrics::set(parts.metrics.outgoing_waiting(), waiting);
            }
            Err(error) => log::debug!("what waits for the broker could not be looked up: {error}"),
        }
        sleep(TIDY_EVERY).await;
    }
}

/// One transaction beside the loop.
async fn write<T: Send + 'static>(
    parts: &Arc<Parts>,
    body: impl FnOnce(&mut AnyConnection, &Parts) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let parts = Arc::clone(parts);
    let written =
        tokio::task::spawn_blocking(move || parts.pool.write(|connection| body(connection, &parts))).await;
    written.unwrap_or_else(|error| Err(StorageError::Corrupt(error.to_string())))
}
