//! What a path answers besides its own methods: HEAD wherever it answers GET, another method is told which
//! would do, an unknown path that it is unknown. The last two as every other error.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, Resource, ResponseError, Route, guard, web};

use super::problem::Problem;

/// A path with one handler per method. GET's also answers HEAD, and the HTTP layer leaves the body out; one that opens
/// something that lasts must ask which of the two it is. GET's route is a bare `web::to`: `web::get` refuses HEAD.
pub fn resource<const N: usize>(path: &str, methods: [(Method, Route); N]) -> Resource {
    let allowed = methods.iter().map(|(method, _)| match method.as_str() {
        "GET" => "GET, HEAD",
        other => other,
    });
    let allowed: Vec<&str> = allowed.collect();
    let allowed = HeaderValue::from_str(&allowed.join(", ")).unwrap_or(HeaderValue::from_static(""));
    let resource = methods.into_iter().fold(web::resource(path), |resource, (method, route)| {
        resource.route(if method == Method::GET {
            route.guard(guard::Any(guard::Get()).or(guard::Head()))
        } else {
            route.method(method)
        })
    });
    resource.default_service(web::to(move || {
        let allowed = allowed.clone();
        async move { method_not_allowed(allowed) }
    }))
}

fn method_not_allowed(allowed: HeaderValue) -> HttpResponse {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method; see Allow",
    );
    let mut response = problem.error_response();
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// The answer to a path that nobody serves.
pub async fn unknown() -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "unknown_route", "nothing is served at this path").error_response()
}
