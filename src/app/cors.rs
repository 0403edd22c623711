//! What browsers are told of pages from elsewhere.

use actix_cors::Cors;

/// Which pages of other origins may call the API.
pub(super) fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
        .allowed_headers([
            "authorization",
            "bellhop-user",
            "content-type",
            "cache-control",
            "idempotency-key",
            "if-none-match",
            "last-event-id",
            "x-request-id",
        ])
        .expose_headers(["etag", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(3600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
