//! What fails beside the servers, at moments of its own: the Redis between them is killed, hangs, or is restarted,
//! each time with nothing in it. At the end it serves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::support::redis::RedisServer;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Weather {
    kills: usize,
    pauses: usize,
    restarts: usize,
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, pauses, restarts } = self;
        write!(f, "Redis kills {kills}, pauses {pauses}, restarts {restarts}")
    }
}

/// Breaks Redis time and again until the day is over.
pub(super) async fn storm(
    redis: Arc<RedisServer>,
    mut choices: StdRng,
    evening: watch::Receiver<bool>,
) -> Weather {
    let mut weather = Weather::default();
    let mut turn = 0;
    while !*evening.borrow() {
        sleep(Duration::from_millis(choices.random_range(200..2_000))).await;
        let away = Duration::from_millis(choices.random_range(100..3_000));
        // Each of them in a run that is short, in any order in one that is long.
        let way = if turn < 3 { turn } else { choices.random_range(0..3) };
        turn += 1;
        match way {
            0 => {
                blocking(&redis, RedisServer::kill).await;
                sleep(away).await;
                blocking(&redis, RedisServer::start).await;
                weather.kills += 1;
            }
            1 => {
                blocking(&redis, RedisServer::pause).await;
                sleep(away).await;
                blocking(&redis, RedisServer::resume).await;
                weather.pauses += 1;
            }
            _ => {
                blocking(&redis, RedisServer::stop).await;
                blocking(&redis, RedisServer::start).await;
                weather.restarts += 1;
            }
        }
    }
    weather
}

/// Where those who take part are not held up.
async fn blocking(redis: &Arc<RedisServer>, act: fn(&RedisServer)) {
    let redis = Arc::clone(redis);
    spawn_blocking(move || act(&redis)).await.expect("Redis does what it is told");
}
