//! A batch insert with ready-made text, prepared once by Diesel and kept: over arrays on PostgreSQL,
//! over a list of rows on SQLite.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, QueryResult, RunQueryDsl, SqliteConnection};

#[derive(Debug)]
pub(super) enum Bind<'a> {
    Text(&'a str),
    Number(i64),
    Texts(Vec<&'a str>),
    Numbers(Vec<i64>),
}

#[derive(Debug)]
pub(super) struct Statement<'a> {
    /// With a question mark for each of `binds`.
    text: String,
    binds: Vec<Bind<'a>>,
}

impl<'a> Statement<'a> {
    /// `INSERT … SELECT … FROM unnest(…)`: each bind is a column.
    pub(super) fn over_arrays([before, values, after]: [&str; 3], binds: Vec<Bind<'a>>) -> Self {
        // The column of that number stands where the question mark was.
        let mut select = String::new();
        let mut names = Vec::new();
        for piece in values.split_inclusive('?') {
            if let Some(piece) = piece.strip_suffix('?') {
                let name = format!("c{}", names.len());
                select.push_str(piece);
                select.push_str(&name);
                names.push(name);
            } else {
                select.push_str(piece);
            }
        }
        let marks = vec!["?"; names.len()].join(", ");
        let text =
            format!("{before}SELECT {select} FROM unnest({marks}) AS rows ({}){after}", names.join(", "));
        Self { text, binds }
    }

    /// `INSERT … VALUES (…), (…), …`: the binds go row by row.
    pub(super) fn over_rows([before, values, after]: [&str; 3], rows: usize, binds: Vec<Bind<'a>>) -> Self {
        let row = format!("({values})");
        let text = format!("{before}VALUES {}{after}", vec![row.as_str(); rows].join(", "));
        Self { text, binds }
    }

    /// The text before each bind, and what is left at the end.
    fn pieces(&self) -> impl Iterator<Item = (&str, Option<&Bind<'a>>)> {
        let binds = self.binds.iter().map(Some).chain(std::iter::once(None));
        self.text.split('?').zip(binds)
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (text, bind) in self.pieces() {
            out.push_sql(text);
            match bind {
                Some(Bind::Text(value)) => out.push_bind_param::<Text, _>(*value)?,
                Some(Bind::Number(value)) => out.push_bind_param::<BigInt, _>(value)?,
                Some(Bind::Texts(values)) => out.push_bind_param::<Array<Text>, _>(values)?,
                Some(Bind::Numbers(values)) => out.push_bind_param::<Array<BigInt>, _>(values)?,
                None => {}
            }
        }
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for (text, bind) in self.pieces() {
            out.push_sql(text);
            match bind {
                Some(Bind::Text(value)) => out.push_bind_param::<Text, _>(*value)?,
                Some(Bind::Number(value)) => out.push_bind_param::<BigInt, _>(value)?,
                Some(Bind::Texts(_) | Bind::Numbers(_)) => {
                    return Err(diesel::result::Error::QueryBuilderError("SQLite has no arrays".into()));
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// No id of its own: Diesel then keeps the prepared statement by its text.
impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<PgConnection> for Statement<'_> {}
impl RunQueryDsl<SqliteConnection> for Statement<'_> {}
