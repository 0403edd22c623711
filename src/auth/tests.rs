//! Every algorithm, every refusal. The keys are in `tests/fixtures/keys` and protect nothing.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::*;
use crate::config::{AuthSettings, Secret, Sources, load};
use crate::domain::{Identity, Role, Timestamp, UserId};

const SECRET: &str = "a secret of these tests, long enough";
const NOW: Timestamp = Timestamp::from_micros(1_767_713_445_000_000);
const KEY_SET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys/jwks.json");

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/keys/", $name, ".pem"))
    };
}

/// Settings without any key.
fn no_keys() -> AuthSettings {
    let mut auth = load(&Sources::default()).expect("defaults").auth;
    auth.jwt_secret = Secret::default();
    auth
}

fn with_secret() -> AuthSettings {
    AuthSettings { jwt_secret: Secret::new(SECRET.to_owned()), ..no_keys() }
}

fn with_pem(pem: &str) -> AuthSettings {
    AuthSettings { jwt_public_key: Some(pem.to_owned()), ..no_keys() }
}

fn with_key_set() -> AuthSettings {
    AuthSettings { jwks_file: Some(KEY_SET.to_owned()), ..no_keys() }
}

fn verifier(settings: &AuthSettings) -> Verifier {
    Verifier::new(settings).expect("usable keys")
}

/// Seconds from now, as `exp` counts.
fn at(seconds: i64) -> i64 {
    NOW.as_seconds() + seconds
}

fn claims() -> Value {
    json!({"userId": "host-7", "exp": at(3600)})
}

/// A token with any header and payload, signed as told.
fn sign(header: &Value, payload: &[u8], algorithm: Algorithm, key: &EncodingKey) -> String {
    let parts = [header.to_string().as_bytes(), payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = parts.join(".");
    let signature = crypto::sign(message.as_bytes(), key, algorithm).expect("signed");
    format!("{message}.{signature}")
}

fn hs256_of(payload: &[u8]) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    sign(&json!({"alg": "HS256", "typ": "JWT"}), payload, Algorithm::HS256, &key)
}

fn hs256(claims: &Value) -> String {
    hs256_of(claims.to_string().as_bytes())
}

fn signed_by(algorithm: Algorithm, kid: Option<&str>) -> String {
    let (name, key) = match algorithm {
        Algorithm::RS256 => ("RS256", EncodingKey::from_rsa_pem(key!("rsa_private").as_bytes())),
        Algorithm::ES256 => ("ES256", EncodingKey::from_ec_pem(key!("p256_private").as_bytes())),
        Algorithm::EdDSA => ("EdDSA", EncodingKey::from_ed_pem(key!("ed25519_private").as_bytes())),
        other => panic!("no key for {other:?}"),
    };
    let mut header = json!({"alg": name});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    sign(&header, claims().to_string().as_bytes(), algorithm, &key.expect("private key"))
}

/// What a verifier with the secret says of these claims.
fn believed(claims: &Value) -> Result<Identity, TokenError> {
    verifier(&with_secret()).verify(&hs256(claims), NOW)
}

fn refused_setup(settings: &AuthSettings) -> String {
    Verifier::new(settings).expect_err("keys are refused").to_string()
}

#[test]
fn a_token_of_every_algorithm_is_believed_with_its_key() {
    assert_eq!(believed(&claims()).expect("HS256").user.as_str(), "host-7");
    for (algorithm, pem) in [
        (Algorithm::RS256, key!("rsa_public")),
        (Algorithm::ES256, key!("p256_public")),
        (Algorithm::EdDSA, key!("ed25519_public")),
    ] {
        for pem in [pem.to_owned(), pem.replace('\n', "\\n")] {
            let verifier = verifier(&with_pem(&pem));
            for kid in [None, Some("any")] {
                verifier.verify(&signed_by(algorithm, kid), NOW).expect("believed");
            }
        }
    }
}

#[test]
fn a_token_of_another_key_is_not_believed() {
    let other = AuthSettings { jwt_secret: Secret::new("another secret".to_owned()), ..no_keys() };
    assert_eq!(verifier(&other).verify(&hs256(&claims()), NOW), Err(TokenError::BadSignature));
    for (pem, algorithm) in [(key!("rsa_public"), Algorithm::ES256), (key!("p256_public"), Algorithm::EdDSA)]
    {
        let refusal = verifier(&with_pem(pem)).verify(&signed_by(algorithm, None), NOW);
        assert_eq!(refusal, Err(TokenError::NoKeyFits));
    }
}

