//! Batch inserts on PostgreSQL as one statement over arrays: `INSERT … SELECT * FROM unnest($1, $2, …)`.
//! The text does not change with the number of rows, so the server plans it once per connection;
//! a multi-row `VALUES` is parsed and planned anew each time and writes a third fewer rows a second.

use std::marker::PhantomData;

use chrono::NaiveDate;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

/// One column of all rows.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Text(Vec<&'a str>),
    OwnedText(Vec<String>),
    OptionalText(Vec<Option<&'a str>>),
    BigInt(Vec<i64>),
    Integer(Vec<i32>),
    Date(Vec<NaiveDate>),
}

/// A batch insert whose `RETURNING` clause, if any, has the SQL type `R`.
#[derive(Debug)]
pub(super) struct UnnestInsert<'a, R = ()> {
    /// `INSERT INTO table (columns)`.
    into: &'static str,
    columns: Vec<Column<'a>>,
    /// What follows the rows: conflict and returning clauses, or nothing.
    after: &'static str,
    returns: PhantomData<R>,
}

impl<'a, R> UnnestInsert<'a, R> {
    pub(super) fn new(into: &'static str, columns: Vec<Column<'a>>, after: &'static str) -> Self {
        Self { into, columns, after, returns: PhantomData }
    }
}

impl<R> QueryFragment<Pg> for UnnestInsert<'_, R> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.into);
        out.push_sql(" SELECT * FROM unnest(");
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push_sql(", ");
            }
            match column {
                Column::Text(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                Column::OwnedText(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                Column::OptionalText(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values)?,
                Column::BigInt(values) => out.push_bind_param::<Array<BigInt>, _>(values)?,
                Column::Integer(values) => out.push_bind_param::<Array<Integer>, _>(values)?,
                Column::Date(values) => out.push_bind_param::<Array<Date>, _>(values)?,
            }
        }
        out.push_sql(") ");
        out.push_sql(self.after);
        Ok(())
    }
}

/// No id of its own: Diesel then keeps the prepared statement by its text, which is what is wanted.
impl<R> QueryId for UnnestInsert<'_, R> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R> Query for UnnestInsert<'_, R> {
    type SqlType = R;
}

impl<R> RunQueryDsl<PgConnection> for UnnestInsert<'_, R> {}
