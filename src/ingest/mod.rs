//! Events from RabbitMQ: bookings and notifications that back ends send as messages take the same road as those that
//! come by HTTP, and a message is acknowledged when what it says is committed, not before. Started by `app` where a
//! broker is configured. What can never be done goes to a queue of dead letters with its reason; for trouble of our own
//! a message waits, unacknowledged. One that comes again is known by the id that its sender gave it, for as long as
//! idempotency keys are kept, or else, for a quarter of an hour, by what it says.

mod carry;
mod claim;
mod consumer;
mod dead_letters;
mod envelope;
mod event;
mod link;
mod outgoing;

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, ArbiterHandle};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::actors::persistence::Persistence;
use crate::config::RabbitMqSettings;
use crate::domain::{Clock, IdGenerator, backoff};
use crate::storage::Pool;
use crate::telemetry::{BrokerHealth, Metrics};
use link::{Link, LinkError};

/// Who sends what comes from the queue, where persistence wants to know: no token's user has white space in their id.
const SENDER: &str = "rabbitmq ingest";

/// What ingest works with.
#[derive(Debug, Clone)]
pub struct Parts {
    pub settings: RabbitMqSettings,
    /// The largest body that is taken.
    pub body_bytes: usize,
    /// How many users one message may name.
    pub recipients: usize,
    pub persistence: Addr<Persistence>,
    /// Where events wait that go out.
    pub pool: Pool,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
    pub metrics: Metrics,
    pub health: BrokerHealth,
}

impl Parts {
    /// The pause before a try, this many having failed.
    fn pause(&self, failed: u32) -> Duration {
        let milliseconds = Duration::from_millis;
        let (first, longest) = (self.settings.retry_first_ms, self.settings.retry_longest_ms);
        let attempt = i32::try_from(failed).unwrap_or(i32::MAX);
        backoff::pause(milliseconds(first), milliseconds(longest), attempt, rand::random())
    }
}

/// Ingest that runs.
#[derive(Debug)]
pub struct Ingest {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Ingest {
    /// Begins on this arbiter, which must outlive it.
    pub fn start(parts: Parts, arbiter: &ArbiterHandle) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        arbiter.spawn_fn(move || {
            actix::spawn(async move {
                let parts = Arc::new(parts);
                let tidying =
                    parts.settings.tells().then(|| actix::spawn(outgoing::tidy(Arc::clone(&parts))));
                run(&parts, stopped).await;
                if let Some(tidying) = tidying {
                    tidying.abort();
                }
                // Nobody waits where the server ended without a drain.
                let _ = end.send(());
            });
        });
        Self { stop, ended }
    }

    /// Takes no more messages, and answers when what was under way is done; the rest stays unacknowledged, and goes to
    /// whoever consumes next.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It has ended as well if its thread is gone.
        let _ = self.ended.await;
    }
}

/// A connection that lasted this long was a good one: the next try follows the first pause.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// Connects for ever, with a line in the log when the broker goes and when it comes, not one for each try.
async fn run(parts: &Arc<Parts>, mut stop: watch::Receiver<bool>) {
    let (mut failed, mut is_away) = (0_u32, false);
    let mut knock_first = false;
    while !*stop.borrow() {
        let opened = tokio::select! {
            opened = Link::open(&parts.settings, knock_first) => opened,
            _ = stop.changed() => return,
        };
        let error = match opened {
            Ok(mut link) => {
                let began = Instant::now();
                if is_away {
                    is_away = false;
                    log::info!("the broker is back");
                }
                show(parts, true);
                let events = link.events.take();
                let telling = async {
                    match events {
                        Some(events) => events.tell(parts).await,
                        None => std::future::pending().await,
                    }
                };
                let ended = tokio::select! {
                    ended = consumer::consume(parts, link, &mut stop) => ended,
                    error = telling => Err(error),
                };
                show(parts, false);
                if began.elapsed() >= GOOD_AFTER {
                    failed = 0;
                }
                match ended {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        knock_first = matches!(error, LinkError::Silent);
        failed = failed.saturating_add(1);
        if !is_away {
            is_away = true;
            log::warn!("the broker is away and tried again until it is back: {error}");
        }
        tokio::select! {
            () = sleep(parts.pause(failed)) => {}
            _ = stop.changed() => return,
        }
    }
}

fn show(parts: &Parts, reached: bool) {
    parts.health.note(reached);
    parts.metrics.rabbitmq_connected().set(i64::from(reached));
    if !reached {
        // However consuming ended.
        parts.metrics.rabbitmq_consuming().set(0);
    }
}
