//! Servers that echo: the Engine.IO door alone, and with the Socket.IO layer on it. They live among the
//! tests, so that nothing of them is in a release.

mod guests;
mod speaker;

use std::any::Any;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use bellhop::config::{self, SocketIoSettings, Sources};
use bellhop::http::origin::AllowedOrigins;
use bellhop::transports::engineio::{self, Door, Registry, Sids, Speakers};
use bellhop::transports::socketio::Guests;
use bellhop::transports::websocket::Descriptor;
use tokio::sync::oneshot;

use guests::Host;
use speaker::Echo;

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
    pub(super) async fn start_with(settings: Settings) -> Self {
        let (started, ready) = oneshot::channel();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async move {
                let echo = door(Echo, settings);
                let guests = door(guests(settings), settings);
                let origins = web::Data::new(AllowedOrigins::new(Vec::new()));
                let app = move || {
                    App::new()
                        .app_data(echo.clone())
                        .app_data(guests.clone())
                        .app_data(origins.clone())
                        .service(web::resource(ENGINE_IO).to(engineio::serve::<Echo>))
                        .service(web::resource(SOCKET_IO).to(engineio::serve::<Guests<Host>>))
                };
                let server = HttpServer::new(app)
                    // A session's requests come to whichever worker is free.
                    .workers(2)
                    // A client that hangs up ends its poll, for which the door has to know the socket.
                    .on_connect(remember_socket)
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

fn remember_socket(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<TcpStream>().unwrap();
    data.insert(Descriptor(stream.as_raw_fd()));
}

fn guests(settings: Settings) -> Guests<Host> {
    let Settings { connect_timeout, max_payload, .. } = settings;
    Guests { reception: Host, connect_timeout, event_bytes: max_payload }
}

fn door<S: Speakers>(speakers: S, settings: Settings) -> web::Data<Door<S>> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let config::Settings { session, socketio, .. } = config::load(&Sources::default()).unwrap();
    let socketio = SocketIoSettings {
        ping_interval_ms: milliseconds(settings.ping_interval),
        ping_timeout_ms: milliseconds(settings.ping_timeout),
        connect_timeout_ms: milliseconds(settings.connect_timeout),
        max_payload_bytes: settings.max_payload,
        ..socketio
    };
    let body_timeout = Duration::from_secs(30);
    web::Data::new(Door::new(speakers, Sids::new(""), socketio, session, body_timeout, Registry::new(1_000)))
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
