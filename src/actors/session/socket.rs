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

    /// The same socket for another owner, who may forget it before this one does.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self(Arc::new(Mutex::new(Under::Socket(self.clone()))))
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_owner_forgets_a_shared_socket_and_the_others_still_reach_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        let (server, _) = listener.accept().expect("a connection");
        let socket = Socket::new(Some(server.as_raw_fd()));
        let (first, second) = (socket.shared(), socket.shared());
        first.forget();
        first.cut();
        assert!(client.read(&mut [0]).is_err(), "who forgot it reaches it no more");
        second.cut();
        assert_eq!(client.read(&mut [0]).expect("an end"), 0);
    }
}
