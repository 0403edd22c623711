//! Files that are built into the program: pages, scripts, styles. Every answer has an entity tag and has browsers ask
//! whether it has changed, which it does with the program only; a page also says what it may load.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::etag::{self, Known};

/// A browser keeps it, and asks each time whether it is still the same.
const CACHING: &str = "public, no-cache";

pub const HTML: &str = "text/html; charset=utf-8";
pub const SCRIPT: &str = "text/javascript; charset=utf-8";
pub const STYLE: &str = "text/css; charset=utf-8";

/// See the module's documentation.
#[derive(Debug)]
pub struct Asset {
    kind: &'static str,
    /// In gzip, which every browser takes, or as it is.
    is_packed: bool,
    /// What a page may load and who may frame it; none for what is no page.
    policy: Option<&'static str>,
    bytes: Bytes,
    tag: String,
}

impl Asset {
    pub fn new(kind: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { kind, is_packed: false, policy: None, tag: etag::of_bytes(&bytes), bytes }
    }

    /// The same, of bytes that are in gzip.
    pub fn packed(kind: &'static str, bytes: Bytes) -> Self {
        Self { is_packed: true, ..Self::new(kind, bytes) }
    }

    /// A page with this `Content-Security-Policy`.
    pub fn page(bytes: &'static [u8], policy: &'static str) -> Self {
        Self { policy: Some(policy), ..Self::new(HTML, Bytes::from_static(bytes)) }
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let is_known = Known::of(request).has(&self.tag);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header((ETAG, self.tag.as_str())).insert_header((CACHE_CONTROL, CACHING));
        if let Some(policy) = self.policy {
            response.insert_header((CONTENT_SECURITY_POLICY, policy));
        }
        if is_known {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, self.kind));
        if self.is_packed {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        response.body(self.bytes.clone())
    }
}
