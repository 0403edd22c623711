//! One long inbox in a table of any size, the shapes of query that read it, and how the database goes about each.
//! Shared by the tests of plans and by the load program's mode `history`; it knows nothing of either.

use std::sync::{Arc, Mutex, PoisonError};

use bellhop::domain::UserId;
use bellhop::storage::notifications::{Filter, Position, page};
use bellhop::storage::{AnyConnection, StorageError, categories, inboxes};
use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};

/// Whose inbox is read.
const OWN: &str = "own";
/// Users who share what is not of that inbox.
const OTHERS: i64 = 500;
/// What a list reads where nobody says how much, and the one that tells of a next page.
const LIMIT: i64 = 21;

const PAYLOAD: &str = r#"{"priority":"high","title":"New booking","message":"Sea View is booked, 3–5 Dec, 2 guests","actorId":"guest-1","actorName":"guest-1","actorAvatar":null,"data":{"bookingId":"019a0000-0000-7000-8000-000000000000","listingId":"sea-view","guests":2}}"#;

/// A table of `rows` notifications as they come in, every so many of them one's `own`. One in twenty is of a rare
/// category and type, one in ten of each is unread.
pub fn fill(connection: &mut AnyConnection, rows: i64, own: i64) -> Result<(), StorageError> {
    let every = rows / own;
    let (numbers, id) = match connection {
        AnyConnection::Postgres(_) => {
            (format!("n(i) AS (SELECT generate_series(1, {rows}::bigint))"), "lpad(to_hex(i), 12, '0')")
        }
        AnyConnection::Sqlite(_) => (
            format!("RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"),
            "printf('%012x', i)",
        ),
    };
    let notifications = format!(
        "WITH {numbers}, placed(i, user_id, seq) AS ( \
           SELECT i, \
             CASE WHEN i % {every} = 0 THEN '{OWN}' ELSE 'u' || ((i - i / {every}) % {OTHERS}) END, \
             CASE WHEN i % {every} = 0 THEN i / {every} ELSE (i - i / {every}) / {OTHERS} + 1 END \
           FROM n \
         ) INSERT INTO notifications (id, user_id, seq, kind, category, payload, created_at, read_at) \
         SELECT '01980000-0000-7000-8000-' || {id}, user_id, seq, \
           CASE WHEN seq % 20 = 0 THEN 'rare.thing' WHEN seq % 20 < 8 THEN 'LIKE' ELSE 'booking.created' END, \
           CASE WHEN seq % 20 = 0 THEN 'rare' WHEN seq % 20 < 8 THEN 'social' ELSE 'bookings' END, \
           '{PAYLOAD}', i, CASE WHEN (seq / 20) % 10 = 0 THEN NULL ELSE 1 END FROM placed"
    );
    connection.batch_execute(&notifications)?;
    connection.batch_execute(
        "INSERT INTO inboxes (user_id, last_seq, unread, total) \
         SELECT user_id, MAX(seq), COUNT(*) - COUNT(read_at), COUNT(*) FROM notifications GROUP BY user_id; \
         INSERT INTO inbox_categories (user_id, category, unread, total) \
         SELECT user_id, category, COUNT(*) - COUNT(read_at), COUNT(*) FROM notifications \
         GROUP BY user_id, category",
    )?;
    if let AnyConnection::Postgres(connection) = connection {
        // As autovacuum does; nobody does it for SQLite.
        connection.batch_execute("VACUUM ANALYZE notifications, inboxes, inbox_categories")?;
    }
    Ok(())
}

/// A way to read the inbox; answers how many rows it found.
pub struct Shape {
    pub name: &'static str,
    filter: Option<Filter>,
    position: Position,
    skip: i64,
}

impl Shape {
    pub fn run(&self, connection: &mut AnyConnection) -> Result<usize, StorageError> {
        let user = UserId::from_stored(OWN.to_owned());
        let Some(filter) = &self.filter else {
            inboxes::standing(connection, &user)?;
            return Ok(categories::of(connection, &user)?.len());
        };
        Ok(page(connection, &user, filter, self.position, LIMIT, self.skip)?.len())
    }
}

