//! A minimal HTTP/1.1 client over one kept connection: a request is ready-made bytes, an answer is a
//! status and a body with a content length. `HttpConnection` lives in the event loop with one request
//! under way at most; `exchange` blocks, for what happens outside of a measurement.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::scan;

/// The most that an answer may be; all of ours are below 4 KiB.
const ANSWER_MAX: usize = 256 * 1024;
/// How long a blocking exchange waits.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// Fails, with the beginning of the body, unless the status is the one that was wanted.
    pub(crate) fn expect(&self, status: u16) -> Result<()> {
        let shown = String::from_utf8_lossy(self.body.get(..300).unwrap_or(self.body));
        ensure!(self.status == status, "expected {status}, the server answered {}: {shown}", self.status);
        Ok(())
    }
}

/// The bytes of a POST with a token and a JSON body.
pub(crate) fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The answer that `bytes` begin with; none while some of it is missing.
fn parse(bytes: &[u8]) -> Result<Option<Answer<'_>>> {
    let Some(end) = scan::find(bytes, b"\r\n\r\n") else {
        ensure!(bytes.len() < ANSWER_MAX, "an answer without an end to its head");
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end + 4);
    let status = scan::after(head, b" ").and_then(scan::number).context("an answer without a status")?;
    let length = head
        .split(|byte| *byte == b'\n')
        .find_map(|line| {
            let (name, value) = line.split_at_checked(b"content-length:".len())?;
            name.eq_ignore_ascii_case(b"content-length:").then(|| scan::number(value.trim_ascii_start()))?
        })
        .context("an answer without a content length")?;
    let length = usize::try_from(length)?;
    ensure!(length < ANSWER_MAX, "an answer of {length} bytes");
    let status = u16::try_from(status)?;
    Ok(rest.get(..length).map(|body| Answer { status, body }))
}

#[derive(Debug)]
pub(crate) struct HttpConnection {
    stream: TcpStream,
    /// The beginning of an answer whose end has not arrived.
    partial: Vec<u8>,
}

impl HttpConnection {
    pub(crate) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> Result<Self> {
        let stream = std::net::TcpStream::connect(address).context("connecting to the server")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, partial: Vec::new() })
    }

    /// Sends a request; one is far smaller than a socket's buffer, which is empty between requests.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        let written = self.stream.write(request).context("sending a request")?;
        ensure!(written == request.len(), "only part of a request was taken by the socket");
        Ok(())
    }

    /// Reads what has arrived and hands the answer on, if it is complete.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        then: impl FnOnce(&Answer<'_>) -> Result<()>,
    ) -> Result<bool> {
        let mut then = Some(then);
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => bail!("the server closed a request's connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(then.is_none()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("reading an answer"),
            };
            let fresh = scratch.get(..read).unwrap_or_default();
            let whole = if self.partial.is_empty() {
                fresh
            } else {
                self.partial.extend_from_slice(fresh);
                &self.partial
            };
            if let Some(answer) = parse(whole)? {
                let then = then.take().context("an answer that nobody asked for")?;
                then(&answer)?;
                self.partial.clear();
            } else if self.partial.is_empty() {
                self.partial.extend_from_slice(fresh);
            }
            // A short read has emptied the socket: the next bytes raise an event of their own.
            if read < scratch.len() {
                return Ok(then.is_none());
            }
        }
    }
}

/// Sends a request on a blocking connection.
pub(crate) fn send_blocking(stream: &mut std::net::TcpStream, request: &[u8]) -> Result<()> {
    stream.set_read_timeout(Some(EXCHANGE_TIMEOUT))?;
    stream.set_nodelay(true)?;
    stream.write_all(request).context("sending a request")
}

/// Reads one answer from a blocking connection: its status and body.
pub(crate) fn receive_blocking(stream: &mut std::net::TcpStream) -> Result<(u16, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut scratch = [0; 4096];
    loop {
        let read = stream.read(&mut scratch).context("reading an answer")?;
        ensure!(read > 0, "the server closed the connection before it answered");
        bytes.extend_from_slice(scratch.get(..read).unwrap_or_default());
        if let Some(answer) = parse(&bytes)? {
            return Ok((answer.status, answer.body.to_vec()));
        }
    }
}

/// One request and its answer.
pub(crate) fn exchange(stream: &mut std::net::TcpStream, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    send_blocking(stream, request)?;
    receive_blocking(stream)
}
