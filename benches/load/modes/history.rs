//! `history`: counting and listing one long inbox in a small table and in a large one, which should cost the
//! same; how the database goes about it; and what the index for it costs whoever books.

use std::time::Duration;

use anyhow::{Context, Result};
use bellhop::config::{self, Sources};
use bellhop::domain::{
    Booking, BookingId, BookingStatus, Clock as _, Draft, NotificationId, SystemClock, UserId,
};
use bellhop::storage::append::{Entry, append_alone};
use bellhop::storage::{AnyConnection, Pool, migrate};
use diesel::connection::SimpleConnection;
use uuid::Uuid;

use super::Database;
use super::shapes::{Shape, fill, plan, shapes};
use crate::args::{Common, History};
use crate::report::{Table, grouped, middle, per_second, say, sorted};
use crate::{clock, interrupt};

/// Rounds before measuring begins.
const WARM_UP: usize = 200;
/// Turns with and without the index; the figure is their median.
const TURNS: usize = 5;
/// Bookings in a transaction, as under load.
const BATCH: usize = 64;
const HOSTS: usize = 1_000;

const WITHOUT: &str = "DROP INDEX notifications_by_category";
/// The index as the migration makes it.
const POSTGRES: &str = include_str!("../../../migrations/postgres/2026-11-21-000010_inbox_indexes/up.sql");
const SQLITE: &str = include_str!("../../../migrations/sqlite/2026-11-21-000010_inbox_indexes/up.sql");

pub(crate) fn run(common: &Common, options: &History, database: &str) -> Result<()> {
    let small = Stand::fill(common, database, options.small, options.small / 2)?;
    let large = Stand::fill(common, database, options.large, options.own)?;
    let title = format!(
        "Reading an inbox of {} among {} notifications, and one of {} among {} ({})",
        thousands(options.small / 2),
        thousands(options.small),
        thousands(options.own),
        thousands(options.large),
        small.database.name,
    );
    let mut table = Table::new(title, &["", "small", "large", "large : small"]);
    let mut plans = Vec::new();
    let (in_small, in_large) = (shapes(small.own), shapes(large.own));
    for (one, other) in in_small.iter().zip(&in_large) {
        let [of_small, of_large] = medians([(&small, one), (&large, other)], options.rounds)?;
        let ratio = of_large.as_secs_f64() / of_small.as_secs_f64().max(1e-9);
        table.row([one.name.to_owned(), micros(of_small), micros(of_large), format!("{ratio:.2}")]);
        let mut connection = large.connection()?;
        plans.push((other.name, plan(&mut connection, other)?));
    }
    table.print(common.markdown);
    say(format!("\nPlans in the large table ({}):\n", large.database.name));
    for (shape, lines) in &plans {
        say(format!("{shape}\n    {}", lines.join("\n    ")));
    }
    writes(common, options, database)
}

/// A table that is read.
struct Stand {
    pool: Pool,
    database: Database,
    /// How long the inbox is that is read.
    own: i64,
}

impl Stand {
    #[expect(clippy::cast_possible_wrap, reason = "counts of rows are far below 2^63")]
    fn fill(common: &Common, choice: &str, rows: usize, own: usize) -> Result<Self> {
        let database = Database::open(choice, common)?;
        let pool = open(&database.url)?;
        let stand = Self { pool, database, own: own as i64 };
        let began = clock::now();
        let mut connection = stand.connection()?;
        fill(&mut connection, rows as i64, stand.own).context("filling the table")?;
        if stand.pool.is_postgres() {
            // What was filled is on its way to the disk for minutes otherwise, beside what is measured.
            connection.batch_execute("CHECKPOINT")?;
        }
        drop(connection);
        say(format!("{}: {} notifications in {:.0?}", stand.database.name, thousands(rows), began.elapsed()));
        Ok(stand)
    }

    fn connection(&self) -> Result<impl std::ops::DerefMut<Target = AnyConnection>> {
        Ok(self.pool.get()?)
    }
}

