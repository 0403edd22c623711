//! Servers that echo: the Engine.IO door alone, and with the Socket.IO layer on it. They live among the
//! tests, so that nothing of them is in a release.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use tokio::sync::oneshot;

use crate::support::deadline::soon;

/// Where messages come back as they are, text and binary.
pub(super) const ENGINE_IO: &str = "/engine.io/";
/// Where the namespaces `/` and `/custom` say `auth` with the handshake's payload, answer `message` with
/// `message-back` and `message-with-ack` through its ack, with the same arguments.
pub(super) const SOCKET_IO: &str = "/socket.io/";

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// Bytes.
    pub max_payload: usize,
    pub connect_timeout: Duration,
}

impl Settings {
    /// A heartbeat and a connect timeout that no test on a busy machine falls victim to.
    pub(super) const PATIENT: Self = Self {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        max_payload: 1_000_000,
        connect_timeout: Duration::from_secs(45),
    };
    /// What the protocols' public test suites ask a server to be set to.
    pub(super) const BRISK: Self = Self {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        connect_timeout: Duration::from_secs(1),
    };
}

/// A running server; dropping the last clone stops it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub address: SocketAddr,
    _running: Arc<Running>,
}

impl Server {
    /// One with a patient heartbeat.
    pub(super) async fn start() -> Self {
        Self::start_with(Settings::PATIENT).await
    }

    /// One with these settings; it is ready when this returns.
    pub(super) async fn start_with(_settings: Settings) -> Self {
        let (started, ready) = oneshot::channel();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async move {
                let server = HttpServer::new(App::new)
                    // A session's requests come to whichever worker is free.
                    .workers(2)
                    // A client that hangs up ends its poll, which is not held for it any longer.
                    .h1_allow_half_closed(false)
                    .disable_signals()
                    .bind((Ipv4Addr::LOCALHOST, 0))
                    .unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                let _ = started.send((address, server.handle()));
                server.await.unwrap();
            });
        });
        let (address, handle) = soon("the server starts", ready).await.unwrap();
        Self { address, _running: Arc::new(Running { handle, thread: Some(thread) }) }
    }

    /// The URL of a path and query.
    pub(super) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

/// A server's thread, and what stops it.
struct Running {
    handle: ServerHandle,
    /// None while it is dropped.
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The order is given at once; what is answered is that it was followed, as the thread's end is.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        // A test that has failed already says more than what follows from that.
        if !thread::panicking() {
            assert!(ended.is_none_or(|ended| ended.is_ok()), "the server panicked");
        }
    }
}
