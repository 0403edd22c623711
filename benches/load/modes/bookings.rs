//! `bookings`: the road that matters, from `POST /bookings` to the frame at the host's device, with a
//! fixed number of requests under way, and at a fixed rate whatever the answers do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Token, Waker};

use super::ledger::Ledger;
use super::{Database, insert_limit};
use crate::args::{Bookings, Common};
use crate::clock::{self, Deadline};
use crate::crowd::{Audience, Crowd, OTHERS};
use crate::http::{self, HttpConnection};
use crate::report::{self, Table, grouped, micros_each, per_second};
use crate::server::Server;
use crate::{process, scan, token};

/// After the last arrival: what the server still does for it is counted, what comes twice is noticed.
const SETTLE: Duration = Duration::from_millis(300);
/// Bookings before measuring begins.
const WARM_UP: usize = 1000;
/// Connections for the load with a rate; more requests than that wait, and their waiting counts.
const RATE_CONNECTIONS: usize = 128;
/// What the pacer wakes the loop with.
const PACER: usize = 1 << 20;

pub(crate) fn run(common: &Common, options: &Bookings, database: &str) -> Result<()> {
    let database = Database::open(database, common)?;
    let mut server = database.serve(common)?;
    let table = measure(&database, &server, common, options);
    let mut table = server.explain(table)?;
    drop(server);
    if !options.no_limit {
        for (batch, rate) in insert_limit::measure(&database, insert_limit::ROWS)? {
            let name = format!("limit: bare inserts, {batch} in a transaction");
            table.row([name, grouped(rate)].into_iter().chain(std::iter::repeat_n("–".to_owned(), 7)));
        }
    }
    table.print(common.markdown);
    report::say(format!(
        "\nEach of the {} bookings of a load reached its own host's device exactly once, no seq was left out.",
        options.count
    ));
    Ok(())
}

fn measure(database: &Database, server: &Server, common: &Common, options: &Bookings) -> Result<Table> {
    // Names of their own, so that also in a database that is not new every inbox begins at 1.
    let run = clock::epoch_seconds();
    let hosts: Vec<String> = (0..options.hosts).map(|index| format!("host-{run}-{index}")).collect();
    let tokens = hosts.iter().map(|host| token::mint(host, "PROFESSIONAL")).collect::<Result<Vec<_>>>()?;
    let guest = token::mint(&format!("guest-{run}"), "CUSTOMER")?;
    let mut crowd = Crowd::gather(&[server.address], &tokens, &Deadline::after(common.timeout()))?;
    let mut load = Load {
        requests: hosts.iter().map(|host| http::post("/bookings", &guest, &body(host))).collect(),
        next_host: 0,
        connections: Vec::new(),
        idle: VecDeque::new(),
        due: VecDeque::new(),
        pace: None,
        unsent: 0,
        ledger: Ledger::new(options.hosts),
    };

    let mut table = Table::new(
        format!("Bookings, {} hosts connected ({})", hosts.len(), database.name),
        &[
            "load",
            "bookings/s",
            "201 p50",
            "201 p99",
            "device p50",
            "device p99",
            "server",
            "database",
            "load program",
        ],
    );
    load.work_off(&mut crowd, server, Shape::InFlight(16), WARM_UP, common)?;
    let in_flight = options.in_flight.iter().map(|&in_flight| Shape::InFlight(in_flight));
    let rate = Some(options.rate).filter(|rate| *rate > 0).map(Shape::Rate);
    for shape in in_flight.chain(rate) {
        let before = Spent::read(server, database)?;
        let took = load.work_off(&mut crowd, server, shape, options.count, common)?;
        let spent = Spent::read(server, database)?.since(&before, options.count);
        let name = match shape {
            Shape::InFlight(count) => format!("{count} in flight"),
            Shape::Rate(rate) => format!("{rate} a second"),
        };
        let rate = grouped(per_second(options.count, took));
        let (answers, devices) = (load.ledger.answers.quantiles(), load.ledger.devices.quantiles());
        table.row([name, rate].into_iter().chain(answers).chain(devices).chain(spent));
    }
    Ok(table)
}

fn body(host: &str) -> String {
    format!(
        r#"{{"hostId":"{host}","listingId":"sea-view","listingName":"Sea View","checkIn":"2026-12-03","checkOut":"2026-12-05","guests":2}}"#
    )
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// So many requests under way, the next sent when one is answered.
    InFlight(usize),
    /// So many a second, by the clock.
    Rate(usize),
}

impl Shape {
    /// When the request of that number is due.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn due(self, index: usize) -> Duration {
        match self {
            Self::InFlight(_) => Duration::ZERO,
            Self::Rate(rate) => Duration::from_secs_f64(index as f64 / rate as f64),
        }
    }
}

struct Load {
    /// Ready-made, one for each host.
    requests: Vec<Vec<u8>>,
    next_host: usize,
    /// Each with the request under way: when it was due, and its host.
    connections: Vec<(HttpConnection, Option<(Instant, usize)>)>,
    /// In turn, so that none idles until the server closes it.
    idle: VecDeque<usize>,
    /// Requests that are due but found no idle connection.
    due: VecDeque<Instant>,
    /// With a rate: the beginning, the shape, and the next number.
    pace: Option<(Instant, Shape, usize)>,
    unsent: usize,
    ledger: Ledger,
}

