//! Tokens that are not believed: each kind has a code of its own, over REST and on the WebSocket door.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::app::{Database, JWT_SECRET, TestApp, booking, seconds_from_now, token_of};
use crate::support::socket::TestSocket;

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .unwrap()
}

/// A token with this header and no signature.
fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", encode(header), encode(claims))
}

fn spoilt_tokens() -> Vec<(&'static str, String)> {
    let now = seconds_from_now(0);
    let good = json!({"userId": "ann", "exp": now + 3_600});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        token_of(&claims)
    };
    let (head, signature) = {
        let token = token_of(&good);
        let (head, signature) = token.rsplit_once('.').unwrap();
        (head.to_owned(), signature.to_owned())
    };
    let other_head = token_of(&json!({"userId": "root", "role": "ADMIN", "exp": now + 3_600}));
    let other_head = other_head.rsplit_once('.').unwrap().0.to_owned();
    vec![
        ("token_malformed", "nonsense".to_owned()),
        ("token_malformed", "a.b.c".to_owned()),
        ("token_malformed", "..".to_owned()),
        ("token_malformed", "x".repeat(70_000)),
        ("token_malformed", with("exp", json!("tomorrow"))),
        ("token_malformed", with("jti", json!(""))),
        ("token_malformed", with("jti", json!("x".repeat(257)))),
        ("token_signature", signed(Algorithm::HS256, "another secret, just as long as the right one", &good)),
        ("token_signature", format!("{other_head}.{signature}")),
        ("token_signature", format!("{head}.")),
        ("token_key", signed(Algorithm::HS512, JWT_SECRET, &good)),
        ("token_key", unsigned(&json!({"alg": "none"}), &good)),
        ("token_key", unsigned(&json!({"alg": "None", "typ": "JWT"}), &good)),
        ("token_expired", with("exp", json!(now - 60))),
        ("token_not_yet_valid", with("nbf", json!(now + 600))),
        ("token_without_expiry", token_of(&json!({"userId": "ann"}))),
        ("token_without_user", token_of(&json!({"role": "ADMIN", "exp": now + 3_600}))),
        ("token_user", with("userId", json!(""))),
        ("token_user", with("userId", json!("a b"))),
        ("token_user", with("userId", json!("x".repeat(129)))),
    ]
}

#[tokio::test]
async fn every_kind_of_bad_token_has_its_code_over_rest() {
    let app = TestApp::start(Database::Sqlite).await;
    for (code, token) in spoilt_tokens() {
        let answer = app.get("/notifications/count", &token).await;
        if token.len() > 8_192 && answer.status != 401 {
            // A header that long never reaches the application.
            assert!((400..500).contains(&answer.status), "{}", answer.status);
            continue;
        }
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let problem = answer.expect_problem(401, code);
        assert!(!problem.to_string().contains(&token), "{problem}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_there_is_missing() {
    let app = TestApp::start(Database::Sqlite).await;
    for path in [
        "/notifications/count",
        "/notifications",
        "/notifications/preferences",
        "/bookings/7",
        "/ws/notifications",
    ] {
        app.get(path, "").await.expect_problem(401, "token_missing");
        app.get(&format!("{path}?token="), "").await.expect_problem(401, "token_missing");
    }
    // Who asks comes before what is asked.
    for path in ["/bookings", "/notifications", "/notifications/mark-read"] {
        app.post(path, "", &json!([])).await.expect_problem(401, "token_missing");
    }
}

#[tokio::test]
async fn an_authorization_that_is_no_bearer_is_malformed_whatever_else_is_there() {
    let app = TestApp::start(Database::Sqlite).await;
    let good = app.token("ann", &[]);
    for header in ["", "Bearer", "Bearer ", "Basic YW5uOnNlY3JldA==", &good] {
        let url = app.url(&format!("/notifications/count?token={good}"));
        let request = app.client().get(url).header("authorization", header);
        app.send(request, "").await.expect_problem(401, "authorization_malformed");
    }
}

#[tokio::test]
async fn a_token_is_found_in_header_cookie_and_query() {
    let app = TestApp::start(Database::Sqlite).await;
    let good = app.token("ann", &[]);
    let url = app.url("/notifications/count");
    for request in [
        app.client().get(&url).header("authorization", format!("bearer {good}")),
        app.client().get(&url).header("cookie", format!("theme=dark; token={good}")),
        app.client().get(format!("{url}?x=1&token={good}")),
    ] {
        app.send(request, "").await.expect(200);
    }
    let bad_cookie = app.client().get(format!("{url}?token={good}")).header("cookie", "token=nonsense");
    app.send(bad_cookie, "").await.expect_problem(401, "token_malformed");
}

#[tokio::test]
async fn no_bad_token_opens_a_socket() {
    let app = TestApp::start(Database::Sqlite).await;
    for (code, token) in spoilt_tokens().into_iter().filter(|(_, token)| token.len() < 8_192) {
        let refused = TestSocket::try_open(app.address(), "/ws/notifications", &token).await;
        assert_eq!(refused.map(drop), Err(401), "{code}");
        let path = format!("/ws/notifications?token={token}");
        let refused = TestSocket::try_open(app.address(), &path, "").await;
        assert_eq!(refused.map(drop), Err(401), "{code}");
    }
}

#[tokio::test]
async fn no_failure_repeats_a_token() {
    let app = TestApp::start(Database::Sqlite).await;
    let good = app.token("ann", &[]);
    for path in ["/nothing", "/bookings/7", "/notifications/list?limit=0", "/dev/token"] {
        let joint = if path.contains('?') { '&' } else { '?' };
        let answer = app.get(&format!("{path}{joint}token={good}"), &good).await;
        assert!((400..500).contains(&answer.status), "{path}");
        assert!(!answer.text.contains(&good), "{}", answer.text);
        assert!(answer.headers.values().all(|value| value != good.as_str()), "{:?}", answer.headers);
    }
    let metrics = app.get("/metrics", "").await;
    assert!(metrics.status == 200 && !metrics.text.contains(&good));
}

/// PostgreSQL cannot hold a NUL; one person's odd token must not spoil what others send beside it.
#[tokio::test]
async fn a_claim_with_a_nul_keeps_nobody_out() {
    let app = TestApp::start(Database::Postgres).await;
    let exp = seconds_from_now(3_600);
    for (claim, value) in [
        ("name", json!("Ann\u{0}")),
        ("locale", json!("e\u{0}n")),
        ("tz", json!("\u{0}")),
        ("role", json!("CUST\u{0}OMER")),
        ("sessionId", json!("s\u{0}1")),
        ("email", json!("a\u{0}@b.c")),
    ] {
        let mut claims = json!({"userId": "ann", "exp": exp});
        claims[claim] = value;
        let token = token_of(&claims);
        app.connect_with(&token, "").await.close().await;
        app.post("/bookings", &token, &booking("host-7")).await.expect(201);
    }
}
