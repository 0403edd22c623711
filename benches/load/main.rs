//! The load program. It shares two cores with the server and the database that it measures, so it is
//! as cheap as it can be: one thread, one event loop, ready-made requests, no parsing to speak of.
//!
//! `cargo bench --bench load -- bookings` and so on; without a mode it prints its help.

mod args;
mod child;
mod clock;
mod cluster;
mod crowd;
mod door;
mod http;
mod interrupt;
mod limit_server;
mod modes;
mod process;
mod redis;
mod report;
mod scan;
mod server;
mod stand_in;
mod token;
mod websocket;

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use args::{Arguments, Mode};
use modes::{
    bookings, doors, fanout, history, idle, insert_limit, instances, proof, reconnect, refused, stalled,
};

/// What is measured where nobody names a database and every one is of interest.
const DATABASES: [&str; 2] = ["postgres", "sqlite"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // Cargo adds `--bench`; `cargo test --benches` and its relatives add nothing, `--test` or `--list`.
    let arguments: Vec<String> = env::args().filter(|argument| argument != "--bench").collect();
    let testing = arguments.iter().any(|argument| argument == "--test" || argument == "--list");
    if testing || arguments.len() < 2 {
        report::say(Arguments::command().render_help().to_string());
        return Ok(());
    }
    let Arguments { mode, common } = Arguments::parse_from(arguments);
    // The hidden modes are children of others, which end them.
    if !matches!(mode, Mode::LimitServer { .. } | Mode::StandIn) {
        interrupt::watch()?;
        report::machine(&common.directory());
    }
    server::raise_file_limit()?;
    match mode {
        Mode::Bookings(options) => bookings::run(&common, &options, &common.database_or("postgres")),
        Mode::Instances(options) => instances::run(&common, &options),
        Mode::Proof(options) => match common.databases() {
            Some(mut named) => named.try_for_each(|database| proof::run(&common, &options, database)),
            None => DATABASES.into_iter().try_for_each(|database| proof::run(&common, &options, database)),
        },
        Mode::Reconnect(options) => reconnect::run(&common, &options, &common.database_or("postgres")),
        Mode::Fanout(options) => fanout::run(&common, &options),
        Mode::Idle(options) => idle::run(&common, &options),
        Mode::Doors(options) => doors::run(&common, &options),
        Mode::History(options) => match common.databases() {
            Some(mut named) => named.try_for_each(|database| history::run(&common, &options, database)),
            None => DATABASES.into_iter().try_for_each(|database| history::run(&common, &options, database)),
        },
        Mode::Stalled(options) => stalled::run(&common, &options),
        Mode::Refused(options) => refused::run(&common, &options),
        Mode::InsertLimit(options) => insert_limit::run(&common, &options),
        Mode::All => {
            for database in DATABASES {
                bookings::run(&common, &args::defaults(), database)?;
            }
            for database in DATABASES {
                proof::run(&common, &args::defaults(), database)?;
            }
            for database in DATABASES {
                reconnect::run(&common, &args::defaults(), database)?;
            }
            fanout::run(&common, &args::defaults())?;
            idle::run(&common, &args::defaults())?;
            doors::run(&common, &args::defaults())
        }
        Mode::LimitServer { frame_bytes } => limit_server::run(frame_bytes),
        Mode::StandIn => stand_in::run(),
    }
}
