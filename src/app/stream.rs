//! A connection as the HTTP server gets it, with TLS or without, and the place that it holds for as long as it exists.
//! It is read no faster than the server gets on with what it has, and ended when its client takes too long.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::allowance::Allowance;
use super::patience::Patience;
use crate::http::limits::Place;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Stream {
    io: Io,
    allowance: Allowance,
    patience: Patience,
    _place: Place,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    /// On the heap: its buffers would make every connection large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(stream: TcpStream, patience: Patience, place: Place) -> Self {
        Self::new(Io::Plain(stream), patience, place)
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, patience: Patience, place: Place) -> Self {
        Self::new(Io::Tls(Box::new(stream)), patience, place)
    }

    fn new(io: Io, patience: Patience, place: Place) -> Self {
        Self { io, allowance: Allowance::default(), patience, _place: place }
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.allowance.hold_up();
        }
        written
    }

    /// How much of it is read.
    pub(super) fn allowance(&self) -> &Allowance {
        &self.allowance
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
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut $stream.io {
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
        let this = self.get_mut();
        if this.patience.poll(&this.allowance, cx).is_ready() {
            // As if the client had gone.
            return Poll::Ready(Ok(()));
        }
        let most = ready!(this.allowance.poll(cx)).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        let read = inside!(this, poll_read(cx, &mut part));
        let length = part.filled().len();
        buffer.advance(length);
        this.allowance.take(length);
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = inside!(this, poll_write(cx, bytes));
        this.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = inside!(this, poll_write_vectored(cx, slices));
        this.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The HTTP server comes here only when it has nothing left to write.
        let flushed = inside!(this, poll_flush(cx));
        ready!(this.note(flushed))?;
        this.allowance.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self.get_mut(), poll_shutdown(cx))
    }
}
