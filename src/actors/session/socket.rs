//! The socket under a connection, as far as its owner has to reach past the HTTP server: to cut off a client that has
//! stopped reading, whose actor is never polled again. Owner and connection may live on different threads; the
//! descriptor is known only until the connection drops, after which the system may give it to another.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{Shutdown, shutdown};

/// See the module's documentation. Clones are the same socket.
#[derive(Debug, Clone, Default)]
pub struct Socket(Arc<Mutex<Under>>);

#[derive(Debug, Default)]
enum Under {
    #[default]
    Nothing,
    Descriptor(RawFd),
    /// Another socket has taken this one's place.
    Socket(Socket),
}

impl Socket {
    pub fn new(descriptor: Option<RawFd>) -> Self {
        Self(Arc::new(Mutex::new(descriptor.map_or(Under::Nothing, Under::Descriptor))))
    }

    /// From now on this is that socket: what was polled is a WebSocket now.
    pub fn become_one_with(&self, other: &Self) {
        *self.under() = Under::Socket(other.clone());
    }

    /// The connection is gone.
    pub fn forget(&self) {
        *self.under() = Under::Nothing;
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
        match &*self.under() {
            Under::Nothing => {}
            // An error means that the other side was faster; the connection is over either way.
            Under::Descriptor(descriptor) => drop(shutdown(*descriptor, how)),
            Under::Socket(socket) => socket.shut(how),
        }
    }

    fn under(&self) -> MutexGuard<'_, Under> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
