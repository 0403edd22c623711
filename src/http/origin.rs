//! Which browsers' pages may open a door, and change something by a cookie. CORS covers neither a
//! WebSocket nor a form: without this check any page could do both with the visitor's cookies.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderValue, ORIGIN};

use super::problem::Problem;
use super::request::Secure;

/// The origins that are allowed, each as a browser writes it: scheme, host and port.
#[derive(Debug, Clone)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// Exact comparison; a request without `Origin` is not a browser's and passes, and so does a page of this server
    /// itself. Of several, which no browser sends, each must be allowed.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        let is_allowed = |origin: &HeaderValue| {
            self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) || is_own(request, origin)
        };
        if request.headers().get_all(ORIGIN).all(is_allowed) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", "this origin is not allowed"))
    }
}

/// Whether a page came from where the request goes: only its host's own pages can have that origin. A page in the clear
/// is none of a server that speaks TLS itself; behind a proxy it cannot be told.
fn is_own(request: &HttpRequest, origin: &HeaderValue) -> bool {
    let Some(host) = request.headers().get(HOST) else { return false };
    let Ok(origin) = origin.to_str() else { return false };
    let is_secure = request.conn_data::<Secure>().is_some();
    let authority =
        origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://").filter(|_| !is_secure));
    authority.is_some_and(|authority| !authority.is_empty() && authority.as_bytes() == host.as_bytes())
}
