//! Counting: a plain struct that is shown every row and says in the end what there was.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use crate::domain::Timestamp;
use crate::storage::figures::Counted;

/// How many types and categories are named; senders choose them.
pub(in crate::api) const NAMES_MAX: usize = 100;
/// What the state is called of which nothing is kept.
const UNKNOWN: &str = "unknown";
const HOUR_MICROS: i64 = 3_600_000_000;

#[derive(Debug)]
pub(super) struct Tally {
    from: Timestamp,
    to: Timestamp,
    seen: usize,
    oldest: Timestamp,
    total: usize,
    by_type: HashMap<String, usize>,
    by_category: HashMap<String, usize>,
    by_state: BTreeMap<String, usize>,
    by_channel: BTreeMap<String, usize>,
    by_hour: BTreeMap<i64, usize>,
    delivery: Vec<i64>,
    confirmation: Vec<i64>,
    mail: Vec<i64>,
    reading: Vec<i64>,
}

impl Tally {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            seen: 0,
            oldest: to,
            total: 0,
            by_type: HashMap::new(),
            by_category: HashMap::new(),
            by_state: BTreeMap::new(),
            by_channel: BTreeMap::new(),
            by_hour: BTreeMap::new(),
            delivery: Vec::new(),
            confirmation: Vec::new(),
            mail: Vec::new(),
            reading: Vec::new(),
        }
    }

    /// How many rows it was shown, also those beside its time.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Back to where it has counted.
    pub(super) fn oldest(&self) -> Timestamp {
        self.oldest
    }

    pub(super) fn count(&mut self, row: &Counted) {
        self.seen += 1;
        let created = Timestamp::from_micros(row.created_at);
        if created < self.from || created >= self.to {
            return;
        }
        self.oldest = self.oldest.min(created);
        self.total += 1;
        add(&mut self.by_type, &row.kind);
        add(&mut self.by_category, &row.category);
        let state = row.state.as_deref().unwrap_or(UNKNOWN);
        *self.by_state.entry(state.to_owned()).or_default() += 1;
        if let Some(channel) = &row.channel {
            *self.by_channel.entry(channel.clone()).or_default() += 1;
        }
        *self.by_hour.entry(row.created_at.div_euclid(HOUR_MICROS)).or_default() += 1;
        let took = |end: Option<i64>| end.map(|end| end - row.created_at);
        if matches!(state, "confirmed" | "emailed") {
            self.delivery.extend(took(row.finished_at));
        }
        if state == "emailed" {
            self.mail.extend(took(row.finished_at));
        }
        self.confirmation.extend(took(row.confirmed_at));
        self.reading.extend(took(row.read_at));
    }

    pub(super) fn finish(self) -> Figures {
        let (by_type, other_types) = most(self.by_type);
        let (by_category, other_categories) = most(self.by_category);
        let hours = self.by_hour.into_iter();
        Figures {
            total: self.total,
            by_type,
            other_types,
            by_category,
            other_categories,
            by_state: self.by_state,
            by_channel: self.by_channel,
            by_hour: hours
                .map(|(hour, count)| Hour { hour: Timestamp::from_micros(hour * HOUR_MICROS), count })
                .collect(),
            delivery: Times::of(self.delivery),
            confirmation: Times::of(self.confirmation),
            mail: Times::of(self.mail),
            reading: Times::of(self.reading),
        }
    }
}

fn add(counts: &mut HashMap<String, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
    } else {
        counts.insert(name.to_owned(), 1);
    }
}

/// The names that come most often, and how many the others are together.
fn most(counts: HashMap<String, usize>) -> (BTreeMap<String, usize>, usize) {
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|(one, count), (other, more)| more.cmp(count).then_with(|| one.cmp(other)));
    let others = counts.split_off(counts.len().min(NAMES_MAX));
    (counts.into_iter().collect(), others.into_iter().map(|(_, count)| count).sum())
}

/// What there was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    total: usize,
    by_type: BTreeMap<String, usize>,
    /// Those of types that are not named.
    other_types: usize,
    by_category: BTreeMap<String, usize>,
    other_categories: usize,
    by_state: BTreeMap<String, usize>,
    /// Of those that reached their users.
    by_channel: BTreeMap<String, usize>,
    by_hour: Vec<Hour>,
    delivery: Times,
    confirmation: Times,
    mail: Times,
    reading: Times,
}

