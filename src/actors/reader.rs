//! Reading from the database without blocking a worker thread: a bounded line in front of the
//! connection pool. Who comes when the line is full is told so at once, who waits too long in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::storage::{AnyConnection, Pool, StorageError};
use crate::telemetry::Metrics;

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("too many requests are waiting for the database")]
    Overloaded,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("a reading task failed")]
    Failed,
}

impl ReadError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Storage(error) if error.is_unavailable() => "database_unavailable",
            Self::Storage(_) | Self::Failed => "internal",
        }
    }
}

/// Whether a queue is so full that what comes next may be refused.
pub fn is_crowded(waiting: usize, most: usize) -> bool {
    waiting.saturating_mul(5) >= most.saturating_mul(4)
}

/// How many look apart from everybody: for orders of other instances, and for what is overdue.
pub const APART: u32 = 2;

/// Runs queries on threads of their own.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
    /// One permit per place in the line, those being served included.
    line: Arc<Semaphore>,
    /// One permit per connection, so that waiting costs no thread.
    connections: Arc<Semaphore>,
    /// Half of them: what those who are patient may have, so that requests find the others free.
    patient: Arc<Semaphore>,
    /// One permit for each who looks by the clock and on whom the whole instance depends, with a connection for it
    /// beside those: sessions that come back by the thousand must not hold up who is to be sent away.
    apart: Arc<Semaphore>,
    /// How long a request waits for a connection.
    patience: Duration,
    /// All places in the line.
    places: usize,
    metrics: Metrics,
}

impl Reader {
    /// `queue` requests may wait, each for as long as `patience`, beside those that the pool's
    /// `connections` serve.
    pub fn new(pool: Pool, connections: usize, queue: usize, patience: Duration, metrics: Metrics) -> Self {
        Self {
            pool,
            line: Arc::new(Semaphore::new(queue + connections)),
            connections: Arc::new(Semaphore::new(connections.max(1))),
            patient: Arc::new(Semaphore::new((connections / 2).max(1))),
            apart: Arc::new(Semaphore::new(APART as usize)),
            patience,
            places: queue + connections,
            metrics,
        }
    }

    /// How many requests read or wait for their turn.
    pub fn waiting(&self) -> usize {
        self.places.saturating_sub(self.line.available_permits())
    }

    /// Whether the line is nearly full.
    pub fn is_crowded(&self) -> bool {
        is_crowded(self.waiting(), self.places)
    }

    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let place = Arc::clone(&self.line).try_acquire_owned().map_err(|_| ReadError::Overloaded)?;
        self.run_holding(place, query).await
    }

    /// The same for sessions, whose number is bounded and who rather wait, in the order they came, than be
    /// refused.
    pub async fn run_patiently<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let place = Arc::clone(&self.patient).acquire_owned().await.map_err(|_| ReadError::Failed)?;
        self.run_holding(place, query).await
    }

    /// The same for the few who look by the clock: nobody is in front of them, and the pool has their connections
    /// beside all others.
    pub async fn run_apart<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let began = Instant::now();
        let place = Arc::clone(&self.apart).acquire_owned().await.map_err(|_| ReadError::Failed)?;
        self.metrics.database_wait("apart").observe(began.elapsed().as_secs_f64());
        let pool = self.pool.clone();
        let work = move || {
            let _held = place;
            pool.read(query)
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| ReadError::Failed)?;
        done.map_err(ReadError::Storage)
    }

    async fn run_holding<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let began = Instant::now();
        let turn = Arc::clone(&self.connections).acquire_owned();
        // The pool's own timeout never begins: there is a connection for everybody whose turn it is.
        let turn = tokio::time::timeout(self.patience, turn)
            .await
            .map_err(|_| StorageError::Unavailable("no connection was free in time".to_owned()))?
            .map_err(|_| ReadError::Failed)?;
        self.metrics.database_wait("readers").observe(began.elapsed().as_secs_f64());
        let pool = self.pool.clone();
        let work = move || {
            // Held until the query ends, also when whoever asked has gone meanwhile.
            let _held = (place, turn);
            pool.read(query)
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| ReadError::Failed)?;
        done.map_err(ReadError::Storage)
    }
}
