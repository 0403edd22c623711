//! Every kind of bad request over REST, and the stable code that it is refused with.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, booking};
use crate::support::deadline::SOON;

/// The default of `limits.body_bytes`.
const BODY_BYTES: usize = 65_536;

/// Asserts the shape that every refusal has, beside its status and code; answers the body.
fn refused(answer: Answer, status: u16, code: &str) -> Value {
    let id = answer.header("x-request-id").map(ToOwned::to_owned);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let body = answer.expect_problem(status, code);
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], "about:blank", "{body}");
    assert!(id.is_some() && body["requestId"].as_str() == id.as_deref(), "{id:?} is not that of {body}");
    for field in ["title", "detail"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {body}");
    }
    for leak in ["eyJ", "panicked", "src/", ".rs:", "SELECT", "diesel"] {
        assert!(!body.to_string().contains(leak), "{leak} in {body}");
    }
    body
}

/// A guest posts these bytes as a booking.
async fn post_raw(app: &TestApp, content_type: &str, body: impl Into<Body>) -> Answer {
    let request = app.client().post(app.url("/bookings")).header("content-type", content_type).body(body);
    app.send(request, &app.token("guest-3", &[])).await
}

/// A guest posts a booking of which one field is replaced.
async fn post_spoilt(app: &TestApp, field: &str, value: Value) -> Answer {
    let mut body = booking("host-7");
    body[field] = value;
    app.post_booking("guest-3", &body).await
}

/// What is answered to these bytes on a connection of their own.
fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(app.address()).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    connection.write_all(bytes).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // Whether it hangs up politely is left to it.
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let nested = format!("{{\"hostId\": {}", "[".repeat(10_000));
    for body in ["", "   ", "{", "hello", "{\"hostId\": }", "{} {}", "{'hostId': 1}", "\u{feff}{}", &nested] {
        refused(post_raw(&app, "application/json", body.to_owned()).await, 400, "malformed_json");
    }
    let not_utf8 = post_raw(&app, "application/json", b"{\"hostId\": \"\xff\xfe\"}".to_vec()).await;
    refused(not_utf8, 400, "malformed_json");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let fields = json!(["host-7", null, null, "sea-view", null, "2031-12-03", "2031-12-05", 2, null]);
    for body in [json!([]), json!("booking"), json!(7), json!(null), json!(true), fields] {
        refused(app.post_booking("guest-3", &body).await, 422, "invalid_body");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let app = TestApp::start(Database::Sqlite).await;
    let just_fits =
        format!("{}{}", booking("host-7"), " ".repeat(BODY_BYTES - booking("host-7").to_string().len()));
    post_raw(&app, "application/json", just_fits.clone()).await.expect(201);
    refused(post_raw(&app, "application/json", just_fits + " ").await, 413, "body_too_large");

    // In chunks, so that its length is not known before.
    let head = format!(
        "POST /bookings HTTP/1.1\r\nHost: bellhop\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        app.token("guest-3", &[])
    );
    let chunks = format!("3e8\r\n{}\r\n", " ".repeat(1_000)).repeat(66);
    let answer = exchange(&app, (head + &chunks).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let builder = TestAppBuilder::new(Database::Sqlite);
    let app = builder.with("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", "1500").start().await;
    let head = format!(
        "POST /bookings HTTP/1.1\r\nHost: bellhop\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\n",
        app.token("guest-3", &[])
    );
    for body in ["Content-Length: 60000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let mut connection = TcpStream::connect(app.address()).unwrap();
        connection.set_read_timeout(Some(SOON)).unwrap();
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        // To its end: the connection is not kept for a body that nobody reads.
        let ended = connection.read_to_string(&mut answer);
        assert!(ended.is_ok(), "{ended:?} after {answer}");
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"body_timeout\""), "{answer}");
    }
    let figures = app.get("/metrics", "").await.text;
    let counted = "bellhop_http_requests_total{route=\"bookings\",status=\"408\"} 2";
    assert!(figures.lines().any(|line| line == counted), "{figures}");
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let body = booking("host-7").to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""] {
        let answer = post_raw(&app, content_type, body.clone()).await;
        refused(answer, 415, "unsupported_media_type");
    }
    let request = app.client().post(app.url("/bookings")).body(body.clone());
    refused(app.send(request, &app.token("guest-3", &[])).await, 415, "unsupported_media_type");
    for content_type in ["Application/JSON; charset=utf-8", "application/vnd.booking+json"] {
        post_raw(&app, content_type, body.clone()).await.expect(201);
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let app = TestApp::start(Database::Sqlite).await;
    for (field, value) in [
        ("hostId", json!(7)),
        ("hostId", json!(null)),
        ("guestId", json!(["guest-3"])),
        ("guestName", json!({})),
        ("listingId", json!(true)),
        ("listingName", json!(1.5)),
        ("checkIn", json!(20_311_203)),
        ("checkIn", json!("3 Dec 2031")),
        ("checkIn", json!("2031-02-30")),
        ("checkIn", json!("2031-12-03T25:00:00Z")),
        ("checkIn", json!("")),
        ("checkOut", json!(null)),
        ("checkOut", json!("2031-12-05\u{0}")),
        ("guests", json!("2")),
        ("guests", json!(-1)),
        ("guests", json!(1.5)),
        ("guests", json!(70_000)),
        ("note", json!([])),
    ] {
        let problem = refused(post_spoilt(&app, field, value.clone()).await, 422, "invalid_body");
        assert_eq!(problem["field"], field, "{value}");
    }
}

