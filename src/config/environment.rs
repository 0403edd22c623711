//! Environment variables as settings: the names that existing deployments use, in a table, and
//! `BELLHOP__SECTION__KEY` for every other key. Each variable becomes a layer of its own, so that an
//! error can name it. For `load` only.

use toml::{Table, Value};

use super::error::{ConfigError, Origin};
use super::schema::{Kind, Schema};

/// A variable's name and the key it sets; the key's type is the schema's.
const NAMES: [(&str, &str); 22] = [
    ("BELLHOP_MODE", "mode"),
    ("PORT", "server.port"),
    ("PORT_2", "server.port_2"),
    ("PUBLIC_URL", "server.public_url"),
    ("CORS_ORIGIN", "server.cors_origin"),
    ("DATABASE_URL", "database.url"),
    ("JWT_SECRET", "auth.jwt_secret"),
    ("JWT_SECRET_PREVIOUS", "auth.jwt_secret_previous"),
    ("JWT_PUBLIC_KEY", "auth.jwt_public_key"),
    ("JWT_PUBLIC_KEY_FILE", "auth.jwt_public_key_file"),
    ("JWT_JWKS_FILE", "auth.jwks_file"),
    ("JWT_EXPIRES_IN", "auth.jwt_expires_in"),
    ("REDIS_URL", "bus.redis_url"),
    ("AMQP_URL", "rabbitmq.url"),
    ("SMTP_URL", "mail.smtp_url"),
    ("MAIL_FROM", "mail.from"),
    ("RATE_LIMIT_WINDOW_MS", "session.rate_limit_window_ms"),
    ("RATE_LIMIT_MAX_REQUESTS", "session.rate_limit_max_requests"),
    ("API_RATE_LIMIT_PER_MINUTE", "limits.requests_per_minute"),
    ("SSE_HEARTBEAT_INTERVAL", "sse.heartbeat_interval_ms"),
    ("SSE_CLEANUP_INTERVAL", "sse.cleanup_interval_ms"),
    ("LOG_LEVEL", "log.level"),
];

/// What every other key's variable starts with.
const PREFIX: &str = "BELLHOP__";

/// The layers that the environment holds: the table's names first, then `BELLHOP__…` by name, which
/// therefore win. A variable that is empty counts as not set, as compose files leave them.
pub(super) fn layers(
    environment: &[(String, String)],
    schema: &Schema,
) -> Result<Vec<(Origin, Table)>, ConfigError> {
    let mut found: Vec<(usize, &str, String, &str)> = Vec::new();
    for (name, value) in environment {
        let Some((rank, key)) = key_of(name, value)? else { continue };
        if !value.is_empty() {
            found.push((rank, name, key, value));
        }
    }
    found.sort_unstable();
    found.iter().map(|(_, name, key, value)| layer(name, key, value, schema)).collect()
}

/// The key that a variable sets and its place in the order; none for a variable that is not ours.
fn key_of(name: &str, value: &str) -> Result<Option<(usize, String)>, ConfigError> {
    if let Some(rank) = NAMES.iter().position(|(known, _)| *known == name) {
        return Ok(NAMES.get(rank).map(|(_, key)| (rank, (*key).to_owned())));
    }
    if let Some(path) = name.strip_prefix(PREFIX) {
        return Ok(Some((NAMES.len(), path.to_ascii_lowercase().replace("__", "."))));
    }
    if name.starts_with("BELLHOP_") && !is_service_link(name, value) {
        return Err(ConfigError::UnknownVariable { name: name.to_owned() });
    }
    Ok(None)
}

/// Kubernetes and Docker describe a service called `bellhop` to its neighbours, and to itself, in
/// variables of these names; they are nobody's typing mistake.
fn is_service_link(name: &str, value: &str) -> bool {
    let numbered = name.strip_prefix("BELLHOP_PORT_").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && (rest.contains("_TCP") || rest.contains("_UDP"))
    });
    let service = name == "BELLHOP_SERVICE_HOST"
        || name == "BELLHOP_SERVICE_PORT"
        || name.starts_with("BELLHOP_SERVICE_PORT_");
    let address = name == "BELLHOP_PORT" && (value.starts_with("tcp://") || value.starts_with("udp://"));
    numbered || service || address
}

fn layer(name: &str, key: &str, value: &str, schema: &Schema) -> Result<(Origin, Table), ConfigError> {
    let origin = Origin::Variable(name.to_owned());
    // What is not UTF-8 was read with this character in its place.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(ConfigError::NotText { name: name.to_owned() });
    }
    let kind = schema.kind(key).ok_or_else(|| ConfigError::UnknownVariable { name: name.to_owned() })?;
    let value = convert(kind, value).ok_or_else(|| ConfigError::WrongType {
        key: key.to_owned(),
        origin: origin.clone(),
        expected: kind.expected(),
    })?;
    Ok((origin, nest(key, value)))
}

/// The text as the type that the key has, so that a password of digits stays a text.
fn convert(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Integer => text.trim().parse().ok().map(Value::Integer),
        Kind::Boolean => text.trim().parse().ok().map(Value::Boolean),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
    }
}

/// `server.port` and a value as the table that a file would give.
fn nest(key: &str, value: Value) -> Table {
    let (first, value) = match key.split_once('.') {
        Some((section, rest)) => (section, Value::Table(nest(rest, value))),
        None => (key, value),
    };
    Table::from_iter([(first.to_owned(), value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_table_sets_a_key_that_exists() {
        let defaults = include_str!("../../config/default.toml").parse().expect("the defaults parse");
        let schema = Schema::of(&defaults);
        for (name, key) in NAMES {
            assert!(schema.kind(key).is_some(), "{name} sets {key}");
        }
    }

    #[test]
    fn a_services_own_link_variables_are_not_mistakes() {
        for (name, value) in [
            ("BELLHOP_SERVICE_HOST", "10.0.0.1"),
            ("BELLHOP_SERVICE_PORT", "3000"),
            ("BELLHOP_SERVICE_PORT_HTTP", "3000"),
            ("BELLHOP_PORT", "tcp://10.0.0.1:3000"),
            ("BELLHOP_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
            ("BELLHOP_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ] {
            assert_eq!(key_of(name, value).expect(name), None, "{name}");
        }
        assert!(key_of("BELLHOP_PORT", "3000").is_err());
    }
}
