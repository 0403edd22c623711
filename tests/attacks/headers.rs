//! What browsers are told, and pages of other sites: which headers every answer has, and which origins open a door.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::raw_socket::RawSocket;

const PAGE: &str = "https://app.example.com";

async fn app() -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with("CORS_ORIGIN", PAGE).start().await
}

/// One answer of every kind.
async fn answers(app: &TestApp) -> Vec<(&'static str, Answer)> {
    let ann = app.token("ann", &[]);
    let mut answers = Vec::new();
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/start.js",
        "/docs/nothing",
        "/bellhop.js",
        "/admin",
        "/preferences",
        "/assets/tokens.css",
        "/assets/nothing",
        "/nothing",
        "/notifications/list",
        "/notifications/count",
        "/notifications/preferences",
        "/bookings/7",
        "/bookings",
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=3",
        "/ws/notifications",
    ] {
        answers.push((path, app.get(path, &ann).await));
    }
    answers.push(("no token", app.get("/notifications/list", "").await));
    answers.push(("no JSON", app.send(app.client().post(app.url("/bookings")).body("x"), &ann).await));
    answers.push(("a ticket", app.ask_for_ticket(&ann, "sse").await));
    let stream = app.client().get(app.url("/notifications/sse?ttl=0.1"));
    answers.push(("a stream", app.send(stream, &ann).await));
    let options = app
        .client()
        .request(reqwest::Method::OPTIONS, app.url("/bookings"))
        .header("origin", "https://evil.example");
    answers
        .push(("a preflight", app.send(options.header("access-control-request-method", "POST"), "").await));
    answers
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let app = app().await;
    for (what, answer) in answers(&app).await {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {what}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        let caching = answer.header("cache-control").unwrap_or_default();
        let is_public = [
            "/openapi.json",
            "/docs",
            "/docs/start.js",
            "/bellhop.js",
            "/admin",
            "/preferences",
            "/assets/tokens.css",
        ]
        .contains(&what);
        let is_kept = !caching.contains("no-store") && !caching.contains("private");
        assert_eq!(is_kept, is_public, "{what}: {caching}");
        for absent in ["set-cookie", "server", "x-powered-by", "strict-transport-security"] {
            assert_eq!(answer.header(absent), None, "{absent} of {what}");
        }
    }
}

/// Origins that are not the page's, however much they look like it.
const FOREIGN: [&str; 18] = [
    "null",
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com/",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "https://APP.example.com",
    "HTTPS://app.example.com",
    "https://app.example.com@evil.example",
    "https://app.example.com, https://evil.example",
    "https://app.example.com https://evil.example",
    "https://app.example.com%00",
    "file://",
    "",
];

#[tokio::test]
async fn no_origin_that_looks_like_an_allowed_one_opens_a_door_or_spends_a_cookie() {
    let app = app().await;
    let cookie = format!("token={}", app.token("ann", &[]));
    for origin in FOREIGN {
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "BwcHBwcHBwcHBwcHBwcHBw=="),
            ("Cookie", cookie.as_str()),
            ("Origin", origin),
        ];
        for path in ["/ws/notifications", "/socket.io/?EIO=4&transport=websocket"] {
            let refused = RawSocket::try_open(app.address(), path, &headers).await.expect_err(origin);
            assert_eq!(refused.status, 403, "{origin:?} at {path}");
        }
        for path in ["/socket.io/?EIO=4&transport=polling", "/notifications/sse"] {
            let request = app.client().get(app.url(path)).header("origin", origin).header("cookie", &cookie);
            assert_eq!(app.send(request, "").await.status, 403, "{origin:?} at {path}");
        }
        let request = app.client().post(app.url("/notifications/mark-read")).json(&json!({"all": true}));
        let answer = app.send(request.header("origin", origin).header("cookie", &cookie), "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin:?}");
        answer.expect_problem(403, "origin_not_allowed");
    }
    // A page of the server itself comes with the name that it was asked by, whatever that is.
    let own = format!("http://{}", app.address());
    let request = app.client().post(app.url("/notifications/mark-read")).json(&json!({"all": true}));
    app.send(request.header("origin", &own).header("cookie", &cookie), "").await.expect(200);
    for other in [own.replace("127.0.0.1", "localhost"), format!("{own}0"), own.replace("http:", "ftp:")] {
        let request = app.client().post(app.url("/notifications/mark-read")).json(&json!({"all": true}));
        let answer = app.send(request.header("origin", &other).header("cookie", &cookie), "").await;
        answer.expect_problem(403, "origin_not_allowed");
    }
    for several in [[PAGE, "https://evil.example"], ["https://evil.example", PAGE]] {
        let headers: Vec<(&str, &str)> = several.map(|origin| ("Origin", origin)).into();
        let mut all = vec![
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "BwcHBwcHBwcHBwcHBwcHBw=="),
            ("Cookie", cookie.as_str()),
        ];
        all.extend(headers);
        let refused = RawSocket::try_open(app.address(), "/ws/notifications", &all).await;
        assert_eq!(refused.err().map(|refused| refused.status), Some(403), "{several:?}");
    }
}
