//! Migrations: up, down and up again on both databases, by two at once, and that the twins make the
//! same tables, which are the tables that the queries are compiled against.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use bellhop::storage::{AnyConnection, Pool, migrate, revert_all};
use diesel::sql_types::{Bool, Text};
use diesel::{QueryableByName, RunQueryDsl};

use crate::support::app::Database;
use crate::support::store::TestStore;

/// The tables as the program's queries know them.
const SCHEMA: &str = include_str!("../src/storage/schema.rs");
/// The table in which Diesel notes what was applied.
const DIESELS_OWN: &str = "__diesel_schema_migrations";

/// Columns by table, in order, each as `name Type` or `name Nullable<Type>`.
type Tables = BTreeMap<String, Vec<String>>;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

fn names(connection: &mut AnyConnection) -> Vec<String> {
    let sql = match connection {
        AnyConnection::Postgres(_) => {
            "SELECT table_name::text AS name FROM information_schema.tables \
             WHERE table_schema = 'public' ORDER BY 1"
        }
        AnyConnection::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
    };
    let names: Vec<Name> = diesel::sql_query(sql).load(connection).unwrap();
    names.into_iter().map(|row| row.name).filter(|name| name != DIESELS_OWN).collect()
}

fn columns(connection: &mut AnyConnection, table: &str) -> Vec<String> {
    let sql = match connection {
        AnyConnection::Postgres(_) => format!(
            "SELECT column_name::text AS name, data_type::text AS kind, is_nullable = 'YES' AS nullable \
             FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        ),
        AnyConnection::Sqlite(_) => format!(
            "SELECT name, type AS kind, NOT \"notnull\" AS nullable FROM pragma_table_info('{table}') \
             ORDER BY cid"
        ),
    };
    let columns: Vec<Column> = diesel::sql_query(sql).load(connection).unwrap();
    columns.into_iter().map(Column::spelt).collect()
}

impl Column {
    /// As `schema.rs` spells it.
    fn spelt(self) -> String {
        let kind = match self.kind.to_ascii_lowercase().as_str() {
            "text" => "Text",
            "bigint" => "BigInt",
            "integer" => "Integer",
            "date" => "Date",
            other => panic!("{}: no name for the type {other}", self.name),
        };
        if self.nullable {
            format!("{} Nullable<{kind}>", self.name)
        } else {
            format!("{} {kind}", self.name)
        }
    }
}

fn tables(connection: &mut AnyConnection) -> Tables {
    names(connection).into_iter().map(|table| (table.clone(), columns(connection, &table))).collect()
}

/// Reads `table!` blocks: a line with the name and its key, then a line per column.
fn tables_of_the_queries() -> Tables {
    let blocks = SCHEMA.split("diesel::table! {").skip(1);
    blocks
        .map(|block| {
            let mut lines = block.lines().map(str::trim).skip_while(|line| line.is_empty());
            let head = lines.next().unwrap();
            let table = head.split_whitespace().next().unwrap().to_owned();
            let columns = lines.take_while(|line| *line != "}").map(|line| {
                let (name, kind) = line.trim_end_matches(',').split_once(" -> ").expect(line);
                format!("{name} {kind}")
            });
            (table, columns.collect())
        })
        .collect()
}

#[test]
fn both_databases_have_the_tables_of_the_queries() {
    let wanted = tables_of_the_queries();
    assert!(wanted.len() >= 9, "{wanted:?}");
    for database in [Database::Sqlite, Database::Postgres] {
        let store = TestStore::new(database);
        assert_eq!(tables(&mut store.connection()), wanted, "{database:?}");
    }
}

/// What a database is asked to be quick at or to refuse is the same on both.
#[test]
fn both_databases_have_the_same_indexes() {
    let indexes = |database| {
        let store = TestStore::new(database);
        let sql = match database {
            Database::Postgres => {
                "SELECT indexname::text AS name FROM pg_indexes WHERE schemaname = 'public' \
                 AND indexname NOT LIKE '%_pkey' ORDER BY 1"
            }
            Database::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1"
            }
        };
        let names: Vec<Name> = diesel::sql_query(sql).load(&mut *store.connection()).unwrap();
        names.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    let sqlite = indexes(Database::Sqlite);
    assert_eq!(sqlite, indexes(Database::Postgres));
    assert!(sqlite.iter().any(|name| name == "notifications_by_seq"), "{sqlite:?}");
}

#[test]
fn the_twins_have_the_same_names() {
    let names = |folder: &str| {
        let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

fn up_down_and_up(database: Database) {
    let store = TestStore::without_tables(database);
    let connection = &mut *store.connection();
    assert_eq!(names(connection), [""; 0], "nothing is there at first");

    let applied = migrate(connection).unwrap();
    let made = tables(connection);
    assert_eq!(made, tables_of_the_queries());
    assert_eq!(migrate(connection).unwrap(), [""; 0], "the second time there is nothing to do");
    assert_eq!(tables(connection), made);

    let mut reverted = revert_all(connection).unwrap();
    reverted.reverse();
    assert_eq!(reverted, applied, "newest first");
    assert_eq!(names(connection), [""; 0], "nothing is left");

    assert_eq!(migrate(connection).unwrap(), applied);
    assert_eq!(tables(connection), made);
}

#[test]
fn migrations_go_up_down_and_up_again_on_sqlite() {
    up_down_and_up(Database::Sqlite);
}

#[test]
fn migrations_go_up_down_and_up_again_on_postgres() {
    up_down_and_up(Database::Postgres);
}

/// Instances that start together: each with a pool of its own, as processes have.
fn several_at_once(database: Database) {
    const INSTANCES: usize = 4;
    let store = TestStore::without_tables(database);
    let start = Barrier::new(INSTANCES);
    let applied: Vec<usize> = thread::scope(|scope| {
        let instance = || {
            start.wait();
            let pool = Pool::open(&store.settings().database, 1).expect("each opens the database");
            migrate(&mut pool.get().unwrap()).expect("each finds the tables up to date").len()
        };
        let threads: Vec<_> = (0..INSTANCES).map(|_| scope.spawn(instance)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all = migrate(&mut store.connection()).map(|rest| rest.len()).unwrap();
    assert_eq!(all, 0);
    let count = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap().count();
    assert_eq!(applied.iter().sum::<usize>(), count, "each migration is applied once: {applied:?}");
    assert_eq!(tables(&mut store.connection()), tables_of_the_queries());
}

#[test]
fn instances_that_start_together_migrate_once_on_sqlite() {
    several_at_once(Database::Sqlite);
}

#[test]
fn instances_that_start_together_migrate_once_on_postgres() {
    several_at_once(Database::Postgres);
}
