//! `refused`: broadcasts to those who read while others keep trying to connect to a server that takes no more. In turns
//! they try at the server, and at a listener of this program that hangs up at once: what the trying costs this machine
//! is in both, what refusing costs the server is in one.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Database;
use super::broadcast::broadcast;
use super::fanout::{Posts, SETTLE};
use super::idle::{grouped_count, tokens};
use crate::args::{Common, Refused};
use crate::clock::{self, Deadline};
use crate::crowd::Crowd;
use crate::report::{Latencies, Table, micros_each, say};
use crate::server::Server;
use crate::{interrupt, process};

/// How long they try at one place before it is the other's turn.
const TURN: Duration = Duration::from_secs(1);
/// How long a connection that is refused may last.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any run, in milliseconds.
const STAY: &str = "600000";
/// Connections beside the readers': those that publish, and a few that ask whether the server is ready.
const SPARE: usize = 4;
const HANDSHAKE: &[u8] = b"GET /ws/notifications HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub(crate) fn run(common: &Common, options: &Refused) -> Result<()> {
    let database = Database::open(&common.database_or("sqlite"), common)?;
    let connections = (options.readers + SPARE).to_string();
    let connections: &'static str = connections.leak();
    let server = database.serve_with(
        common,
        &[
            ("BELLHOP__LIMITS__CONNECTIONS", connections),
            ("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", connections),
            // Those who take the places say nothing, and must keep them.
            ("BELLHOP__SERVER__KEEP_ALIVE_MS", STAY),
            ("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", STAY),
        ],
    )?;
    let deadline = Deadline::after(common.timeout());
    let mut crowd = Crowd::gather(&[server.address], &tokens(options.readers)?, &deadline)?;
    let mut posts = Posts::new(server.address, 1)?;
    // The connection that publishes is made with the first broadcast.
    broadcast(&mut posts, &mut crowd, &mut Latencies::default(), common)?;
    // What is left of the places is taken, so that whoever comes now is refused.
    let places = fill(server.address)?;
    let elsewhere = listen_and_hang_up()?;

    let mut sides =
        [Side::new("at a listener that hangs up", elsewhere), Side::new("at the server", server.address)];
    let mut refused = 0;
    while refused < options.connections {
        for side in &mut sides {
            let flood = Flood::begin(side.address, options.rate);
            side.turn(&server, &mut crowd, &mut posts, common)?;
            side.refused += flood.end()?;
        }
        refused = sides.last().map_or(0, |side| side.refused);
    }
    drop(places);
    print(common, options, &mut sides);
    Ok(())
}

fn print(common: &Common, options: &Refused, [elsewhere, at_server]: &mut [Side; 2]) {
    let mut table = Table::new(
        format!(
            "Broadcasts to {} readers while {} connections a second are tried",
            grouped_count(options.readers),
            grouped_count(options.rate)
        ),
        &["", "refused", "p50", "p99", "processor time a broadcast"],
    );
    let (ratios, costs) = (
        [50, 99].map(|percent| at_server.latencies.ratio(&mut elsewhere.latencies, percent)),
        [&*elsewhere, &*at_server].map(|side| micros_each(side.cost, side.broadcasts)),
    );
    for (side, cost) in [elsewhere, at_server].into_iter().zip(costs) {
        let [p50, p99] = side.latencies.quantiles();
        table.row([side.name.to_owned(), grouped_count(side.refused), p50, p99, format!("{cost:.0} µs")]);
    }
    table.print(common.markdown);
    say(format!(
        "\nAt the server, p50 is {:.2} times and p99 {:.2} times that of the other.",
        ratios[0], ratios[1]
    ));
}

/// Where they try, and what the readers waited meanwhile.
struct Side {
    name: &'static str,
    address: SocketAddr,
    refused: usize,
    broadcasts: usize,
    cost: Duration,
    latencies: Latencies,
}

impl Side {
    fn new(name: &'static str, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            refused: 0,
            broadcasts: 0,
            cost: Duration::ZERO,
            latencies: Latencies::default(),
        }
    }

    /// Broadcasts, one after the other, for as long as a turn takes.
    fn turn(&mut self, server: &Server, crowd: &mut Crowd, posts: &mut Posts, common: &Common) -> Result<()> {
        let (end, before) = (clock::now() + TURN, process::cpu(server.id())?);
        while clock::now() < end {
            interrupt::check()?;
            broadcast(posts, crowd, &mut self.latencies, common)?;
            self.broadcasts += 1;
        }
        self.cost += process::cpu(server.id())?.saturating_sub(before);
        thread::sleep(SETTLE);
        Ok(())
    }
}

/// Takes the places that are left; they are given up with the connections.
fn fill(address: SocketAddr) -> Result<Vec<TcpStream>> {
    let mut places = Vec::new();
    for _ in 0..=SPARE {
        let mut stream = TcpStream::connect(address)?;
        // What hangs up at once has no place any more.
        stream.set_read_timeout(Some(SETTLE))?;
        match stream.read(&mut [0; 1]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                places.push(stream);
            }
            _ => return Ok(places),
        }
    }
    anyhow::bail!("the server takes more than it should: are its limits set?")
}

/// A listener on a thread of its own, which ends with this process.
fn listen_and_hang_up() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || listener.incoming().for_each(drop));
    Ok(address)
}

/// Connections that are tried at a steady rate on a thread of their own.
struct Flood {
    over: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Result<()>>,
}

impl Flood {
    fn begin(address: SocketAddr, rate: usize) -> Self {
        let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
        let (is_over, counted) = (Arc::clone(&over), Arc::clone(&count));
        let thread = thread::spawn(move || {
            let mut next = clock::now();
            while !is_over.load(Ordering::Relaxed) {
                be_refused(address)?;
                counted.fetch_add(1, Ordering::Relaxed);
                next += pause;
                thread::sleep(next.saturating_duration_since(clock::now()));
            }
            Ok(())
        });
        Self { over, count, thread }
    }

    /// Answers how many were refused.
    fn end(self) -> Result<usize> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the flood broke off"))??;
        Ok(self.count.load(Ordering::Relaxed))
    }
}

/// Tries to connect, which must not succeed.
fn be_refused(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("trying to connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; 256];
    // Whoever is hung up on may notice while they still speak.
    let heard = stream.write_all(HANDSHAKE).and_then(|()| stream.read(&mut answer));
    match heard {
        Ok(0) => Ok(()),
        Ok(length) => {
            let said = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
            ensure!(!said.starts_with("HTTP/1.1 101") && !said.starts_with("HTTP/1.1 401"), "let in: {said}");
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        Err(error) => Err(error).context("a connection that is neither taken nor refused"),
    }
}
