//! `bookings`: the road that matters, from `POST /bookings` to the frame at the host's device, with a
//! fixed number of requests under way, and at a fixed rate whatever the answers do.

use anyhow::Result;

use super::booking_load::{Load, Shape, WARM_UP};
use super::spent::Spent;
use super::{Database, insert_limit};
use crate::args::{Bookings, Common};
use crate::report::{self, Table, grouped, per_second};
use crate::server::Server;

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
    let (mut load, mut crowd) = Load::gather(options.hosts, server, common)?;
    let mut table = Table::new(
        format!("Bookings, {} hosts connected ({})", options.hosts, database.name),
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
    load.work_off(&mut crowd, Shape::InFlight(16), WARM_UP, common)?;
    load.settle(&mut crowd)?;
    let in_flight = options.in_flight.iter().map(|&in_flight| Shape::InFlight(in_flight));
    let rate = Some(options.rate).filter(|rate| *rate > 0).map(Shape::Rate);
    for shape in in_flight.chain(rate) {
        let before = Spent::read(server, database)?;
        let took = load.work_off(&mut crowd, shape, options.count, common)?;
        load.settle(&mut crowd)?;
        let spent = Spent::read(server, database)?.since(before).micros_each(options.count);
        let rate = grouped(per_second(options.count, took));
        let (answers, devices) = (load.ledger.answers.quantiles(), load.ledger.devices.quantiles());
        table.row([shape.name(), rate].into_iter().chain(answers).chain(devices).chain(spent));
    }
    Ok(table)
}
