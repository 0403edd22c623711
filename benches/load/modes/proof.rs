//! `proof`: what it costs to know that a device has what was sent. The same bookings three ways, in turn
//! and each over a server and a database of its own: every receipt proven by the device's pong and written
//! to the database, every receipt written when the bytes were handed to the socket, and none at all.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Database;
use super::booking_load::{Load, Shape, WARM_UP};
use super::deliveries::Deliveries;
use super::spent::Spent;
use crate::args::{Common, Proof};
use crate::clock::{self, Deadline};
use crate::crowd::Crowd;
use crate::report::{self, Table, grouped, middle, milliseconds, per_second, sorted};
use crate::server::{STAND_IN, Server, Setting};

/// How often the database is asked whether a receipt is still missing.
const ASK_INTERVAL: Duration = Duration::from_millis(5);
/// Longer than any run.
const AN_HOUR: &str = "3600000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The devices answer pings, which is how the server counts unless it is told otherwise.
    Pong,
    /// What was handed to the socket counts as received.
    Sent,
    /// The devices answer nothing and no deadline passes: no receipt is ever noticed, let alone written.
    Without,
}

const WAYS: [Way; 3] = [Way::Pong, Way::Sent, Way::Without];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Pong => "pong: the device answered",
            Self::Sent => "sent: handed to the socket",
            Self::Without => "without proof",
        }
    }

    fn settings(self) -> &'static [Setting<'static>] {
        match self {
            Self::Pong => &[],
            Self::Sent => &[("BELLHOP__DELIVERY__PROOF", "sent")],
            Self::Without => &[
                ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", AN_HOUR),
                ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", AN_HOUR),
            ],
        }
    }
}

pub(crate) fn run(common: &Common, options: &Proof, database: &str) -> Result<()> {
    ensure!(
        ["postgres", "sqlite"].contains(&database),
        "each run needs an empty database: postgres or sqlite"
    );
    let mut name = "";
    let mut runs: [Vec<Figures>; WAYS.len()] = Default::default();
    for round in 0..options.rounds {
        // Each is first in some round, so that whatever changes over time falls on all.
        for turn in 0..WAYS.len() {
            let index = (round + turn) % WAYS.len();
            let (Some(way), Some(figures)) = (WAYS.get(index), runs.get_mut(index)) else { continue };
            let database = Database::open(database, common)?;
            name = database.name;
            let mut server = database.serve_with(common, way.settings())?;
            let measured = measure(*way, &database, &server, common, options);
            figures.push(server.explain(measured)?);
        }
    }
    print(name, common, options, runs);
    Ok(())
}

/// Of one run.
#[derive(Debug)]
struct Figures {
    /// Bookings a second until the last was answered and had arrived.
    rate: f64,
    /// For the bookings and their receipts, also those written afterwards.
    spent: Spent,
    /// From the last arrival until the last receipt was in the database.
    drained: Option<Duration>,
}

fn measure(
    way: Way,
    database: &Database,
    server: &Server,
    common: &Common,
    options: &Proof,
) -> Result<Figures> {
    let (mut load, mut crowd) = Load::gather(options.hosts, server, common)?;
    if way == Way::Without {
        crowd.keep_silent();
    }
    // The stand-in keeps nothing that could be looked at.
    let mut deliveries = match common.server.to_str() {
        Some(STAND_IN) => None,
        _ => Some(Deliveries::open(&database.url)?),
    };
    load.work_off(&mut crowd, Shape::InFlight(16), WARM_UP, common)?;
    drain(way, &mut load, &mut crowd, deliveries.as_mut(), common)?;
    load.settle(&mut crowd)?;

    let before = Spent::read(server, database)?;
    let shape = Shape::InFlight(options.in_flight);
    let took = load.work_off(&mut crowd, shape, options.count, common)?;
    let drained = drain(way, &mut load, &mut crowd, deliveries.as_mut(), common)?;
    load.settle(&mut crowd)?;
    let spent = Spent::read(server, database)?.since(before);
    if let Some(deliveries) = &mut deliveries {
        check(way, deliveries, WARM_UP + options.count)?;
    }
    Ok(Figures { rate: per_second(options.count, took), spent, drained })
}

/// Waits, where receipts are written, until the last is; answers how long that took.
fn drain(
    way: Way,
    load: &mut Load,
    crowd: &mut Crowd,
    deliveries: Option<&mut Deliveries>,
    common: &Common,
) -> Result<Option<Duration>> {
    let Some(deliveries) = deliveries.filter(|_| way != Way::Without) else { return Ok(None) };
    let started = clock::now();
    let deadline = Deadline::after(common.timeout());
    while deliveries.count(Some("pending"))? > 0 {
        // The devices go on answering meanwhile.
        crowd.turn_within(ASK_INTERVAL, load)?;
        deadline.check(|| "the last receipts to be in the database".to_owned())?;
    }
    Ok(Some(started.elapsed()))
}

/// The way was what it is called: all of its receipts are in the database, or none is.
fn check(way: Way, deliveries: &mut Deliveries, bookings: usize) -> Result<()> {
    let (pending, confirmed) = (deliveries.count(Some("pending"))?, deliveries.count(Some("confirmed"))?);
    let wanted = if way == Way::Without { pending } else { confirmed };
    let total = deliveries.count(None)?;
    ensure!(
        total == i64::try_from(bookings)? && wanted == total,
        "{}: of {bookings} bookings {total} have a delivery, {confirmed} are confirmed and {pending} pending",
        way.name()
    );
    Ok(())
}

fn print(database: &str, common: &Common, options: &Proof, runs: [Vec<Figures>; WAYS.len()]) {
    let mut table = Table::new(
        format!(
            "Proof of receipt: bookings with {} in flight, {} hosts connected, medians of {} runs ({database})",
            options.in_flight, options.hosts, options.rounds
        ),
        &[
            "receipts",
            "bookings/s",
            "lowest",
            "highest",
            "server",
            "database",
            "load program",
            "written after",
        ],
    );
    let mut medians = Vec::new();
    for (way, figures) in WAYS.into_iter().zip(runs) {
        let rates = sorted(figures.iter().map(|figures| figures.rate));
        let (lowest, highest) = (rates.first().copied(), rates.last().copied());
        let rate = middle(&rates).unwrap_or_default();
        medians.push(rate);
        let spent = [0, 1, 2].map(|whose| {
            let all = sorted(figures.iter().filter_map(|figures| *figures.spent.0.get(whose)?));
            middle(&all)
        });
        let drained = middle(&sorted(figures.iter().filter_map(|figures| figures.drained)));
        table.row(
            [way.name().to_owned(), grouped(rate)]
                .into_iter()
                .chain([lowest, highest].map(|rate| grouped(rate.unwrap_or_default())))
                .chain(Spent(spent).micros_each(options.count))
                .chain([drained.map_or_else(|| "–".to_owned(), milliseconds)]),
        );
    }
    table.print(common.markdown);
    if let [pong, sent, without] = *medians {
        report::say(format!("\n{}\n{}", cost(pong, "without proof", without), cost(pong, "with sent", sent)));
    }
}

fn cost(pong: f64, name: &str, other: f64) -> String {
    let ratio = pong / other.max(1.0);
    format!(
        "pong / {name} = {ratio:.2}: proof costs {:.0} % of what is reached {name}.",
        (1.0 - ratio) * 100.0
    )
}
