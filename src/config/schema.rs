//! Which keys exist and what type each has, taken from the built-in defaults, so that a wrong key or
//! type is reported with its name and its origin before anything is merged. For `load` only.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::error::{ConfigError, Origin};

/// The keys that have no default and are therefore not in `config/default.toml`.
const WITHOUT_DEFAULT: [(&str, Kind); 10] = [
    ("server.port_2", Kind::Integer),
    ("server.tls_certificate", Kind::Text),
    ("server.tls_key", Kind::Text),
    ("rabbitmq.ca_file", Kind::Text),
    ("auth.jwt_public_key", Kind::Text),
    ("auth.jwt_public_key_file", Kind::Text),
    ("auth.jwks_file", Kind::Text),
    ("auth.max_token_age", Kind::Text),
    ("auth.issuer", Kind::Text),
    ("auth.audience", Kind::Text),
];

/// Sections whose keys the operator chooses, and the type of every value in them.
const OPEN_SECTIONS: [(&str, Kind); 1] = [("delivery.escalate_after_ms_by_category", Kind::Integer)];

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    /// Several texts.
    List,
}

impl Kind {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Integer(_) => Some(Self::Integer),
            Value::Boolean(_) => Some(Self::Boolean),
            Value::Array(items) if items.iter().all(Value::is_str) => Some(Self::List),
            _ => None,
        }
    }

    /// The type as an error message names it.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::List => "a list of texts",
        }
    }
}

/// Every key there is.
#[derive(Debug)]
pub(super) struct Schema {
    /// By key with its section, for example `server.port`.
    kinds: BTreeMap<String, Kind>,
}

impl Schema {
    /// Reads the keys off the defaults.
    pub(super) fn of(defaults: &Table) -> Self {
        let mut kinds: BTreeMap<_, _> =
            WITHOUT_DEFAULT.iter().map(|(key, kind)| ((*key).to_owned(), *kind)).collect();
        flatten("", defaults, &mut kinds);
        Self { kinds }
    }

    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.kinds.get(key).copied().or_else(|| {
            let (section, name) = key.rsplit_once('.')?;
            let open = OPEN_SECTIONS.iter().find(|(open, _)| *open == section);
            open.filter(|_| !name.is_empty()).map(|(_, kind)| *kind)
        })
    }

    /// Refuses a layer that has a key that does not exist or a value of the wrong type.
    pub(super) fn check(&self, layer: &Table, origin: &Origin) -> Result<(), ConfigError> {
        self.check_section("", layer, origin)
    }

    fn check_section(&self, section: &str, table: &Table, origin: &Origin) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = join(section, name);
            let wrong =
                |expected| ConfigError::WrongType { key: key.clone(), origin: origin.clone(), expected };
            match (self.kind(&key), value) {
                (Some(kind), value) if Kind::of(value) == Some(kind) => {}
                (Some(kind), _) => return Err(wrong(kind.expected())),
                (None, Value::Table(inner)) if self.is_section(&key) => {
                    self.check_section(&key, inner, origin)?;
                }
                (None, _) if self.is_section(&key) => return Err(wrong("a section")),
                (None, _) => return Err(ConfigError::UnknownKey { key, origin: origin.clone() }),
            }
        }
        Ok(())
    }

    fn is_section(&self, key: &str) -> bool {
        let inside = |other: &String| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        OPEN_SECTIONS.iter().any(|(open, _)| *open == key) || self.kinds.keys().any(inside)
    }
}

fn flatten(section: &str, table: &Table, kinds: &mut BTreeMap<String, Kind>) {
    for (name, value) in table {
        let key = join(section, name);
        if let Value::Table(inner) = value {
            flatten(&key, inner, kinds);
        } else if let Some(kind) = Kind::of(value) {
            kinds.insert(key, kind);
        }
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}
