//! Who a request or a session acts as: what a verified token says, in typed form.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::clock::Timestamp;
use super::ids::UserId;
use super::receipt::{Channel, Device};

/// A role from a token. Spelt in upper case: roles compare without regard to case. The roles that every
/// platform has cost a session no memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Role(Cow<'static, str>);

/// The roles that bellhop's front ends know.
const KNOWN: [&str; 4] = ["CUSTOMER", "PROFESSIONAL", Role::ADMIN, Role::SERVICE];

impl Role {
    pub const ADMIN: &'static str = "ADMIN";
    pub const SERVICE: &'static str = "SERVICE";

    pub fn new(name: &str) -> Self {
        match KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => Self(Cow::Borrowed(known)),
            None => Self(Cow::Owned(name.to_uppercase())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialOrd for Role {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Role {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Role({})", self.0)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::new(&name))
    }
}

/// What a verified token says about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: UserId,
    pub roles: Vec<Role>,
    /// The platform's own session (`sessionId` or `sid`), shared by the tabs of one log-in.
    pub session: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// A BCP 47 language tag.
    pub locale: Option<String>,
    /// An IANA time zone name.
    pub time_zone: Option<String>,
    /// Rooms beyond its own that the token lets its bearer join.
    pub rooms: Vec<String>,
    /// The token's `exp`; none only where the configuration allows tokens without one.
    pub expires_at: Option<Timestamp>,
    /// The token's `jti`, by which it can be revoked.
    pub token_id: Option<String>,
    /// The token's `iat`: tokens of before a time can be revoked together.
    pub issued_at: Option<Timestamp>,
    /// The key that has signed the token; none where nobody has yet.
    pub signed_by: Option<KeyMark>,
}

/// Tells one key from the others without saying what it is, the same on every instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyMark(pub u64);

impl Identity {
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.as_str() == name)
    }

    pub fn is_admin(&self) -> bool {
        self.has_role(Role::ADMIN)
    }

    /// What a request was sent from, as far as the token tells.
    pub fn into_device(self, channel: Channel) -> Device {
        Device { user: self.user, channel, name: self.session.unwrap_or_default().into() }
    }

    /// A back end that publishes, or an administrator.
    pub fn may_publish(&self) -> bool {
        self.is_admin() || self.has_role(Role::SERVICE)
    }
}

/// What of a token decides whether it is taken back, kept for as long as what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub token_id: Option<Box<str>>,
    pub issued_at: Option<Timestamp>,
    pub signed_by: Option<KeyMark>,
}

impl From<&Identity> for Credential {
    fn from(identity: &Identity) -> Self {
        let Identity { token_id, issued_at, signed_by, .. } = identity;
        Self { token_id: token_id.as_deref().map(Into::into), issued_at: *issued_at, signed_by: *signed_by }
    }
}

/// What a session keeps of its bearer, shared with the hub: who, and which rooms are theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    /// Each role once, in order.
    pub roles: Box<[Role]>,
    pub session: Option<Box<str>>,
    /// Rooms beyond its own that the token lets its bearer join.
    pub rooms: Box<[String]>,
}

impl Member {
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.as_str() == name)
    }
}

impl From<&Identity> for Member {
    fn from(identity: &Identity) -> Self {
        let roles: BTreeSet<Role> = identity.roles.iter().cloned().collect();
        Self {
            user: identity.user.clone(),
            roles: roles.into_iter().collect(),
            session: identity.session.as_deref().map(Into::into),
            rooms: identity.rooms.clone().into(),
        }
    }
}
