//! Log lines on standard error, as text for people or as one JSON object a line for machines. Both
//! carry the fields that a call site gives (`log::info!(room = 7; "…")`). `main` calls `init` once.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Record, SetLoggerError};
use serde::ser::{SerializeMap, Serializer as _};

use crate::config::{LogFormat, LogSettings};

/// Modules of others that say more than they should, unless an operator names them. Below these levels they write
/// what strangers sent: headers, paths; and of strangers' broken requests and frames they make errors, with which
/// anybody could fill a disk. What comes of those is an answer, a close reason and a figure.
const QUIET: [(&str, LevelFilter); 6] = [
    ("actix_http", LevelFilter::Warn),
    ("actix_http::h1", LevelFilter::Off),
    ("actix_http::ws", LevelFilter::Off),
    ("actix_web", LevelFilter::Info),
    // It complains of every try to reach a broker that is away; who tries says so once.
    ("lapin", LevelFilter::Off),
    // And of every node of a cluster.
    ("redis", LevelFilter::Error),
];

/// Directs every `log` call of the process to standard error. Fails when it was called before.
pub fn init(settings: &LogSettings) -> Result<(), SetLoggerError> {
    let mut builder = env_logger::Builder::new();
    for (module, most) in QUIET {
        builder.filter_module(module, most);
    }
    builder.parse_filters(&settings.level);
    match settings.format {
        LogFormat::Json => builder.format(|out, record| {
            let timestamp = out.timestamp_millis();
            write_json(out, &timestamp, record)
        }),
        LogFormat::Text => builder.format(|out, record| {
            let timestamp = out.timestamp_millis();
            let style = out.default_level_style(record.level());
            let level = format!("{style}{:<5}{style:#}", record.level());
            write_text(out, &timestamp, &level, record)
        }),
    };
    builder.try_init()
}

/// `2026-01-06T15:30:45.123Z INFO  bellhop::app: listening port=3000`. What could end the line or steer
/// a terminal is escaped: a client's text must not pass for a line of ours.
fn write_text(
    out: &mut dyn Write,
    timestamp: &dyn Display,
    level: &str,
    record: &Record<'_>,
) -> io::Result<()> {
    let mut line = format!("{timestamp} {level} {}: ", record.target());
    escape_controls(&mut line, &record.args().to_string());
    each_field(record, |key, field| {
        line.push(' ');
        escape_controls(&mut line, key.as_str());
        line.push('=');
        match field {
            Field::Text(text) if is_word(&text) => line.push_str(&text),
            Field::Text(text) => write!(line, "{text:?}")?,
            Field::Json(value) => write!(line, "{value}")?,
        }
        Ok(())
    })?;
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// `{"timestamp":…,"level":…,"target":…,"message":…,"fields":{…}}`; `fields` only where there are some.
/// They have an object of their own, so that a field called `level` hides nothing.
fn write_json(out: &mut dyn Write, timestamp: &dyn Display, record: &Record<'_>) -> io::Result<()> {
    let mut fields = serde_json::Map::new();
    each_field(record, |key, field| {
        let value = match field {
            Field::Text(text) => text.into(),
            Field::Json(value) => value,
        };
        fields.insert(key.as_str().to_owned(), value);
        Ok(())
    })?;

    let mut line = Vec::with_capacity(256);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut object = json.serialize_map(None)?;
    object.serialize_entry("timestamp", &timestamp.to_string())?;
    object.serialize_entry("level", record.level().as_str())?;
    object.serialize_entry("target", record.target())?;
    object.serialize_entry("message", &record.args().to_string())?;
    if !fields.is_empty() {
        object.serialize_entry("fields", &fields)?;
    }
    object.end()?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Letters, digits and the signs of addresses and ids: readable without quotation marks.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "._:/@+-".contains(c))
}

