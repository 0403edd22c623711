//! `doors`: what a copy of a message and a connection that waits cost by each door. Each door has a server of its own,
//! all of the same program and all at once, so that each round measures all of them within a few seconds: a ratio then
//! says more than the figures that it is of.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Database;
use super::fanout::{EVENT, Posts, Publisher, SETTLE};
use super::idle::{grouped_count, tokens};
use crate::args::{Common, Doors};
use crate::clock::Deadline;
use crate::crowd::{Audience, Crowd};
use crate::door::Door;
use crate::report::{Table, micros_each, middle, say, sorted};
use crate::server::{self, Server};
use crate::{interrupt, process, scan, websocket};

/// The type of the message, for who asks for that name alone.
const ONE_NAME: Option<&str> = Some("system.maintenance");
/// The raw door first: the others are held against it.
const DOORS: [(&str, Door); 4] = [
    ("raw WebSocket", Door::Raw),
    ("Socket.IO, one name", Door::SocketIo(ONE_NAME)),
    ("Socket.IO, default names", Door::SocketIo(None)),
    ("Socket.IO, upgraded, one name", Door::Upgraded(ONE_NAME)),
];
/// Files that this process has open beside its devices' sockets, roughly.
const OTHER_FILES: usize = 200;
/// A server that was started, or has let everybody in, has nothing left to do by then.
const IDLE: Duration = Duration::from_secs(2);
/// How long a turn waits for something to happen, which may be at another door.
const TURN: Duration = Duration::from_millis(20);

pub(crate) fn run(common: &Common, options: &Doors) -> Result<()> {
    let files = server::file_limit()?;
    let wanted = (options.sockets * DOORS.len() + OTHER_FILES) as u64;
    ensure!(files >= wanted, "{wanted} open files are wanted and {files} allowed: ask for fewer --sockets");
    let mut results = DOORS.map(|_| Results::default());
    for start in 0..options.starts {
        let mut houses = Vec::new();
        for (_, door) in DOORS {
            houses.push(House::open(door, common, options)?);
        }
        thread::sleep(IDLE);
        for index in in_turn(start) {
            houses.iter_mut().try_for_each(House::catch_up)?;
            let (house, result) = houses.get_mut(index).zip(results.get_mut(index)).context("a door")?;
            house.gather(result, common, options)?;
        }
        wait(&mut houses, &mut results, options)?;
        for round in 0..=options.rounds {
            for index in in_turn(start + round) {
                let result = results.get_mut(index).context("a door")?;
                for (at_once, costs) in [(1, &mut result.one), (options.burst, &mut result.burst)] {
                    // Pings that came while others were measured.
                    houses.iter_mut().try_for_each(House::catch_up)?;
                    let house = houses.get_mut(index).context("a door")?;
                    let cost = house.spread(at_once, common, options);
                    let cost = house.server.explain(cost)?;
                    // The first round warms up.
                    if round > 0 {
                        costs.push(cost);
                    }
                }
                let house = houses.get(index).context("a door")?;
                result.bytes = house.tally.bytes / house.tally.copies.max(1);
            }
        }
    }
    print(common, options, &results);
    Ok(())
}

/// The doors, each time with another one first.
fn in_turn(round: usize) -> impl Iterator<Item = usize> {
    (0..DOORS.len()).map(move |index| (index + round) % DOORS.len())
}

/// Figures of one door, one for each start or round, in the order of these.
#[derive(Debug, Default)]
struct Results {
    /// Microseconds of the server for each copy, of messages one at a time and in bursts.
    one: Vec<f64>,
    burst: Vec<f64>,
    /// Kilobytes for each connection, when it is new and when it has waited.
    fresh: Vec<f64>,
    waited: Vec<f64>,
    /// Microseconds of the server to let one in, and for a minute of its waiting.
    connecting: Vec<f64>,
    waiting: Vec<f64>,
    /// The bytes of one copy, headers and all.
    bytes: usize,
}

/// A server with its devices.
struct House {
    door: Door,
    server: Server,
    /// Removed when this is dropped, after the server.
    _database: Database,
    posts: Posts,
    crowd: Option<Crowd>,
    tally: Tally,
    resident: u64,
    sent: usize,
}

impl House {
    fn open(door: Door, common: &Common, options: &Doors) -> Result<Self> {
        let database = Database::open(&common.database_or("sqlite"), common)?;
        let server = database.serve(common)?;
        let posts = Posts::new(server.address, options.burst)?;
        let tally = Tally { got: vec![0; options.sockets], copies: 0, bytes: 0 };
        Ok(Self { door, server, _database: database, posts, crowd: None, tally, resident: 0, sent: 0 })
    }

    fn gather(&mut self, result: &mut Results, common: &Common, options: &Doors) -> Result<()> {
        let (address, id) = (self.server.address, self.server.id());
        let tokens = tokens(options.sockets)?;
        self.resident = process::resident(id)?;
        let before = process::cpu(id)?;
        let deadline = Deadline::after(common.timeout());
        let crowd = Crowd::gather_by(self.door, &[address], &tokens, &deadline);
        self.crowd = Some(self.server.explain(crowd)?);
        thread::sleep(IDLE);
        let cost = process::cpu(id)?.saturating_sub(before);
        result.connecting.push(micros_each(cost, options.sockets));
        result.fresh.push(self.kilobytes_each()?);
        Ok(())
    }

    fn kilobytes_each(&self) -> Result<f64> {
        let more = process::resident(self.server.id())?.saturating_sub(self.resident);
        #[expect(clippy::cast_precision_loss, reason = "bytes of a process are far below 2^52")]
        Ok(more as f64 / 1024.0 / self.tally.got.len().max(1) as f64)
    }

