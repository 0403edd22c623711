//! The socket under a connection, as far as its owner has to reach past the HTTP server: to cut off a client that has
//! stopped reading, whose actor is never polled again. Owner and connection may live on different threads; the
//! descriptor is known only until the connection drops, after which the system may give it to another.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

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

    /// Whether the client has hung up.
    pub fn is_hung_up(&self) -> bool {
        match &*self.under() {
            Under::Nothing => false,
            Under::Descriptor(descriptor) => is_hung_up(*descriptor),
            Under::Socket(socket) => socket.is_hung_up(),
        }
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

/// Whether nothing more will come from the other side of a connection. Looks without taking anything.
pub fn is_hung_up(descriptor: RawFd) -> bool {
    match recv(descriptor, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error, Errno::EAGAIN | Errno::EINTR),
    }
}