/// What both take in turns, so that a slow moment of the machine meets both.
fn medians(both: [(&Stand, &Shape); 2], rounds: usize) -> Result<[Duration; 2]> {
    let mut took = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    let mut connections = Vec::with_capacity(both.len());
    for (stand, shape) in both {
        connections.push((stand.connection()?, shape));
    }
    for round in 0..WARM_UP + rounds {
        interrupt::check()?;
        for ((connection, shape), took) in connections.iter_mut().zip(&mut took) {
            let began = clock::now();
            shape.run(connection)?;
            if round >= WARM_UP {
                took.push(began.elapsed());
            }
        }
    }
    let [small, large] = took.map(|took| middle(&sorted(took.into_iter())));
    Ok([small.context("no round was measured")?, large.context("no round was measured")?])
}

/// Bookings a second as the server writes them, with the lists' index and without, in turns.
fn writes(common: &Common, options: &History, choice: &str) -> Result<()> {
    let database = Database::open(choice, common)?;
    let pool = open(&database.url)?;
    let with = if pool.is_postgres() { POSTGRES } else { SQLITE };
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..=TURNS {
        for (rates, change) in rates.iter_mut().zip([WITHOUT, with]) {
            pool.get()?.batch_execute(change)?;
            let rate = rate(&pool, options.writes)?;
            // The first fills caches and files.
            if turn > 0 {
                rates.push(rate);
            }
        }
    }
    let [without, with] = rates.map(|rates| middle(&sorted(rates.into_iter())).unwrap_or_default());
    let title = format!("Bookings written {BATCH} at a time ({})", database.name);
    let mut table = Table::new(title, &["", "bookings/s"]);
    table.row(["without the lists' index".to_owned(), grouped(without)]);
    table.row(["with it".to_owned(), grouped(with)]);
    table.row(["with : without".to_owned(), format!("{:.2}", with / without.max(1e-9))]);
    table.print(common.markdown);
    Ok(())
}

fn rate(pool: &Pool, count: usize) -> Result<f64> {
    let mut took = Duration::ZERO;
    let rounds = (count / BATCH).max(1);
    for round in 0..rounds {
        interrupt::check()?;
        let entries: Vec<Entry> = (0..BATCH).map(|at| entry((round * BATCH + at) % HOSTS)).collect();
        let now = SystemClock.now();
        let began = clock::now();
        append_alone(pool, &entries, now, &|_| Duration::from_secs(5))?;
        took += began.elapsed();
    }
    Ok(per_second(rounds * BATCH, took))
}

fn entry(host: usize) -> Entry {
    let now = SystemClock.now();
    let booking = Booking {
        id: BookingId::from_uuid(Uuid::now_v7()),
        host: UserId::from_stored(format!("host-{host}")),
        guest: UserId::from_stored("guest-1".to_owned()),
        guest_name: None,
        listing_id: "sea-view".to_owned(),
        listing_name: Some("Sea View".to_owned()),
        check_in: now.to_utc().date_naive(),
        check_out: now.to_utc().date_naive(),
        guests: 2,
        note: None,
        status: BookingStatus::Pending,
        created_at: now,
        updated_at: now,
    };
    let drafts = vec![Draft::booking_created(NotificationId::from_uuid(Uuid::now_v7()), &booking)];
    Entry { booking: Some(booking), drafts, claim: None }
}

/// A pool as the server's, over tables that are there; what fills them may take its time.
fn open(url: &str) -> Result<Pool> {
    let environment = vec![("DATABASE_URL".to_owned(), url.to_owned())];
    let mut settings = config::load(&Sources { files: Vec::new(), environment })?.database;
    settings.statement_timeout_ms = 0;
    let pool = Pool::open(&settings, 1)?;
    migrate(&mut *pool.get()?)?;
    Ok(pool)
}

fn micros(duration: Duration) -> String {
    format!("{:.0} µs", duration.as_secs_f64() * 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn thousands(count: usize) -> String {
    grouped(count as f64)
}
