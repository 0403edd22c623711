//! Makes HS256 tokens, for `bellhop token` and for `POST /dev/token` in development. A platform's own
//! tokens come from the platform.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::error::AuthSetupError;
use crate::config::AuthSettings;
use crate::domain::{Identity, Role, Timestamp};

/// Mints tokens that a verifier with the same settings believes.
#[derive(Debug)]
pub struct Minter {
    key: EncodingKey,
    header: Header,
    issuer: Option<String>,
    audience: Option<String>,
}

/// A token that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct MintError(#[from] jsonwebtoken::errors::Error);

/// The claims under the names that the verifier reads. `sub` is there for front ends that look into
/// the token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted<'a> {
    user_id: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "<[Role]>::is_empty")]
    roles: &'a [Role],
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tz: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    iat: i64,
    exp: i64,
}

impl Minter {
    /// Needs the secret; public keys cannot sign.
    pub fn new(settings: &AuthSettings) -> Result<Self, AuthSetupError> {
        if settings.jwt_secret.is_empty() {
            return Err(AuthSetupError::NoSecret);
        }
        Ok(Self {
            key: EncodingKey::from_secret(settings.jwt_secret.reveal().as_bytes()),
            header: Header::new(Algorithm::HS256),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    /// A token for `identity` that lives from `now` for `lifetime`; the identity's own times do not
    /// count.
    pub fn mint(&self, identity: &Identity, lifetime: Duration, now: Timestamp) -> Result<String, MintError> {
        let claims = Minted {
            user_id: identity.user.as_str(),
            sub: identity.user.as_str(),
            roles: &identity.roles,
            session_id: identity.session.as_deref(),
            email: identity.email.as_deref(),
            name: identity.name.as_deref(),
            locale: identity.locale.as_deref(),
            tz: identity.time_zone.as_deref(),
            rooms: &identity.rooms,
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            jti: identity.token_id.as_deref(),
            iat: now.as_seconds(),
            exp: now.plus(lifetime).as_seconds(),
        };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }
}
