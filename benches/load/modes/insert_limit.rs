//! `insert-limit`: the rows of a booking, inserted by nothing but a loop: one connection, one
//! transaction a batch, durable, in the server's own tables. What it reaches is the most that any
//! server could, on this machine and disk, with one writer.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use uuid::Uuid;

use super::Database;
use super::statement::{Bind, Statement};
use crate::args::{Common, InsertLimit};
use crate::report::{Table, grouped, per_second};
use crate::{clock, interrupt};

/// Bookings at each size of batch, where nobody says how many.
pub(crate) const ROWS: usize = 50_000;
const BATCHES: [usize; 2] = [64, 256];
const HOSTS: usize = 1000;
/// Batches before measuring begins.
const WARM_UP: usize = 10;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

const PAYLOAD: &str = r#"{"priority":"high","title":"New booking","message":"Sea View is booked, 3–5 Dec, 2 guests","actorId":"guest-1","actorName":"guest-1","actorAvatar":null,"data":{"bookingId":"019a0000-0000-7000-8000-000000000000","listingId":"sea-view","listingName":"Sea View","checkIn":"2026-12-03","checkOut":"2026-12-05","guests":2,"status":"pending"}}"#;

/// What one booking writes, with a question mark for what differs from row to row.
/// Each: what comes before the values, the values, what comes after.
const INBOX: [&str; 3] = [
    "INSERT INTO inboxes (user_id, last_seq, unread, total) ",
    "?, ?, 1, 1",
    " ON CONFLICT (user_id) DO UPDATE SET last_seq = excluded.last_seq, unread = inboxes.unread + 1, \
     total = inboxes.total + 1",
];
const CATEGORY: [&str; 3] = [
    "INSERT INTO inbox_categories (user_id, category, total, unread) ",
    "?, 'bookings', 1, 1",
    " ON CONFLICT (user_id, category) DO UPDATE SET total = inbox_categories.total + 1, \
     unread = inbox_categories.unread + 1",
];
const BOOKING: [&str; 3] = [
    "INSERT INTO bookings (id, host_id, guest_id, guest_name, listing_id, listing_name, check_in, \
     check_out, guests, note, status, created_at, updated_at) ",
    "?, ?, 'guest-1', NULL, 'sea-view', 'Sea View', DATE('2026-12-03'), DATE('2026-12-05'), 2, NULL, \
     'pending', 1780000000000000, 1780000000000000",
    "",
];
const NOTIFICATION: [&str; 3] = [
    "INSERT INTO notifications (id, user_id, seq, kind, category, booking_id, payload, created_at, read_at) ",
    "?, ?, ?, 'booking.created', 'bookings', ?, ?, 1780000000000000, NULL",
    "",
];
const DELIVERY: [&str; 3] = [
    "INSERT INTO deliveries (notification_id, channel, state, attempts, escalate_at) ",
    "?, 'email', 'pending', 0, 1780000005000000",
    "",
];

pub(crate) fn run(common: &Common, options: &InsertLimit) -> Result<()> {
    let database = Database::open(&common.database_or("postgres"), common)?;
    let mut table =
        Table::new(format!("Bare inserts ({})", database.name), &["bookings in a transaction", "bookings/s"]);
    for (batch, rate) in measure(&database, options.rows)? {
        table.row([batch.to_string(), grouped(rate)]);
    }
    table.print(common.markdown);
    Ok(())
}

/// Bookings a second at each size of batch, each in tables that are empty at first.
pub(crate) fn measure(database: &Database, rows: usize) -> Result<Vec<(usize, f64)>> {
    let url = database.limit_url();
    let at = |size| match url.strip_prefix("sqlite://") {
        Some(path) => on_sqlite(&format!("{path}-{size}"), size, rows),
        None => on_postgres(&url, size, rows),
    };
    BATCHES.into_iter().map(|size| Ok((size, at(size)?))).collect()
}

