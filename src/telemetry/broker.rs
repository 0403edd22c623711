//! Whether the broker is reached, shared between who keeps the connection and who reports readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a broker is configured: whether it is reached. Cloning shares it.
#[derive(Debug, Clone)]
pub struct BrokerHealth(Option<Arc<AtomicBool>>);

impl BrokerHealth {
    /// That of a broker which was not reached yet; none where none is configured.
    pub fn new(is_configured: bool) -> Self {
        Self(is_configured.then(Arc::default))
    }

    pub fn note(&self, reached: bool) {
        if let Some(shared) = &self.0 {
            shared.store(reached, Ordering::Relaxed);
        }
    }

    /// None where there is no broker.
    pub fn is_reached(&self) -> Option<bool> {
        self.0.as_ref().map(|shared| shared.load(Ordering::Relaxed))
    }
}
