//! Reads the settings, layer over layer: the built-in defaults, in production mode what differs there,
//! the operator's files in their order, the environment. Each layer is checked by itself, so that an
//! error names the layer. Called by `main` once, and by tests, which pass no files and no environment.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toml::{Table, Value};

use super::error::{ConfigError, Origin};
use super::schema::Schema;
use super::{Mode, Secret, Settings, environment, validate};

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PRODUCTION: &str = include_str!("../../config/production.toml");

/// Where settings come from besides the built-in defaults. `Sources::default()` gives these alone.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// TOML files, a later one over an earlier one.
    pub files: Vec<PathBuf>,
    /// Names and values of environment variables.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// The files, and the environment of this process: the only place that reads it. What is not
    /// UTF-8 gets replacement characters, which `load` refuses where it matters.
    pub fn from_process(files: Vec<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { files, environment }
    }
}

/// The settings in force, checked. Development without a secret gets a random one, see
/// [`Settings::secret_is_random`].
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let mut merged = parse(DEFAULTS, &Origin::Defaults)?;
    let schema = Schema::of(&merged);

    let mut layers = Vec::new();
    for path in &sources.files {
        layers.push(read(path)?);
    }
    for (origin, layer) in &layers {
        schema.check(layer, origin)?;
    }
    layers.extend(environment::layers(&sources.environment, &schema)?);

    let mode = layers.iter().rev().find_map(|(_, layer)| layer.get("mode")).and_then(Value::as_str);
    if mode == Some("production") {
        let production = parse(PRODUCTION, &Origin::ProductionDefaults)?;
        schema.check(&production, &Origin::ProductionDefaults)?;
        layers.insert(0, (Origin::ProductionDefaults, production));
    }

    let mut settings = typed(&merged, &Origin::Defaults)?;
    for (origin, layer) in layers {
        merge(&mut merged, layer);
        settings = typed(&merged, &origin)?;
    }

    let problems = validate::problems(&settings);
    if !problems.is_empty() {
        return Err(ConfigError::Invalid(problems));
    }
    if settings.mode == Mode::Development && settings.auth.jwt_secret.is_empty() {
        settings.auth.jwt_secret = random_secret();
        settings.secret_is_random = true;
    }
    Ok(settings)
}

fn read(path: &PathBuf) -> Result<(Origin, Table), ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
    let origin = Origin::File(path.clone());
    let table = parse(&text, &origin)?;
    Ok((origin, table))
}

/// The parser's own report would quote the line, which may hold a secret.
fn parse(text: &str, origin: &Origin) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::NotToml {
            origin: origin.clone(),
            line: before.matches('\n').count() + 1,
            reason: error.message().to_owned(),
        }
    })
}

/// Keys and types are right by now: what remains is a number out of range or a word that is not a
/// choice, and neither can be a secret.
fn typed(merged: &Table, origin: &Origin) -> Result<Settings, ConfigError> {
    merged.clone().try_into().map_err(|error: toml::de::Error| ConfigError::Unfit {
        origin: origin.clone(),
        reason: error.to_string().trim().replace('\n', " "),
    })
}

fn merge(base: &mut Table, over: Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// 32 random bytes, as long as the hash that they key (RFC 7518 §3.2).
fn random_secret() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests;
