//! Schemas of single values, with the bounds that the code checks. They are written as JSON Schema, of which
//! utoipa's builders know only a part.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{Object, Schema, SchemaType};

use crate::domain::ids::USER_ID_MAX;
use crate::domain::recipient::EMAIL_MAX;

/// What no id has in it: white space and control characters. For a class in a regular expression.
pub const BLANKS: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// Control characters, likewise.
pub const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f";

/// A JSON Schema, as it is written.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Shape(pub Value);

impl From<Shape> for Schema {
    fn from(Shape(value): Shape) -> Self {
        let keywords = if let Value::Object(keywords) = value { keywords } else { Map::new() };
        let extensions = keywords.into_iter().collect::<Extensions>();
        let object = Object::builder().schema_type(SchemaType::AnyValue).extensions(Some(extensions));
        Self::Object(object.build())
    }
}

impl From<Shape> for RefOr<Schema> {
    fn from(shape: Shape) -> Self {
        Self::T(shape.into())
    }
}

impl Shape {
    /// An object with all of these properties and no others.
    pub fn closed<const N: usize>(properties: [(&str, Self); N]) -> Self {
        let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
        let required = json!(names);
        let properties: Map<String, Value> =
            properties.into_iter().map(|(name, shape)| (name.to_owned(), shape.0)).collect();
        Self(json!({
            "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        }))
    }

    /// The same object with a property that need not be there.
    #[must_use]
    pub fn with_optional(mut self, name: &str, shape: Self) -> Self {
        if let Some(Value::Object(properties)) = self.0.get_mut("properties") {
            properties.insert(name.to_owned(), shape.0);
        }
        self
    }

    /// A shape that has a name.
    pub fn named(name: &str) -> Self {
        Self(json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    /// A list of these.
    #[must_use]
    pub fn list(self) -> Self {
        Self(json!({"type": "array", "items": self}))
    }

    /// The same, or null.
    #[must_use]
    pub fn or_null(mut self) -> Self {
        match self.0.get_mut("type") {
            Some(kind) => *kind = json!([kind.take(), "null"]),
            None => return Self(json!({"anyOf": [self, {"type": "null"}]})),
        }
        if let Some(Value::Array(values)) = self.0.get_mut("enum") {
            values.push(Value::Null);
        }
        self
    }

    /// The same with another keyword.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(keywords) = &mut self.0 {
            keywords.insert(keyword.to_owned(), value.into());
        }
        self
    }
}

/// A user's id.
pub fn user_id() -> Shape {
    Shape(json!({
        "type": "string", "minLength": 1, "maxLength": USER_ID_MAX, "pattern": format!("^[^{BLANKS}]+$"),
        "examples": ["host-7"],
    }))
}

/// An address that mail can go to.
pub fn email() -> Shape {
    let other = format!("[^@<>,;\"{BLANKS}]+");
    Shape(json!({
        "type": "string", "minLength": 3, "maxLength": EMAIL_MAX, "pattern": format!("^{other}@{other}$"),
        "examples": ["host-7@example.org"],
    }))
}

/// An id that the server has made.
pub fn uuid() -> Shape {
    Shape(json!({"type": "string", "format": "uuid", "examples": ["019a2b3c-4d5e-7f60-8123-456789abcdef"]}))
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp() -> Shape {
    Shape(json!({
        "type": "string", "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        "examples": ["2026-01-06T15:30:45.123Z"],
    }))
}

/// A place in an inbox.
pub fn seq() -> Shape {
    Shape(json!({"type": "integer", "format": "int64", "minimum": 1, "examples": [42]}))
}

/// How many, or the place of the newest: 0 where there is none.
pub fn count() -> Shape {
    Shape(json!({"type": "integer", "format": "int64", "minimum": 0, "examples": [3]}))
}

/// A whole number between two others.
pub fn whole_number(least: i64, most: i64) -> Shape {
    Shape(json!({"type": "integer", "format": "int64", "minimum": least, "maximum": most}))
}

/// Any text.
pub fn any_text() -> Shape {
    Shape(json!({"type": "string"}))
}

/// Text of at most so many characters, without the one that PostgreSQL cannot keep.
pub fn text(most: usize) -> Shape {
    Shape(json!({"type": "string", "maxLength": most, "pattern": r"^[^\u0000]*$"}))
}

pub fn boolean() -> Shape {
    Shape(json!({"type": "boolean"}))
}

/// One of these words.
pub fn one_of(words: &[&str]) -> Shape {
    Shape(json!({"type": "string", "enum": words}))
}
