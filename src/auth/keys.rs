//! The keys that signatures are checked with, each pinned to one algorithm: what a token's header asks
//! for only selects among them and never decides how a key is used. For the verifier only.

use jsonwebtoken::crypto::{self, rust_crypto};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::AuthSetupError;
use super::keyring::KeyFiles;
use crate::config::AuthSettings;
use crate::domain::KeyMark;

/// The least size of an RSA modulus (RFC 7518 §3.3).
const RSA_BYTES_MIN: usize = 2048 / 8;
/// An Ed25519 public key (RFC 8032 §5.1.5).
const ED25519_BYTES: usize = 32;

/// A key and the only algorithm it may be used with.
#[derive(Debug)]
pub(super) struct Key {
    /// The `kid` of a key set's entry; none for the secret and the PEM, which fit any `kid`.
    id: Option<String>,
    algorithm: Algorithm,
    material: DecodingKey,
    mark: KeyMark,
}

impl Key {
    fn new(id: Option<String>, algorithm: Algorithm, material: DecodingKey) -> Self {
        let mark = mark(algorithm, &material);
        Self { id, algorithm, material, mark }
    }

    pub(super) fn mark(&self) -> KeyMark {
        self.mark
    }

    /// Whether a header with this algorithm and key id may be checked with this key.
    pub(super) fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm == algorithm
            && match (&self.id, id) {
                (Some(own), Some(asked)) => own == asked,
                _ => true,
            }
    }

    /// Whether `signature`, in base64, is this key's signature of `message`.
    pub(super) fn has_signed(&self, message: &str, signature: &str) -> bool {
        crypto::verify(signature, message.as_bytes(), &self.material, self.algorithm).unwrap_or(false)
    }

    /// Tries the key once, so that a key that cannot work is found at the start.
    fn checked(
        id: Option<String>,
        algorithm: Algorithm,
        material: DecodingKey,
    ) -> Result<Self, &'static str> {
        match algorithm {
            Algorithm::RS256 => check_rsa(&material)?,
            // The library takes the first bytes of such a key without looking how many there are.
            Algorithm::EdDSA if material.try_get_as_bytes().map_or(0, <[u8]>::len) != ED25519_BYTES => {
                return Err("is not an Ed25519 key");
            }
            _ => {}
        }
        match crypto::verify("", b"", &material, algorithm) {
            Ok(_) => Ok(Self::new(id, algorithm, material)),
            Err(_) if algorithm == Algorithm::ES256 => Err("is not on the curve P-256"),
            Err(_) => Err("is not a usable key"),
        }
    }
}

/// A digest of what the key is made of, so that the same file gives the same mark on every instance.
fn mark(algorithm: Algorithm, material: &DecodingKey) -> KeyMark {
    let mut digest = Sha256::new_with_prefix(format!("bellhop key mark {algorithm:?} "));
    match material.kind() {
        DecodingKeyKind::SecretOrDer(bytes) => digest.update(bytes),
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            digest.update(n);
            digest.update(e);
        }
    }
    let digest = digest.finalize();
    let start = digest.first_chunk().copied().unwrap_or_default();
    KeyMark(u64::from_be_bytes(start))
}

/// The algorithms that bellhop believes; `none` and everything else is no algorithm here.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Every configured key, the secret first: it is the commonest and the cheapest.
pub(super) fn load(settings: &AuthSettings, files: &KeyFiles) -> Result<Vec<Key>, AuthSetupError> {
    let mut keys = Vec::new();
    let secrets = std::iter::once(&settings.jwt_secret).chain(&settings.jwt_secret_previous);
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        let material = DecodingKey::from_secret(secret.reveal().as_bytes());
        keys.push(Key::new(None, Algorithm::HS256, material));
    }
    if let Some(pem) = &settings.jwt_public_key {
        keys.push(from_pem(pem).map_err(AuthSetupError::PublicKey)?);
    }
    if let Some((path, text)) = settings.jwt_public_key_file.as_ref().zip(files.pem.as_ref()) {
        let in_file = |reason| AuthSetupError::PublicKeyFile { path: path.clone(), reason };
        keys.push(from_pem(text).map_err(in_file)?);
    }
    if let Some((path, text)) = settings.jwks_file.as_ref().zip(files.key_set.as_ref()) {
        keys.extend(from_key_set(path, text)?);
    }
    if keys.is_empty() { Err(AuthSetupError::NoKey) } else { Ok(keys) }
}

/// A public key whose kind says the algorithm.
fn from_pem(text: &str) -> Result<Key, &'static str> {
    // Environment files hold a PEM in one line.
    let pem = text.replace("\\n", "\n");
    if pem.contains("PRIVATE KEY") {
        return Err("is a private key: configure the public one");
    }
    if !pem.contains("PUBLIC KEY") {
        return Err("is not a public key in PEM");
    }
    let pem = pem.as_bytes();
    let (algorithm, key) = if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        (Algorithm::ES256, key)
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        (Algorithm::EdDSA, key)
    } else if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        (Algorithm::RS256, key)
    } else {
        return Err("is not an RSA, P-256 or Ed25519 public key in PEM");
    };
    Key::checked(None, algorithm, key)
}

/// A set as it is in the file: entries of kinds that nobody knows yet must not spoil the others
/// (RFC 7517 §5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

fn from_key_set(path: &str, text: &str) -> Result<Vec<Key>, AuthSetupError> {
    let set: KeySet = serde_json::from_str(text)
        .map_err(|source| AuthSetupError::KeySet { path: path.to_owned(), source })?;
    let mut keys = Vec::new();
    for (index, entry) in set.keys.into_iter().enumerate() {
        let Ok(jwk) = serde_json::from_value::<Jwk>(entry) else { continue };
        let Some(algorithm) = algorithm_of(&jwk) else { continue };
        let in_set = |reason| AuthSetupError::KeyInSet { path: path.to_owned(), number: index + 1, reason };
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| in_set("is not a usable key"))?;
        keys.push(Key::checked(jwk.common.key_id, algorithm, key).map_err(in_set)?);
    }
    if keys.is_empty() { Err(AuthSetupError::EmptyKeySet { path: path.to_owned() }) } else { Ok(keys) }
}

/// The algorithm an entry is for; none for entries that are not for checking our signatures, secret
/// keys among them: a set is a public document.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|stated| stated == name).then_some(algorithm)
}

/// The library reads an RSA key only when it is used, and then takes any size.
fn check_rsa(key: &DecodingKey) -> Result<(), &'static str> {
    let modulus_bytes = match key.kind() {
        DecodingKeyKind::SecretOrDer(der) => {
            (rust_crypto::DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der)
                .map_err(|_| "is not an RSA public key")?
                .0
                .len()
        }
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.iter().skip_while(|byte| **byte == 0).count(),
    };
    if modulus_bytes < RSA_BYTES_MIN { Err("is an RSA key of less than 2048 bits") } else { Ok(()) }
}
