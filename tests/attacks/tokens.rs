//! Tokens that should not be believed, shown at every door in every place, and to sessions that are open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::support::app::{Database, JWT_SECRET, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::door::{Call, Close, Door, End};
use crate::support::event_stream::{Ask, EventStream};
use crate::support::raw_socket::RawSocket;
use crate::support::socket::{Link, TestSocket};
use crate::support::tickets::{Entry, enter, enter_raw};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/keys/", $name))
    };
}

const KEY_SET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys/jwks.json");

/// The claims of the administrator whom an attacker would like to be.
fn claims() -> Value {
    let (iat, exp) = (seconds_from_now(-5), seconds_from_now(3_600));
    json!({"userId": "root", "role": "ADMIN", "jti": "stolen", "iat": iat, "exp": exp})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// A token with any header, signed in any way.
fn forged(header: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(&claims()));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn unsigned(algorithm: &str) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", encode(&json!({"alg": algorithm, "typ": "JWT"})), encode(&claims()))
}

/// Tokens with the code that each is refused with, by a server that knows a secret and a key set.
fn tokens() -> Vec<(&'static str, String)> {
    let rsa = EncodingKey::from_rsa_pem(fixture!("rsa_private.pem").as_bytes()).unwrap();
    let ec = EncodingKey::from_ec_pem(fixture!("p256_private.pem").as_bytes()).unwrap();
    let secret = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let public = EncodingKey::from_secret(fixture!("rsa_public.pem").as_bytes());
    let own = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("mine")});
    let mine = EncodingKey::from_secret(b"mine");
    let (hs, rs) = (Algorithm::HS256, Algorithm::RS256);
    vec![
        // By such a jti they could not be revoked.
        ("token_malformed", token_of(&with("jti", json!("")))),
        ("token_malformed", token_of(&with("jti", json!("x".repeat(257))))),
        ("token_malformed", token_of(&with("jti", json!("a\nb")))),
        ("token_expired", token_of(&with("exp", json!(seconds_from_now(-60))))),
        ("token_not_yet_valid", token_of(&with("nbf", json!(seconds_from_now(600))))),
        ("token_key", unsigned("none")),
        ("token_key", unsigned("NONE")),
        ("token_signature", unsigned("HS256")),
        ("token_signature", unsigned("RS256")),
        // The public key, which everybody has, as a secret.
        ("token_signature", forged(&json!({"alg": "HS256"}), hs, &public)),
        ("token_signature", forged(&json!({"alg": "HS256", "kid": "test-rsa"}), hs, &public)),
        ("token_signature", forged(&json!({"alg": "RS256", "kid": "test-rsa"}), hs, &public)),
        // The kid of a key of another kind, of none, and of a file.
        ("token_key", forged(&json!({"alg": "RS256", "kid": "test-ec"}), rs, &rsa)),
        ("token_key", forged(&json!({"alg": "ES256", "kid": "test-rsa"}), Algorithm::ES256, &ec)),
        ("token_key", forged(&json!({"alg": "RS256", "kid": "../../dev/null"}), rs, &rsa)),
        ("token_key", forged(&json!({"alg": "RS256", "kid": "' OR 1=1 --"}), rs, &rsa)),
        ("token_signature", forged(&json!({"alg": "ES256", "kid": "test-ec"}), rs, &rsa)),
        ("token_key", forged(&json!({"alg": "HS512"}), Algorithm::HS512, &secret)),
        // A key that the token brings along.
        ("token_signature", forged(&json!({"alg": "HS256", "jwk": own}), hs, &mine)),
        ("token_signature", forged(&json!({"alg": "HS256", "jku": "http://127.0.0.1/keys"}), hs, &mine)),
        ("token_malformed", forged(&json!({"alg": "HS256", "crit": ["exp"]}), hs, &secret)),
    ]
}

async fn server(door: Door) -> TestApp {
    TestAppBuilder::new(Database::Sqlite)
        .with("JWT_JWKS_FILE", KEY_SET)
        .with("RATE_LIMIT_MAX_REQUESTS", "1000")
        .through(door)
        .start()
        .await
}

async fn revoke(app: &TestApp, user: &str, what: &Value) {
    let path = format!("/admin/users/{user}/revoke");
    app.post(&path, &app.token("operator", &["ADMIN"]), what).await.expect(200);
}

