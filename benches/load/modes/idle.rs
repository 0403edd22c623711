//! `idle`: what a connection that only waits costs, in memory, and what connecting it cost.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Database;
use crate::args::{Common, Idle};
use crate::clock::{self, Deadline};
use crate::crowd::Crowd;
use crate::report::{Table, grouped, micros_each};
use crate::{process, token};

/// The server has nothing left to do by then.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn run(common: &Common, options: &Idle) -> Result<()> {
    let database = Database::open(&common.database_or("sqlite"), common)?;
    let mut server = database.serve(common)?;
    thread::sleep(SETTLE);
    let tokens = tokens(options.sockets)?;

    let (memory, work, started) = (process::resident(server.id())?, process::cpu(server.id())?, clock::now());
    let crowd = Crowd::gather(&[server.address], &tokens, &Deadline::after(common.timeout()));
    let crowd = server.explain(crowd)?;
    let took = started.elapsed();
    thread::sleep(SETTLE);
    let (memory_after, work_after) = (process::resident(server.id())?, process::cpu(server.id())?);
    drop(crowd);

    let mut table = Table::new(
        format!("Idle connections ({})", database.name),
        &["sockets", "resident before", "resident after", "a connection", "connecting", "CPU to connect one"],
    );
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of a process are far below 2^52")]
    let kilobytes = |bytes: u64| bytes as f64 / 1024.0;
    #[expect(clippy::cast_precision_loss, reason = "counts of sockets are far below 2^52")]
    let each = kilobytes(memory_after.saturating_sub(memory)) / options.sockets.max(1) as f64;
    table.row([
        grouped_count(options.sockets),
        format!("{} KB", grouped(kilobytes(memory))),
        format!("{} KB", grouped(kilobytes(memory_after))),
        format!("{each:.1} KB"),
        format!("{:.1} s", took.as_secs_f64()),
        format!("{:.0} µs", micros_each(work_after.saturating_sub(work), options.sockets)),
    ]);
    table.print(common.markdown);
    Ok(())
}

/// A token for each of `count` customers.
pub(super) fn tokens(count: usize) -> Result<Vec<String>> {
    (0..count).map(|index| token::mint(&format!("customer-{index}"), "CUSTOMER")).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn grouped_count(count: usize) -> String {
    grouped(count as f64)
}
