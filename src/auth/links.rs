//! Link keys: what a link to the preferences page carries, so that who reads a mail need not sign in to get less of it.
//! Signed, so that any instance knows them and none keeps them. A key is its bearer's: never log one.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::keyed::{TAG_BYTES, derived};
use crate::domain::{Category, Timestamp, UserId};

/// How long a mail's link is good: people sort their mail late, and a year is what a mailbox is searched for.
const MAIL_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// How long a link of somebody who was signed in is good: it opens at once, and may be reloaded.
const PERSON_LIFETIME: Duration = Duration::from_mins(30);
/// The longest key that is looked at: a user's id and a category at their longest fit twice.
const KEY_BYTES_MAX: usize = 1_024;
/// Another layout gets another number, so that keys of an older program are refused and not misread.
const VERSION: u8 = 1;
const LABEL: &[u8] = b"bellhop link keys";
/// What comes first: the version, the length of the category, and the microseconds of the issue, big-endian.
const HEAD_BYTES: usize = 1 + 1 + 8;

/// Makes and knows link keys.
#[derive(Clone)]
pub struct Links {
    keyed: Hmac<Sha256>,
}

/// What the bearer of a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Choose which categories come by mail. The key came with a mail of this one, which whoever reads the mail has.
    Mail(Category),
    /// Everything about the preferences: the key was asked for with a token.
    Person,
}

/// A key that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkGrant {
    pub user: UserId,
    pub scope: Scope,
    pub issued_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("the link is not one of ours, or was cut")]
    Invalid,
    #[error("the link is too old")]
    Expired,
}

impl LinkError {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid => "link_invalid",
            Self::Expired => "link_expired",
        }
    }
}

impl Links {
    /// `secret` is what the instances share; the key is derived from it.
    pub fn new(secret: &[u8]) -> Self {
        Self { keyed: derived(secret, LABEL) }
    }

    /// The same for the same arguments, so that a mail that is tried again stays the same.
    pub fn issue(&self, user: &UserId, scope: &Scope, at: Timestamp) -> String {
        let category = match scope {
            Scope::Mail(category) => category.as_str(),
            Scope::Person => "",
        };
        let length = u8::try_from(category.len()).unwrap_or_default();
        let mut key = vec![VERSION, length];
        key.extend_from_slice(&at.as_micros().to_be_bytes());
        key.extend(category.bytes().take(usize::from(length)));
        key.extend_from_slice(user.as_str().as_bytes());
        let tag = self.keyed.clone().chain_update(&key).finalize().into_bytes();
        key.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(key)
    }

    /// What a key says, if an instance of this deployment issued it and it is still good.
    pub fn verify(&self, key: &str, now: Timestamp) -> Result<LinkGrant, LinkError> {
        let grant = self.read(key).ok_or(LinkError::Invalid)?;
        if grant.issued_at.plus(grant.scope.lifetime()) < now {
            return Err(LinkError::Expired);
        }
        Ok(grant)
    }

    fn read(&self, key: &str) -> Option<LinkGrant> {
        if key.len() > KEY_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
        let (body, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        self.keyed.clone().chain_update(body).verify_slice(tag).ok()?;
        let ([version, length, issued_at @ ..], rest) = body.split_first_chunk::<HEAD_BYTES>()?;
        let (category, user) = rest.split_at_checked(usize::from(*length))?;
        let [category, user] = [category, user].map(|text| str::from_utf8(text).ok());
        let scope = match category? {
            "" => Scope::Person,
            category => Scope::Mail(Category::from_stored(category.to_owned())),
        };
        let issued_at = Timestamp::from_micros(i64::from_be_bytes(*issued_at));
        let user = UserId::from_stored(user?.to_owned());
        (*version == VERSION).then_some(LinkGrant { user, scope, issued_at })
    }
}

impl Scope {
    pub fn lifetime(&self) -> Duration {
        match self {
            Self::Mail(_) => MAIL_LIFETIME,
            Self::Person => PERSON_LIFETIME,
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links(••••••)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn user() -> UserId {
        UserId::from_stored("host-7".to_owned())
    }

    #[test]
    fn a_key_says_whose_it_is_and_what_it_is_for() {
        let links = Links::new(b"a secret");
        for scope in [Scope::Mail(Category::BOOKINGS), Scope::Person] {
            let key = links.issue(&user(), &scope, at(1_000));
            assert_eq!(
                links.verify(&key, at(1_001)),
                Ok(LinkGrant { user: user(), scope: scope.clone(), issued_at: at(1_000) })
            );
            assert_eq!(key, links.issue(&user(), &scope, at(1_000)));
        }
    }

    #[test]
    fn a_key_ends() {
        let links = Links::new(b"a secret");
        for (scope, seconds) in [(Scope::Mail(Category::BOOKINGS), 365 * 86_400), (Scope::Person, 1_800)] {
            let key = links.issue(&user(), &scope, at(0));
            assert!(links.verify(&key, at(seconds)).is_ok());
            assert_eq!(links.verify(&key, at(seconds + 1)), Err(LinkError::Expired));
        }
    }

    #[test]
    fn nothing_that_was_changed_is_believed() {
        let links = Links::new(b"a secret");
        let key = links.issue(&user(), &Scope::Mail(Category::BOOKINGS), at(0));
        let bytes = URL_SAFE_NO_PAD.decode(&key).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                let changed = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(links.verify(&changed, at(1)), Err(LinkError::Invalid));
            }
        }
        for length in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(links.verify(&cut, at(1)), Err(LinkError::Invalid));
        }
        let other = Links::new(b"another secret");
        assert_eq!(other.verify(&key, at(1)), Err(LinkError::Invalid));
        assert_eq!(links.verify(&"a".repeat(100_000), at(1)), Err(LinkError::Invalid));
    }
}
