//! Secrets that all instances of one deployment share and that a restart keeps. The first instance that asks
//! for one makes it. What they are used for is not known here; keys are derived from them by label.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use diesel::prelude::*;
use rand::TryRng;
use rand::rngs::SysRng;

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::schema::secrets;
use crate::domain::Timestamp;

/// As many as HMAC-SHA-256 makes full use of (RFC 2104 §3).
pub const SECRET_BYTES: usize = 32;

/// The name of the secret that serves every purpose of a deployment.
pub const DEPLOYMENT: &str = "deployment";

/// Random bytes that only the deployment's instances know; they are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret([u8; SECRET_BYTES]);

impl SharedSecret {
    /// The bytes themselves; only for the place that derives a key from them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, StorageError> {
        // What the decoder says would tell a part of the value.
        let unfit = || StorageError::Corrupt("a shared secret".to_owned());
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| unfit())?;
        bytes.try_into().map(Self).map_err(|_| unfit())
    }

    fn to_text(&self) -> String {
        STANDARD_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(••••••)")
    }
}

/// The secret of this name, made at `now` where there is none. Whoever asks at the same time, in this
/// process or in another, is answered the same.
pub fn obtain(
    connection: &mut AnyConnection,
    name: &str,
    now: Timestamp,
) -> Result<SharedSecret, StorageError> {
    if let Some(secret) = find(connection, name)? {
        return Ok(secret);
    }
    let mut bytes = [0; SECRET_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| StorageError::NoRandomness(error.to_string()))?;
    let value = SharedSecret(bytes).to_text();
    let row = (secrets::name.eq(name), secrets::value.eq(value), secrets::created_at.eq(now.as_micros()));
    on_db!(connection, |c| diesel::insert_into(secrets::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    // Read again: another instance's may have come first, and that one counts.
    find(connection, name)?.ok_or_else(|| StorageError::Corrupt("a shared secret went away".to_owned()))
}

fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<SharedSecret>, StorageError> {
    let value: Option<String> =
        secrets::table.find(name).select(secrets::value).first(connection).optional()?;
    value.as_deref().map(SharedSecret::parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_from_its_text() {
        let secret = SharedSecret([0xa7; SECRET_BYTES]);
        assert_eq!(SharedSecret::parse(&secret.to_text()).expect("its own text"), secret);
    }

    #[test]
    fn a_text_of_another_size_or_kind_is_no_secret_and_is_not_told() {
        for text in
            ["", "p6enp6c", "p6en-_!?", &STANDARD_NO_PAD.encode([1; 31]), &STANDARD_NO_PAD.encode([1; 33])]
        {
            let error = SharedSecret::parse(text).expect_err(text);
            assert_eq!(error.to_string(), "stored data does not read back: a shared secret");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", SharedSecret([1; SECRET_BYTES])), "SharedSecret(••••••)");
    }
}
