//! Why a token is not believed, and why the keys cannot be used. The doors turn a [`TokenError`] into
//! their own refusal; `app` stops the start on an [`AuthSetupError`]. Neither carries a token or a key.

/// A token that is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not a JWT, one of its claims has the wrong type, or no order could name its jti")]
    Malformed,
    #[error("no key is configured for the token's algorithm and key id")]
    NoKeyFits,
    #[error("the token's signature does not match")]
    BadSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was revoked")]
    Revoked,
    #[error("the token lasts longer than is allowed, or does not say since when")]
    LastsTooLong,
    #[error("the token has no expiry")]
    MissingExpiry,
    #[error("the token names no user")]
    MissingUser,
    #[error("the token's user id is empty, too long or has white space in it")]
    UnacceptableUser,
    #[error("the token is from another issuer")]
    WrongIssuer,
    #[error("the token is for another audience")]
    WrongAudience,
}

impl TokenError {
    /// The stable name that clients see and metrics count by.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::NoKeyFits => "token_key",
            Self::BadSignature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Revoked => "token_revoked",
            Self::LastsTooLong => "token_lasts_too_long",
            Self::MissingExpiry => "token_without_expiry",
            Self::MissingUser => "token_without_user",
            Self::UnacceptableUser => "token_user",
            Self::WrongIssuer => "token_issuer",
            Self::WrongAudience => "token_audience",
        }
    }
}

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    #[error(
        "no key is configured: set auth.jwt_secret, auth.jwt_public_key, auth.jwt_public_key_file or auth.jwks_file"
    )]
    NoKey,
    #[error("minting tokens needs auth.jwt_secret")]
    NoSecret,
    #[error("auth.jwt_public_key {0}")]
    PublicKey(&'static str),
    #[error("auth.jwt_public_key_file {path} {reason}")]
    PublicKeyFile { path: String, reason: &'static str },
    #[error("cannot read {key} {path}")]
    Unreadable { key: &'static str, path: String, source: std::io::Error },
    #[error("auth.jwks_file {path} is not a JSON Web Key Set")]
    KeySet { path: String, source: serde_json::Error },
    #[error("auth.jwks_file {path}, key {number}: {reason}")]
    KeyInSet { path: String, number: usize, reason: &'static str },
    #[error("auth.jwks_file {path} has no key for RS256, ES256 or EdDSA signatures")]
    EmptyKeySet { path: String },
}