#[test]
fn a_key_set_chooses_by_key_id() {
    let verifier = verifier(&with_key_set());
    for (algorithm, kid) in
        [(Algorithm::RS256, "test-rsa"), (Algorithm::ES256, "test-ec"), (Algorithm::EdDSA, "test-ed")]
    {
        verifier.verify(&signed_by(algorithm, Some(kid)), NOW).expect(kid);
        verifier.verify(&signed_by(algorithm, None), NOW).expect("without a key id");
        for kid in ["unknown", "test-encryption", ""] {
            let refusal = verifier.verify(&signed_by(algorithm, Some(kid)), NOW);
            assert_eq!(refusal, Err(TokenError::NoKeyFits), "{kid}");
        }
    }
    assert_eq!(
        verifier.verify(&signed_by(Algorithm::RS256, Some("test-ec")), NOW),
        Err(TokenError::NoKeyFits)
    );
}

#[test]
fn several_keys_work_side_by_side() {
    let settings = AuthSettings {
        jwt_secret: Secret::new(SECRET.to_owned()),
        jwt_public_key: Some(key!("p256_public").to_owned()),
        jwks_file: Some(KEY_SET.to_owned()),
        ..no_keys()
    };
    let verifier = verifier(&settings);
    verifier.verify(&hs256(&claims()), NOW).expect("the secret");
    verifier.verify(&signed_by(Algorithm::ES256, Some("unknown")), NOW).expect("the PEM");
    verifier.verify(&signed_by(Algorithm::EdDSA, Some("test-ed")), NOW).expect("the set");
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for pem in [key!("rsa_public"), key!("p256_public"), key!("ed25519_public")] {
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(der).expect("base64");
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der] {
            let key = EncodingKey::from_secret(secret);
            for name in ["HS256", "RS256", "ES256", "EdDSA"] {
                let payload = claims().to_string();
                let token = sign(&json!({"alg": name}), payload.as_bytes(), Algorithm::HS256, &key);
                for settings in [with_pem(pem), with_key_set()] {
                    let refusal = verifier(&settings).verify(&token, NOW).expect_err(name);
                    assert!(matches!(refusal, TokenError::NoKeyFits | TokenError::BadSignature), "{refusal}");
                }
            }
        }
    }
}

#[test]
fn a_token_without_a_signature_is_never_believed() {
    let verifier = verifier(&with_secret());
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "NONE", "", "hs256", "HS512", "RS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm}).to_string());
        for signature in ["", "AAAA"] {
            let refusal = verifier.verify(&format!("{header}.{payload}.{signature}"), NOW);
            assert_eq!(refusal, Err(TokenError::NoKeyFits), "{algorithm:?}");
        }
    }
    let token = hs256(&claims());
    let (message, _) = token.rsplit_once('.').expect("three parts");
    assert_eq!(verifier.verify(&format!("{message}."), NOW), Err(TokenError::BadSignature));
}

#[test]
fn a_token_that_was_changed_anywhere_is_not_believed() {
    let verifier = verifier(&with_secret());
    let token = hs256(&claims());
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(verifier.verify(&changed, NOW).is_err(), "place {place}");
    }
    for place in 0..token.len() {
        assert!(verifier.verify(&token[..place], NOW).is_err(), "cut at {place}");
    }
}

#[test]
fn what_is_not_a_token_is_malformed() {
    let verifier = verifier(&with_secret());
    let long = hs256(&json!({"userId": "7", "exp": at(60), "pad": "x".repeat(TOKEN_BYTES_MAX)}));
    for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "ü.ü.ü", "null", "{}", &long] {
        let refusal = verifier.verify(token, NOW).expect_err("not a token");
        assert_eq!(refusal, TokenError::Malformed, "{}", token.len());
    }
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    for header in [
        json!({}),
        json!([]),
        json!("HS256"),
        json!({"alg": 256}),
        json!({"alg": "HS256", "kid": 7}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
    ] {
        let token = sign(&header, claims().to_string().as_bytes(), Algorithm::HS256, &key);
        assert_eq!(verifier.verify(&token, NOW), Err(TokenError::Malformed), "{header}");
    }
}