fn escape_controls(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// A field's value: a text, or a number, a truth value or nothing.
enum Field {
    Text(String),
    Json(serde_json::Value),
}

/// Calls `visit` with each field of a record, in the order of the call site.
fn each_field(
    record: &Record<'_>,
    visit: impl FnMut(&Key<'_>, Field) -> Result<(), fmt::Error>,
) -> io::Result<()> {
    struct Fields<F>(F);

    impl<'kvs, F: FnMut(&Key<'_>, Field) -> Result<(), fmt::Error>> VisitSource<'kvs> for Fields<F> {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let mut typed = Typed(Field::Json(serde_json::Value::Null));
            value.visit(&mut typed)?;
            Ok((self.0)(&key, typed.0)?)
        }
    }

    record.key_values().visit(&mut Fields(visit)).map_err(io::Error::other)
}

/// Keeps numbers and truth values what they are and makes a text of everything else.
struct Typed(Field);

impl VisitValue<'_> for Typed {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.0 = Field::Text(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = Field::Json(serde_json::Value::Null);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Field::Json(value.into());
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = Field::Json(value.into());
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        // JSON has no infinity and no NaN.
        self.0 = match serde_json::Number::from_f64(value) {
            Some(number) => Field::Json(number.into()),
            None => Field::Text(value.to_string()),
        };
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = Field::Json(value.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    const TIME: &str = "2026-01-06T15:30:45.123Z";

    fn record<'a>(args: fmt::Arguments<'a>, fields: &'a dyn kv::Source) -> Record<'a> {
        Record::builder().level(Level::Warn).target("bellhop::hub").args(args).key_values(fields).build()
    }

    fn json(args: fmt::Arguments<'_>, fields: &dyn kv::Source) -> String {
        let mut out = Vec::new();
        write_json(&mut out, &TIME, &record(args, fields)).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn text(args: fmt::Arguments<'_>, fields: &dyn kv::Source) -> String {
        let mut out = Vec::new();
        write_text(&mut out, &TIME, "WARN ", &record(args, fields)).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_json_line_has_time_level_target_message_and_typed_fields() {
        let fields = [
            ("count", Value::from(3_u64)),
            ("delta", Value::from(-1_i64)),
            ("late", Value::from(true)),
            ("seconds", Value::from(0.5_f64)),
            ("room", Value::from("user:7")),
        ];
        let line = json(format_args!("slow {}", "consumer"), &fields.as_slice());
        assert_eq!(
            line,
            concat!(
                r#"{"timestamp":"2026-01-06T15:30:45.123Z","level":"WARN","target":"bellhop::hub","#,
                r#""message":"slow consumer","fields":{"count":3,"delta":-1,"late":true,"#,
                r#""room":"user:7","seconds":0.5}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_json_line_without_fields_has_no_object_for_them() {
        assert!(!json(format_args!("quiet"), &None::<(&str, Value)>).contains("fields"));
    }

    #[test]
    fn a_json_line_stays_one_line_whatever_it_says() {
        let nasty = "quote \" backslash \\ line\nfeed\u{1b}[31m \u{2028} ünï";
        let fields = [("a \"key\"\n", Value::from(nasty)), ("nan", Value::from(f64::NAN))];
        let line = json(format_args!("{nasty}"), &fields.as_slice());
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!(read["message"], nasty);
        assert_eq!(read["fields"]["a \"key\"\n"], nasty);
        assert_eq!(read["fields"]["nan"], "NaN");
    }

    #[test]
    fn a_field_may_be_called_like_a_part_of_the_line() {
        let line = json(format_args!("x"), &[("level", Value::from("debug"))].as_slice());
        let read: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!((read["level"].as_str(), read["fields"]["level"].as_str()), (Some("WARN"), Some("debug")));
    }

    #[test]
    fn a_text_line_reads_from_left_to_right() {
        let fields =
            [("port", Value::from(3000_u64)), ("why", Value::from("no route")), ("user", Value::from("7"))];
        assert_eq!(
            text(format_args!("listening"), &fields.as_slice()),
            "2026-01-06T15:30:45.123Z WARN  bellhop::hub: listening port=3000 why=\"no route\" user=7\n"
        );
    }

    #[test]
    fn a_text_line_cannot_be_broken_or_coloured_by_its_contents() {
        let nasty = "a\n2026 ERROR forged\u{1b}[31m\r";
        let line = text(format_args!("{nasty}"), &[("k\n", Value::from(nasty))].as_slice());
        assert_eq!(line.chars().filter(|c| c.is_control()).collect::<String>(), "\n");
        assert!(line.ends_with('\n'));
    }
}
