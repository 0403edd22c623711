//! What is noted of every request once it is answered: its figures, and a line at debug under a target of its own,
//! so that an operator can switch just that on (`LOG_LEVEL=info,bellhop::access=debug`). The route is told as it is
//! configured, never as it was asked for: a path or a query may hold what is nobody's business.

use actix_web::HttpMessage;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use tokio::time::Instant;

use crate::domain::{RequestId, UserId};
use crate::telemetry::Metrics;

/// The target of these lines.
const TARGET: &str = "bellhop::access";

/// Who a request's token or ticket named, once it was believed.
#[derive(Debug, Clone)]
pub(super) struct KnownCaller(pub(super) UserId);

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Access {
    began: Instant,
    method: Method,
    class: &'static str,
}

impl Access {
    pub(super) fn begin(request: &ServiceRequest) -> Self {
        let class = route_class(request.path());
        Self { began: Instant::now(), method: request.method().clone(), class }
    }

    pub(super) fn end<B>(self, response: &ServiceResponse<B>, id: &RequestId, metrics: Option<&Metrics>) {
        let status = response.status().as_u16();
        let seconds = self.began.elapsed().as_secs_f64();
        if let Some(metrics) = metrics {
            metrics.http_request(self.class, status);
            // Whoever polls is kept waiting on purpose.
            if self.class != "socketio" {
                metrics.http_request_seconds(self.class).observe(seconds);
            }
        }
        if log::log_enabled!(target: TARGET, log::Level::Debug) {
            let request = response.request();
            let route = request.match_pattern();
            let extensions = request.extensions();
            let user = extensions.get::<KnownCaller>().map_or("-", |KnownCaller(user)| user.as_str());
            log::debug!(target: TARGET, method = known(&self.method), route = route.as_deref().unwrap_or("-"),
                status = status, seconds = seconds, request = id.as_str(), user = user; "answered");
        }
    }
}

/// A method by its name where it is one of HTTP's own: any other word is a client's, and may say anything.
fn known(method: &Method) -> &str {
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    if methods.contains(method) { method.as_str() } else { "other" }
}

/// A few classes of routes, so that figures stay few whatever paths are asked for.
fn route_class(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "bookings" => "bookings",
        "notifications" => "notifications",
        "admin" => "admin",
        "ws" => "websocket",
        "socket.io" => "socketio",
        "dev" => "dev",
        "docs" | "openapi.json" => "documentation",
        "health" | "ready" | "metrics" => "operations",
        "" | "assets" | "preferences" | "bellhop.js" | "bellhop-bell.js" => "pages",
        _ => "other",
    }
}
