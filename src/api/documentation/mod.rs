//! `/openapi.json` and `/docs`: the document of the API, and a page to browse it that comes from here alone.

mod archive;

use std::sync::LazyLock;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::openapi::params;
use super::tag::Known;
use crate::http::Problem;
use crate::http::openapi::{codes, refusals};

/// The page may load what is served beside it and ask this server, and nothing else; it is in nobody's frame.
/// Its own pictures are written into its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The page and what belongs to it change with the program only; a browser asks whether they have.
const CACHING: &str = "public, no-cache";

/// The document as it is sent.
#[derive(Debug, Clone)]
pub struct Document {
    json: Bytes,
    tag: String,
}

impl Document {
    pub fn new(json: Vec<u8>) -> Self {
        Self { tag: tag_of(&json), json: json.into() }
    }
}

/// Something of the page.
struct Asset {
    kind: &'static str,
    /// In gzip, which every browser takes, or as it is.
    packed: bool,
    bytes: Bytes,
    tag: String,
}

impl Asset {
    fn new(kind: &'static str, packed: bool, bytes: Bytes) -> Self {
        Self { kind, packed, tag: tag_of(&bytes), bytes }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        if Known::of(request).has(&self.tag) {
            return unchanged(&self.tag);
        }
        let mut response = HttpResponse::Ok();
        response
            .insert_header((CONTENT_TYPE, self.kind))
            .insert_header((ETAG, self.tag.as_str()))
            .insert_header((CACHE_CONTROL, CACHING));
        if self.packed {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        response.body(self.bytes.clone())
    }
}

static PAGE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("text/html; charset=utf-8", false, Bytes::from_static(include_bytes!("page.html")))
});

/// What the page loads, by name.
static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
    let start =
        Asset::new("text/javascript; charset=utf-8", false, Bytes::from_static(include_bytes!("start.js")));
    let of_archive = [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
    ];
    let found = of_archive.into_iter().filter_map(|(name, kind)| {
        let packed = archive::gzip(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED, &format!("/dist/{name}"));
        if packed.is_none() {
            log::error!("{name} is missing: /docs shows nothing");
        }
        Some((name, Asset::new(kind, true, packed?)))
    });
    std::iter::once(("start.js", start)).chain(found).collect()
});

fn tag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest))
}

fn unchanged(tag: &str) -> HttpResponse {
    HttpResponse::NotModified().insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, CACHING)).finish()
}

/// `GET /openapi.json`: the document of this server.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "document", tag = "operations", security(()),
    summary = "Read this document",
    description = "OpenAPI 3.1, as this server is configured.",
    params(params::IfNoneMatch),
    responses(
        (status = 200, description = "The document", body = Object, content_type = "application/json",
            headers(("ETag" = String, description = "Changes with the document"))),
        (status = 304, description = "It has not changed"),
    ),
)]
pub(super) async fn document(request: HttpRequest, document: web::Data<Document>) -> HttpResponse {
    if Known::of(&request).has(&document.tag) {
        return unchanged(&document.tag);
    }
    HttpResponse::Ok()
        .insert_header((ETAG, document.tag.as_str()))
        .insert_header((CACHE_CONTROL, CACHING))
        .content_type("application/json")
        .body(document.json.clone())
}

/// `GET /docs`: the page that shows the document.
#[utoipa::path(
    get, path = "/docs", operation_id = "page", tag = "operations", security(()),
    summary = "Browse this document",
    description = "A page for people, which loads nothing from anywhere else.",
    params(params::IfNoneMatch),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html",
            headers(("ETag" = String, description = "Changes with the page"))),
        (status = 304, description = "It has not changed"),
    ),
)]
pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    let mut response = PAGE.answer(&request);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, actix_web::http::header::HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, actix_web::http::header::HeaderValue::from_static("no-referrer"));
    response
}

refusals!(AssetRefusals: codes::NOT_FOUND);

/// `GET /docs/{file}`: what the page loads.
#[utoipa::path(
    get, path = "/docs/{file}", operation_id = "asset", tag = "operations", security(()),
    summary = "Load what the page needs",
    description = "Its script and its style, always in gzip where that makes them smaller.",
    params(params::AssetName, params::IfNoneMatch),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/javascript"), (String = "text/css"),
        ), headers(("ETag" = String, description = "Changes with the file"))),
        (status = 304, description = "It has not changed"),
        AssetRefusals,
    ),
)]
pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = ASSETS.iter().find(|(known, _)| **known == **name);
    found.map(|(_, asset)| asset.answer(&request)).ok_or_else(Problem::not_found)
}