/// What is told whoever shows a token where a client of this door can: a header or a first packet, the URL, a cookie.
async fn shown(door: Door, app: &TestApp, token: &str) -> Vec<Entry> {
    let (address, query) = (app.address(), format!("token={token}"));
    let cookie = format!("token={token}");
    match door {
        Door::Raw => {
            let bearer = format!("Bearer {token}");
            vec![
                enter_raw(address, "", &[("Authorization", &bearer)]).await,
                enter_raw(address, "", &[("Cookie", &cookie)]).await,
                enter_raw(address, &query, &[]).await,
            ]
        }
        Door::Sse => {
            let places = [
                Ask::new(token),
                Ask::new("").with_header("cookie", &cookie),
                Ask::new("").with_query(&format!("?{query}")),
            ];
            join_all(places.iter().map(async |ask| stream(app, ask).await)).await
        }
        door => {
            let Ok(mut link) = Link::open(&Call::new(door, address, token)).await else {
                panic!("no handshake");
            };
            let said = match link.receive().await {
                Ok(connected) => Entry::by(connected.data["userId"].as_str().expect("a user")),
                Err(End { close: Close::Refused(data), .. }) => {
                    Entry::refused(data["data"]["code"].as_str().expect("a code"))
                }
                Err(end) => panic!("{end:?}"),
            };
            vec![said, enter(door, address, &query).await]
        }
    }
}

/// What a stream is answered.
async fn stream(app: &TestApp, ask: &Ask) -> Entry {
    let answer = EventStream::request(app, ask).await;
    if answer.status() == 200 {
        let connected = EventStream::reading(answer).next_event("connected").await;
        return Entry::by(connected.data["userId"].as_str().expect("a user"));
    }
    let problem: Value = answer.json().await.unwrap();
    Entry::refused(problem["code"].as_str().expect("a code"))
}

/// What requests are told, in the header, the cookie and the URL.
async fn assert_requests_are_refused(app: &TestApp, token: &str, code: &str) {
    let url = app.url("/notifications/count");
    for request in [
        app.client().get(&url).bearer_auth(token),
        app.client().get(&url).header("cookie", format!("token={token}")),
        app.client().get(format!("{url}?token={token}")),
        app.client().get(app.url("/admin/audit")).bearer_auth(token),
        app.client().post(app.url("/notifications/tickets")).bearer_auth(token).json(&json!({"door": "sse"})),
    ] {
        let problem = app.send(request, "").await.expect_problem(401, code);
        assert!(!problem.to_string().contains(token), "{problem}");
    }
}

#[tokio::test]
async fn no_forged_spent_or_revoked_token_is_believed_at_any_door() {
    for door in [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse] {
        let app = server(door).await;
        revoke(&app, "root", &json!({"jti": "stolen"})).await;
        revoke(&app, "ann", &json!({})).await;
        let old = json!({"userId": "ann", "iat": seconds_from_now(-5), "exp": seconds_from_now(60)});
        let dateless = json!({"userId": "ann", "exp": seconds_from_now(60)});
        let revoked = [claims(), old, dateless].map(|claims| ("token_revoked", token_of(&claims)));
        for (code, token) in tokens().into_iter().chain(revoked) {
            for entry in shown(door, &app, &token).await {
                assert_eq!(entry, Entry::refused(code), "over {door:?}: {token}");
            }
            assert_requests_are_refused(&app, &token, code).await;
        }
        // The door is not just shut.
        for entry in shown(door, &app, &app.token("root", &["ADMIN"])).await {
            assert_eq!(entry, Entry::by("root"), "over {door:?}");
        }
    }
}

#[tokio::test]
async fn no_session_goes_on_by_a_token_that_opens_none() {
    for door in Door::ALL {
        let app = server(door).await;
        revoke(&app, "root", &json!({"jti": "stolen"})).await;
        let mine = json!({"userId": "root", "jti": "mine", "iat": seconds_from_now(0), "exp": seconds_from_now(600)});
        let mut device = app.connect_with(&token_of(&mine), "").await;
        let stolen = [("token_revoked", token_of(&claims())), ("other_user", app.token("eve", &["ADMIN"]))];
        for (code, token) in tokens().into_iter().chain(stolen) {
            let answer = device.ask("refreshToken", json!({ "token": token })).await;
            assert_eq!(answer["code"], code, "over {door:?}: {token}");
            assert!(!answer.to_string().contains(&token), "{answer}");
        }
        let room = json!({"room": "role:ADMIN"});
        assert_eq!(device.ask("joinRoom", room).await["code"], "forbidden", "over {door:?}");
        // It goes on by the token that it came with, and ends with that.
        revoke(&app, "root", &json!({"jti": "mine"})).await;
        device.expect_end(4003, "token_revoked").await;
    }
}