impl Load {
    /// Sends `count` bookings and waits until each is answered and has arrived.
    fn work_off(
        &mut self,
        crowd: &mut Crowd,
        server: &Server,
        shape: Shape,
        count: usize,
        common: &Common,
    ) -> Result<Duration> {
        self.ledger.clear(count);
        self.due.clear();
        self.unsent = count;
        let wanted = match shape {
            Shape::InFlight(in_flight) => in_flight,
            // Each is used about once a second or more, whatever the rate.
            Shape::Rate(rate) => rate.min(RATE_CONNECTIONS),
        };
        // New connections for each load: those of the last one may have idled for too long.
        self.connections.clear();
        for index in 0..wanted.min(count) {
            let registry = crowd.poll.registry();
            let connection = HttpConnection::connect(server.address, registry, Token(OTHERS + index))?;
            self.connections.push((connection, None));
        }
        self.idle = (0..self.connections.len()).collect();

        let started = clock::now();
        let deadline = Deadline::after(common.timeout() + shape.due(count));
        let pacer = match shape {
            Shape::InFlight(_) => {
                self.pace = None;
                self.due.extend(self.idle.iter().map(|_| started));
                self.send_what_is_due()?;
                None
            }
            Shape::Rate(_) => {
                self.pace = Some((started, shape, 0));
                // Kept until the end: a waker that is dropped takes its last call back.
                let waker = Arc::new(Waker::new(crowd.poll.registry(), Token(OTHERS + PACER))?);
                let of_pacer = Arc::clone(&waker);
                Some((waker, thread::spawn(move || keep_pace(&of_pacer, started, shape, count))))
            }
        };
        while self.ledger.matched < count {
            crowd.turn(self)?;
            deadline.check(|| {
                format!(
                    "{count} bookings; {} answered, {} arrived",
                    self.ledger.answered, self.ledger.matched
                )
            })?;
        }
        let took = started.elapsed();
        if let Some((_waker, pacer)) = pacer {
            pacer.join().ok().context("the pacer panicked")?;
        }
        let settled = Deadline::after(SETTLE);
        while !settled.left().is_zero() {
            crowd.turn(self)?;
        }
        Ok(took)
    }

    fn send_what_is_due(&mut self) -> Result<()> {
        while self.unsent > 0
            && let Some(&due) = self.due.front()
            && let Some(index) = self.idle.pop_front()
        {
            self.due.pop_front();
            self.unsent -= 1;
            let host = self.next_host;
            self.next_host = (host + 1) % self.requests.len();
            let (connection, under_way) = self.connections.get_mut(index).context("no such connection")?;
            connection.send(self.requests.get(host).context("no such host")?)?;
            *under_way = Some((due, host));
        }
        Ok(())
    }
}

impl Audience for Load {
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()> {
        if scan::event(text) == Some(b"booking.created") {
            self.ledger.arrival(clock::now(), device, text)?;
        }
        Ok(())
    }

    fn other(&mut self, index: usize, scratch: &mut [u8]) -> Result<()> {
        if index == PACER {
            if let Some((started, shape, next)) = &mut self.pace {
                while started.elapsed() >= shape.due(*next) {
                    self.due.push_back(*started + shape.due(*next));
                    *next += 1;
                }
            }
            return self.send_what_is_due();
        }
        let Some((connection, under_way)) = self.connections.get_mut(index) else { return Ok(()) };
        let Some((due, host)) = *under_way else { return connection.receive(scratch, |_| Ok(())).map(drop) };
        let ledger = &mut self.ledger;
        let answered = connection.receive(scratch, |answer| {
            answer.expect(201)?;
            ledger.answer(due, clock::now(), host, answer.body)
        })?;
        if answered {
            *under_way = None;
            self.idle.push_back(index);
            if self.pace.is_none() {
                self.due.push_back(clock::now());
            }
            self.send_what_is_due()?;
        }
        Ok(())
    }
}

/// Wakes the loop whenever a request is due. A thread of its own sleeps to 0.1 ms where the loop's
/// own waiting knows whole milliseconds only.
fn keep_pace(waker: &Waker, started: Instant, shape: Shape, count: usize) {
    for index in 0..count {
        thread::sleep((started + shape.due(index)).saturating_duration_since(clock::now()));
        // It fails only where the loop is gone.
        if waker.wake().is_err() {
            return;
        }
    }
}

/// Processor time so far of the server, the database and this program.
struct Spent([Option<Duration>; 3]);

impl Spent {
    fn read(server: &Server, database: &Database) -> Result<Self> {
        Ok(Self([
            Some(process::cpu(server.id())?),
            database.id().map(process::cpu_of_family).transpose()?,
            Some(process::cpu(std::process::id())?),
        ]))
    }

    /// Microseconds for each of `count` bookings since `before`.
    fn since(&self, before: &Self, count: usize) -> impl Iterator<Item = String> + use<> {
        self.0.into_iter().zip(before.0).map(move |(after, before)| match after.zip(before) {
            Some((after, before)) => format!("{:.0} µs", micros_each(after.saturating_sub(before), count)),
            None => "–".to_owned(),
        })
    }
}
