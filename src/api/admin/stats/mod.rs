//! `/admin/notifications/stats`: how many notifications there were in a stretch of time, of what kind, what became of
//! them, and how long that took. Counted when asked for, by one at a time, a portion of rows at a time, so that who
//! lists their inbox meanwhile waits for a portion at most; what does not fit into the bounds is said to be left out.

mod tally;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::query::{self, Span};
use crate::actors::reader::Reader;
use crate::actors::session::Services;
use crate::api::openapi::{administration, params};
use crate::domain::{AdminAction, NotificationId, Timestamp};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};
use crate::storage::figures;
use crate::storage::logs::ID_AGE_MAX;
pub(in crate::api) use tally::NAMES_MAX;
use tally::{Figures, Tally};

/// The time that is counted when none is asked for, and the longest.
const SPAN_DEFAULT: Duration = Duration::from_hours(24);
const SPAN_MAX: Duration = Duration::from_hours(24 * 31);
/// How many rows are counted at most, how many are read at once, and how long that may take in all.
const ROWS_MAX: usize = 200_000;
const PORTION: i64 = 5_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose turn it is to count.
#[derive(Debug)]
pub struct StatsTurn(Semaphore);

impl Default for StatsTurn {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StatsQuery {
    from: Option<String>,
    to: Option<String>,
}

impl StatsQuery {
    /// The last day, or as much before one end or after the other, where only one is said.
    fn span(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
        let span = Span::parse(self.from.as_deref(), self.to.as_deref())?;
        let (from, to) = match (span.from, span.to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, from.plus(SPAN_DEFAULT)),
            (None, to) => {
                let to = to.unwrap_or(now);
                (to.minus(SPAN_DEFAULT), to)
            }
        };
        if to.since(from) > SPAN_MAX {
            return Err(query::invalid("from", "must be at most 31 days before to"));
        }
        Ok((from, to))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    from: Timestamp,
    to: Timestamp,
    /// Whether everything of that time was counted.
    complete: bool,
    /// From where on it was, otherwise.
    counted_from: Timestamp,
    #[serde(flatten)]
    figures: Figures,
}

refusals!(StatsRefusals: codes::TOKEN, codes::FORBIDDEN, codes::QUERY, codes::STORED);

/// `GET /admin/notifications/stats`: an administrator's.
#[utoipa::path(
    get, path = "/admin/notifications/stats", operation_id = "readStats", tag = "administration",
    summary = "Count notifications",
    description = "For administrators: the notifications of a stretch of time, at most 31 days, by type, category, \
        channel, state and hour, and how long they took to reach their users. The newest 200,000 are counted; \
        `complete` says whether that was all. One at a time counts; whoever else asks is told to come back.",
    params(params::Stats),
    responses((status = 200, description = "The figures", body = administration::Stats), StatsRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    request: HttpRequest,
    services: web::Data<Services>,
    reader: web::Data<Reader>,
    turn: web::Data<StatsTurn>,
) -> Result<HttpResponse, Problem> {
    let asked: StatsQuery = query::parse(&request)?;
    let (from, to) = asked.span(services.clock.now())?;
    let busy = || Problem::unavailable("overloaded", "somebody else's figures are being counted: try again");
    let _turn = turn.0.try_acquire().map_err(|_| busy())?;
    administrator.record(AdminAction::ReadStats, None, query::detail(&asked).as_ref()).await?;
    let (tally, reached) = count(&reader, from, to).await?;
    let figures = web::block(move || tally.finish()).await.map_err(|_| Problem::internal())?;
    let (complete, counted_from) = (reached.is_none(), reached.unwrap_or(from));
    Ok(HttpResponse::Ok().json(Answer { from, to, complete, counted_from, figures }))
}

/// Counts newest first; answers back to where, if not to the beginning.
async fn count(
    reader: &Reader,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Tally, Option<Timestamp>), Problem> {
    let deadline = Instant::now() + PATIENCE;
    let mut tally = Tally::new(from, to);
    let mut below = NotificationId::first_at(to.plus(ID_AGE_MAX)).to_string();
    loop {
        let portion = reader
            .run(move |connection| figures::portion(connection, from.minus(ID_AGE_MAX), &below, PORTION))
            .await?;
        for row in &portion.rows {
            tally.count(row);
        }
        let Some(next) = portion.next else { return Ok((tally, None)) };
        if tally.seen() >= ROWS_MAX || Instant::now() >= deadline {
            let reached = tally.oldest();
            return Ok((tally, Some(reached)));
        }
        below = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_of_a_time_is_a_day() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let query = |from: Option<&str>, to: Option<&str>| StatsQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let texts = |query: StatsQuery| {
            query
                .span(now)
                .map(|(from, to)| (from.to_string(), to.to_string()))
                .map_err(|problem| problem.code())
        };
        assert_eq!(query(None, None).span(now).ok(), Some((now.minus(SPAN_DEFAULT), now)));
        let (first, second) = ("2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z");
        let day = Ok((first.to_owned(), second.to_owned()));
        assert_eq!(texts(query(Some(first), None)), day);
        assert_eq!(texts(query(None, Some(second))), day);
        let month = query(Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z"));
        assert!(month.span(now).is_ok());
        let longer = query(Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:01Z"));
        assert_eq!(texts(longer), Err("invalid_query"));
    }
}