#[derive(Debug, Serialize)]
struct Hour {
    hour: Timestamp,
    count: usize,
}

/// How long something took, in milliseconds; none where it never happened.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Times {
    count: usize,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl Times {
    fn of(mut micros: Vec<i64>) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| {
            // The smallest that so many of a hundred do not exceed.
            let rank = (micros.len() * percent).div_ceil(100).max(1);
            micros.get(rank - 1).map(|micros| milliseconds(*micros))
        };
        Self { count: micros.len(), p50: at(50), p90: at(90), p95: at(95), p99: at(99), max: at(100) }
    }
}

/// Clocks of two instances may differ: nothing ends before it began.
fn milliseconds(micros: i64) -> f64 {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, created_at: i64) -> Counted {
        Counted {
            kind: kind.to_owned(),
            category: "general".to_owned(),
            created_at,
            read_at: None,
            state: Some("pending".to_owned()),
            finished_at: None,
            confirmed_at: None,
            channel: None,
        }
    }

    fn tally(rows: &[Counted]) -> Tally {
        let mut tally = Tally::new(Timestamp::from_micros(1_000), Timestamp::from_micros(i64::MAX));
        for row in rows {
            tally.count(row);
        }
        tally
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = Times::of((1..=200).rev().map(|milliseconds| milliseconds * 1_000).collect());
        let wanted = [100.0, 180.0, 190.0, 198.0, 200.0].map(Some);
        assert_eq!([times.p50, times.p90, times.p95, times.p99, times.max], wanted);
        assert_eq!(Times::of(vec![-5, 250]).p50, Some(0.0));
        assert_eq!(Times::of(vec![-5, 250]).max, Some(0.25));
        assert_eq!(Times::of(Vec::new()), Times::default());
    }

    #[test]
    fn what_ended_is_timed_by_how_it_did() {
        let mailed = Counted {
            state: Some("emailed".to_owned()),
            finished_at: Some(7_000),
            channel: Some("email".to_owned()),
            ..row("a", 2_000)
        };
        let confirmed = Counted {
            state: Some("confirmed".to_owned()),
            finished_at: Some(5_000),
            confirmed_at: Some(4_000),
            read_at: Some(9_000),
            channel: Some("sse".to_owned()),
            ..row("a", 2_000)
        };
        let failed =
            Counted { state: Some("failed".to_owned()), finished_at: Some(8_000), ..row("b", 2_000) };
        let lost = Counted { state: None, ..row("b", 2_000) };
        let figures = tally(&[mailed, confirmed, failed, lost, row("b", 2_000)]).finish();
        let counts = [&figures.delivery, &figures.confirmation, &figures.mail, &figures.reading];
        assert_eq!(
            counts.map(|times| (times.count, times.max)),
            [(2, Some(5.0)), (1, Some(2.0)), (1, Some(5.0)), (1, Some(7.0)),]
        );
        let states: Vec<(&str, usize)> =
            figures.by_state.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(states, [("confirmed", 1), ("emailed", 1), ("failed", 1), ("pending", 1), ("unknown", 1)]);
        assert_eq!((figures.total, figures.by_type["a"], figures.by_type["b"]), (5, 2, 3));
        assert_eq!((figures.by_channel["email"], figures.by_channel["sse"]), (1, 1));
    }

    #[test]
    fn what_is_beside_the_time_is_not_counted_and_what_is_not_named_is() {
        let before = tally(&[row("a", 999), row("a", 1_000)]);
        assert_eq!((before.seen(), before.total, before.oldest()), (2, 1, Timestamp::from_micros(1_000)));
        let rows: Vec<Counted> =
            (0..NAMES_MAX + 5).map(|number| row(&format!("t{number:03}"), 2_000)).collect();
        let figures = tally(&[rows, vec![row("t104", 2_000), row("t104", HOUR_MICROS)]].concat()).finish();
        assert_eq!((figures.by_type.len(), figures.other_types), (NAMES_MAX, 5));
        assert_eq!(figures.by_type["t104"], 3, "the most frequent are named");
        let hours: Vec<(i64, usize)> =
            figures.by_hour.iter().map(|hour| (hour.hour.as_micros(), hour.count)).collect();
        assert_eq!(hours, [(0, NAMES_MAX + 6), (HOUR_MICROS, 1)]);
    }
}
