//! Listening sockets. What is set on a listener is inherited by every connection it accepts.

use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::Duration;

use actix_web::dev::Extensions;
use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};

use super::stream::Stream;
use crate::config::{LimitSettings, ServerSettings};
use crate::http::request::Secure;
use crate::transports::websocket::Descriptor;

/// What the kernel may hold back for one slow client; its own default grows to megabytes.
const SEND_BUFFER: usize = 64 * 1024;
/// When the kernel begins to ask a silent peer whether it is there, and how often.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Files beside connections: the database, logs, mail, what the threads wait by.
const FILES_BESIDE: usize = 200;

/// Binds the configured ports.
pub(super) fn listeners(settings: &ServerSettings) -> anyhow::Result<Vec<TcpListener>> {
    let ports = std::iter::once(settings.port).chain(settings.port_2);
    ports.map(|port| listen(settings, port)).collect()
}

fn listen(settings: &ServerSettings, port: u16) -> anyhow::Result<TcpListener> {
    let host = settings.host.as_str();
    let stalled = Duration::from_millis(settings.stall_timeout_ms);
    let address = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("server.host {host} is no address"))?
        .next()
        .with_context(|| format!("server.host {host} has no address"))?;
    let bind = || -> std::io::Result<TcpListener> {
        let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_tcp_user_timeout(Some(stalled))?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    };
    bind().with_context(|| format!("cannot listen on {address}"))
}

/// The limits, with no more connections than there can be files.
pub(super) fn affordable(limits: &LimitSettings) -> LimitSettings {
    let files = raise_file_limit().unwrap_or(usize::MAX);
    let most = files.saturating_sub(FILES_BESIDE).max(1);
    if limits.connections > most {
        log::warn!(files = files; "the file limit allows {most} connections, not limits.connections");
    }
    LimitSettings { connections: limits.connections.min(most), ..limits.clone() }
}

/// Every connection is a file: asks for as many as the system grants; answers how many these are, if that is known.
fn raise_file_limit() -> Option<usize> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(files) => usize::try_from(files).ok(),
        Err(error) => {
            log::warn!("the file limit could not be raised: {error}");
            None
        }
    }
}

/// Notes what is to be known of a connection: its socket, so that the doors can shut a stalled one down, how much of it
/// is read, and whether nobody listens in.
pub(super) fn remember(stream: &Stream, data: &mut Extensions) {
    data.insert(Descriptor(stream.as_raw_fd()));
    data.insert(stream.allowance().clone());
    if stream.is_secure() {
        data.insert(Secure);
    }
}
