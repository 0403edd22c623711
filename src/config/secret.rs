//! Text that must not be shown: it prints as dots wherever it is logged, debugged or serialised.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A secret from the configuration.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// What stands in a secret's place.
pub(super) const HIDDEN: &str = "••••••";

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself; only for the place that uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { HIDDEN })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { HIDDEN })
    }
}
