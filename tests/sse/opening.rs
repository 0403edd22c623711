//! Who is let in, and what an event looks like.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::on_both_databases;
use crate::support::deadline::{soon, wait_until_async};
use crate::support::event_stream::{Ask, EventStream};
use crate::support::records::texts;

/// Nothing is mailed while a slow machine works.
const PATIENT: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

async fn open(app: &TestApp, user: &str) -> EventStream {
    EventStream::open(app, &Ask::new(&app.token(user, &["PROFESSIONAL"]))).await
}

/// How many streams are open.
async fn streams(app: &TestApp) -> String {
    let page = app.get("/metrics", "").await;
    let line = page.text.lines().find_map(|line| line.strip_prefix("bellhop_sessions_open{door=\"sse\"} "));
    line.unwrap_or("0").to_owned()
}

on_both_databases! {
    async fn a_booking_comes_once_under_its_type_with_its_seq_as_id(app, super::PATIENT) {
        let mut stream = open(&app, "host").await;
        let connected = stream.next_event("connected").await;
        assert_eq!((&connected.data["userId"], &connected.data["seq"]), (&json!("host"), &json!(0)));
        let booked = app.book("guest", "host").await;
        let booking = stream.next().await.expect("the booking");
        assert_eq!((booking.name.as_str(), booking.id.as_deref()), ("booking.created", Some("1")));
        assert_eq!(booking.data["id"], booked["notification"]["id"]);
        assert_eq!((&booking.data["seq"], &booking.data["isRead"]), (&json!(1), &json!(false)));
        let count = stream.next().await.expect("the count");
        assert_eq!((count.name.as_str(), &count.data), ("notification:unread_count", &json!({"unread": 1, "seq": 1})));
        app.tell("host", 1).await;
        assert_eq!(stream.next_event("note").await.id.as_deref(), Some("2"));
    }

    async fn every_device_learns_at_once_what_was_read_on_another(app, super::PATIENT) {
        app.tell("host", 3).await;
        let mut stream = open(&app, "host").await;
        assert_eq!(stream.next_event("connected").await.data["unread"], 3);
        let token = app.token("host", &[]);
        app.post("/notifications/mark-read", &token, &json!({"upTo": 2})).await.expect(200);
        assert_eq!(stream.next_event("notificationRead").await.data["upTo"], 2);
        assert_eq!(stream.next_event("notification:unread_count").await.data, json!({"unread": 1, "seq": 3}));
    }

    async fn who_wants_some_types_only_gets_no_others(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[])).with_query("?events=booking.created,LIKE&since=0");
        app.tell("host", 1).await;
        let mut stream = EventStream::open(&app, &ask).await;
        app.tell("host", 1).await;
        app.book("guest", "host").await;
        let events = stream.until("booking.created").await;
        assert!(events.iter().all(|event| event.name != "note"), "{events:?}");
        assert_eq!(events.last().and_then(|booking| booking.id.as_deref()), Some("3"));
        // That it comes back proves nothing of what it was not given.
        let mut again = EventStream::open(&app, &ask.after("3")).await;
        again.until("resumed").await;
        let mut socket = app.connect_with(&app.token("host", &[]), "?events=note").await;
        app.book("guest", "host").await;
        app.tell("host", 1).await;
        assert_eq!(socket.next_event("note").await["seq"], 5);
        // Which also reads on, and so answers pings.
        assert!(socket.events_so_far().await.iter().all(|event| event.name != "booking.created"));
        let confirmed = "SELECT notification_id AS value FROM deliveries WHERE state = 'confirmed'";
        let notes = texts(app.database_url(), "SELECT id AS value FROM notifications WHERE seq = 5");
        wait_until_async("the one that was wanted to be confirmed, and no other", async || {
            (texts(app.database_url(), confirmed) == notes).then_some(())
        })
        .await;
    }

    async fn who_hangs_up_is_gone_within_seconds(app) {
        let mut stream = open(&app, "host").await;
        stream.next_event("connected").await;
        assert_eq!(streams(&app).await, "1");
        drop(stream);
        wait_until_async("the stream to be gone", async || (streams(&app).await == "0").then_some(())).await;
    }
}

#[tokio::test]
async fn a_stream_says_that_nobody_is_to_keep_compress_or_hold_it_back() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let ask = Ask::new(&app.token("host", &[])).with_header("accept-encoding", "gzip, deflate, br");
    let mut stream = EventStream::open(&app, &ask).await;
    let header = |name: &str| stream.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(header("cache-control").as_deref(), Some("private, no-cache, no-store, no-transform"));
    assert_eq!(header("x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(header("content-encoding").as_deref(), Some("identity"), "as it is, and at once");
    assert_eq!(header("transfer-encoding").as_deref(), Some("chunked"));
    stream.next_event("connected").await;
    assert_eq!(stream.retry().len(), 1);
    assert!((1500..=4500).contains(&stream.retry()[0]), "{:?}", stream.retry());
}

#[tokio::test]
async fn clients_are_told_different_times_to_come_back_after() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut stream = EventStream::open(&app, &Ask::new(&app.token("host", &[]))).await;
        stream.next_event("connected").await;
        times.extend_from_slice(stream.retry());
    }
    times.dedup();
    assert!(times.len() > 1, "{times:?}");
}

