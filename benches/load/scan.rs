//! Finding the few things that the load program needs in a JSON text without parsing all of it.
//! It trusts the server's own compact JSON: names are looked for as `"name":` with no blank.

/// Where `needle` begins in `text`.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// What follows the first `needle`.
pub(crate) fn after<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    text.get(find(text, needle)? + needle.len()..)
}

/// The string that begins here, up to its closing quote; escapes are left as they are.
pub(crate) fn string(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'"').next()
}

/// The unsigned number that begins here.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}

/// A UUID in its usual spelling, as the number that it is.
pub(crate) fn uuid(text: &[u8]) -> Option<u128> {
    let mut value = 0_u128;
    for byte in text.get(..36)? {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'-' => continue,
            _ => return None,
        };
        value = value << 4 | u128::from(digit);
    }
    Some(value)
}

/// The event's name of a frame, wherever `event` stands in it; or of an event packet of Socket.IO.
pub(crate) fn event(text: &[u8]) -> Option<&[u8]> {
    const FIRST: &[u8] = br#"{"event":""#;
    if text.starts_with(b"42") {
        return after(text, br#"[""#).and_then(string);
    }
    text.strip_prefix(FIRST).or_else(|| after(text, br#""event":""#)).and_then(string)
}
