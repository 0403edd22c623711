//! The end of a connection, as its client sees it.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::door::Door;

/// The server ends the connection after the close frames (RFC 6455 §7.1.1). Who says goodbye does not wait
/// for a time-out of the server's.
#[tokio::test]
async fn who_says_goodbye_is_let_go_at_once() {
    for door in Door::ALL {
        let app = TestAppBuilder::new(Database::Sqlite).through(door).start().await;
        let shortest = shortest_goodbye(&app).await;
        assert!(shortest < Duration::from_millis(500), "{shortest:?} over {door:?}");
    }
}

async fn shortest_goodbye(app: &TestApp) -> Duration {
    const TRIES: usize = 5;
    let mut shortest = Duration::MAX;
    for _ in 0..TRIES {
        let device = app.connect("host").await;
        let began = Instant::now();
        device.close().await;
        shortest = shortest.min(began.elapsed());
    }
    // The best of several, for machines that are busy.
    shortest
}
