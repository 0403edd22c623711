//! Identifiers as types of their own, so that one cannot stand in for another,
//! and the generator that makes them, injected so that tests can foretell ids.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::invalid::Invalid;

/// The most characters a user id may have; it fits every identity provider we know of.
pub const USER_ID_MAX: usize = 128;

/// Who a user is to the platform that runs bellhop: opaque, compared byte by byte.
/// Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Accepts 1 to [`USER_ID_MAX`] characters without white space or control characters.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new(field, "must not be empty"));
        }
        if text.chars().count() > USER_ID_MAX {
            return Err(Invalid::new(field, format!("must have at most {USER_ID_MAX} characters")));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Invalid::new(field, "must not contain white space or control characters"));
        }
        Ok(Self(text.into()))
    }

    /// For text that was parsed before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
                Uuid::parse_str(text).map(Self).map_err(|_| Invalid::new(field, "must be a UUID"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

uuid_id!(
    /// A notification, the same on every copy that is ever sent of it (UUID version 7).
    NotificationId
);
uuid_id!(
    /// A booking (UUID version 7).
    BookingId
);

impl NotificationId {
    /// The lowest id that can have been made at this time (RFC 9562 §5.7: milliseconds come first).
    pub fn first_at(time: Timestamp) -> Self {
        let milliseconds = u64::try_from(time.as_micros() / 1_000).unwrap_or(0);
        Self(Uuid::from_u128(u128::from(milliseconds) << 80))
    }
}

impl NotificationId {
    /// When it was made, to the millisecond; the epoch for one that is not of version 7.
    pub fn made_at(self) -> Timestamp {
        let made = self.0.get_timestamp().map(|timestamp| timestamp.to_unix());
        let micros =
            made.map(|(seconds, nanos)| seconds.saturating_mul(1_000_000) + u64::from(nanos / 1_000));
        Timestamp::from_micros(micros.and_then(|micros| i64::try_from(micros).ok()).unwrap_or_default())
    }
}

/// Makes new ids. Injected: the production one orders ids by time, a test's counts.
pub trait IdGenerator: fmt::Debug + Send + Sync {
    fn next(&self) -> Uuid;
}

/// UUID version 7 (RFC 9562 §5.7): rows inserted together lie together in the index.
#[derive(Debug, Default)]
pub struct TimeOrderedIds;

impl IdGenerator for TimeOrderedIds {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
