//! Why settings could not be loaded. `main` prints it and exits. Every message names the key and where
//! it was read; none contains a value that could be a secret.

use std::fmt;
use std::path::PathBuf;

/// Where a layer of settings was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`, built in.
    Defaults,
    /// `config/production.toml`, built in.
    ProductionDefaults,
    /// A file the operator named.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the built-in defaults"),
            Self::ProductionDefaults => f.write_str("the built-in production defaults"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// One thing that is wrong with settings that parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with its section, for example `mail.lease_ms`.
    pub key: &'static str,
    /// What is expected, as a sentence without its subject.
    pub reason: String,
}

/// Settings that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{origin} is not TOML, line {line}: {reason}")]
    NotToml { origin: Origin, line: usize, reason: String },
    #[error("unknown key {key} in {origin}")]
    UnknownKey { key: String, origin: Origin },
    #[error("unknown environment variable {name}: no setting has this name")]
    UnknownVariable { name: String },
    #[error("the environment variable {name} is not UTF-8 text")]
    NotText { name: String },
    #[error("{key} in {origin} must be {expected}")]
    WrongType { key: String, origin: Origin, expected: &'static str },
    /// The type is right, the value does not fit it: a port above 65535, a mode that does not exist.
    #[error("{origin} does not fit: {reason}")]
    Unfit { origin: Origin, reason: String },
    #[error("{}", .0.iter().map(|p| format!("{} {}", p.key, p.reason)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
}
