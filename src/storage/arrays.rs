//! Statements over arrays, for PostgreSQL: a batch of any size is one text, which the server plans once
//! per connection, one round trip and one transaction. SQLite has no arrays and needs none, because a
//! statement costs it no round trip.

use std::borrow::Cow;
use std::marker::PhantomData;

use chrono::NaiveDate;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

/// One column of all rows, or a value that all of them share.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Text(Vec<&'a str>),
    CowText(Vec<Cow<'a, str>>),
    OptionalText(Vec<Option<&'a str>>),
    BigInt(Vec<i64>),
    Integer(Vec<i32>),
    Date(Vec<NaiveDate>),
    Number(i64),
    Word(&'a str),
}

/// A text in which `$` stands for the next of the columns, and the types of a row of its answer.
#[derive(Debug)]
pub(super) struct Statement<'a, Answer> {
    text: &'static str,
    columns: Vec<Column<'a>>,
    answer: PhantomData<Answer>,
}

impl<'a, Answer> Statement<'a, Answer> {
    pub(super) fn new(text: &'static str, columns: Vec<Column<'a>>) -> Self {
        Self { text, columns, answer: PhantomData }
    }
}

impl<Answer> QueryFragment<Pg> for Statement<'_, Answer> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut texts = self.text.split('$');
        out.push_sql(texts.next().unwrap_or_default());
        for (column, text) in self.columns.iter().zip(texts) {
            match column {
                Column::Text(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                Column::CowText(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                Column::OptionalText(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values)?,
                Column::BigInt(values) => out.push_bind_param::<Array<BigInt>, _>(values)?,
                Column::Integer(values) => out.push_bind_param::<Array<Integer>, _>(values)?,
                Column::Date(values) => out.push_bind_param::<Array<Date>, _>(values)?,
                Column::Number(value) => out.push_bind_param::<BigInt, _>(value)?,
                Column::Word(value) => out.push_bind_param::<Text, _>(value)?,
            }
            out.push_sql(text);
        }
        Ok(())
    }
}

/// No id of its own: Diesel then keeps the prepared statement by its text, which is what is wanted.
impl<Answer> QueryId for Statement<'_, Answer> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Answer> Query for Statement<'_, Answer> {
    type SqlType = Answer;
}

impl<Answer> RunQueryDsl<PgConnection> for Statement<'_, Answer> {}
