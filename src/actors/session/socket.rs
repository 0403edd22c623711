//! The socket under a connection, as far as its owner has to reach past the HTTP server: to cut off a client that has
//! stopped reading, whose actor is never polled again. Owner and connection may live on different threads; the
//! descriptor is known only until the connection drops, after which the system may give it to another.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::socket::{Shutdown, shutdown};

/// See the module's documentation. Clones are the same socket.
#[derive(Debug, Clone, Default)]
pub struct Socket(Arc<Mutex<Option<RawFd>>>);

impl Socket {
    pub fn new(descriptor: Option<RawFd>) -> Self {
        Self(Arc::new(Mutex::new(descriptor)))
    }

    /// Takes over the descriptor of another connection: what was polled is a WebSocket now.
    pub fn attach(&self, descriptor: Option<RawFd>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = descriptor;
    }

    /// The connection is gone.
    pub fn forget(&self) {
        self.attach(None);
    }

    /// Ends the connection in the kernel.
    pub fn cut(&self) {
        self.shut(Shutdown::Both);
    }

    /// Tells the client that nothing more will come.
    pub fn hang_up(&self) {
        self.shut(Shutdown::Write);
    }

    /// Under the lock, so that the descriptor is still the connection's own.
    fn shut(&self, how: Shutdown) {
        if let Some(descriptor) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // An error means that the other side was faster; the connection is over either way.
            let _ = shutdown(descriptor, how);
        }
    }
}
