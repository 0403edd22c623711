//! `[auth]`: which tokens are believed.

use serde::{Deserialize, Serialize};

use super::duration::Lifetime;
use super::secret::Secret;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// The HS256 secret (`JWT_SECRET`), at least 32 bytes in production. Development makes a random
    /// one at each start when it is empty; production refuses to start without a key of some kind.
    pub jwt_secret: Secret,
    /// HS256 secrets that were in use before (`JWT_SECRET_PREVIOUS`, with commas between them): their tokens are
    /// believed until they expire, and none is signed with them. Defaults to none.
    pub jwt_secret_previous: Vec<Secret>,
    /// A public key as PEM (`JWT_PUBLIC_KEY`): RSA means RS256, P-256 means ES256, Ed25519 means `EdDSA`.
    /// Line breaks may be written as `\n`, as environment files need it.
    /// Defaults to none.
    #[serde(default)]
    pub jwt_public_key: Option<String>,
    /// A file with a public key as PEM (`JWT_PUBLIC_KEY_FILE`). Defaults to none.
    #[serde(default)]
    pub jwt_public_key_file: Option<String>,
    /// A JSON Web Key Set file (`JWT_JWKS_FILE`). Defaults to none.
    #[serde(default)]
    pub jwks_file: Option<String>,
    /// How often the files are looked at for other keys, in milliseconds. Defaults to 5000.
    pub key_poll_ms: u64,
    /// How long tokens live that `bellhop token` and `POST /dev/token` mint (`JWT_EXPIRES_IN`), as
    /// seconds or a number with `s`, `m`, `h`, `d` or `w`. Defaults to `7d`.
    pub jwt_expires_in: Lifetime,
    /// Whether a token must carry `exp`. Defaults to true.
    pub require_exp: bool,
    /// The longest time from a token's `iat` to its `exp`, written as `jwt_expires_in` is; tokens that last longer,
    /// or do not say it, are refused, and what was revoked is forgotten after this time. Without it every token is
    /// taken, and what was revoked is remembered for ever. Defaults to none.
    #[serde(default)]
    pub max_token_age: Option<Lifetime>,
    /// How often orders to revoke and to disconnect that other instances took are looked for, in milliseconds.
    /// Defaults to 1000.
    pub revocation_poll_ms: u64,
    /// How far clocks may differ, in seconds. Defaults to 30.
    pub leeway_seconds: u64,
    /// The `iss` that a token must carry; none when absent. Defaults to none.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The `aud` that a token must carry; none when absent. Defaults to none.
    #[serde(default)]
    pub audience: Option<String>,
    /// The cookie that may hold the token. Defaults to `token`.
    pub cookie: String,
    /// How long a ticket of `POST /notifications/tickets` is good, in seconds. Defaults to 30.
    pub ticket_seconds: u64,
}
