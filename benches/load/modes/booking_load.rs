//! Bookings sent over connections of their own and followed to their hosts' devices: what the modes that
//! measure bookings put on the server. The ledger keeps the book.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::{Token, Waker};

use super::ledger::Ledger;
use crate::args::Common;
use crate::clock::{self, Deadline};
use crate::crowd::{Audience, Crowd, OTHERS};
use crate::http::{self, HttpConnection};
use crate::server::Server;
use crate::{scan, token};

/// After the last arrival: what the server still does for it is counted, what comes twice is noticed.
const SETTLE: Duration = Duration::from_millis(300);
/// Bookings before measuring begins.
pub(super) const WARM_UP: usize = 1000;
/// Connections for the load with a rate; more requests than that wait, and their waiting counts.
const RATE_CONNECTIONS: usize = 128;
/// What the pacer wakes the loop with.
const PACER: usize = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// So many requests under way, the next sent when one is answered.
    InFlight(usize),
    /// So many a second, by the clock.
    Rate(usize),
}

impl Shape {
    pub(super) fn name(self) -> String {
        match self {
            Self::InFlight(count) => format!("{count} in flight"),
            Self::Rate(rate) => format!("{rate} a second"),
        }
    }

    /// When the request of that number is due.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn due(self, index: usize) -> Duration {
        match self {
            Self::InFlight(_) => Duration::ZERO,
            Self::Rate(rate) => Duration::from_secs_f64(index as f64 / rate as f64),
        }
    }
}

/// An instance that is booked on, and whose hosts with.
struct Desk {
    address: SocketAddr,
    /// The first of its hosts, and the one whose turn it is; every so-manieth is its, as many as there are desks.
    first: usize,
    next: usize,
}

pub(super) struct Load {
    /// Ready-made, one for each host.
    requests: Vec<Vec<u8>>,
    desks: Vec<Desk>,
    /// Each with the request under way: when it was due, and its host.
    connections: Vec<(HttpConnection, Option<(Instant, usize)>)>,
    /// In turn, so that none idles until the server closes it.
    idle: VecDeque<usize>,
    /// Requests that are due but found no idle connection.
    due: VecDeque<Instant>,
    /// With a rate: the beginning, the shape, and the next number.
    pace: Option<(Instant, Shape, usize)>,
    unsent: usize,
    pub(super) ledger: Ledger,
}

impl Load {
    /// Connects that many hosts and makes their bookings ready.
    pub(super) fn gather(hosts: usize, server: &Server, common: &Common) -> Result<(Self, Crowd)> {
        Self::gather_over(hosts, &[server.address], 0, common)
    }

    /// The same over several instances in turn: hosts are booked so many instances away from their devices.
    pub(super) fn gather_over(
        hosts: usize,
        instances: &[SocketAddr],
        away: usize,
        common: &Common,
    ) -> Result<(Self, Crowd)> {
        let count = instances.len();
        ensure!(hosts >= count, "fewer hosts than instances");
        // Names of their own, so that also in a database that is not new every inbox begins at 1.
        let run = clock::epoch_seconds();
        let hosts: Vec<String> = (0..hosts).map(|index| format!("host-{run}-{index}")).collect();
        let tokens =
            hosts.iter().map(|host| token::mint(host, "PROFESSIONAL")).collect::<Result<Vec<_>>>()?;
        let guest = token::mint(&format!("guest-{run}"), "CUSTOMER")?;
        let crowd = Crowd::gather(instances, &tokens, &Deadline::after(common.timeout()))?;
        let desks = instances.iter().enumerate().map(|(desk, &address)| {
            let first = (desk + count - away % count) % count;
            Desk { address, first, next: first }
        });
        let load = Self {
            desks: desks.collect(),
            requests: hosts.iter().map(|host| http::post("/bookings", &guest, &body(host))).collect(),
            connections: Vec::new(),
            idle: VecDeque::new(),
            due: VecDeque::new(),
            pace: None,
            unsent: 0,
            ledger: Ledger::new(hosts.len()),
        };
        Ok((load, crowd))
    }

    /// Sends `count` bookings and waits until each is answered and has arrived.
    pub(super) fn work_off(
        &mut self,
        crowd: &mut Crowd,
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
            let desk = self.desks.get(index % self.desks.len()).context("no instance to book on")?;
            let connection = HttpConnection::connect(desk.address, registry, Token(OTHERS + index))?;
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
        Ok(took)
    }

    /// Lets come what comes after the last arrival.
    pub(super) fn settle(&mut self, crowd: &mut Crowd) -> Result<()> {
        let settled = Deadline::after(SETTLE);
        while !settled.left().is_zero() {
            crowd.turn(self)?;
        }
        Ok(())
    }

    fn send_what_is_due(&mut self) -> Result<()> {
        while self.unsent > 0
            && let Some(&due) = self.due.front()
            && let Some(index) = self.idle.pop_front()
        {
            self.due.pop_front();
            self.unsent -= 1;
            let desks = self.desks.len();
            let desk = self.desks.get_mut(index % desks).context("no instance to book on")?;
            let host = desk.next;
            desk.next = if host + desks < self.requests.len() { host + desks } else { desk.first };
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

fn body(host: &str) -> String {
    format!(
        r#"{{"hostId":"{host}","listingId":"sea-view","listingName":"Sea View","checkIn":"2026-12-03","checkOut":"2026-12-05","guests":2}}"#
    )
}
