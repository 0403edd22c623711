//! The limit of fan-out: a server that does nothing but write bytes framed beforehand to sockets, from
//! two threads over plain epoll. No program that sends the same bytes to the same number of sockets
//! through the same kernel can cost much less. It runs as a process of its own (the hidden command
//! `limit-server`), tells its ports on standard output, and obeys numbers on standard input: `5` means
//! five messages to everybody, written as one.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::report::say;

pub(crate) const THREADS: usize = 2;
const LISTENER: Token = Token(usize::MAX);
const COMMAND: Token = Token(usize::MAX - 1);
const BACKLOG_RETRY: Duration = Duration::from_secs(1);
/// What the load program's own client takes for an upgrade and a greeting.
const WELCOME: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\n\r\n\x81\x1b{\"event\":\"connected\",\"a\":0}";

/// Serves until standard input ends. `length` is a whole frame's, header and all.
pub(crate) fn run(length: usize) -> Result<()> {
    let frame = frame(length)?;
    let mut workers: Vec<(Sender<usize>, Waker)> = Vec::new();
    for _ in 0..THREADS {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        say(listener.local_addr()?.port().to_string());
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), COMMAND)?;
        let (commands, orders) = channel();
        let worker = Worker { poll, listener, orders, frame: frame.clone(), sockets: Vec::new() };
        thread::spawn(move || worker.run());
        workers.push((commands, waker));
    }
    for line in io::stdin().lock().lines() {
        let count: usize = line?.trim().parse().context("a command is a number")?;
        for (commands, waker) in &workers {
            commands.send(count).ok().context("a worker is gone")?;
            waker.wake()?;
        }
    }
    Ok(())
}

/// A text frame of that many bytes, which looks like a notification to the load program.
fn frame(length: usize) -> Result<Vec<u8>> {
    let payload = length.checked_sub(4).filter(|rest| *rest >= 126).and_then(|rest| u16::try_from(rest).ok());
    let payload = payload.context("a frame of 130 to 65539 bytes is wanted")?;
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&payload.to_be_bytes());
    frame.extend_from_slice(br#"{"event":"system.maintenance","data":""#);
    frame.resize(length, b'x');
    Ok(frame)
}

struct Socket {
    stream: TcpStream,
    /// What the kernel had no room for.
    unsent: Vec<u8>,
}

struct Worker {
    poll: Poll,
    listener: TcpListener,
    orders: Receiver<usize>,
    frame: Vec<u8>,
    sockets: Vec<Socket>,
}

impl Worker {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = [0; 4096];
        loop {
            match self.poll.poll(&mut events, Some(BACKLOG_RETRY)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    COMMAND => self.obey(),
                    Token(index) => {
                        let Some(socket) = self.sockets.get_mut(index) else { continue };
                        if event.is_readable() && socket.stream.read(&mut scratch).is_ok_and(|read| read > 0)
                        {
                            // All that a client ever sends here is its handshake.
                            socket.write(WELCOME);
                        }
                        if event.is_writable() && !socket.unsent.is_empty() {
                            let unsent = std::mem::take(&mut socket.unsent);
                            socket.write(&unsent);
                        }
                    }
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let (mut stream, _) = match self.listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?,
            };
            stream.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(self.sockets.len()), interest)?;
            self.sockets.push(Socket { stream, unsent: Vec::new() });
        }
    }

    fn obey(&mut self) {
        while let Ok(count) = self.orders.try_recv() {
            let bytes = self.frame.repeat(count);
            for socket in &mut self.sockets {
                socket.write(&bytes);
            }
        }
    }
}

impl Socket {
    fn write(&mut self, bytes: &[u8]) {
        // A socket that failed is its client's business: there the missing frames are noticed.
        let written = if self.unsent.is_empty() { self.stream.write(bytes).unwrap_or(0) } else { 0 };
        self.unsent.extend_from_slice(bytes.get(written..).unwrap_or_default());
    }
}
