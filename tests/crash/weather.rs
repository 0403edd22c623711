//! What fails beside the servers, at moments of its own: the Redis between them and the broker before them are killed,
//! hang, or are restarted. Redis comes back with nothing in it. At the end both serve.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::support::rabbitmq::Broker;
use crate::support::redis::RedisServer;

/// Something that fails: what is done to it, and how long its life and its failures are.
pub(super) trait Frail: Send + Sync + 'static {
    const NAME: &'static str;
    /// Milliseconds until the next failure.
    const LIFE: Range<u64>;
    /// Milliseconds of one that lasts.
    const FAILURE: Range<u64>;

    fn kill(&self);
    fn stop(&self);
    fn start(&self);
    fn pause(&self);
    fn resume(&self);
}

impl Frail for RedisServer {
    const NAME: &'static str = "Redis";
    const LIFE: Range<u64> = 200..2_000;
    const FAILURE: Range<u64> = 100..3_000;

    fn kill(&self) {
        Self::kill(self);
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn start(&self) {
        Self::start(self);
    }

    fn pause(&self) {
        Self::pause(self);
    }

    fn resume(&self) {
        Self::resume(self);
    }
}

/// To start takes it seconds.
impl Frail for Broker {
    const NAME: &'static str = "RabbitMQ";
    const LIFE: Range<u64> = 1_000..5_000;
    const FAILURE: Range<u64> = 100..2_000;

    fn kill(&self) {
        Self::kill(self);
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn start(&self) {
        Self::start(self);
    }

    fn pause(&self) {
        self.freeze();
    }

    fn resume(&self) {
        self.thaw();
    }
}

/// What was done.
#[derive(Debug)]
pub(super) struct Weather {
    of: &'static str,
    kills: usize,
    pauses: usize,
    restarts: usize,
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, kills, pauses, restarts } = self;
        write!(f, "{of} kills {kills}, pauses {pauses}, restarts {restarts}")
    }
}

/// The ways to fail; the quickest first, for a run that is short.
const PAUSE: usize = 0;
const KILL: usize = 1;
const WAYS: usize = 3;

/// Breaks it time and again until the day is over.
pub(super) async fn storm<F: Frail>(
    frail: Arc<F>,
    mut choices: StdRng,
    evening: watch::Receiver<bool>,
) -> Weather {
    let mut weather = Weather { of: F::NAME, kills: 0, pauses: 0, restarts: 0 };
    let mut turn = 0;
    while !*evening.borrow() {
        sleep(Duration::from_millis(choices.random_range(F::LIFE))).await;
        let away = Duration::from_millis(choices.random_range(F::FAILURE));
        // Each of them in a run that is short, in any order in one that is long.
        let way = if turn < WAYS { turn } else { choices.random_range(0..WAYS) };
        turn += 1;
        match way {
            KILL => {
                blocking(&frail, F::kill).await;
                sleep(away).await;
                blocking(&frail, F::start).await;
                weather.kills += 1;
            }
            PAUSE => {
                blocking(&frail, F::pause).await;
                sleep(away).await;
                blocking(&frail, F::resume).await;
                weather.pauses += 1;
            }
            _ => {
                blocking(&frail, F::stop).await;
                blocking(&frail, F::start).await;
                weather.restarts += 1;
            }
        }
    }
    weather
}

/// Where those who take part are not held up.
async fn blocking<F: Frail>(frail: &Arc<F>, act: fn(&F)) {
    let frail = Arc::clone(frail);
    spawn_blocking(move || act(&frail)).await.expect("it does what it is told");
}