#[tokio::test]
async fn a_field_that_is_missing_is_named() {
    let app = TestApp::start(Database::Sqlite).await;
    for field in ["hostId", "listingId", "checkIn", "checkOut"] {
        let mut body = booking("host-7");
        body.as_object_mut().unwrap().remove(field);
        let problem = refused(app.post_booking("guest-3", &body).await, 422, "invalid_body");
        assert_eq!(problem["field"], field);
    }
    let twice = booking("host-7").to_string().replacen('{', "{\"hostId\": \"host-8\", ", 1);
    refused(post_raw(&app, "application/json", twice).await, 422, "invalid_body");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_by_its_field() {
    let app = TestApp::start(Database::Sqlite).await;
    for (field, value) in [
        ("hostId", json!("")),
        ("hostId", json!("host 7")),
        ("hostId", json!("host\u{0}7")),
        ("hostId", json!("host\u{a0}7")),
        ("hostId", json!("h".repeat(129))),
        ("hostId", json!("guest-3")),
        ("guestId", json!("")),
        ("guestName", json!("n".repeat(201))),
        ("guestName", json!("Bo\u{0}b")),
        ("guestName", json!("Bob\r\nBcc: everybody@example.org")),
        ("listingId", json!("")),
        ("listingId", json!("  ")),
        ("listingId", json!("l".repeat(129))),
        ("listingName", json!("l".repeat(201))),
        ("listingName", json!("Sea\u{0}View")),
        ("listingName", json!("Sea\u{1b}[31mView")),
        ("checkOut", json!("2031-12-03")),
        ("checkOut", json!("2031-12-02")),
        ("checkOut", json!("2034-12-03")),
        ("guests", json!(0)),
        ("guests", json!(101)),
        ("note", json!("n".repeat(2_001))),
        ("note", json!("see \u{0}")),
    ] {
        let problem = refused(post_spoilt(&app, field, value.clone()).await, 422, "invalid_field");
        assert_eq!(problem["field"], field, "{value}");
    }
    let mut ancient = booking("host-7");
    (ancient["checkIn"], ancient["checkOut"]) = (json!("1066-10-14"), json!("1066-10-15"));
    let problem = refused(app.post_booking("guest-3", &ancient).await, 422, "invalid_field");
    assert_eq!(problem["field"], "checkIn");
}

#[tokio::test]
async fn preferences_that_do_not_fit_are_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let many: serde_json::Map<String, Value> =
        (0..51).map(|number| (format!("c{number}"), json!({"email": true}))).collect();
    for (body, code, field) in [
        (json!({"email": "nobody"}), "invalid_field", Some("email")),
        (json!({"email": "a@b@c"}), "invalid_field", Some("email")),
        (json!({"email": "a@b\r\nBcc: c@d"}), "invalid_field", Some("email")),
        (json!({"email": 7}), "invalid_body", Some("email")),
        (json!({"locale": "\u{0}"}), "invalid_field", Some("locale")),
        (json!({"timeZone": "x".repeat(65)}), "invalid_field", Some("timeZone")),
        (json!({"channels": {"No": {"email": true}}}), "invalid_field", Some("category")),
        (json!({"channels": {"social": {"email": "no"}}}), "invalid_body", Some("channels.social.email")),
        (json!({"channels": {"social": {"fax": true}}}), "invalid_body", Some("channels.social.fax")),
        (json!({"channels": many}), "invalid_field", Some("channels")),
        (json!({"colour": "red"}), "invalid_body", Some("colour")),
        (json!([]), "invalid_body", None),
    ] {
        let answer = app.put("/notifications/preferences", &app.token("ann", &[]), &body).await;
        let problem = refused(answer, 422, code);
        assert_eq!(problem.get("field").and_then(Value::as_str), field, "{body}");
    }
}

