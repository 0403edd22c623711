//! Keys for what this server signs itself, each derived from the secret that the deployment's instances share.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256's tag, uncut (RFC 2104 §5).
pub(super) const TAG_BYTES: usize = 32;

/// What `secret` is to be a key for is said by `label`: no two uses have the same.
pub(super) fn derived(secret: &[u8], label: &[u8]) -> Hmac<Sha256> {
    let key = keyed_with(secret).chain_update(label).finalize().into_bytes();
    keyed_with(&key)
}

#[expect(clippy::expect_used, reason = "RFC 2104 takes a key of any length")]
fn keyed_with(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}
