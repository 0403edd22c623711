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
    /// A public key as PEM (`JWT_PUBLIC_KEY`): RSA means RS256, P-256 means ES256, Ed25519 means `EdDSA`.
    /// Line breaks may be written as `\n`, as environment files need it.
    /// Defaults to none.
    #[serde(default)]
    pub jwt_public_key: Option<String>,
    /// A JSON Web Key Set file (`JWT_JWKS_FILE`). Defaults to none.
    #[serde(default)]
    pub jwks_file: Option<String>,
    /// How long tokens live that `bellhop token` and `POST /dev/token` mint (`JWT_EXPIRES_IN`), as
    /// seconds or a number with `s`, `m`, `h`, `d` or `w`. Defaults to `7d`.
    pub jwt_expires_in: Lifetime,
    /// Whether a token must carry `exp`. Defaults to true.
    pub require_exp: bool,
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
