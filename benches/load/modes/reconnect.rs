//! `reconnect`: everybody is cut off at once and comes back at once, each asking for what it missed, while
//! more is published to all. Either the sockets are cut, or the server is killed and started again.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Database;
use super::idle::grouped_count;
use super::notices::{Notices, Publishing};
use super::returning::Returning;
use super::spent::Spent;
use crate::args::{Common, Cut, Reconnect};
use crate::clock::{self, Deadline};
use crate::crowd::Crowd;
use crate::report::{self, Table};
use crate::server::{Server, Setting};
use crate::token;

/// What every host has got before it is cut off.
const BEFORE: usize = 2;
/// Nobody has an address, and whoever is away is not written to in the middle of it either.
const SETTINGS: [Setting<'static>; 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "3600000")];
/// After the last arrival: what comes twice is noticed.
const SETTLE: Duration = Duration::from_millis(300);

pub(crate) fn run(common: &Common, options: &Reconnect, database: &str) -> Result<()> {
    let database = Database::open(database, common)?;
    let mut server = database.serve_with(common, &SETTINGS)?;
    let measured = measure(&database, &mut server, common, options);
    let (mut hosts, took, spent) = server.explain(measured)?;
    drop(server);

    let (title, begin) = match options.cut {
        Cut::Sockets => ("all sockets are cut", "when the first comes back"),
        Cut::Server => ("the server is killed and started again", "the kill"),
    };
    let mut table = Table::new(
        format!(
            "Everybody comes back: {title}, {} published to all meanwhile; timed from {begin} ({})",
            options.live, database.name
        ),
        &[
            "sockets",
            "missed by each",
            "all back",
            "one p50",
            "one p99",
            "server",
            "database",
            "load program",
            "retries",
            "gaps",
            "missed",
            "twice",
        ],
    );
    let counts = [hosts.retries.to_string(), hosts.gaps.to_string()];
    table.row(
        [grouped_count(options.sockets), options.missed.to_string(), format!("{:.2} s", took.as_secs_f64())]
            .into_iter()
            .chain(hosts.returns.quantiles())
            .chain(spent.seconds())
            .chain(counts)
            .chain([hosts.missed.to_string(), hosts.twice.to_string()]),
    );
    table.print(common.markdown);
    ensure!(hosts.gaps == 0 && hosts.missed == 0 && hosts.twice == 0, "not everybody got everything once");
    report::say(
        "\nEvery host got every seq from where it stopped, once and in order, what was published meanwhile too.",
    );
    Ok(())
}

/// Answers how the hosts fared, how long it took until all were back, and what it cost.
fn measure(
    database: &Database,
    server: &mut Server,
    common: &Common,
    options: &Reconnect,
) -> Result<(Returning, Duration, Spent)> {
    let run = clock::epoch_seconds();
    let names: Vec<String> = (0..options.sockets).map(|index| format!("host-{run}-{index}")).collect();
    let tokens = names.iter().map(|host| token::mint(host, "PROFESSIONAL")).collect::<Result<Vec<_>>>()?;
    let mut crowd = Crowd::gather(&[server.address], &tokens, &Deadline::after(common.timeout()))?;
    let notices = Notices::new(server.address, &names)?;
    let mut hosts = Returning::new(&tokens);
    let deadline = || Deadline::after(common.timeout());

    let mut publishing = notices.publish_meanwhile(BEFORE, deadline());
    let mut told = BEFORE;
    reach(options.sockets * told, &mut hosts, &mut crowd, server, &mut publishing, &deadline())?;

    let missed = u64::try_from(options.missed)?;
    let (started, before) = match options.cut {
        Cut::Sockets => {
            hosts.cut(&mut crowd, missed);
            notices.publish(options.missed)?;
            (clock::now(), Spent::read(server, database)?)
        }
        // What was missed was sent, and never read: the devices' side stands still meanwhile.
        Cut::Server => {
            notices.publish(options.missed)?;
            let (started, before) = (clock::now(), Spent::read(server, database)?);
            server.crash()?;
            hosts.cut(&mut crowd, missed);
            // The new process begins at nothing.
            let [_, of_database, of_program] = before.0;
            (started, Spent([Some(Duration::ZERO), of_database, of_program]))
        }
    };
    told += options.missed + options.live;
    let mut publishing = notices.publish_meanwhile(options.live, deadline());
    let returning = deadline();
    while hosts.back < options.sockets {
        hosts.turn(&mut crowd, server.address)?;
        publishing.check()?;
        returning.check(|| format!("{} hosts to come back; {} are", options.sockets, hosts.back))?;
    }
    let took = started.elapsed();
    reach(options.sockets * told, &mut hosts, &mut crowd, server, &mut publishing, &deadline())?;
    let settled = Deadline::after(SETTLE);
    while !settled.left().is_zero() {
        hosts.turn(&mut crowd, server.address)?;
    }
    let spent = Spent::read(server, database)?.since(before);
    Ok((hosts, took, spent))
}

/// Turns the loop until all hosts together have got so many, which somebody publishes.
fn reach(
    copies: usize,
    hosts: &mut Returning,
    crowd: &mut Crowd,
    server: &Server,
    publishing: &mut Publishing,
    deadline: &Deadline,
) -> Result<()> {
    let copies = u64::try_from(copies)?;
    while hosts.reached < copies {
        hosts.turn(crowd, server.address)?;
        publishing.check()?;
        deadline.check(|| format!("{copies} copies; {} have arrived", hosts.reached))?;
    }
    Ok(())
}