fn on_postgres(url: &str, size: usize, rows: usize) -> Result<f64> {
    let mut connection = PgConnection::establish(url)?;
    // A schema of its own, so that somebody's own database stays as it was.
    connection.batch_execute(
        "DROP SCHEMA IF EXISTS bellhop_limit CASCADE; CREATE SCHEMA bellhop_limit; \
         SET search_path TO bellhop_limit; SET synchronous_commit TO on",
    )?;
    let rate = match connection.run_pending_migrations(POSTGRES) {
        Ok(_) => rate(size, rows, |batch| write_postgres(&mut connection, batch)),
        Err(error) => Err(anyhow!("the tables could not be made: {error}")),
    };
    connection.batch_execute("DROP SCHEMA bellhop_limit CASCADE")?;
    rate
}

fn on_sqlite(path: &str, size: usize, rows: usize) -> Result<f64> {
    let mut connection = SqliteConnection::establish(path)?;
    connection
        .batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
    connection
        .run_pending_migrations(SQLITE)
        .map_err(|error| anyhow!("the tables could not be made: {error}"))?;
    rate(size, rows, |batch| write_sqlite(&mut connection, batch))
}

fn rate(size: usize, rows: usize, mut write: impl FnMut(&[Row]) -> diesel::QueryResult<()>) -> Result<f64> {
    let mut numbers = 0..;
    let rounds = (rows / size).max(1);
    let mut took = Duration::ZERO;
    for round in 0..WARM_UP + rounds {
        interrupt::check()?;
        // Making the rows is not measured: it is the database that is.
        let batch: Vec<Row> = numbers.by_ref().take(size).map(Row::new).collect();
        let started = clock::now();
        write(&batch).context("inserting")?;
        if round >= WARM_UP {
            took += started.elapsed();
        }
    }
    Ok(per_second(rounds * size, took))
}

struct Row {
    booking: String,
    notification: String,
    host: String,
    seq: i64,
}

impl Row {
    #[expect(clippy::cast_possible_wrap, reason = "a count of rows is far below 2^63")]
    fn new(number: usize) -> Self {
        Self {
            booking: Uuid::now_v7().to_string(),
            notification: Uuid::now_v7().to_string(),
            host: format!("host-{}", number % HOSTS),
            seq: (number / HOSTS + 1) as i64,
        }
    }
}

fn write_postgres(connection: &mut PgConnection, rows: &[Row]) -> diesel::QueryResult<()> {
    let texts = |of: fn(&Row) -> &str| Bind::Texts(rows.iter().map(of).collect());
    let hosts = || texts(|row| &row.host);
    let bookings = || texts(|row| &row.booking);
    let notifications = || texts(|row| &row.notification);
    let seqs = || Bind::Numbers(rows.iter().map(|row| row.seq).collect());
    let payloads = || texts(|_| PAYLOAD);
    connection.transaction(|connection| {
        for (insert, binds) in [
            (INBOX, vec![hosts(), seqs()]),
            (CATEGORY, vec![hosts()]),
            (BOOKING, vec![bookings(), hosts()]),
            (NOTIFICATION, vec![notifications(), hosts(), seqs(), bookings(), payloads()]),
            (DELIVERY, vec![notifications()]),
        ] {
            Statement::over_arrays(insert, binds).execute(connection)?;
        }
        Ok(())
    })
}

fn write_sqlite(connection: &mut SqliteConnection, rows: &[Row]) -> diesel::QueryResult<()> {
    connection.immediate_transaction(|connection| {
        let categories = rows.iter().map(|row| Bind::Text(&row.host));
        let inboxes = rows.iter().flat_map(|row| [Bind::Text(&row.host), Bind::Number(row.seq)]);
        let bookings = rows.iter().flat_map(|row| [Bind::Text(&row.booking), Bind::Text(&row.host)]);
        let notifications = rows.iter().flat_map(|row| {
            [
                Bind::Text(&row.notification),
                Bind::Text(&row.host),
                Bind::Number(row.seq),
                Bind::Text(&row.booking),
                Bind::Text(PAYLOAD),
            ]
        });
        let deliveries = rows.iter().map(|row| Bind::Text(&row.notification));
        for (insert, binds) in [
            (INBOX, inboxes.collect()),
            (CATEGORY, categories.collect()),
            (BOOKING, bookings.collect()),
            (NOTIFICATION, notifications.collect()),
            (DELIVERY, deliveries.collect::<Vec<_>>()),
        ] {
            Statement::over_rows(insert, rows.len(), binds).execute(connection)?;
        }
        Ok(())
    })
}
