//! Checks a token: the signature with the keys that fit, then times, issuer and audience. Every booking
//! and every handshake passes here, so keys are made once and header and claims are each read once.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::Claims;
use super::error::{AuthSetupError, TokenError};
use super::keyring::{Keyring, Reload};
use super::keys;
use crate::config::{AuthSettings, Lifetime};
use crate::domain::{Identity, KeyMark, Timestamp};

/// The longest token that is looked at, in bytes: what servers commonly allow for a whole request head.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Believes tokens or does not. Shared by all threads.
#[derive(Debug)]
pub struct Verifier {
    keyring: Keyring,
    /// How far the issuer's clock may differ from ours.
    leeway: Duration,
    require_exp: bool,
    /// The longest time from `iat` to `exp`.
    max_age: Option<Duration>,
    issuer: Option<String>,
    audience: Option<String>,
}

/// The part of a header that matters here.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: Option<String>,
    /// Extensions that a reader must understand (RFC 7515 §4.1.11); none are understood.
    crit: Option<IgnoredAny>,
}

impl Verifier {
    /// Reads and tries every configured key.
    pub fn new(settings: &AuthSettings) -> Result<Self, AuthSetupError> {
        Ok(Self {
            keyring: Keyring::new(settings)?,
            leeway: Duration::from_secs(settings.leeway_seconds),
            require_exp: settings.require_exp,
            max_age: settings.max_token_age.as_ref().map(Lifetime::duration),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    /// Who the bearer of `token` is, if the token is to be believed at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let (payload, signed_by) = self.check_signature(token)?;
        let claims = Claims::parse(&payload)?;
        self.check_claims(&claims, now)?;
        let mut identity = claims.into_identity(signed_by)?;
        // What says to be issued later than any clock is now says nothing: it must not outlive an order that takes
        // back all that was issued before.
        identity.issued_at = identity.issued_at.filter(|issued_at| *issued_at <= now.plus(self.leeway));
        Ok(identity)
    }

    /// When the bearer's token is no longer believed; the leeway counts.
    pub fn believed_until(&self, identity: &Identity) -> Option<Timestamp> {
        identity.expires_at.map(|expires_at| expires_at.plus(self.leeway))
    }

    /// Whether a key is still one of those in force. Who was let in by an older program does not say which it was.
    pub(super) fn trusts(&self, key: Option<KeyMark>) -> bool {
        key.is_none_or(|key| self.keyring.has(key))
    }

    pub(super) fn reload_keys(&self) -> Reload {
        self.keyring.reload()
    }

    pub(super) fn leeway(&self) -> Duration {
        self.leeway
    }

    /// How long after a time tokens of before it may be believed, clocks that differ included; none for ever.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.max_age.map(|age| age.saturating_add(self.leeway.saturating_mul(2)))
    }

    /// The payload of a token that one of the keys has signed, and which.
    fn check_signature(&self, token: &str) -> Result<(Vec<u8>, KeyMark), TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let algorithm = keys::algorithm(&header.alg).ok_or(TokenError::NoKeyFits)?;
        let mut refusal = TokenError::NoKeyFits;
        for key in self.keyring.keys().iter().filter(|key| key.fits(algorithm, header.kid.as_deref())) {
            if key.has_signed(message, signature) {
                return Ok((decode(payload)?, key.mark()));
            }
            refusal = TokenError::BadSignature;
        }
        Err(refusal)
    }

    fn check_claims(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        match claims.expires_at() {
            Some(expires_at) if now >= expires_at.plus(self.leeway) => return Err(TokenError::Expired),
            None if self.require_exp => return Err(TokenError::MissingExpiry),
            _ => {}
        }
        if claims.not_before().is_some_and(|not_before| now.plus(self.leeway) < not_before) {
            return Err(TokenError::NotYetValid);
        }
        if self.max_age.is_some_and(|most| !lasts_at_most(claims, most, now.plus(self.leeway))) {
            return Err(TokenError::LastsTooLong);
        }
        if self.issuer.as_deref().is_some_and(|issuer| !claims.is_from(issuer)) {
            return Err(TokenError::WrongIssuer);
        }
        if self.audience.as_deref().is_some_and(|audience| !claims.is_for(audience)) {
            return Err(TokenError::WrongAudience);
        }
        Ok(())
    }
}

/// One that says to be issued later than `now` could be believed for longer than it says.
fn lasts_at_most(claims: &Claims, most: Duration, now: Timestamp) -> bool {
    let lifetime = claims.issued_at().zip(claims.expires_at());
    lifetime.is_some_and(|(issued_at, expires_at)| issued_at <= now && expires_at <= issued_at.plus(most))
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
