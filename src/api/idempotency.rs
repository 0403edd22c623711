//! `Idempotency-Key`: a client that does not know whether its request arrived sends it again.

use actix_web::HttpRequest;
use base64::Engine as _;
use sha2::{Digest, Sha256};

use crate::domain::UserId;
use crate::http::Problem;
use crate::storage::idempotency::IdempotencyClaim;

const HEADER: &str = "idempotency-key";
/// The most characters of a key.
pub(super) const KEY_MAX: usize = 255;

/// The request's claim to a key, if it makes one. Keys are per user; the fingerprint covers the path
/// and the body, so that another request under the same key is told apart.
pub(super) fn claim(
    request: &HttpRequest,
    user: &UserId,
    body: &[u8],
) -> Result<Option<IdempotencyClaim>, Problem> {
    let Some(value) = request.headers().get(HEADER) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()) && !key.contains('\t'));
    let Some(key) = key else {
        let detail = format!("Idempotency-Key must be 1 to {KEY_MAX} visible ASCII characters");
        return Err(Problem::bad_request("idempotency_key_invalid", detail));
    };
    let digest = Sha256::new().chain_update(request.path()).chain_update([0]).chain_update(body).finalize();
    let fingerprint = base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest);
    Ok(Some(IdempotencyClaim { user: user.clone(), key: key.to_owned(), fingerprint, not_before: None }))
}

/// Refuses a key where a repeat could not be told; `why` says so.
pub(super) fn none(claim: Option<&IdempotencyClaim>, why: &str) -> Result<(), Problem> {
    match claim {
        None => Ok(()),
        Some(_) => Err(Problem::bad_request("idempotency_key_unsupported", why)),
    }
}
