//! Which browsers' pages may open a door, and change something by a cookie. CORS covers neither a
//! WebSocket nor a form: without this check any page could do both with the visitor's cookies.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, ORIGIN};

use super::problem::Problem;

/// The origins that are allowed, each as a browser writes it: scheme, host and port.
#[derive(Debug, Clone)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// Exact comparison; a request without `Origin` is not a browser's and passes. Of several, which no browser sends,
    /// each must be allowed.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        let is_allowed =
            |origin: &HeaderValue| self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if request.headers().get_all(ORIGIN).all(is_allowed) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", "this origin is not allowed"))
    }
}
