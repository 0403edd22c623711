//! The requests of Socket.IO clients as a browser or a proxy sees them: paths, origins, cookies, and whose token counts.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, token_for};

const POLLING: &str = "EIO=4&transport=polling";

/// The number of a refusal.
fn code(refused: &Answer) -> i64 {
    refused.json()["code"].as_i64().unwrap_or_else(|| panic!("{refused:?}"))
}

async fn send(request: reqwest::RequestBuilder, headers: &[(&str, &str)]) -> Answer {
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(app.client().get(app.url(path)), headers).await
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(app.client().post(app.url(path)).body(body.to_owned()), headers).await
}

/// Opens a connection; answers the path of its requests.
async fn open(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> String {
    let opened = get(app, path, headers).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let handshake: Value = serde_json::from_str(opened.text.strip_prefix('0').unwrap()).unwrap();
    format!("{path}&sid={}", handshake["sid"].as_str().unwrap())
}

/// Joins the main namespace; answers the first packet that comes back.
async fn join(app: &TestApp, path: &str, headers: &[(&str, &str)], auth: &str) -> String {
    let requests = open(app, path, headers).await;
    assert_eq!(post(app, &requests, headers, &format!("40{auth}")).await.text, "ok");
    let answer = get(app, &requests, headers).await.text;
    answer.split('\x1e').nth(usize::from(answer.starts_with("40"))).unwrap().to_owned()
}

/// Who a client is, as the server tells it.
fn user(packet: &str) -> Value {
    let event: Value =
        serde_json::from_str(packet.strip_prefix("42").unwrap_or_else(|| panic!("{packet}"))).unwrap();
    assert_eq!(event[0], "connected");
    event[1]["userId"].clone()
}

#[actix_web::test]
async fn every_path_that_clients_come_by_leads_to_the_door() {
    let app = TestApp::start(Database::Sqlite).await;
    for path in ["/socket.io/", "/socket.io", "/ws/notifications", "/ws/notifications/"] {
        let token = app.token("host-7", &[]);
        let path = format!("{path}?{POLLING}");
        assert_eq!(
            user(&join(&app, &path, &[], &json!({ "token": token }).to_string()).await),
            "host-7",
            "{path}"
        );
    }
    let refused = get(&app, "/socket.io/?EIO=3&transport=polling", &[]).await;
    assert_eq!((refused.status, code(&refused)), (400, 5));
    app.get("/ws/notifications/", "").await.expect(404);
}

#[actix_web::test]
async fn the_header_counts_before_auth_and_auth_before_the_cookie_and_the_cookie_before_the_query() {
    let app = TestApp::start(Database::Sqlite).await;
    let [header, auth, cookie, query] =
        ["header", "auth", "cookie", "query"].map(|user| token_for(user, &[]));
    let (header, cookie) = (format!("Bearer {header}"), format!("a=1; token={cookie}"));
    let auth = json!({ "token": auth }).to_string();
    let path = format!("/socket.io/?{POLLING}&token={query}");
    let all = [("authorization", header.as_str()), ("cookie", cookie.as_str())];
    assert_eq!(user(&join(&app, &path, &all, &auth).await), "header");
    assert_eq!(user(&join(&app, &path, &all[1..], &auth).await), "auth");
    assert_eq!(user(&join(&app, &path, &all[1..], "").await), "cookie");
    assert_eq!(user(&join(&app, &path, &[], "").await), "query");
    assert_eq!(user(&join(&app, &path, &[], r#"{"token":""}"#).await), "query");
    assert_eq!(user(&join(&app, &path, &[], r#"{"token":null}"#).await), "query");
    let refused = join(&app, &path, &[("authorization", "Bearer nonsense")], &auth).await;
    assert!(refused.starts_with("44{") && refused.contains("token_malformed"), "{refused}");
    let nobody = join(&app, &format!("/socket.io/?{POLLING}"), &[], "").await;
    assert!(nobody.contains(r#""data":{"code":"token_missing"}"#), "{nobody}");
}

#[actix_web::test]
async fn pages_of_allowed_origins_poll_with_credentials_and_others_get_nothing() {
    const ALLOWED: [(&str, &str); 1] = [("origin", "https://app.example.com")];
    let app =
        TestAppBuilder::new(Database::Sqlite).with("CORS_ORIGIN", "https://app.example.com").start().await;
    let path = format!("/socket.io/?{POLLING}");
    let requests = open(&app, &path, &ALLOWED).await;
    let token = json!({ "token": app.token("host-7", &[]) });
    for answer in [
        get(&app, &path, &ALLOWED).await,
        post(&app, &requests, &ALLOWED, &format!("40{token}")).await,
        get(&app, &requests, &ALLOWED).await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    }
    let preflight = app.client().request(reqwest::Method::OPTIONS, app.url(&requests));
    let asks = [
        ALLOWED[0],
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = send(preflight, &asks).await;
    assert_eq!(preflight.status, 200, "{preflight:?}");
    assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));

    for origin in ["https://evil.example", "http://app.example.com", "https://app.example.com:444", "null"] {
        let foreign = [("origin", origin)];
        for refused in [
            get(&app, &path, &foreign).await,
            get(&app, &requests, &foreign).await,
            post(&app, &requests, &foreign, "42[\"ping\"]").await,
        ] {
            assert_eq!((refused.status, code(&refused)), (403, 4), "{origin}");
            assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}");
        }
    }
    // What they were refused did no harm.
    assert_eq!(post(&app, &requests, &ALLOWED, "42[\"ping\",1]").await.text, "ok");
    assert_eq!(get(&app, &requests, &ALLOWED).await.text, "42[\"pong\",1]");
}

#[actix_web::test]
async fn whoever_asks_too_much_of_a_connection_is_told_so_in_connect_error() {
    let app = TestApp::start(Database::Sqlite).await;
    let path = format!("/socket.io/?{POLLING}&token={}", app.token("host-7", &[]));
    for auth in [
        json!({"ttl": -1}),
        json!({"ttl": "long"}),
        json!({"once": "perhaps"}),
        json!({"since": -1}),
        json!({"events": ["x".repeat(200)]}),
        json!({"events": vec!["a"; 65]}),
    ] {
        let refused = join(&app, &path, &[], &auth.to_string()).await;
        assert!(refused.starts_with("44{") && refused.contains("invalid_query"), "{auth}: {refused}");
    }
}
