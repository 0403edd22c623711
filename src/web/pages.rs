//! The handlers, and what the API's document says of them.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;

use super::assets;
use crate::http::Problem;
use crate::http::openapi::shapes::one_of;
use crate::http::openapi::{codes, parameters, refusals};

parameters! {
    AssetName {
        Path "file" True one_of(assets::NAMES), "The file's name.";
    }
    IfNoneMatch {
        Header "If-None-Match" False crate::http::openapi::shapes::any_text(), "The ETag of an earlier answer.";
    }
}

refusals!(AssetRefusals: codes::NOT_FOUND);

/// Makes a handler of each file, with its description.
macro_rules! files {
    ($($name:ident $asset:ident $path:literal $kind:literal $summary:literal $description:literal;)+) => {
        $(
            #[utoipa::path(
                get, path = $path, tag = "pages", security(()), summary = $summary, description = $description,
                params(IfNoneMatch),
                responses(
                    (status = 200, description = "The file", body = String, content_type = $kind,
                        headers(("ETag" = String, description = "Changes with the file"))),
                    (status = 304, description = "It has not changed"),
                ),
            )]
            pub(super) async fn $name(request: HttpRequest) -> HttpResponse {
                assets::$asset.answer(&request)
            }
        )+
    };
}

files! {
    client CLIENT "/bellhop.js" "text/javascript" "Load the browser client"
        "An ES module without dependencies.";
    client_types CLIENT_TYPES "/bellhop.d.ts" "text/plain" "Read the browser client's types" "For TypeScript.";
    bell BELL "/bellhop-bell.js" "text/javascript" "Load the bell"
        "An ES module that defines the element `<bellhop-bell>`.";
    bell_types BELL_TYPES "/bellhop-bell.d.ts" "text/plain" "Read the bell's types" "For TypeScript.";
    desk DESK "/admin" "text/html" "Open the desk"
        "The page of operators. It holds nothing itself, and asks for an administrator's token.";
    preferences PREFERENCES "/preferences" "text/html" "Open the preferences"
        "The page on which somebody chooses what comes by mail. It holds nothing itself, and is opened by a link.";
    demonstration DEMONSTRATION "/" "text/html" "Open the demonstration" "In development mode only.";
}

/// `GET /assets/{file}`: what the pages load.
#[utoipa::path(
    get, path = "/assets/{file}", operation_id = "pageAsset", tag = "pages", security(()),
    summary = "Load what the pages need",
    description = "Scripts and styles.",
    params(AssetName, IfNoneMatch),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/javascript"), (String = "text/css"),
        ), headers(("ETag" = String, description = "Changes with the file"))),
        (status = 304, description = "It has not changed"),
        AssetRefusals,
    ),
)]
pub(super) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    assets::find(&name).map(|asset| asset.answer(&request)).ok_or_else(Problem::not_found)
}

/// The pages that there always are.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(client, client_types, bell, bell_types, desk, preferences, asset),
    tags((name = "pages", description = "What people see, and what front ends load.")),
)]
pub struct Pages;

/// The page of development mode.
#[derive(Debug, OpenApi)]
#[openapi(paths(demonstration))]
pub struct Demonstration;
