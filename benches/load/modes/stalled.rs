//! `stalled`: broadcasts to a few who read while many others have stopped reading, on two servers in turn, one of which
//! has none of the latter. What the readers wait, and what the server's memory grows to and falls back to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};

use super::Database;
use super::broadcast::broadcast;
use super::fanout::{Posts, SETTLE};
use super::idle::{grouped_count, tokens};
use crate::args::{Common, Stalled};
use crate::clock::Deadline;
use crate::crowd::Crowd;
use crate::report::{Latencies, Table, say};
use crate::server::Server;
use crate::{interrupt, process, scan};

/// So little that the system takes hold of next to nothing for a client that does not read.
const RECEIVE_BUFFER: usize = 4 * 1024;
/// As in the configuration when nobody changes it: `session.queue_bytes`.
const QUEUE_BYTES: u64 = 256 * 1024;
/// How long a client waits for its greeting.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the last broadcast: what was cut off is gone by then.
const AFTERMATH: Duration = Duration::from_secs(3);
/// Memory is looked at once in so many broadcasts.
const LOOK_EVERY: usize = 10;

pub(crate) fn run(common: &Common, options: &Stalled) -> Result<()> {
    let alone = Database::open(&common.database_or("sqlite"), common)?;
    let beside = Database::open(&common.database_or("sqlite"), common)?;
    let mut alone = House::open(&alone, common, options)?;
    let mut beside = House::open(&beside, common, options)?;
    thread::sleep(SETTLE);
    let before = process::resident(beside.server.id())?;
    let stalled = stall(beside.server.address, options.sleepers)?;
    let with_them = process::resident(beside.server.id())?;

    let mut peak = with_them;
    for round in 0..options.broadcasts {
        interrupt::check()?;
        // Neither is always the first.
        let houses = if round % 2 == 0 { [&mut alone, &mut beside] } else { [&mut beside, &mut alone] };
        houses.into_iter().try_for_each(|house| house.broadcast(common))?;
        if round % LOOK_EVERY == 0 {
            peak = peak.max(process::resident(beside.server.id())?);
        }
    }
    thread::sleep(AFTERMATH);
    let after = process::resident(beside.server.id())?;
    let gone = count_cut(&stalled);
    drop(stalled);

    let mut table = Table::new(
        format!(
            "{} broadcasts to {} readers, beside {} who have stopped reading and without them",
            grouped_count(options.broadcasts),
            grouped_count(options.readers),
            grouped_count(options.sleepers)
        ),
        &["", "p50", "p99"],
    );
    for (name, house) in [("without them", &mut alone), ("beside them", &mut beside)] {
        table.row([name.to_owned()].into_iter().chain(house.latencies.quantiles()));
    }
    table.print(common.markdown);
    let ratio = beside.latencies.ratio(&mut alone.latencies, 99);
    let bound = QUEUE_BYTES * options.sleepers as u64;
    say(format!("\np99 beside them is {ratio:.2} times that without; {gone} of them were cut off."));
    say(format!(
        "Memory: {} before they came, {} with them, {} at most, {} in the end; the queues may hold {}.",
        megabytes(before),
        megabytes(with_them),
        megabytes(peak),
        megabytes(after),
        megabytes(bound)
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A server and those who read.
struct House {
    server: Server,
    posts: Posts,
    crowd: Crowd,
    latencies: Latencies,
}

impl House {
    fn open(database: &Database, common: &Common, options: &Stalled) -> Result<Self> {
        let server = database.serve(common)?;
        let deadline = Deadline::after(common.timeout());
        let crowd = Crowd::gather(&[server.address], &tokens(options.readers)?, &deadline)?;
        let posts = Posts::new(server.address, 1)?;
        let latencies = Latencies::with_capacity(options.broadcasts * options.readers);
        Ok(Self { server, posts, crowd, latencies })
    }

    fn broadcast(&mut self, common: &Common) -> Result<()> {
        broadcast(&mut self.posts, &mut self.crowd, &mut self.latencies, common)
    }
}

/// Connects so many, each of whom reads its greeting and never again.
fn stall(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    tokens_of_stalled(count)?.iter().map(|token| stall_one(address, token)).collect()
}

/// Other users than those who read.
fn tokens_of_stalled(count: usize) -> Result<Vec<String>> {
    (0..count).map(|number| crate::token::mint(&format!("stalled-{number}"), "CUSTOMER")).collect()
}

fn stall_one(address: SocketAddr, token: &str) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(&address.into())?;
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET /ws/notifications HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut heard = Vec::new();
    while scan::find(&heard, b"\"connected\"").is_none() {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).context("waiting for a greeting")?;
        ensure!(read > 0, "not let in: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    Ok(stream)
}

/// How many of these the server has cut off: what lies in between is read first.
fn count_cut(stalled: &[TcpStream]) -> usize {
    let is_cut = |mut stream: &TcpStream| -> bool {
        let mut part = vec![0; 64 * 1024];
        if stream.set_nonblocking(true).is_err() {
            return false;
        }
        loop {
            match stream.read(&mut part) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    };
    stalled.iter().filter(|stream| is_cut(stream)).count()
}
