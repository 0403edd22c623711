//! Files that are built into the program: pages, scripts, styles. Every answer has an entity tag and has browsers ask
//! whether it has changed, which it does with the program only; a page also says what it may load.

use std::io::{self, Write};

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, Encoding,
    Header, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

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
    /// What a page may load and who may frame it; none for what is no page.
    policy: Option<&'static str>,
    /// None where it is only there in gzip, which every browser takes.
    plain: Option<Bytes>,
    /// In gzip, as small as that can be: it is done once.
    packed: Option<Bytes>,
    tag: String,
}

impl Asset {
    pub fn new(kind: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let packed = pack(&bytes)
            .inspect_err(|error| log::error!("a file is sent without compression: {error}"))
            .ok()
            .filter(|packed| packed.len() < bytes.len());
        Self { kind, policy: None, tag: etag::of_bytes(&bytes), packed, plain: Some(bytes) }
    }

    /// The same, of bytes that are in gzip and go out as they are.
    pub fn of_packed(kind: &'static str, bytes: Bytes) -> Self {
        Self { kind, policy: None, tag: etag::of_bytes(&bytes), packed: Some(bytes), plain: None }
    }

    /// A page with this `Content-Security-Policy`.
    pub fn page(bytes: &'static [u8], policy: &'static str) -> Self {
        Self { policy: Some(policy), ..Self::new(HTML, Bytes::from_static(bytes)) }
    }

    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let is_known = Known::of(request).has(&self.tag);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, self.tag.as_str()))
            .insert_header((CACHE_CONTROL, CACHING))
            .insert_header((VARY, "Accept-Encoding"));
        if let Some(policy) = self.policy {
            response.insert_header((CONTENT_SECURITY_POLICY, policy));
        }
        if is_known {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, self.kind));
        match (&self.plain, &self.packed) {
            (Some(plain), Some(_)) if !takes_gzip(request) => response.body(plain.clone()),
            (_, Some(packed)) => response.insert_header((CONTENT_ENCODING, "gzip")).body(packed.clone()),
            (Some(plain), None) => response.body(plain.clone()),
            (None, None) => response.finish(),
        }
    }
}

fn pack(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

/// Whether a client says that it does; who says nothing gets what everybody can read (RFC 9110 §12.5.3).
fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request)
        .ok()
        .filter(|accepted| !accepted.is_empty())
        .and_then(|accepted| accepted.negotiate(offered.iter()))
        .is_some_and(|chosen| chosen == Encoding::gzip())
}
