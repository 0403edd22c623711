//! Listening sockets. What is set on a listener is inherited by every connection it accepts.

use std::any::Any;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};

use crate::config::ServerSettings;
use crate::transports::websocket::Descriptor;

/// What the kernel may hold back for one slow client; its own default grows to megabytes.
const SEND_BUFFER: usize = 64 * 1024;
/// How long sent data may stay unacknowledged before the kernel gives a connection up: what ends a
/// peer that vanished without a word. Not shorter, for it also ends one that reads so slowly that its
/// window stays shut.
const USER_TIMEOUT: Duration = Duration::from_mins(1);
/// When the kernel begins to ask a silent peer whether it is there, and how often.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Binds the configured ports.
pub(super) fn listeners(settings: &ServerSettings) -> anyhow::Result<Vec<TcpListener>> {
    raise_file_limit();
    let ports = std::iter::once(settings.port).chain(settings.port_2);
    ports.map(|port| listen(&settings.host, port, settings.backlog)).collect()
}

fn listen(host: &str, port: u16, backlog: u32) -> anyhow::Result<TcpListener> {
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
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    };
    bind().with_context(|| format!("cannot listen on {address}"))
}

/// Every connection is a file: asks for as many as the system grants.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        log::warn!("the file limit could not be raised: {error}");
    }
}

/// Notes a connection's descriptor, so that a stalled one can be shut down.
pub(super) fn remember_socket(connection: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        data.insert(Descriptor(stream.as_raw_fd()));
    }
}
