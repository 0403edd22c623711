//! Who a request or a session acts as: what a verified token says, in typed form.

use std::fmt;

use serde::{Serialize, Serializer};

use super::clock::Timestamp;
use super::ids::UserId;

/// A role from a token. Spelt in upper case: roles compare without regard to case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role(Box<str>);

impl Role {
    pub const ADMIN: &'static str = "ADMIN";
    pub const SERVICE: &'static str = "SERVICE";

    pub fn new(name: &str) -> Self {
        Self(name.to_uppercase().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
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
}

impl Identity {
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.as_str() == name)
    }

    pub fn is_admin(&self) -> bool {
        self.has_role(Role::ADMIN)
    }

    /// A back end that publishes, or an administrator.
    pub fn may_publish(&self) -> bool {
        self.is_admin() || self.has_role(Role::SERVICE)
    }
}
