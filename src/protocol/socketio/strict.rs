//! What the parser lets pass and the protocol does not: heads and arguments that the reference server refuses.

use serde_json::Value;

use super::Malformed;

/// Refuses digits of which no id can be made, anything after the namespace of a packet that carries nothing, and
/// attachments that are announced where there are none.
pub(super) fn head(packet: &str) -> Result<(), Malformed> {
    let (kind, rest) = packet.split_at_checked(1).ok_or(Malformed)?;
    let rest = if matches!(kind, "5" | "6") {
        let (count, rest) = rest.split_once('-').ok_or(Malformed)?;
        if count.parse() == Ok(0_usize) {
            return Err(Malformed);
        }
        rest
    } else {
        rest
    };
    let body = if rest.starts_with('/') { rest.split_once(',').map_or("", |(_, body)| body) } else { rest };
    let id = body.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    let is_right = match kind {
        "0" => body.is_empty() || body.starts_with('{'),
        "1" => body.is_empty(),
        _ => id.is_empty() || id.parse::<i64>().is_ok(),
    };
    if is_right { Ok(()) } else { Err(Malformed) }
}

/// Refuses placeholders in a list of arguments whose attachments there are not.
pub(super) fn placeholders(arguments: &str, attachments: usize) -> Result<(), Malformed> {
    if attachments == 0 {
        return Ok(());
    }
    let values: Vec<Value> = serde_json::from_str(arguments).map_err(|_| Malformed)?;
    if values.iter().all(|value| is_provided(value, attachments)) { Ok(()) } else { Err(Malformed) }
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
        for right in ["0", "1", "1/custom", "1/custom,", "51-[1]", "610-/a,7[1]", "2[]", "0{}", "0/a,{}", "x"]
        {
            assert_eq!(head(right), Ok(()), "{right}");
        }
        for wrong in
            ["", "1{}", "1/custom,{}", "1x", "5", "5[]", "50-[]", "500-[]", "60-1[]", "07", "0/a,7{}"]
        {
            assert_eq!(head(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn every_placeholder_has_its_attachment() {
        let placeholder = |number| format!(r#"["a",[{{"deep":{{"_placeholder":true,"num":{number}}}}}]]"#);
        assert_eq!(placeholders(&placeholder("0"), 1), Ok(()));
        assert_eq!(placeholders(&placeholder("1"), 2), Ok(()));
        for number in ["1", "-1", "0.5", "null", "\"0\""] {
            assert_eq!(placeholders(&placeholder(number), 1), Err(Malformed), "{number}");
        }
        assert_eq!(placeholders(&placeholder("7"), 0), Ok(()), "a text event may say what it likes");
    }
}
