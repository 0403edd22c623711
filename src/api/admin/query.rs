//! What the administrators' lists are asked by: how many, from where on, between which times.

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::{Invalid, Timestamp};
use crate::http::Problem;

/// Items of a page when none are asked for, and the most.
pub(in crate::api) const LIMIT_DEFAULT: i64 = 50;
pub(in crate::api) const LIMIT_MAX: i64 = 200;

/// Reads the query of a request.
pub(super) fn parse<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    serde_urlencoded::from_str(request.query_string())
        .map_err(|error| Problem::bad_request("invalid_query", error.to_string()))
}

pub(super) fn invalid(field: &'static str, reason: &str) -> Problem {
    Problem::bad_request("invalid_query", format!("{field} {reason}")).of_field(field)
}

/// The same of a value that the domain refused.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unfit(refused: Invalid) -> Problem {
    invalid(refused.field, &refused.reason)
}

pub(super) fn limit(asked: Option<i64>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    let fits = (1..=LIMIT_MAX).contains(&limit).then_some(limit);
    fits.and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| invalid("limit", &format!("must be 1 to {LIMIT_MAX}")))
}

/// One of the words that a filter may have.
pub(super) fn word<T: Copy>(
    field: &'static str,
    text: Option<&str>,
    words: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let known = words.iter().copied().find(|word| as_str(*word) == text);
    let list = || words.iter().map(|word| as_str(*word)).collect::<Vec<_>>().join(", ");
    known.map(Some).ok_or_else(|| invalid(field, &format!("must be one of {}", list())))
}

/// A stretch of time: with its begin, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Span {
    pub(super) fn parse(from: Option<&str>, to: Option<&str>) -> Result<Self, Problem> {
        let span = Self { from: time("from", from)?, to: time("to", to)? };
        if span.from.zip(span.to).is_some_and(|(from, to)| from >= to) {
            return Err(invalid("from", "must be before to"));
        }
        Ok(span)
    }
}

/// An RFC 3339 time.
fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    // A plus that was not escaped arrives as a blank.
    let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+"));
    let time = time.ok().map(|time| Timestamp::from_micros(time.timestamp_micros()));
    let time = time.filter(|time| *time >= Timestamp::default());
    time.map(Some).ok_or_else(|| invalid(field, "must be a time such as 2026-01-06T15:30:45Z, since 1970"))
}

/// Where a page ended, in a form that tells clients to leave it alone.
pub(super) fn to_cursor(place: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_vec(place).map(|json| URL_SAFE_NO_PAD.encode(json))
}

pub(super) fn from_cursor<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let json = URL_SAFE_NO_PAD.decode(cursor).ok();
    let place = json.and_then(|json| serde_json::from_slice(&json).ok());
    place.map(Some).ok_or_else(|| invalid("cursor", "must be a nextCursor of an earlier answer"))
}

/// How a list was asked for, as the audit keeps it: without what was not said.
pub(super) fn detail(query: &impl Serialize) -> Option<Value> {
    let Ok(Value::Object(mut asked)) = serde_json::to_value(query) else { return None };
    asked.retain(|_, value| !value.is_null());
    (!asked.is_empty()).then_some(Value::Object(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_come_in_urls() {
        let at = |text| time("from", Some(text)).map(|time| time.map(|time| time.to_string()));
        let noon = Some("2026-01-06T12:00:00.000Z".to_owned());
        for text in ["2026-01-06T12:00:00Z", "2026-01-06T13:00:00+01:00", "2026-01-06T13:00:00 01:00"] {
            assert_eq!(at(text).unwrap(), noon, "{text}");
        }
        for text in ["", "now", "2026-01-06", "1969-12-31T23:59:59Z", "12026-01-06T12:00:00Z"] {
            assert!(at(text).is_err(), "{text:?}");
        }
        let (early, late) = (Some("2026-01-06T12:00:00Z"), Some("2026-01-06T12:00:01Z"));
        assert!(Span::parse(early, late).is_ok() && Span::parse(early, None).is_ok());
        assert!(Span::parse(late, early).is_err() && Span::parse(early, early).is_err());
    }

    #[test]
    fn only_cursors_that_were_given_are_taken() {
        let place = ("b".to_owned(), 7_i64);
        let cursor = to_cursor(&place).unwrap();
        assert_eq!(from_cursor::<(String, i64)>(Some(&cursor)).unwrap(), Some(place));
        for text in ["", "x", "!!!", "bm8"] {
            assert!(from_cursor::<(String, i64)>(Some(text)).is_err(), "{text:?}");
        }
    }
}
