//! What people see: pages, the browser client and the bell, built into the program as they are written, without a build
//! step. They ask the API like everybody else; nothing here knows a user.

mod assets;
mod pages;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

pub use pages::{Demonstration, Pages};

use crate::http::route::resource;

/// Adds the pages to an application. The demonstration exists in development mode only.
pub fn configure(config: &mut ServiceConfig, development: bool) {
    config
        .service(resource("/bellhop.js", [(Method::GET, web::to(pages::client))]))
        .service(resource("/bellhop.d.ts", [(Method::GET, web::to(pages::client_types))]))
        .service(resource("/bellhop-bell.js", [(Method::GET, web::to(pages::bell))]))
        .service(resource("/bellhop-bell.d.ts", [(Method::GET, web::to(pages::bell_types))]))
        .service(resource("/assets/{file}", [(Method::GET, web::to(pages::asset))]))
        .service(resource("/admin", [(Method::GET, web::to(pages::desk))]))
        .service(resource("/preferences", [(Method::GET, web::to(pages::preferences))]));
    if development {
        config.service(resource("/", [(Method::GET, web::to(pages::demonstration))]));
    }
}
