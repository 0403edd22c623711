//! Whom a ticket lets in, as the table of tickets keeps it: JSON that an instance of another version reads too.

use serde::{Deserialize, Serialize};

use crate::domain::{Identity, KeyMark, Role, Timestamp, UserId};
use crate::storage::StorageError;

/// What a token said of its bearer, as it is stored. Instances of two versions may meet for the life of a ticket:
/// what one does not know it leaves out.
#[derive(Serialize, Deserialize)]
pub(super) struct Bearer {
    user: String,
    #[serde(default)]
    roles: Vec<String>,
    session: Option<String>,
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    #[serde(default)]
    rooms: Vec<String>,
    /// Microseconds since 1970: a token's `exp` may be later than a date can be written.
    expires_at: Option<i64>,
    token_id: Option<String>,
    /// As `expires_at`.
    issued_at: Option<i64>,
    signed_by: Option<KeyMark>,
}

impl Bearer {
    pub(super) fn to_text(identity: &Identity) -> Result<String, StorageError> {
        let Identity {
            user,
            roles,
            session,
            email,
            name,
            locale,
            time_zone,
            rooms,
            expires_at,
            token_id,
            issued_at,
            signed_by,
        } = identity.clone();
        let bearer = Self {
            user: user.as_str().to_owned(),
            roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
            session,
            email,
            name,
            locale,
            time_zone,
            rooms,
            expires_at: expires_at.map(Timestamp::as_micros),
            token_id,
            issued_at: issued_at.map(Timestamp::as_micros),
            signed_by,
        };
        serde_json::to_string(&bearer).map_err(|error| StorageError::Corrupt(error.to_string()))
    }

    pub(super) fn parse(text: &str) -> Result<Identity, StorageError> {
        // What the reader says might repeat a part of it.
        let bearer: Self =
            serde_json::from_str(text).map_err(|_| StorageError::Corrupt("a ticket's bearer".to_owned()))?;
        Ok(Identity {
            user: UserId::from_stored(bearer.user),
            roles: bearer.roles.iter().map(|role| Role::new(role)).collect(),
            session: bearer.session,
            email: bearer.email,
            name: bearer.name,
            locale: bearer.locale,
            time_zone: bearer.time_zone,
            rooms: bearer.rooms,
            expires_at: bearer.expires_at.map(Timestamp::from_micros),
            token_id: bearer.token_id,
            issued_at: bearer.issued_at.map(Timestamp::from_micros),
            signed_by: bearer.signed_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(expires_at: Option<Timestamp>) -> Identity {
        Identity {
            user: UserId::from_stored("host-7".to_owned()),
            roles: vec![Role::new("admin"), Role::new("Caretaker")],
            session: Some("s\u{0}1".to_owned()),
            email: Some("host@example.com".to_owned()),
            name: Some("Ann \"☾\"".to_owned()),
            locale: Some("de".to_owned()),
            time_zone: Some("Europe/Berlin".to_owned()),
            rooms: vec!["booking:1".to_owned()],
            expires_at,
            token_id: Some("t-1".to_owned()),
            issued_at: expires_at,
            signed_by: Some(KeyMark(u64::MAX)),
        }
    }

    #[test]
    fn a_bearer_reads_back_whole_whatever_the_tokens_end() {
        for end in [None, Some(i64::MAX), Some(0), Some(1_900_000_000_000_001)] {
            let identity = identity(end.map(Timestamp::from_micros));
            let text = Bearer::to_text(&identity).expect("JSON");
            assert!(!text.contains('\0'), "PostgreSQL keeps no NUL");
            assert_eq!(Bearer::parse(&text).expect("its own text"), identity);
        }
    }
}