#[test]
fn a_token_is_believed_until_its_expiry_and_the_leeway_are_over() {
    for (exp, expected) in [
        (at(1), Ok(())),
        (at(-29), Ok(())),
        (at(-30), Err(TokenError::Expired)),
        (0, Err(TokenError::Expired)),
    ] {
        assert_eq!(believed(&json!({"sub": "7", "exp": exp})).map(|_| ()), expected, "{exp}");
    }
    let strict = AuthSettings { leeway_seconds: 0, ..with_secret() };
    let token = hs256(&json!({"sub": "7", "exp": at(0)}));
    assert_eq!(verifier(&strict).verify(&token, NOW), Err(TokenError::Expired));
    let endless = AuthSettings { leeway_seconds: u64::MAX, ..with_secret() };
    verifier(&endless).verify(&token, NOW).expect("a leeway without end");
}

#[test]
fn an_expiry_of_any_size_is_read_without_harm() {
    let never = Some(253_402_300_799);
    for (exp, expected) in [
        ("253402300799", never),
        ("99999999999999", never),
        ("9223372036854775807", never),
        ("18446744073709551615", never),
        ("123456789012345678901234567890", never),
        ("1e300", never),
        ("1767717045.75", Some(1_767_717_045)),
        ("1.767717045e9", Some(1_767_717_045)),
    ] {
        let token = hs256_of(format!(r#"{{"sub":"7","exp":{exp}}}"#).as_bytes());
        let identity = verifier(&with_secret()).verify(&token, NOW).expect(exp);
        assert_eq!(identity.expires_at.map(Timestamp::as_seconds), expected, "{exp}");
    }
    for exp in ["-1", "-9223372036854775808", "-1e300", "0.5", "-0.0"] {
        let token = hs256_of(format!(r#"{{"sub":"7","exp":{exp}}}"#).as_bytes());
        assert_eq!(verifier(&with_secret()).verify(&token, NOW), Err(TokenError::Expired), "{exp}");
    }
    for exp in ["1e400", "NaN", "\"1767717045\"", "true", "[]", "{}", "01"] {
        let token = hs256_of(format!(r#"{{"sub":"7","exp":{exp}}}"#).as_bytes());
        assert_eq!(verifier(&with_secret()).verify(&token, NOW), Err(TokenError::Malformed), "{exp}");
    }
}

#[test]
fn a_token_without_expiry_is_believed_only_where_that_is_allowed() {
    for claims in [json!({"sub": "7"}), json!({"sub": "7", "exp": null})] {
        assert_eq!(believed(&claims), Err(TokenError::MissingExpiry));
        let lenient = AuthSettings { require_exp: false, ..with_secret() };
        let identity = verifier(&lenient).verify(&hs256(&claims), NOW).expect("allowed");
        assert_eq!(identity.expires_at, None);
        let expired = hs256(&json!({"sub": "7", "exp": at(-60)}));
        assert_eq!(verifier(&lenient).verify(&expired, NOW), Err(TokenError::Expired));
    }
}

#[test]
fn a_token_is_not_believed_before_its_time() {
    for (nbf, expected) in [
        (json!(at(0)), Ok(())),
        (json!(at(30)), Ok(())),
        (json!(at(31)), Err(TokenError::NotYetValid)),
        (json!(1e300), Err(TokenError::NotYetValid)),
        (json!(null), Ok(())),
        (json!("soon"), Err(TokenError::Malformed)),
    ] {
        let found = believed(&json!({"sub": "7", "exp": at(60), "nbf": nbf})).map(|_| ());
        assert_eq!(found, expected, "{nbf}");
    }
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_configured() {
    let settings = AuthSettings {
        issuer: Some("accounts".to_owned()),
        audience: Some("bellhop".to_owned()),
        ..with_secret()
    };
    for (iss, aud, expected) in [
        (json!("accounts"), json!("bellhop"), Ok(())),
        (json!("accounts"), json!(["other", "bellhop"]), Ok(())),
        (json!("others"), json!("bellhop"), Err(TokenError::WrongIssuer)),
        (json!(null), json!("bellhop"), Err(TokenError::WrongIssuer)),
        (json!("accounts"), json!("other"), Err(TokenError::WrongAudience)),
        (json!("accounts"), json!([]), Err(TokenError::WrongAudience)),
        (json!("accounts"), json!(null), Err(TokenError::WrongAudience)),
        (json!(["accounts"]), json!("bellhop"), Err(TokenError::Malformed)),
    ] {
        let token = hs256(&json!({"sub": "7", "exp": at(60), "iss": iss, "aud": aud}));
        let found = verifier(&settings).verify(&token, NOW).map(|_| ());
        assert_eq!(found, expected, "{iss} {aud}");
        let indifferent = believed(&json!({"sub": "7", "exp": at(60), "aud": aud}));
        assert!(indifferent.is_ok(), "{aud}");
    }
}

#[test]
fn the_user_is_the_first_of_four_names() {
    for (claims, expected) in [
        (json!({"userId": "a", "sub": "b", "id": "c", "hostId": "d"}), "a"),
        (json!({"hostId": "d", "id": "c", "sub": "b"}), "b"),
        (json!({"hostId": "d", "id": "c"}), "c"),
        (json!({"hostId": "d"}), "d"),
        (json!({"userId": null, "sub": 42}), "42"),
        (json!({"userId": -7}), "-7"),
        (json!({"userId": 18_446_744_073_709_551_615_u64}), "18446744073709551615"),
    ] {
        let mut claims = claims;
        claims["exp"] = at(60).into();
        assert_eq!(believed(&claims).expect("a user").user.as_str(), expected, "{claims}");
    }
    assert_eq!(believed(&json!({"exp": at(60)})), Err(TokenError::MissingUser));
    for user in ["", " ", "a b", "a\nb", &"x".repeat(129)] {
        let found = believed(&json!({"userId": user, "exp": at(60)}));
        assert_eq!(found, Err(TokenError::UnacceptableUser), "{user:?}");
    }
}

#[test]
fn every_claim_becomes_its_part_of_the_identity() {
    let identity = believed(&json!({
        "userId": 7, "exp": at(60), "role": "professional", "roles": ["ADMIN", "Professional", ""],
        "sessionId": "s1", "sid": "s2", "email": "host@example.com", "name": "Ada", "locale": "de-AT",
        "tz": "Europe/Vienna", "rooms": ["booking:42", "listing:1"], "unknown": {"deep": [1]},
        "jti": "t-1", "iat": 1_767_713_440.5
    }))
    .expect("believed");
    assert_eq!(
        identity,
        Identity {
            user: UserId::from_stored("7".to_owned()),
            roles: vec![Role::new("PROFESSIONAL"), Role::new("ADMIN")],
            session: Some("s1".to_owned()),
            email: Some("host@example.com".to_owned()),
            name: Some("Ada".to_owned()),
            locale: Some("de-AT".to_owned()),
            time_zone: Some("Europe/Vienna".to_owned()),
            rooms: vec!["booking:42".to_owned(), "listing:1".to_owned()],
            expires_at: Some(NOW.plus(Duration::from_mins(1))),
            token_id: Some("t-1".to_owned()),
            issued_at: Some(Timestamp::from_micros(1_767_713_440_500_000)),
            signed_by: identity.signed_by,
        }
    );
    assert_eq!(
        believed(&json!({"sub": "7", "exp": at(60), "sid": 9})).expect("sid").session.as_deref(),
        Some("9")
    );
}

#[test]
fn an_address_that_is_none_is_left_out() {
    for email in ["", "nobody", "a@b\r\nBcc: c@d"] {
        let identity = believed(&json!({"sub": "7", "exp": at(60), "email": email})).expect("believed");
        assert_eq!(identity.email, None, "{email:?}");
    }
}

#[test]
fn a_claim_of_the_wrong_type_makes_the_token_malformed() {
    for (name, value) in [
        ("userId", json!({"id": 7})),
        ("userId", json!(7.5)),
        ("sub", json!([7])),
        ("id", json!(true)),
        ("role", json!(7)),
        ("roles", json!([7])),
        ("roles", json!({"admin": true})),
        ("sessionId", json!([])),
        ("email", json!(7)),
        ("name", json!({})),
        ("locale", json!(1)),
        ("tz", json!([])),
        ("rooms", json!([["booking:42"]])),
        ("iss", json!(1)),
        ("aud", json!({})),
    ] {
        let mut claims = json!({"hostId": "7", "exp": at(60)});
        claims[name] = value.clone();
        assert_eq!(believed(&claims), Err(TokenError::Malformed), "{name}: {value}");
    }
    for payload in ["", "null", "7", "[]", r#"["7"]"#, "{", r#"{"sub":"7"} x"#, r#"{"sub":"7","sub":"8"}"#] {
        let refusal = verifier(&with_secret()).verify(&hs256_of(payload.as_bytes()), NOW);
        assert_eq!(refusal, Err(TokenError::Malformed), "{payload}");
    }
    let refusal = verifier(&with_secret()).verify(&hs256_of(b"{\"sub\":\"\xff\"}"), NOW);
    assert_eq!(refusal, Err(TokenError::Malformed));
}

#[test]
fn what_was_minted_is_believed_as_it_was_meant() {
    let settings = AuthSettings {
        issuer: Some("accounts".to_owned()),
        audience: Some("bellhop".to_owned()),
        ..with_secret()
    };
    let mut identity = believed(&json!({
        "userId": "7", "exp": at(60), "roles": ["ADMIN"], "sid": "s", "email": "a@b.example", "name": "Ada",
        "locale": "en", "tz": "UTC", "rooms": ["booking:1"], "jti": "t-1"
    }))
    .expect("believed");
    let minter = Minter::new(&settings).expect("a secret");
    let token = minter.mint(&identity, Duration::from_mins(10), NOW).expect("minted");
    identity.expires_at = Some(NOW.plus(Duration::from_mins(10)));
    identity.issued_at = Some(Timestamp::from_micros(NOW.as_seconds() * 1_000_000));
    assert_eq!(verifier(&settings).verify(&token, NOW), Ok(identity.clone()));
    minter.mint(&identity, Duration::MAX, NOW).expect("a lifetime without end");
    assert!(matches!(Minter::new(&no_keys()), Err(AuthSetupError::NoSecret)));
}

#[test]
fn keys_that_cannot_work_are_refused_at_the_start() {
    assert!(matches!(Verifier::new(&no_keys()), Err(AuthSetupError::NoKey)));
    for (pem, reason) in [
        ("", "not a public key in PEM"),
        ("/etc/key.pem", "not a public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "RSA, P-256 or Ed25519"),
        (key!("rsa_private"), "private key"),
        (key!("p256_private"), "private key"),
        (key!("rsa_1024_public"), "2048 bits"),
        (key!("p384_public"), "P-256"),
        (key!("secp256k1_public"), "P-256"),
    ] {
        let message = refused_setup(&with_pem(pem));
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn key_sets_that_cannot_work_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("jwks.json").display().to_string();
    let settings = AuthSettings { jwks_file: Some(path.clone()), ..no_keys() };
    assert!(matches!(Verifier::new(&settings), Err(AuthSetupError::Unreadable { .. })));
    for (set, reason) in [
        ("", "not a JSON Web Key Set"),
        (r#"{"keys": 7}"#, "not a JSON Web Key Set"),
        (r#"{"keys": []}"#, "has no key"),
        (r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#, "has no key"),
        (r#"{"keys": [{"kty": "RSA", "alg": "RS512", "n": "AQAB", "e": "AQAB"}]}"#, "has no key"),
        (r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#, "key 1: is an RSA key"),
        (r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}]}"#, "key 1: is not an Ed25519"),
        (
            r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}]}"#,
            "key 1: is not on the curve",
        ),
    ] {
        std::fs::write(&path, set).expect("written");
        let message = refused_setup(&settings);
        assert!(message.contains(reason), "{set}: {message}");
    }
}

#[test]
fn neither_errors_nor_debug_output_show_a_key() {
    let shown = format!("{:?} {:?}", verifier(&with_secret()), Minter::new(&with_secret()));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn codes_are_distinct_and_stable() {
    let all = [
        (TokenError::Malformed, "token_malformed"),
        (TokenError::NoKeyFits, "token_key"),
        (TokenError::BadSignature, "token_signature"),
        (TokenError::Expired, "token_expired"),
        (TokenError::NotYetValid, "token_not_yet_valid"),
        (TokenError::MissingExpiry, "token_without_expiry"),
        (TokenError::MissingUser, "token_without_user"),
        (TokenError::UnacceptableUser, "token_user"),
        (TokenError::WrongIssuer, "token_issuer"),
        (TokenError::WrongAudience, "token_audience"),
    ];
    for (error, code) in all {
        assert_eq!(error.code(), code);
    }
}