#[tokio::test]
async fn another_method_is_told_which_would_do() {
    let app = TestApp::start(Database::Sqlite).await;
    for (method, path, allow) in [
        (Method::GET, "/bookings", "POST"),
        (Method::DELETE, "/bookings/7", "GET, HEAD"),
        (Method::GET, "/bookings/7/accept", "POST"),
        (Method::PUT, "/notifications", "GET, HEAD, POST"),
        (Method::POST, "/notifications/count", "GET, HEAD"),
        (Method::GET, "/notifications/mark-read", "POST"),
        (Method::PATCH, "/notifications/preferences", "GET, HEAD, PUT"),
        (Method::POST, "/health", "GET, HEAD"),
        (Method::POST, "/ws/notifications", "GET, HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/bookings", "POST"),
    ] {
        let answer = app.send(app.client().request(method, app.url(path)), "").await;
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
        refused(answer, 405, "method_not_allowed");
    }
}

#[tokio::test]
async fn who_forbids_every_encoding_is_told_so() {
    let app = TestApp::start(Database::Sqlite).await;
    for path in ["/notifications/list", "/notifications/sse"] {
        let request = app.client().get(app.url(path)).header("accept-encoding", "identity;q=0, br");
        refused(app.send(request, &app.token("ann", &[])).await, 406, "not_acceptable");
    }
}

#[tokio::test]
async fn a_path_that_nobody_serves_is_unknown() {
    let app = TestApp::start(Database::Sqlite).await;
    for path in [
        "/nothing",
        "/assets",
        "/assets/../bellhop.js",
        "/bookings/",
        "/bookings/7/accept/now",
        "/notifications/7/now",
        "//bookings",
        "/%00",
    ] {
        refused(app.get(path, &app.token("ann", &[])).await, 404, "unknown_route");
    }
}

#[tokio::test]
async fn the_doors_of_development_are_shut_in_production() {
    let builder = TestAppBuilder::new(Database::Sqlite).with("BELLHOP_MODE", "production");
    let app = builder.with("BELLHOP__SERVER__DRAIN_NOTICE_MS", "0").start().await;
    for path in ["/dev/token", "/dev/notifications/test"] {
        let answer = app.post(path, &app.service(), &json!({"userId": "ann"})).await;
        refused(answer, 404, "unknown_route");
    }
    let app = TestApp::start(Database::Sqlite).await;
    let minted = app.post("/dev/token", "", &json!({"userId": "ann"})).await.expect(200);
    app.get("/notifications/count", minted["token"].as_str().unwrap()).await.expect(200);
    refused(app.post("/dev/token", "", &json!({"userId": "a b"})).await, 422, "invalid_field");
}

#[tokio::test]
async fn a_request_id_is_taken_over_where_it_is_harmless() {
    let app = TestApp::start(Database::Sqlite).await;
    let ask =
        async |id: &str| app.send(app.client().get(app.url("/nothing")).header("x-request-id", id), "").await;
    let answer = ask("req-7.a_B").await;
    assert_eq!(answer.header("x-request-id"), Some("req-7.a_B"));
    assert_eq!(refused(answer, 404, "unknown_route")["requestId"], "req-7.a_B");
    for id in ["", "a b", "<script>", &"x".repeat(65)] {
        let answer = ask(id).await;
        assert_ne!(answer.header("x-request-id"), Some(id));
        refused(answer, 404, "unknown_route");
    }
    let answer = app.get("/health", "").await;
    assert!(answer.header("x-request-id").is_some(), "a good answer has one too");
}

#[tokio::test]
async fn what_is_not_http_ends_the_connection_and_nothing_else() {
    let app = TestApp::start(Database::Sqlite).await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"NONSENSE\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n"]
    {
        let answer = exchange(&app, bytes);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    app.get("/health", "").await.expect(200);
}
