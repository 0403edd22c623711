//! `/openapi.json` and `/docs`: the document of the API, and a page to browse it that comes from here alone.

mod archive;

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::openapi::params;
use crate::http::Problem;
use crate::http::asset::{Asset, SCRIPT, STYLE};
use crate::http::openapi::{codes, refusals};

/// The page may load what is served beside it and ask this server, and nothing else; it is in nobody's frame.
/// Its own pictures are written into its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document as it is sent.
#[derive(Debug)]
pub struct Document(Asset);

impl Document {
    pub fn new(json: Vec<u8>) -> Self {
        Self(Asset::new("application/json", json))
    }
}

static PAGE: LazyLock<Asset> = LazyLock::new(|| Asset::page(include_bytes!("page.html"), POLICY));

/// What the page loads, by name.
static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
    let start = Asset::new(SCRIPT, Bytes::from_static(include_bytes!("start.js")));
    let found = [("swagger-ui-bundle.js", SCRIPT), ("swagger-ui.css", STYLE)].into_iter().filter_map(
        |(name, kind)| {
            let archive = utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
            let packed = archive::gzip(archive, &format!("/dist/{name}"));
            if packed.is_none() {
                log::error!("{name} is missing: /docs shows nothing");
            }
            Some((name, Asset::of_packed(kind, packed?)))
        },
    );
    std::iter::once(("start.js", start)).chain(found).collect()
});

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
    document.0.answer(&request)
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
    PAGE.answer(&request)
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
