//! What bellhop knows of a person it may write to: address, language, and what they want to get.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::invalid::Invalid;
use super::notification::Category;

/// The longest address that SMTP can carry (RFC 5321 §4.5.3.1.3 less its angle brackets).
pub const EMAIL_MAX: usize = 254;

/// A person that notifications are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub user: UserId,
    pub email: Option<String>,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
    pub preferences: Preferences,
}

/// Which channel may be used for which category; what is not said is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Preferences {
    /// By category: whether notifications that no device confirmed are sent as e-mail.
    pub channels: BTreeMap<String, ChannelChoice>,
}

/// One category's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelChoice {
    pub email: bool,
}

impl Preferences {
    pub fn allows_email(&self, category: &Category) -> bool {
        self.channels.get(category.as_str()).is_none_or(|choice| choice.email)
    }
}

/// Checks the shape of an address, not whether anybody reads it: one `@` with something on both
/// sides, nothing that could end a mail header.
pub fn check_email(field: &'static str, address: &str) -> Result<(), Invalid> {
    if address.len() > EMAIL_MAX {
        return Err(Invalid::new(field, format!("must have at most {EMAIL_MAX} characters")));
    }
    let fits = address
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    let clean = !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c));
    if fits && clean { Ok(()) } else { Err(Invalid::new(field, "must be an e-mail address")) }
}
