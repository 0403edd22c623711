//! Connections that may be used again. At most `size` mails are under way, so at most `size`
//! connections exist; one that nobody needed for a while is closed, as mail servers ask for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

/// How long an idle connection is kept: long enough for a burst of bookings, far below the five
/// minutes after which servers hang up (RFC 5321 §4.5.3.2.7).
const IDLE_LONGEST: Duration = Duration::from_secs(30);

/// How long an idle connection may take to prove that it lives: a router in between may have
/// forgotten it, and then nothing ever answers.
const CHECK_LONGEST: Duration = Duration::from_secs(3);

/// How long a goodbye may take; nothing depends on it.
const GOODBYE_LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    slots: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The most recently used one last.
    connections: Vec<(AsyncSmtpConnection, Instant)>,
    /// Whether a task is looking after them; there is at most one.
    attended: bool,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        Self { slots: Semaphore::new(size.clamp(1, Semaphore::MAX_PERMITS)), idle: Mutex::default() }
    }

    /// Waits for the right to have a connection. The semaphore is never closed, so this is never
    /// refused; if it were, the mail could still go out.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.acquire().await.ok()
    }

    /// A connection that answers, if one is left over.
    pub(super) async fn take(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, _) = self.lock().connections.pop()?;
            if timeout(CHECK_LONGEST, connection.test_connected()).await == Ok(true) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose conversation has come to its end.
    pub(super) fn put_back(self: &Arc<Self>, connection: AsyncSmtpConnection) {
        let mut idle = self.lock();
        idle.connections.push((connection, Instant::now()));
        if !idle.attended {
            idle.attended = true;
            tokio::spawn(close_the_idle(Arc::downgrade(self)));
        }
    }

    /// Says goodbye to whatever is idle for too long; false when nothing is left to look after.
    fn close_overdue(&self) -> bool {
        let mut idle = self.lock();
        let overdue =
            idle.connections.iter().take_while(|(_, since)| since.elapsed() >= IDLE_LONGEST).count();
        for (connection, _) in idle.connections.drain(..overdue) {
            say_goodbye(connection);
        }
        idle.attended = !idle.connections.is_empty();
        idle.attended
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the pool, or when there is nothing idle; the next connection put back starts it anew.
async fn close_the_idle(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_LONGEST).await;
        let attended = pool.upgrade().is_some_and(|pool| pool.close_overdue());
        if !attended {
            return;
        }
    }
}

/// Says `QUIT` beside the caller's way: the mail's fate is decided already.
pub(super) fn say_goodbye(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        let _ = timeout(GOODBYE_LONGEST, connection.abort()).await;
    });
}
