//! A connection as the HTTP server gets it, with TLS or without, and the place that it holds for as long as it exists.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::http::limits::Place;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Stream {
    io: Io,
    _place: Place,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    /// On the heap: its buffers would make every connection large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(stream: TcpStream, place: Place) -> Self {
        Self { io: Io::Plain(stream), _place: place }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, place: Place) -> Self {
        Self { io: Io::Tls(Box::new(stream)), _place: place }
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self.io, Io::Tls(_))
    }
}

impl AsRawFd for Stream {
    /// The socket's, also under TLS: what is done to it is done to the connection.
    fn as_raw_fd(&self) -> RawFd {
        match &self.io {
            Io::Plain(stream) => stream.as_raw_fd(),
            Io::Tls(stream) => stream.as_raw_fd(),
        }
    }
}

/// Hands a call on to the stream inside.
macro_rules! inside {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Io::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inside!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self, poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, poll_shutdown(cx))
    }
}
