//! The claims of a token, read once, and their translation into an identity. The names are those that
//! the platforms in the field use. For the verifier, which has checked the signature by then.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Number;

use super::error::TokenError;
use crate::domain::recipient::check_email;
use crate::domain::{Demand, Identity, KeyMark, Role, Timestamp, UserId};

/// 9999-12-31T23:59:59Z: a later `exp` means never, and this is the last second that every
/// database, template and client can write.
const LATEST: i64 = 253_402_300_799_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// What a token may say; everything else in it is left alone. A claim that is `null` counts as absent.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    user_id: Option<TextOrNumber>,
    sub: Option<TextOrNumber>,
    id: Option<TextOrNumber>,
    host_id: Option<TextOrNumber>,
    role: Option<OneOrMany>,
    roles: Option<OneOrMany>,
    session_id: Option<TextOrNumber>,
    sid: Option<TextOrNumber>,
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    tz: Option<String>,
    rooms: Option<OneOrMany>,
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
    jti: Option<TextOrNumber>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
}

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, TokenError> {
        // The derived reader takes an array as well, field after field.
        if payload.trim_ascii_start().first() != Some(&b'{') {
            return Err(TokenError::Malformed);
        }
        serde_json::from_slice(payload).map_err(|_| TokenError::Malformed)
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.exp.as_ref().map(timestamp)
    }

    pub(super) fn not_before(&self) -> Option<Timestamp> {
        self.nbf.as_ref().map(timestamp)
    }

    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.iat.as_ref().map(timestamp)
    }

    pub(super) fn is_from(&self, issuer: &str) -> bool {
        self.iss.as_deref() == Some(issuer)
    }

    pub(super) fn is_for(&self, audience: &str) -> bool {
        self.aud.as_ref().is_some_and(|aud| aud.0.iter().any(|one| one == audience))
    }

    /// The bearer of a token that was signed by this key.
    pub(super) fn into_identity(self, signed_by: KeyMark) -> Result<Identity, TokenError> {
        let (expires_at, issued_at) = (self.expires_at(), self.issued_at());
        let token_id = self.jti.map(|id| id.0);
        // By an id that no order can name, a token could not be taken back.
        if token_id.as_deref().is_some_and(|id| Demand::revoke_token("jti", id).is_err()) {
            return Err(TokenError::Malformed);
        }
        let user = self.user_id.or(self.sub).or(self.id).or(self.host_id).ok_or(TokenError::MissingUser)?;
        let user = UserId::parse("userId", &user.0).map_err(|_| TokenError::UnacceptableUser)?;
        let mut roles = Vec::new();
        for name in self.role.into_iter().chain(self.roles).flat_map(|names| names.0) {
            let role = Role::new(name.trim());
            if is_writable(role.as_str()) && !roles.contains(&role) {
                roles.push(role);
            }
        }
        Ok(Identity {
            user,
            roles,
            session: self.session_id.or(self.sid).and_then(|session| present(session.0)),
            // An address that mail cannot go to is no reason to keep its owner from the socket.
            email: self.email.filter(|address| check_email("email", address).is_ok()),
            name: self.name.and_then(present),
            locale: self.locale.and_then(present),
            time_zone: self.tz.and_then(present),
            rooms: self.rooms.map(|rooms| rooms.0).unwrap_or_default(),
            expires_at,
            token_id,
            issued_at,
            signed_by: Some(signed_by),
        })
    }
}

/// The text of a claim, where it is one that can be kept.
fn present(text: String) -> Option<String> {
    is_writable(&text).then_some(text)
}

/// No PostgreSQL text holds a NUL, no mail header a control character: such a claim says nothing.
fn is_writable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Seconds since the epoch, possibly with a fraction (RFC 7519 §2, `NumericDate`), kept within what
/// can be written.
fn timestamp(seconds: &Number) -> Timestamp {
    let micros = match (seconds.as_i64(), seconds.as_f64()) {
        (Some(seconds), _) => seconds.saturating_mul(MICROS_PER_SECOND),
        (None, Some(seconds)) => whole(seconds * 1e6),
        (None, None) => LATEST,
    };
    Timestamp::from_micros(micros.clamp(0, LATEST))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from a float keeps to the integer's ends")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// A text, or a whole number as its digits: platforms with numeric ids write either.
#[derive(Debug)]
struct TextOrNumber(String);

impl<'de> Deserialize<'de> for TextOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = TextOrNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Texts, or a single one.
#[derive(Debug)]
struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(OneOrMany(all))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
