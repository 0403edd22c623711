//! Recovery ids: who they are believed of, and that nothing else is.

use hmac::KeyInit;
use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = &[7; 32];
const SID: &str = "0198a6a3-5c1e-7b60-9d27-3f0a51c6e8b4";
const NAMESPACE: &str = "/ws/notifications";
const NOW: Timestamp = Timestamp::from_micros(1_900_000_000_123_456);

fn ids() -> RecoveryIds {
    RecoveryIds::new(SECRET)
}

fn user(id: &str) -> UserId {
    UserId::from_stored(id.to_owned())
}

fn issued() -> String {
    ids().issue(&user("host-7"), NAMESPACE, SID, NOW)
}

fn verified(id: &str) -> Option<Recovered> {
    ids().verify(id, &user("host-7"), NAMESPACE, NOW)
}

#[test]
fn an_id_says_whose_session_it_is_and_since_when_for_as_long_as_it_is_shown() {
    let id = issued();
    let recovered = Recovered { sid: SID.to_owned(), issued_at: NOW };
    assert_eq!(verified(&id), Some(recovered.clone()));
    let years = Duration::from_hours(10 * 365 * 24);
    assert_eq!(ids().verify(&id, &user("host-7"), NAMESPACE, NOW.plus(years)), Some(recovered));
}

#[test]
fn an_id_is_short_and_goes_into_a_url() {
    let id = issued();
    assert_eq!(id.len(), 103);
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{id}");
    let longest = ids().issue(&user(&"é".repeat(128)), NAMESPACE, &"s".repeat(SID_BYTES_MAX), NOW);
    assert!(longest.len() < 150 && longest.len() <= RECOVERY_ID_BYTES_MAX, "{}", longest.len());
}

/// What this program issues today, a later one must know: clients keep ids over an update of the server.
#[test]
fn the_layout_is_kept() {
    let id = issued();
    let (body, tag) = id.split_at(60);
    assert_eq!(body, "AQAGwAo5FKJAMDE5OGE2YTMtNWMxZS03YjYwLTlkMjctM2YwYTUxYzZlOGI0");
    assert_eq!(tag, "arnRbOKJJc5DK-iEcteBYTWVoeeNejERw_Exbg-DiqQ");
}

#[test]
fn an_id_is_nothing_in_other_hands() {
    let id = issued();
    for other in ["host-8", "HOST-7", "host-", ""] {
        assert_eq!(ids().verify(&id, &user(other), NAMESPACE, NOW), None, "{other}");
    }
    for other in ["/", "", "/ws/notification", "/ws/notifications/"] {
        assert_eq!(ids().verify(&id, &user("host-7"), other, NOW), None, "{other}");
    }
    for other in [&[8; 32][..], &[7; 31], b""] {
        assert_eq!(RecoveryIds::new(other).verify(&id, &user("host-7"), NAMESPACE, NOW), None);
    }
}

#[test]
fn user_and_namespace_do_not_run_into_each_other() {
    let id = ids().issue(&user("ab"), "/c", SID, NOW);
    assert_eq!(ids().verify(&id, &user("a"), "b/c", NOW), None);
    assert_eq!(ids().verify(&id, &user("ab/"), "c", NOW), None);
}

#[test]
fn an_id_from_the_future_is_refused_beyond_what_clocks_differ() {
    let id = issued();
    let at = |before| ids().verify(&id, &user("host-7"), NAMESPACE, NOW.minus(before));
    assert!(at(CLOCK_SKEW_MAX).is_some());
    assert_eq!(at(CLOCK_SKEW_MAX + Duration::from_micros(1)), None);
}

#[test]
fn the_key_is_not_the_shared_secret_itself() {
    let tag = |mac: Hmac<Sha256>| mac.finalize().into_bytes();
    let body = b"body";
    let direct = RecoveryIds { keyed: Hmac::new_from_slice(SECRET).unwrap() };
    assert_ne!(tag(ids().over(&user("u"), "/", body)), tag(direct.over(&user("u"), "/", body)));
}

#[test]
fn a_signed_id_of_another_version_or_without_a_body_is_refused() {
    let sign = |body: &[u8]| {
        let tag = ids().over(&user("host-7"), NAMESPACE, body).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([body, &tag[..]].concat())
    };
    let time = NOW.as_micros().to_be_bytes();
    assert!(verified(&sign(&[&[VERSION], &time[..], b"sid"].concat())).is_some(), "the signing is right");
    for body in [
        [&[VERSION + 1], &time[..], b"sid"].concat(),
        [&[0], &time[..], b"sid"].concat(),
        [&[VERSION], &time[..], b"\xff\xfe"].concat(),
        [&[VERSION], &time[..7]].concat(),
        Vec::new(),
    ] {
        assert_eq!(verified(&sign(&body)), None, "{body:?}");
    }
}

#[test]
fn other_spellings_of_an_id_are_refused() {
    let id = issued();
    let too_long = ids().issue(&user("host-7"), NAMESPACE, &"s".repeat(SID_BYTES_MAX + 4), NOW);
    for text in [
        String::new(),
        format!("{id}="),
        format!(" {id}"),
        format!("{id}\n"),
        format!("{id}A"),
        id[1..].to_owned(),
        id[..id.len() - 1].to_owned(),
        id.replace(['-', '_'], "+"),
        id.to_ascii_uppercase(),
        id.repeat(2),
        "A".repeat(1_000_000),
        too_long,
    ] {
        assert_eq!(verified(&text), None, "{text:.200}");
    }
}

#[test]
fn what_makes_ids_is_not_printed() {
    assert_eq!(format!("{:?}", ids()), "RecoveryIds(••••••)");
}

proptest! {
    #[test]
    fn whatever_is_issued_is_known_again(
        name in "\\PC{0,128}", namespace in "\\PC{0,40}", sid in "\\PC{0,16}", at in 0..i64::MAX,
    ) {
        let at = Timestamp::from_micros(at);
        let id = ids().issue(&user(&name), &namespace, &sid, at);
        prop_assert!(id.len() < 150);
        let recovered = Recovered { sid, issued_at: at };
        prop_assert_eq!(ids().verify(&id, &user(&name), &namespace, at), Some(recovered));
    }

    #[test]
    fn no_text_is_believed_or_panics(text in "\\PC{0,200}") {
        prop_assert_eq!(verified(&text), None);
    }

    #[test]
    fn no_bytes_are_believed_or_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert_eq!(verified(&URL_SAFE_NO_PAD.encode(bytes)), None);
    }

    #[test]
    fn one_flipped_bit_is_enough(bit in 0..(HEAD_BYTES + SID.len() + TAG_BYTES) * 8) {
        let mut bytes = URL_SAFE_NO_PAD.decode(issued()).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verified(&URL_SAFE_NO_PAD.encode(bytes)), None);
    }

    #[test]
    fn one_other_letter_is_enough(at in 0..103_usize, letter in "[A-Za-z0-9_-]") {
        let id = issued();
        let mut other = id.clone();
        other.replace_range(at..=at, &letter);
        prop_assume!(other != id);
        prop_assert_eq!(verified(&other), None);
    }
}
