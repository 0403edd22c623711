//! What tells a message that comes again from a new one: the id that its sender gave it, or else what it says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use std::time::Duration;

use super::SENDER;
use super::envelope::Envelope;
use crate::domain::{Timestamp, UserId};
use crate::storage::idempotency::IdempotencyClaim;

/// Ids up to this length are kept as they are, so that an operator finds them.
const PLAIN_MAX: usize = 200;

/// For how long a message without an id is taken for another one that said the same. It covers the way of a message that
/// comes again after a connection or a server ended, which takes seconds, or minutes where the database was away too;
/// what was said longer ago was said by another message, and one that was never begun must not be left out for it.
const SAME_FOR: Duration = Duration::from_mins(15);

/// What a message claims to be.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) kept: IdempotencyClaim,
    /// Whether its sender gave it an id: another message of the same content is another message then.
    pub(super) is_named: bool,
}

impl Claim {
    /// Ids are of all senders together: who publishes makes them unique. `since` is when the message came.
    pub(super) fn of(message_id: Option<&str>, envelope: &Envelope<'_>, since: Timestamp) -> Self {
        let digest = Sha256::new()
            .chain_update(&*envelope.pattern)
            .chain_update([0])
            .chain_update(envelope.data)
            .finalize();
        let fingerprint = STANDARD_NO_PAD.encode(digest);
        let id = message_id.filter(|id| !id.is_empty());
        let key = match id {
            Some(id) if id.len() <= PLAIN_MAX && id.bytes().all(|b| b.is_ascii_graphic()) => {
                format!("id {id}")
            }
            Some(id) => format!("id digest {}", STANDARD_NO_PAD.encode(Sha256::digest(id))),
            None => format!("content {fingerprint}"),
        };
        let not_before = id.is_none().then(|| since.minus(SAME_FOR));
        let user = UserId::from_stored(SENDER.to_owned());
        let kept = IdempotencyClaim { user, key, fingerprint, not_before };
        Self { kept, is_named: id.is_some() }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;

    #[test]
    fn what_has_no_id_is_the_same_for_a_while_only() {
        let then = Timestamp::from_micros(NOW).minus(SAME_FOR);
        assert_eq!(claim(None, "p", "1").kept.not_before, Some(then));
        assert_eq!(claim(Some("a-1"), "p", "1").kept.not_before, None);
    }

    fn claim(id: Option<&str>, pattern: &str, data: &str) -> Claim {
        Claim::of(id, &Envelope { pattern: Cow::Borrowed(pattern), data }, Timestamp::from_micros(NOW))
    }

    #[test]
    fn no_users_key_is_in_the_way() {
        assert!(UserId::parse("sub", SENDER).is_err());
    }

    #[test]
    fn what_says_the_same_claims_the_same() {
        let one = claim(None, "booking.created", "{}");
        assert_eq!(one.kept, claim(Some(""), "booking.created", "{}").kept);
        assert_ne!(one.kept.key, claim(None, "booking.created", "{ }").kept.key);
        assert_ne!(one.kept.key, claim(None, "booking.accepted", "{}").kept.key);
        assert!(!one.is_named);
    }

    #[test]
    fn an_id_is_the_key_and_the_content_its_fingerprint() {
        let (one, other) = (claim(Some("a-1"), "p", "1"), claim(Some("a-1"), "p", "2"));
        assert_eq!(one.kept.key, "id a-1");
        assert_eq!(one.kept.key, other.kept.key);
        assert_ne!(one.kept.fingerprint, other.kept.fingerprint);
        for odd in ["with space", "with\0nul", "é", &"x".repeat(255)] {
            let key = claim(Some(odd), "p", "1").kept.key;
            assert!(key.starts_with("id digest ") && key.len() < 255 && key.is_ascii(), "{key}");
        }
    }
}
