//! Recovery ids, the `pid` of Socket.IO's connection state recovery: what a client that lost its connection
//! shows to get its session id back. Signed, so that any instance knows them and none keeps them. How old
//! one may be, and what was missed meanwhile, is not decided here. An id is its bearer's: never log one.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::keyed::{TAG_BYTES, derived};
use crate::domain::{Timestamp, UserId};

/// The longest session id that an id can carry, in bytes; a UUID has 36.
pub const SID_BYTES_MAX: usize = 64;
/// The longest id: a body with the longest session id and its tag, in base64.
pub const RECOVERY_ID_BYTES_MAX: usize = (HEAD_BYTES + SID_BYTES_MAX + TAG_BYTES).div_ceil(3) * 4;

/// What comes before the session id: the version, and the microseconds of its issue, big-endian.
const HEAD_BYTES: usize = 1 + 8;
/// Another layout gets another number, so that ids of an older program are refused and not misread.
const VERSION: u8 = 1;
/// What the deployment's secret is to be a key for. Its other uses have labels of their own.
const LABEL: &[u8] = b"bellhop recovery ids";
/// How far the clocks of two instances may be apart. An id from further ahead would stay young for longer
/// than it should.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(1);

/// Makes and knows recovery ids; one for all sessions.
pub struct RecoveryIds {
    /// With the key in it; cloned for each id.
    keyed: Hmac<Sha256>,
}

/// What a recovery id says, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub sid: String,
    /// When the session began: a client shows the same id for as long as it recovers.
    pub issued_at: Timestamp,
}

impl RecoveryIds {
    /// `secret` is what the instances share; the key is derived from it.
    pub fn new(secret: &[u8]) -> Self {
        Self { keyed: derived(secret, LABEL) }
    }

    /// An id with which `user` may have the session `sid` of `namespace` back. A `sid` of more than
    /// [`SID_BYTES_MAX`] bytes makes one that is refused.
    pub fn issue(&self, user: &UserId, namespace: &str, sid: &str, now: Timestamp) -> String {
        let mut id = Vec::with_capacity(HEAD_BYTES + sid.len() + TAG_BYTES);
        id.push(VERSION);
        id.extend_from_slice(&now.as_micros().to_be_bytes());
        id.extend_from_slice(sid.as_bytes());
        let tag = self.over(user, namespace, &id).finalize().into_bytes();
        id.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(id)
    }

    /// What `id` says, if it was issued to this user in this namespace by an instance of this deployment.
    pub fn verify(&self, id: &str, user: &UserId, namespace: &str, now: Timestamp) -> Option<Recovered> {
        // Before anything else: what a client sends may be long.
        if id.len() > RECOVERY_ID_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (body, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        self.over(user, namespace, body).verify_slice(tag).ok()?;
        let ([version, issued_at @ ..], sid) = body.split_first_chunk::<HEAD_BYTES>()?;
        let issued_at = Timestamp::from_micros(i64::from_be_bytes(*issued_at));
        if *version != VERSION || issued_at > now.plus(CLOCK_SKEW_MAX) {
            return None;
        }
        Some(Recovered { sid: str::from_utf8(sid).ok()?.to_owned(), issued_at })
    }

    /// The tag's input. User and namespace are bound by it without being in the id; their lengths are
    /// there so that none can lend a letter to its neighbour.
    fn over(&self, user: &UserId, namespace: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        for text in [user.as_str(), namespace] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.chain_update(body)
    }
}

impl fmt::Debug for RecoveryIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryIds(••••••)")
    }
}

#[cfg(test)]
mod tests;
