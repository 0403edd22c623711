//! Entity tags (RFC 9110 §8.8.3): those that a client says it knows, and that of fixed bytes.

use actix_web::HttpRequest;
use actix_web::http::header::IF_NONE_MATCH;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The tags that a client says it knows.
#[derive(Debug)]
pub struct Known(Vec<String>);

impl Known {
    pub fn of(request: &HttpRequest) -> Self {
        let values = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        Self(values.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect())
    }

    /// Compared weakly, as RFC 9110 §13.1.2 wants it.
    pub fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == "*" || opaque(known) == opaque(tag))
    }
}

fn opaque(tag: &str) -> &str {
    tag.trim_start_matches("W/")
}

/// The tag of bytes that change with the program only. Weak: they may come compressed or not.
pub fn of_bytes(bytes: &[u8]) -> String {
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
}
