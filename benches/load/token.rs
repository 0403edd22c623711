//! Tokens as a platform's own back end would mint them: HS256 over user, role and expiry.

use anyhow::Result;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

use crate::clock;

/// The secret that this program gives to the server it starts.
pub(crate) const SECRET: &str = "only-for-the-load-program-0123456789abcdef";

/// Longer than any run.
const LIFETIME_SECONDS: u64 = 24 * 3600;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    user_id: &'a str,
    role: &'a str,
    exp: u64,
}

pub(crate) fn mint(user: &str, role: &str) -> Result<String> {
    let claims = Claims { user_id: user, role, exp: clock::epoch_seconds() + LIFETIME_SECONDS };
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?)
}
