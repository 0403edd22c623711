//! A body of JSON, read into what it asks for, or refused with the name of the field at fault.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::refused::Refused;

/// Every body is an object: a derived reader takes an array as well, field after field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    read(bytes, serde_json::from_slice(bytes))
}

/// The same for what borrows from its text.
pub fn parse_borrowed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refused> {
    read(text.as_bytes(), serde_json::from_str(text))
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], result: serde_json::Result<T>) -> Result<T, Refused> {
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    let error = match result {
        Ok(value) if is_object => return Ok(value),
        Ok(_) => return Err(no_object()),
        Err(error) => error,
    };
    // A reader stops at the first field that does not fit; what follows may not even be JSON.
    let malformed = matches!(error.classify(), Category::Syntax | Category::Eof | Category::Io)
        || serde_json::from_slice::<IgnoredAny>(bytes).is_err();
    if malformed {
        return Err(Refused::malformed("malformed_json", "the body is not JSON"));
    }
    if !is_object {
        return Err(no_object());
    }
    // Only a refused body pays for finding out which field it was.
    let deserializer = &mut serde_json::Deserializer::from_slice(bytes);
    let located = serde_path_to_error::deserialize::<_, T>(deserializer);
    let field = located.err().map(|located| located.path().to_string()).filter(|path| path != ".");
    let refused = Refused::unprocessable("invalid_body", describe(&error));
    Err(match field.or_else(|| missing_field(&error)) {
        Some(field) => refused.of_field(field),
        None => refused,
    })
}

fn no_object() -> Refused {
    Refused::unprocessable("invalid_body", "the body must be a JSON object")
}

/// The parser's own words without its position, which counts bytes that nobody sees.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn missing_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("missing field `")?;
    rest.split_once('`').map(|(field, _)| field.to_owned())
}
