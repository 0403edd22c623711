//! `[reminders]`: when the parties of a booking are reminded of its check-in.

use std::ops::RangeInclusive;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::duration::Lifetime;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReminderSettings {
    /// How long before check-in both parties of an accepted booking are reminded; `0` switches reminders off.
    /// Defaults to `24h`.
    pub before: Lifetime,
    /// The time of day in UTC at which guests check in, for a booking has none of its own. Defaults to `15:00`.
    pub check_in_time: TimeOfDay,
    /// How often is looked who is to be reminded, in milliseconds. Defaults to 5000.
    pub interval_ms: u64,
    /// Of how many bookings one transaction reminds. Defaults to 100.
    pub batch: u32,
}

impl ReminderSettings {
    /// Whether anybody is ever reminded.
    pub fn is_on(&self) -> bool {
        !self.before.duration().is_zero()
    }

    /// The days whose check-in is ahead at `now` and near enough; none where there is no such day.
    pub fn due(&self, now: DateTime<Utc>) -> Option<RangeInclusive<NaiveDate>> {
        let check_in = self.check_in_time.0;
        let latest = now.checked_add_signed(chrono::TimeDelta::from_std(self.before.duration()).ok()?)?;
        let today = now.date_naive();
        let first = if now.time() < check_in { today } else { today.checked_add_days(Days::new(1))? };
        let latest_day = latest.date_naive();
        let last =
            if latest.time() >= check_in { latest_day } else { latest_day.checked_sub_days(Days::new(1))? };
        (self.is_on() && first <= last).then_some(first..=last)
    }
}

/// A time of day, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(NaiveTime);

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day from 00:00 to 23:59, for example 15:00")]
pub struct InvalidTimeOfDay;

impl TryFrom<String> for TimeOfDay {
    type Error = InvalidTimeOfDay;

    fn try_from(text: String) -> Result<Self, InvalidTimeOfDay> {
        let time = NaiveTime::parse_from_str(&text, "%H:%M").map_err(|_| InvalidTimeOfDay)?;
        // The parser would take single digits and white space as well.
        Some(Self(time)).filter(|time| String::from(*time) == text).ok_or(InvalidTimeOfDay)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.0.format("%H:%M").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(before: &str, check_in_time: &str) -> ReminderSettings {
        ReminderSettings {
            before: before.parse().expect("a duration"),
            check_in_time: check_in_time.to_owned().try_into().expect("a time"),
            interval_ms: 1,
            batch: 1,
        }
    }

    /// The first and the last day that is due.
    fn due(before: &str, check_in_time: &str, now: &str) -> Option<(String, String)> {
        let now: DateTime<Utc> = now.parse().expect("a time");
        let days = settings(before, check_in_time).due(now)?;
        Some((days.start().to_string(), days.end().to_string()))
    }

    fn days(first: &str, last: &str) -> (String, String) {
        (format!("2031-12-{first}"), format!("2031-12-{last}"))
    }

    #[test]
    fn a_day_is_due_from_the_time_before_its_check_in_until_check_in() {
        for (now, wanted) in [
            ("2031-12-02T14:59:59Z", Some(days("02", "02"))),
            ("2031-12-02T15:00:00Z", Some(days("03", "03"))),
            ("2031-12-03T14:59:59.999Z", Some(days("03", "03"))),
            ("2031-12-03T15:00:00Z", Some(days("04", "04"))),
        ] {
            assert_eq!(due("24h", "15:00", now), wanted, "{now}");
        }
    }

    #[test]
    fn a_short_time_leaves_hours_in_which_nothing_is_due_and_a_long_one_overlaps() {
        assert_eq!(due("2h", "15:00", "2031-12-03T12:59:59Z"), None);
        assert_eq!(due("2h", "15:00", "2031-12-03T13:00:00Z"), Some(days("03", "03")));
        assert_eq!(due("2h", "15:00", "2031-12-03T15:00:00Z"), None);
        assert_eq!(due("2h", "01:00", "2031-12-02T23:00:00Z"), Some(days("03", "03")));
        assert_eq!(due("7d", "00:00", "2031-12-03T00:00:00Z"), Some(days("04", "10")));
    }

    #[test]
    fn a_time_of_zero_reminds_nobody() {
        assert_eq!(due("0", "15:00", "2031-12-03T12:00:00Z"), None);
        assert_eq!(due("0", "15:00", "2031-12-03T15:00:00Z"), None);
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for text in ["", "15", "15:0", "5:00", "24:00", "15:60", "15:00:00", "+5:00", " 5:00", "3 pm"] {
            assert_eq!(TimeOfDay::try_from(text.to_owned()), Err(InvalidTimeOfDay), "{text:?}");
        }
        let noon = TimeOfDay::try_from("12:05".to_owned()).expect("a time");
        assert_eq!(String::from(noon), "12:05");
    }
}