/// Every shape, for an inbox of `own`.
pub fn shapes(own: i64) -> Vec<Shape> {
    let of = |unread, category: Option<&str>, kind: Option<&str>| {
        Some(Filter { unread, category: category.map(str::to_owned), kind: kind.map(str::to_owned) })
    };
    let (newest, rare, kind) = (Position::Before(i64::MAX), Some("rare"), Some("rare.thing"));
    let shape = |name, filter, position| Shape { name, filter, position, skip: 0 };
    vec![
        shape("count", None, newest),
        shape("first page", of(false, None, None), newest),
        shape("unread", of(true, None, None), newest),
        shape("category", of(false, rare, None), newest),
        shape("type", of(false, None, kind), newest),
        shape("category, unread", of(true, rare, None), newest),
        shape("type, unread", of(true, None, kind), newest),
        shape("category, type", of(false, rare, kind), newest),
        shape("since", of(false, None, None), Position::After(own / 2)),
        shape("deep cursor", of(false, None, None), Position::Before(own / 10)),
        Shape { skip: 1_000, ..shape("page 51", of(false, None, None), newest) },
    ]
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// How the database goes about each statement of a shape, a line each.
pub fn plan(connection: &mut AnyConnection, shape: &Shape) -> Result<Vec<String>, StorageError> {
    let statements = statements_of(connection, |connection| shape.run(connection).map(drop))?;
    let mut lines = Vec::new();
    for statement in statements {
        let (text, binds) = statement.split_once(" -- binds: ").unwrap_or((&statement, "[]"));
        lines.extend(explain(connection, text, binds)?);
    }
    Ok(lines)
}

/// The statements that something makes, with how the database goes about each, whatever the values.
pub fn plans_of(
    connection: &mut AnyConnection,
    run: impl FnOnce(&mut AnyConnection) -> Result<(), StorageError>,
) -> Result<Vec<(String, Vec<String>)>, StorageError> {
    let statements = statements_of(connection, run)?;
    let mut plans = Vec::new();
    for statement in statements {
        let text = statement.split(" -- binds: ").next().unwrap_or_default();
        let lines: Vec<Line> = match connection {
            AnyConnection::Postgres(c) => {
                c.batch_execute(&format!("{EXPLAINED}; PREPARE shape AS {text}"))?;
                // The pool has the generic plan forced, so that the values do not matter.
                let count = (1..100).take_while(|number| text.contains(&format!("${number}"))).count();
                let call =
                    if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
                let explain = format!("EXPLAIN (COSTS OFF) EXECUTE shape {call}");
                let lines = sql_query(format!("SELECT pg_temp.explained('{explain}') AS detail")).load(c);
                c.batch_execute("DEALLOCATE shape")?;
                lines?
            }
            AnyConnection::Sqlite(c) => sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(c)?,
        };
        let lines = lines.into_iter().map(|line| line.detail.trim_end().to_owned()).collect();
        plans.push((text.to_owned(), lines));
    }
    Ok(plans)
}

/// Has what `EXPLAIN` says come as rows of text.
const EXPLAINED: &str = "CREATE OR REPLACE FUNCTION pg_temp.explained(query text) RETURNS SETOF text \
    LANGUAGE plpgsql AS $$ DECLARE line record; BEGIN \
    FOR line IN EXECUTE query LOOP RETURN NEXT line.\"QUERY PLAN\"; END LOOP; END $$";

fn statements_of(
    connection: &mut AnyConnection,
    run: impl FnOnce(&mut AnyConnection) -> Result<(), StorageError>,
) -> Result<Vec<String>, StorageError> {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = Arc::clone(&seen);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            note.lock().unwrap_or_else(PoisonError::into_inner).push(query.to_string());
        }
    });
    let done = run(connection);
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    done?;
    Ok(std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn explain(connection: &mut AnyConnection, text: &str, binds: &str) -> Result<Vec<String>, StorageError> {
    let lines: Vec<Line> = match connection {
        AnyConnection::Postgres(c) => {
            // Numbers and words without quotes of their own, see `shapes`: good as SQL.
            let values = binds.trim_start_matches('[').trim_end_matches(']').replace('"', "'");
            c.batch_execute(&format!("{EXPLAINED}; PREPARE shape AS {text}"))?;
            // The pool has the generic plan forced, so that this is the one that is always used.
            let call = format!("EXPLAIN (COSTS OFF) EXECUTE shape ({})", values.replace('\'', "''"));
            let lines = sql_query(format!("SELECT pg_temp.explained('{call}') AS detail")).load(c);
            c.batch_execute("DEALLOCATE shape")?;
            lines?
        }
        AnyConnection::Sqlite(c) => sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(c)?,
    };
    Ok(lines.into_iter().map(|line| line.detail.trim_end().to_owned()).collect())
}
