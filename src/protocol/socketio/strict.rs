//! What the parser lets pass and the protocol does not: heads and arguments that the reference server refuses.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::Malformed;

/// Looks at what comes before the arguments.
pub(super) fn head(packet: &str) -> Result<(), Malformed> {
    let (kind, rest) = packet.split_at_checked(1).ok_or(Malformed)?;
    let is_right = match kind {
        // A DISCONNECT has a namespace, and nothing else.
        "1" if rest.starts_with('/') => rest.split_once(',').is_none_or(|(_, more)| more.is_empty()),
        "1" => rest.is_empty(),
        // Attachments are announced where there are any.
        "5" | "6" => {
            rest.split_once('-').is_some_and(|(count, _)| count.parse::<usize>().is_ok_and(|count| count > 0))
        }
        _ => true,
    };
    if is_right { Ok(()) } else { Err(Malformed) }
}

/// Looks at the arguments of an event or an ack: a list, whose placeholders are for so many attachments.
pub(super) fn arguments(arguments: &str, attachments: usize) -> Result<(), Malformed> {
    let is_right = if attachments == 0 {
        serde_json::from_str::<Vec<IgnoredAny>>(arguments).is_ok()
    } else {
        let values: Result<Vec<Value>, _> = serde_json::from_str(arguments);
        values.is_ok_and(|values| values.iter().all(|value| is_provided(value, attachments)))
    };
    if is_right { Ok(()) } else { Err(Malformed) }
}

/// Whether each placeholder in this has its attachment. As deep as the JSON reader lets it be.
fn is_provided(value: &Value, attachments: usize) -> bool {
    match value {
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = fields.get("num").and_then(Value::as_u64);
            number.and_then(|number| usize::try_from(number).ok()).is_some_and(|number| number < attachments)
        }
        Value::Object(fields) => fields.values().all(|value| is_provided(value, attachments)),
        Value::Array(items) => items.iter().all(|item| is_provided(item, attachments)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_what_they_are_for_and_no_more() {
        for right in ["0", "1", "1/custom", "1/custom,", "51-[1]", "610-/a,7[1]", "2[]", "x"] {
            assert_eq!(head(right), Ok(()), "{right}");
        }
        for wrong in
            ["", "1{}", "1/custom,{}", "1x", "5", "5[]", "50-[]", "500-[]", "5x-[]", "6-[]", "5-1-[]"]
        {
            assert_eq!(head(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn every_placeholder_has_its_attachment() {
        let placeholder = |number| format!(r#"["a",[{{"deep":{{"_placeholder":true,"num":{number}}}}}]]"#);
        assert_eq!(arguments(&placeholder("0"), 1), Ok(()));
        assert_eq!(arguments(&placeholder("1"), 2), Ok(()));
        for number in ["1", "-1", "0.5", "null", "\"0\""] {
            assert_eq!(arguments(&placeholder(number), 1), Err(Malformed), "{number}");
        }
        for other in ["{}", "[", "", "1", "[1] 2"] {
            assert_eq!(arguments(other, 0), Err(Malformed), "{other}");
        }
    }
}