#[tokio::test]
async fn no_ticket_outlives_its_use_or_its_token() {
    for door in [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade] {
        let app = server(door).await;
        let token = token_of(&claims());
        let (used, kept) = (app.ticket(&token, door.label()).await, app.ticket(&token, door.label()).await);
        assert_eq!(app.enter(&format!("ticket={used}")).await, Entry::by("root"));
        assert_eq!(app.enter(&format!("ticket={used}")).await, Entry::refused("ticket_invalid"));
        revoke(&app, "root", &json!({"jti": "stolen"})).await;
        assert_eq!(app.enter(&format!("ticket={kept}")).await, Entry::refused("token_revoked"));
        assert_eq!(app.enter(&format!("ticket={kept}")).await, Entry::refused("ticket_invalid"), "used up");
    }
    let app = server(Door::Raw).await;
    let (token, ask) =
        (token_of(&claims()), |ticket: &str| Ask::new("").with_query(&format!("?ticket={ticket}")));
    let (used, kept) = (app.ticket(&token, "sse").await, app.ticket(&token, "sse").await);
    assert_eq!(stream(&app, &ask(&used)).await, Entry::by("root"));
    assert_eq!(stream(&app, &ask(&used)).await, Entry::refused("ticket_invalid"));
    revoke(&app, "root", &json!({})).await;
    assert_eq!(stream(&app, &ask(&kept)).await, Entry::refused("token_revoked"));
}

/// However a handshake and the order meet, nobody is in who should be out.
#[tokio::test]
async fn nobody_slips_in_while_a_token_is_being_revoked() {
    const AT_ONCE: usize = 40;
    for door in Door::ALL {
        let app = server(door).await;
        let token = token_of(&claims());
        let attempts = (0..AT_ONCE).map(|n| {
            let (token, app) = (&token, &app);
            async move {
                let ticket =
                    if n % 2 == 0 { Some(app.ask_for_ticket(token, door.label()).await) } else { None };
                let call = match ticket.filter(|answer| answer.status == 201) {
                    Some(answer) => {
                        let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
                        Call::new(door, app.address(), "").asking(&format!("ticket={ticket}"))
                    }
                    None => Call::new(door, app.address(), token),
                };
                TestSocket::try_call(&call).await.ok()
            }
        });
        let stolen = json!({"jti": "stolen"});
        let order = revoke(&app, "root", &stolen);
        let (devices, ()) = tokio::join!(join_all(attempts), order);
        for mut device in devices.into_iter().flatten() {
            device.end().await;
        }
        let admin = app.token("operator", &["ADMIN"]);
        let presence = app.get("/admin/presence", &admin).await.expect(200);
        assert_eq!(presence["connections"], 0, "over {door:?}: {presence}");
    }
}

/// What waits on the server for a client that does not read is not given to it after its token was revoked.
#[tokio::test]
async fn what_waits_for_a_client_goes_with_its_token() {
    const NOTES: usize = 5;
    let app = server(Door::Raw).await;
    let token = token_of(&claims());
    let mut device = RawSocket::open_narrow(app.address(), &token).await;
    assert_eq!(device.next_event().await["event"], "connected");
    let long = "x".repeat(45_000);
    for _ in 0..NOTES {
        let note =
            json!({"userId": "root", "type": "note", "title": "A", "message": "B", "data": {"long": long}});
        app.post("/notifications", &app.service(), &note).await.expect(201);
    }
    revoke(&app, "root", &json!({"jti": "stolen"})).await;
    let mut given = 0;
    while let Some(frame) = device.next_frame().await {
        given += usize::from(frame.payload.starts_with(b"{\"event\":\"note\""));
    }
    assert!(given < NOTES, "all {given} notes were given");
}