    /// Takes what has come to its devices, if they are there.
    fn catch_up(&mut self) -> Result<()> {
        self.crowd.as_mut().map_or(Ok(()), |crowd| crowd.catch_up(&mut self.tally))
    }

    fn turn(&mut self, wait: Duration) -> Result<()> {
        let crowd = self.crowd.as_mut().context("nobody is there")?;
        crowd.turn_within(wait, &mut self.tally)
    }

    /// Sends messages to everybody, so many at once, again and again; answers the microseconds of the server for each
    /// copy.
    fn spread(&mut self, at_once: usize, common: &Common, options: &Doors) -> Result<f64> {
        let times = (options.copies / options.sockets / at_once).max(1);
        thread::sleep(SETTLE);
        let before = process::cpu(self.server.id())?;
        for _ in 0..times {
            self.posts.publish(at_once)?;
            self.sent += at_once;
            let wanted = self.sent * options.sockets;
            let deadline = Deadline::after(common.timeout());
            while self.tally.copies < wanted {
                self.turn(TURN)?;
                deadline.check(|| format!("{wanted} copies; {} arrived", self.tally.copies))?;
            }
            ensure!(self.tally.got.iter().all(|got| *got == self.sent), "some sockets got more than others");
            self.posts.settle(at_once)?;
        }
        thread::sleep(SETTLE);
        let cost = process::cpu(self.server.id())?.saturating_sub(before);
        Ok(micros_each(cost, times * at_once * options.sockets))
    }
}

/// What each device got.
struct Tally {
    got: Vec<usize>,
    /// Copies of messages.
    copies: usize,
    /// Their bytes, under all names that they came by.
    bytes: usize,
}

impl Audience for Tally {
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()> {
        let event = scan::event(text);
        if event == Some(EVENT) {
            *self.got.get_mut(device).context("a device that is not ours")? += 1;
            self.copies += 1;
        }
        if event == Some(EVENT) || event == Some(b"notification") {
            self.bytes += websocket::frame_bytes(text);
        }
        Ok(())
    }
}

/// Has everybody wait, at all doors at once.
fn wait(houses: &mut [House], results: &mut [Results], options: &Doors) -> Result<()> {
    if options.wait == 0 {
        return Ok(());
    }
    let before: Vec<_> = houses.iter().map(|house| process::cpu(house.server.id())).collect::<Result<_>>()?;
    let deadline = Deadline::after(Duration::from_secs(options.wait));
    while !deadline.left().is_zero() {
        interrupt::check()?;
        houses.iter_mut().try_for_each(|house| house.turn(TURN))?;
    }
    for ((house, result), before) in houses.iter().zip(results).zip(before) {
        let cost = process::cpu(house.server.id())?.saturating_sub(before);
        let minutes = Duration::from_secs(options.wait).as_secs_f64() / 60.0;
        result.waiting.push(micros_each(cost, options.sockets) / minutes);
        result.waited.push(house.kilobytes_each()?);
    }
    Ok(())
}

fn print(common: &Common, options: &Doors, results: &[Results]) {
    let mut table = Table::new(
        format!(
            "Doors: {} sockets by each, medians of {} starts and {} rounds by all doors in turn; in brackets: times the \
             raw door",
            grouped_count(options.sockets),
            options.starts,
            options.starts * options.rounds
        ),
        &[
            "door",
            "bytes",
            "a copy, 1 at once",
            "in bursts",
            "a connection",
            "after waiting",
            "connecting",
            "waiting",
        ],
    );
    let Some(raw) = results.first() else { return };
    for ((name, _), result) in DOORS.iter().zip(results) {
        table.row([
            (*name).to_owned(),
            result.bytes.to_string(),
            against(&raw.one, &result.one, |one| format!("{one:.2} µs")),
            against(&raw.burst, &result.burst, |burst| format!("{burst:.2} µs")),
            against(&raw.fresh, &result.fresh, |fresh| format!("{fresh:.1} KB")),
            against(&raw.waited, &result.waited, |waited| format!("{waited:.1} KB")),
            against(&raw.connecting, &result.connecting, |connecting| format!("{connecting:.0} µs")),
            against(&raw.waiting, &result.waiting, |waiting| format!("{waiting:.0} µs a minute")),
        ]);
    }
    table.print(common.markdown);
    say("");
    for ((name, _), result) in DOORS.iter().zip(results).skip(1) {
        let spreads = [("1 at once", &raw.one, &result.one), ("in bursts", &raw.burst, &result.burst)];
        for (load, raw, ours) in spreads {
            let ratios = sorted(ratios(raw, ours));
            let (lowest, highest) = (ratios.first().copied(), ratios.last().copied());
            let (lowest, highest) = (lowest.unwrap_or_default(), highest.unwrap_or_default());
            say(format!(
                "{name}, {load}: from {lowest:.2} to {highest:.2} times the raw door in the same round."
            ));
        }
    }
}

/// The median, and that of what it is to the raw door's in the same round.
fn against(raw: &[f64], ours: &[f64], show: impl Fn(f64) -> String) -> String {
    let Some(median) = middle(&sorted(ours.iter().copied())) else { return "–".to_owned() };
    match middle(&sorted(ratios(raw, ours))) {
        Some(ratio) if !std::ptr::eq(raw, ours) => format!("{} ({ratio:.2})", show(median)),
        _ => show(median),
    }
}

fn ratios(raw: &[f64], ours: &[f64]) -> impl Iterator<Item = f64> {
    ours.iter().zip(raw).map(|(ours, raw)| ours / raw.max(f64::MIN_POSITIVE))
}
