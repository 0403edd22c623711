//! `fanout`: one passing message to everybody, again and again, one at a time and in bursts: what
//! the server spends on each copy, and when the last socket has it. Beside it, in the same run, the
//! same for the limit server, which only writes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, ensure};

use super::Database;
use super::idle::{grouped_count, tokens};
use crate::args::{Common, Fanout};
use crate::child::Process;
use crate::clock::{self, Deadline};
use crate::crowd::{Audience, Crowd};
use crate::report::{Latencies, Table, micros_each};
use crate::{http, limit_server, process, scan, token, websocket};

/// After the last copy arrived: pongs and the like are worked off too, and count.
pub(super) const SETTLE: Duration = Duration::from_millis(300);
/// Bursts before measuring begins.
const WARM_UP: usize = 3;
pub(super) const EVENT: &[u8] = b"system.maintenance";
const BODY: &str = r#"{"type":"system.maintenance","role":"CUSTOMER","title":"Maintenance tonight","message":"Bellhop is being updated between two and three o'clock; bookings are taken as ever.","passing":true}"#;

pub(crate) fn run(common: &Common, options: &Fanout) -> Result<()> {
    let mut table = Table::new(
        "Fan-out: processor time of the server for each copy, and when the last socket had it",
        &[
            "sockets",
            "at once",
            "server",
            "limit",
            "ratio",
            "last p50",
            "last p99",
            "limit's p50",
            "limit's p99",
        ],
    );
    for &sockets in &options.sockets {
        let database = Database::open(&common.database_or("sqlite"), common)?;
        let mut server = database.serve(common)?;
        let mut posts = Posts::new(server.address, options.burst)?;
        let target = Target { pid: server.id(), addresses: vec![server.address] };
        let figures = measure(&target, &mut posts, sockets, options, common);
        let figures = server.explain(figures)?;
        drop(server);

        let (limit, mut pipe, addresses) = start_limit(figures.frame_bytes, &common.directory())?;
        let target = Target { pid: limit.id(), addresses };
        let limits = measure(&target, &mut pipe, sockets, options, common)?;
        for (ours, theirs) in figures.lines.into_iter().zip(limits.lines) {
            table.row(
                [
                    grouped_count(sockets),
                    ours.at_once.to_string(),
                    format!("{:.2} µs", ours.micros),
                    format!("{:.2} µs", theirs.micros),
                    format!("{:.2}", ours.micros / theirs.micros.max(0.001)),
                ]
                .into_iter()
                .chain(ours.last)
                .chain(theirs.last),
            );
        }
    }
    table.print(common.markdown);
    Ok(())
}

/// What sends a number of messages to everybody.
pub(super) trait Publisher {
    fn publish(&mut self, count: usize) -> Result<()>;

    /// After all copies have arrived.
    fn settle(&mut self, count: usize) -> Result<()>;
}

struct Target {
    pid: u32,
    addresses: Vec<SocketAddr>,
}

struct Figures {
    lines: Vec<Line>,
    frame_bytes: usize,
}

struct Line {
    at_once: usize,
    /// Of the server's processor time, for each copy.
    micros: f64,
    /// When the last socket had it: the quantiles.
    last: [String; 2],
}

fn measure(
    target: &Target,
    publisher: &mut impl Publisher,
    sockets: usize,
    options: &Fanout,
    common: &Common,
) -> Result<Figures> {
    let tokens = tokens(sockets)?;
    let mut crowd = Crowd::gather(&target.addresses, &tokens, &Deadline::after(common.timeout()))?;
    let mut tally = Tally { got: vec![0; sockets], total: 0, frame_bytes: 0 };
    let mut sent = 0;
    let mut round = |at_once: usize| -> Result<Duration> {
        let started = clock::now();
        publisher.publish(at_once)?;
        sent += at_once;
        let deadline = Deadline::after(common.timeout());
        while tally.total < sent * sockets {
            crowd.turn(&mut tally)?;
            deadline.check(|| format!("{} copies; {} arrived", sent * sockets, tally.total))?;
        }
        let last = started.elapsed();
        ensure!(tally.got.iter().all(|got| *got == sent), "some sockets got more than others");
        publisher.settle(at_once)?;
        Ok(last)
    };
    for _ in 0..WARM_UP {
        round(options.burst)?;
    }
    let mut lines = Vec::new();
    for at_once in [1, options.burst] {
        let rounds = (options.copies / sockets / at_once).max(1);
        let mut latencies = Latencies::with_capacity(rounds);
        thread::sleep(SETTLE);
        let before = process::cpu(target.pid)?;
        for _ in 0..rounds {
            latencies.add(round(at_once)?);
        }
        thread::sleep(SETTLE);
        let cost = process::cpu(target.pid)?.saturating_sub(before);
        let micros = micros_each(cost, rounds * at_once * sockets);
        lines.push(Line { at_once, micros, last: latencies.quantiles() });
    }
    Ok(Figures { lines, frame_bytes: tally.frame_bytes })
}

/// How many copies each socket has.
struct Tally {
    got: Vec<usize>,
    total: usize,
    /// The length of the last one, header and all.
    frame_bytes: usize,
}

impl Audience for Tally {
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()> {
        if scan::event(text) == Some(EVENT) {
            *self.got.get_mut(device).context("a device that is not ours")? += 1;
            self.total += 1;
            self.frame_bytes = websocket::frame_bytes(text);
        }
        Ok(())
    }
}

/// Connections over which a service posts, so that a burst is as many requests at once.
pub(super) struct Posts {
    address: SocketAddr,
    count: usize,
    /// Made when first needed: the server gives a new connection only so long to send something.
    streams: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Posts {
    pub(super) fn new(address: SocketAddr, count: usize) -> Result<Self> {
        let request = http::post("/notifications", &token::mint("load-service", "SERVICE")?, BODY);
        Ok(Self { address, count, streams: Vec::new(), request })
    }
}

impl Publisher for Posts {
    fn publish(&mut self, count: usize) -> Result<()> {
        if self.streams.is_empty() {
            self.streams =
                (0..self.count).map(|_| TcpStream::connect(self.address)).collect::<Result<_, _>>()?;
        }
        self.streams.iter_mut().take(count).try_for_each(|stream| http::send_blocking(stream, &self.request))
    }

    fn settle(&mut self, count: usize) -> Result<()> {
        for stream in self.streams.iter_mut().take(count) {
            let (status, body) = http::receive_blocking(stream)?;
            http::Answer { status, body: &body }.expect(202)?;
        }
        Ok(())
    }
}

fn start_limit(frame_bytes: usize, directory: &Path) -> Result<(Process, ChildStdin, Vec<SocketAddr>)> {
    let log = tempfile::Builder::new().prefix("bellhop-limit-").tempfile_in(directory)?;
    let mut command = Command::new(env::current_exe()?);
    command.args(["limit-server", &frame_bytes.to_string()]);
    let mut limit = Process::start("the limit server", command, log.path(), true)?;
    let (stdin, stdout) = limit.pipes()?;
    let ports = BufReader::new(stdout).lines().take(limit_server::THREADS).map(|line| {
        let port: u16 = line?.parse().context("the limit server's port")?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    });
    let addresses = ports.collect::<Result<Vec<_>>>()?;
    ensure!(addresses.len() == limit_server::THREADS, "the limit server did not start");
    Ok((limit, stdin, addresses))
}

impl Publisher for ChildStdin {
    fn publish(&mut self, count: usize) -> Result<()> {
        writeln!(self, "{count}").context("commanding the limit server")
    }

    fn settle(&mut self, _count: usize) -> Result<()> {
        Ok(())
    }
}
