//! Whole numbers as JSON has them: `2.0` is the number that `2` is (RFC 8259 §6), and there are languages whose
//! encoders write it so. For `#[serde(deserialize_with = …)]`.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Number;

/// 2⁶⁴: no field takes as much.
const MOST: f64 = 18_446_744_073_709_551_616.0;

/// A number that must be there.
pub fn number<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<T, D::Error> {
    whole(&Number::deserialize(deserializer)?)
}

/// One that may be absent (with `#[serde(default)]`) or null.
pub fn optional<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Number>::deserialize(deserializer)?.as_ref().map(whole).transpose()
}

fn whole<T: TryFrom<i128>, E: Error>(number: &Number) -> Result<T, E> {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let integer = integer.or_else(|| number.as_f64().and_then(exact));
    let integer = integer.ok_or_else(|| E::custom(format!("must be a whole number, not {number}")))?;
    T::try_from(integer).map_err(|_| E::custom(format!("{number} is out of range")))
}

#[expect(clippy::cast_possible_truncation, reason = "it was just seen to be whole and small enough")]
fn exact(float: f64) -> Option<i128> {
    (float.fract() == 0.0 && float.abs() <= MOST).then_some(float as i128)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Guests {
        #[serde(deserialize_with = "super::number")]
        guests: u16,
        #[serde(default, deserialize_with = "super::optional")]
        up_to: Option<i64>,
    }

    fn read(json: &str) -> Result<(u16, Option<i64>), serde_json::Error> {
        serde_json::from_str::<Guests>(json).map(|read| (read.guests, read.up_to))
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (json, wanted) in [
            (r#"{"guests": 2}"#, (2, None)),
            (r#"{"guests": 2.0, "up_to": null}"#, (2, None)),
            (r#"{"guests": 2e1, "up_to": -0.0}"#, (20, Some(0))),
            (r#"{"guests": 0, "up_to": 9223372036854775807}"#, (0, Some(i64::MAX))),
            (r#"{"guests": 1, "up_to": 1e17}"#, (1, Some(100_000_000_000_000_000))),
        ] {
            assert_eq!(read(json).expect(json), wanted, "{json}");
        }
    }

    #[test]
    fn what_is_not_whole_or_does_not_fit_is_refused() {
        for json in [
            r#"{"guests": 2.5}"#,
            r#"{"guests": -1}"#,
            r#"{"guests": 65536.0}"#,
            r#"{"guests": 1e300}"#,
            r#"{"guests": "2"}"#,
            r#"{"guests": null}"#,
            "{}",
            r#"{"guests": 1, "up_to": 9223372036854775808}"#,
            r#"{"guests": 1, "up_to": 1e19}"#,
            r#"{"guests": 1, "up_to": true}"#,
        ] {
            read(json).expect_err(json);
        }
    }
}
