//! A minimal WebSocket client (RFC 6455) in the event loop: the handshake, text frames in, pings
//! answered, and what its door's script has it say. It keeps no buffer of its own but for a frame that arrived in part, so that ten thousand
//! of them cost little; anything that this server has no reason to send is an error, and the end of a
//! connection is `Lost`, for those to whom it may happen.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use smallvec::SmallVec;
use socket2::{Domain, Socket, Type};

use crate::door::{Entry, Script};
use crate::scan;

/// Opcodes and the bits beside them: RFC 6455, section 5.2.
const FINAL_TEXT: u8 = 0x81;
const FINAL_CLOSE: u8 = 0x88;
const FINAL_PING: u8 = 0x89;
const FINAL_PONG: u8 = 0x8A;
const MASKED: u8 = 0x80;
/// In place of a length: two bytes follow that have it.
const LONGER: u8 = 126;

/// A client must mask; that the key changes protects browsers' proxies, of which there are none here.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x17, 0x88];
/// The most that a frame may be; a notification is below 1 KiB.
const FRAME_MAX: usize = 1024 * 1024;
/// Connections from one source address to one port: below the 28,000 that Linux has to give by default.
const SOCKETS_PER_SOURCE: usize = 10_000;

/// The connection is over, or never came to be. Another kind of error is a mistake on either side.
#[derive(Debug, thiserror::Error)]
#[error("a device's connection: {0}")]
pub(crate) struct Lost(String);

impl Lost {
    fn while_doing(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

#[derive(Debug)]
pub(crate) struct WebSocket {
    link: Link,
    /// The beginning of a frame, or of the handshake's answer, whose end has not arrived.
    partial: Vec<u8>,
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    /// Whether the server has agreed to speak WebSocket.
    open: bool,
    /// Whether pings are answered, as every device does; without it nothing is ever proven.
    pongs: bool,
    script: Script,
}

impl WebSocket {
    /// Connects and asks for the upgrade; `index` chooses the source address where there are many.
    pub(crate) fn connect(
        address: SocketAddr,
        index: usize,
        entry: Entry,
        registry: &Registry,
        token: Token,
    ) -> Result<Self> {
        let mut stream = dial(address, index)?;
        let Entry { target, script } = entry;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).map_err(Lost::while_doing("asking for the upgrade"))?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { link: Link { stream, open: false, pongs: true, script }, partial: Vec::new() })
    }

    /// Answers no ping from now on.
    pub(crate) fn keep_silent(&mut self) {
        self.link.pongs = false;
    }

    /// Reads what has arrived, answers pings, and hands on every text frame that is complete.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        mut on_text: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let read = match self.link.stream.read(scratch) {
                Ok(0) => bail!(Lost("the server closed it".to_owned())),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Lost::while_doing("reading")(error).into()),
            };
            let fresh = scratch.get(..read).unwrap_or_default();
            if self.partial.is_empty() {
                let used = self.link.consume(fresh, &mut on_text)?;
                self.partial.extend_from_slice(fresh.get(used..).unwrap_or_default());
            } else {
                self.partial.extend_from_slice(fresh);
                let used = self.link.consume(&self.partial, &mut on_text)?;
                self.partial.drain(..used);
            }
            ensure!(self.partial.len() <= FRAME_MAX, "a frame of more than {FRAME_MAX} bytes");
            // A short read has emptied the socket: the next bytes raise an event of their own.
            if read < scratch.len() {
                return Ok(());
            }
        }
    }
}

fn dial(address: SocketAddr, index: usize) -> Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if index >= SOCKETS_PER_SOURCE {
        let last = u8::try_from(1 + index / SOCKETS_PER_SOURCE).context("too many sockets")?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
    }
    socket.connect(&address.into()).map_err(Lost::while_doing("connecting"))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

impl Link {
    /// Works off what is complete and answers how many bytes that was.
    fn consume(&mut self, bytes: &[u8], on_text: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let mut used = 0;
        if !self.open {
            let Some(end) = scan::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                bail!(Lost(format!("no upgrade: {}", String::from_utf8_lossy(bytes))));
            }
            self.open = true;
            used = end + 4;
            if let Some(opening) = self.script.opening.take() {
                say(&mut self.stream, FINAL_TEXT, opening.as_bytes())?;
            }
        }
        while let Some((kind, payload, length)) = frame(bytes.get(used..).unwrap_or_default())? {
            match kind {
                FINAL_TEXT => match self.script.answer(payload) {
                    Some(answer) => say(&mut self.stream, FINAL_TEXT, answer.as_bytes())?,
                    None => on_text(payload)?,
                },
                FINAL_PING if self.pongs => say(&mut self.stream, FINAL_PONG, payload)?,
                FINAL_CLOSE => bail!(Lost(format!("the server said {}", close_reason(payload)))),
                // An unsolicited pong is allowed and means nothing.
                FINAL_PING | FINAL_PONG => {}
                other => bail!("an unexpected kind of frame: {other:#04x}"),
            }
            used += length;
        }
        Ok(used)
    }
}

/// The length of a frame of the server's with this text, header and all.
pub(crate) fn frame_bytes(text: &[u8]) -> usize {
    // RFC 6455, section 5.2: two bytes, and two more from 126 on.
    text.len() + if text.len() < usize::from(LONGER) { 2 } else { 4 }
}

/// The frame that `bytes` begin with: its first byte, its payload, and its length with the header.
fn frame(bytes: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let [kind, size, rest @ ..] = bytes else { return Ok(None) };
    ensure!(size & MASKED == 0, "the server masked a frame");
    // RFC 6455, section 5.2: 126 and 127 say that the length follows, in two or in eight bytes.
    let extended = match *size {
        LONGER => 2,
        127 => 8,
        _ => 0,
    };
    let Some(more) = rest.get(..extended) else { return Ok(None) };
    let length = if extended == 0 {
        usize::from(*size)
    } else {
        more.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte))
    };
    let header = 2 + extended;
    ensure!(length <= FRAME_MAX, "a frame of {length} bytes");
    Ok(bytes.get(header..header + length).map(|payload| (*kind, payload, header + length)))
}

fn say(stream: &mut TcpStream, kind: u8, payload: &[u8]) -> Result<()> {
    let length = u16::try_from(payload.len()).context("more than this client says at once")?;
    let mut frame: SmallVec<[u8; 256]> = SmallVec::new();
    if let Some(short) = u8::try_from(length).ok().filter(|length| *length < LONGER) {
        frame.extend_from_slice(&[kind, MASKED | short]);
    } else {
        ensure!(kind == FINAL_TEXT, "a ping of more than 125 bytes");
        frame.extend_from_slice(&[kind, MASKED | LONGER]);
        frame.extend_from_slice(&length.to_be_bytes());
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    let written = stream.write(&frame).map_err(Lost::while_doing("answering"))?;
    ensure!(written == frame.len(), "only part of an answer was taken by the socket");
    Ok(())
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [a, b, text @ ..] => {
            format!("{} {}", u16::from_be_bytes([*a, *b]), String::from_utf8_lossy(text))
        }
        _ => "without a code".to_owned(),
    }
}