#[tokio::test]
async fn the_token_is_taken_from_the_header_the_cookie_or_the_url() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let token = app.token("host", &[]);
    for ask in [
        Ask::new(&token),
        Ask::new("").with_header("cookie", &format!("token={token}")),
        Ask::new("").with_query(&format!("?token={token}")),
    ] {
        let mut stream = EventStream::open(&app, &ask).await;
        assert_eq!(stream.next_event("connected").await.data["userId"], "host", "{ask:?}");
    }
}

#[tokio::test]
async fn a_ticket_in_the_url_lets_in_once() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let token = app.token("host", &[]);
    let issued = app.post("/notifications/tickets", &token, &json!({"door": "sse"})).await.expect(201);
    let ask = Ask::new("").with_query(&format!("?ticket={}", issued["ticket"].as_str().unwrap()));
    let mut stream = EventStream::open(&app, &ask).await;
    assert_eq!(stream.next_event("connected").await.data["userId"], "host");
    let again = EventStream::request(&app, &ask).await;
    assert_eq!(again.status(), 401);
    assert_eq!(again.json::<serde_json::Value>().await.unwrap()["code"], "ticket_invalid");
    let other = app.post("/notifications/tickets", &token, &json!({"door": "websocket"})).await.expect(201);
    let ask = Ask::new("").with_query(&format!("?ticket={}", other["ticket"].as_str().unwrap()));
    assert_eq!(EventStream::request(&app, &ask).await.status(), 401, "it is for another door");
}

#[tokio::test]
async fn who_is_not_to_come_in_is_told_why_before_anything_is_joined() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let token = app.token("host", &[]);
    let expired = token_of(&json!({"userId": "host", "exp": seconds_from_now(-3_600)}));
    for (ask, status, code) in [
        (Ask::new(""), 401, "token_missing"),
        (Ask::new("nonsense"), 401, "token_malformed"),
        (Ask::new(&expired), 401, "token_expired"),
        (Ask::new(&token).with_header("origin", "https://evil.example"), 403, "origin_not_allowed"),
        (Ask::new(&token).with_query("?ttl=never"), 400, "invalid_query"),
        (Ask::new(&token).with_query("?since=-1"), 400, "invalid_query"),
        (Ask::new(&token).after("yesterday"), 400, "invalid_last_event_id"),
        (Ask::new(&token).after("7-8"), 400, "invalid_last_event_id"),
        (Ask::new(&token).with_query("?lastEventId=x"), 400, "invalid_last_event_id"),
    ] {
        let response = EventStream::request(&app, &ask).await;
        assert_eq!(response.status(), status, "{ask:?}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{ask:?}");
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["code"], code, "{ask:?}");
    }
    assert_eq!(streams(&app).await, "0");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_the_stream_with_credentials() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let ask = Ask::new(&app.token("host", &[])).with_header("origin", "http://localhost:5173");
    let stream = EventStream::open(&app, &ask).await;
    assert_eq!(stream.headers()["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(stream.headers()["access-control-allow-credentials"], "true");
    let preflight = app
        .client()
        .request(reqwest::Method::OPTIONS, app.url("/notifications/sse"))
        .header("origin", "http://localhost:5173")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization, cache-control, last-event-id");
    let answer = soon("an answer", preflight.send()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let foreign = app
        .client()
        .request(reqwest::Method::OPTIONS, app.url("/notifications/sse"))
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "GET");
    app.send(foreign, "").await.expect_problem(400, "origin_not_allowed");
}

#[tokio::test]
async fn what_a_back_end_laid_out_over_several_lines_is_one_event() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let mut stream = open(&app, "host").await;
    stream.next_event("connected").await;
    let body = "{\"userId\": \"host\", \"type\": \"note\", \"passing\": true, \"message\": \"a\\nb\\r\\u2028c\",\n  \"data\": {\r\n  \"a\": 1,\n\n\"b\": \"x\\n\\ny\"}}";
    let request = app.client().post(app.url("/notifications")).header("content-type", "application/json");
    app.send(request.body(body), &app.service()).await.expect(202);
    let note = stream.next_event("note").await;
    assert_eq!(note.data["data"], json!({"a": 1, "b": "x\n\ny"}));
    assert_eq!(note.data["message"], "a\nb\r\u{2028}c");
    assert_eq!((note.id, &note.data["seq"]), (None, &json!(null)), "it has no place");
}

/// The lines that the presence document gives for trying it out.
#[tokio::test]
async fn curl_reads_it_as_documented() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let authorization = format!("Authorization: Bearer {}", app.token("7", &["PROFESSIONAL"]));
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--no-buffer", "-H", &authorization])
        .args(["-H", "Accept: text/event-stream", "-H", "Cache-Control: no-cache"])
        .arg(app.url("/notifications/sse?once=true&since=0"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    wait_until_async("the stream to be open", async || (streams(&app).await == "1").then_some(())).await;
    app.tell("7", 1).await;
    let output = soon("the end of the stream", curl.wait_with_output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in ["event: connected", "event: note", "id: 1", "event: close"] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}
