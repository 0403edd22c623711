//! What bellhop knows of a person it may write to: address, language, and what they want to get.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::identity::{Identity, Role};
use super::ids::UserId;
use super::invalid::Invalid;
use super::notification::Category;

/// The longest address that SMTP can carry (RFC 5321 §4.5.3.1.3 less its angle brackets).
pub const EMAIL_MAX: usize = 254;

/// How many categories one person may choose for; a platform has a handful.
pub const CATEGORIES_MAX: usize = 50;

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

/// What a person has chosen; each choice goes before what a token claims. What is not said is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Preferences {
    /// The address that mail goes to.
    pub email: Option<String>,
    /// A BCP 47 language tag.
    pub locale: Option<String>,
    /// An IANA time zone name.
    pub time_zone: Option<String>,
    /// By category: whether notifications that no device confirmed are sent as e-mail.
    pub channels: BTreeMap<String, ChannelChoice>,
}

/// What a token says of a person, kept so that mail can be addressed when the person is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub user: UserId,
    pub email: Option<String>,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
    pub roles: Vec<Role>,
}

impl Profile {
    /// The part of a token that is worth keeping. An address that is none is left out: it could
    /// never be written to.
    pub fn of(identity: &Identity) -> Self {
        let email = identity.email.clone().filter(|email| check_email("email", email).is_ok());
        Self {
            user: identity.user.clone(),
            email,
            name: identity.name.clone(),
            locale: identity.locale.clone(),
            time_zone: identity.time_zone.clone(),
            roles: identity.roles.clone(),
        }
    }
}

impl Profile {
    /// Whether `known` already says all that this one does: a claim that is absent says nothing.
    pub fn is_known_by(&self, known: Option<&Self>) -> bool {
        let Some(known) = known else { return false };
        let says = |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        let roles = |profile: &Self| profile.roles.iter().cloned().collect::<BTreeSet<Role>>();
        says(&self.email, &known.email)
            && says(&self.name, &known.name)
            && says(&self.locale, &known.locale)
            && says(&self.time_zone, &known.time_zone)
            && roles(self) == roles(known)
    }
}

impl Recipient {
    /// Where mail for this person goes, if anywhere.
    pub fn address(&self) -> Option<&str> {
        self.preferences.email.as_deref().or(self.email.as_deref())
    }
}

/// One category's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelChoice {
    pub email: bool,
}

impl Preferences {
    /// Checks every choice; the field named in the error is the one at fault.
    pub fn check(self) -> Result<Self, Invalid> {
        if let Some(email) = &self.email {
            check_email("email", email)?;
        }
        for (field, text) in [("locale", &self.locale), ("timeZone", &self.time_zone)] {
            let fits = |text: &String| {
                (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/+".contains(&b))
            };
            if text.as_ref().is_some_and(|text| !fits(text)) {
                return Err(Invalid::new(
                    field,
                    "must be 1 to 64 letters, digits, hyphens, underscores or slashes",
                ));
            }
        }
        if self.channels.len() > CATEGORIES_MAX {
            return Err(Invalid::new("channels", format!("must name at most {CATEGORIES_MAX} categories")));
        }
        for category in self.channels.keys() {
            Category::parse(category)?;
        }
        Ok(self)
    }

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
