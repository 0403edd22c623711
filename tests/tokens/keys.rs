//! Keys that change while the server runs: files that are replaced in every way, and secrets of before.

use std::fs;
use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::app::{Database, JWT_SECRET, TestApp, TestAppBuilder, seconds_from_now, token_for};
use crate::support::both::on_every_door;
use crate::support::deadline::wait_until_async;
use crate::support::records::texts;

const OTHER_SECRET: &str = "the secret of last year; of more than 32 bytes";

fn fixture(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The key set with these of its keys only.
fn key_set(kids: &[&str]) -> String {
    let mut set: Value = serde_json::from_str(&fixture("jwks.json")).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.retain(|key| kids.iter().any(|kid| key["kid"] == *kid));
    assert_eq!(keys.len(), kids.len());
    set.to_string()
}

fn claims() -> Value {
    json!({"userId": "ann", "iat": seconds_from_now(0), "exp": seconds_from_now(3_600)})
}

fn by_rsa() -> String {
    let key = EncodingKey::from_rsa_pem(fixture("rsa_private.pem").as_bytes()).unwrap();
    let header = Header { kid: Some("test-rsa".to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, &claims(), &key).unwrap()
}

fn by_ec() -> String {
    let key = EncodingKey::from_ec_pem(fixture("p256_private.pem").as_bytes()).unwrap();
    let header = Header { kid: Some("test-ec".to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, &claims(), &key).unwrap()
}

async fn await_status(app: &TestApp, token: &str, status: u16) {
    wait_until_async(format_args!("a token to be answered {status}"), async || {
        (app.get("/notifications/count", token).await.status == status).then_some(())
    })
    .await;
}

async fn reloads(app: &TestApp, outcome: &str) -> u64 {
    let metrics = app.get("/metrics", "").await.expect_text(200);
    let name = format!("bellhop_key_reloads_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

async fn await_failure(app: &TestApp, count: u64) {
    wait_until_async(format_args!("{count} failures"), async || {
        (reloads(app, "failed").await >= count).then_some(())
    })
    .await;
}

/// A folder with a key set, and a server that reads it and looks often.
async fn with_key_set(kids: &[&str]) -> (tempfile::TempDir, PathBuf, TestApp) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    fs::write(&file, key_set(kids)).unwrap();
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("JWT_JWKS_FILE", file.to_str().unwrap())
        .with("BELLHOP__AUTH__KEY_POLL_MS", "20")
        .start()
        .await;
    (folder, file, app)
}

fn replace(file: &Path, text: &str) {
    let next = file.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, file).unwrap();
}

#[tokio::test]
async fn a_key_set_that_is_replaced_is_read_without_a_restart() {
    let (_folder, file, app) = with_key_set(&["test-rsa"]).await;
    let (rsa, ec, secret) = (by_rsa(), by_ec(), app.token("ann", &[]));
    app.assert_believes(&rsa).await;
    app.assert_refuses(&ec, "token_key").await;

    // The next key is published first, the one of before is taken out when nobody needs it.
    replace(&file, &key_set(&["test-rsa", "test-ec"]));
    await_status(&app, &ec, 200).await;
    app.assert_believes(&rsa).await;
    let mut old = app.connect_with(&rsa, "").await;
    let mut new = app.connect_with(&ec, "").await;
    let ticket = app.ticket(&rsa, "websocket").await;
    // Written over in place this time.
    fs::write(&file, key_set(&["test-ec"])).unwrap();
    old.expect_end(4005, "key_withdrawn").await;
    app.assert_refuses(&rsa, "token_key").await;
    let entry = app.enter(&format!("ticket={ticket}")).await;
    assert_eq!(entry, crate::support::tickets::Entry::refused("token_key"));
    assert_eq!(new.events_so_far().await, []);
    app.assert_believes(&ec).await;
    app.assert_believes(&secret).await;
    assert!(reloads(&app, "loaded").await >= 2);
}

#[tokio::test]
async fn a_broken_file_keeps_the_keys_of_before_and_is_told_once() {
    let (_folder, file, app) = with_key_set(&["test-rsa"]).await;
    let rsa = by_rsa();
    let mut device = app.connect_with(&rsa, "").await;
    let broken =
        ["", "{", r#"{"keys": []}"#, r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}"#];
    for (count, text) in (1..).zip(broken) {
        replace(&file, text);
        await_failure(&app, count).await;
        app.assert_believes(&rsa).await;
    }
    fs::remove_file(&file).unwrap();
    await_failure(&app, 5).await;
    app.assert_believes(&rsa).await;
    assert_eq!(device.events_so_far().await, []);
    replace(&file, &key_set(&["test-ec"]));
    device.expect_end(4005, "key_withdrawn").await;
    assert_eq!(reloads(&app, "failed").await, 5, "each state of the file once");
}

/// As Kubernetes swaps a mounted secret: a link to a folder is replaced, and the file's own path never changes.
#[tokio::test]
async fn a_link_that_is_swapped_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, kid) in [("1", "test-rsa"), ("2", "test-ec")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("jwks.json"), key_set(&[kid])).unwrap();
    }
    symlink("1", at("..data")).unwrap();
    symlink("..data/jwks.json", at("jwks.json")).unwrap();
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("JWT_JWKS_FILE", at("jwks.json").to_str().unwrap())
        .with("BELLHOP__AUTH__KEY_POLL_MS", "20")
        .start()
        .await;
    app.assert_believes(&by_rsa()).await;
    symlink("2", at("..next")).unwrap();
    fs::rename(at("..next"), at("..data")).unwrap();
    await_status(&app, &by_ec(), 200).await;
    app.assert_refuses(&by_rsa(), "token_key").await;
}

#[tokio::test]
async fn a_public_key_in_a_file_is_replaced_likewise() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.pem");
    fs::write(&file, fixture("rsa_public.pem")).unwrap();
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("JWT_PUBLIC_KEY_FILE", file.to_str().unwrap())
        .with("BELLHOP__AUTH__KEY_POLL_MS", "20")
        .start()
        .await;
    app.assert_believes(&by_rsa()).await;
    replace(&file, &fixture("rsa_private.pem"));
    await_failure(&app, 1).await;
    app.assert_believes(&by_rsa()).await;
    replace(&file, &fixture("p256_public.pem"));
    await_status(&app, &by_ec(), 200).await;
    app.assert_refuses(&by_rsa(), "token_key").await;
}

on_every_door! {
    async fn a_secret_of_before_is_believed_and_signs_nothing(app, [("JWT_SECRET_PREVIOUS", super::OTHER_SECRET)]) {
        let key = EncodingKey::from_secret(OTHER_SECRET.as_bytes());
        let old = jsonwebtoken::encode(&Header::default(), &claims(), &key).unwrap();
        app.assert_believes(&old).await;
        let mut device = app.connect_with(&old, "").await;
        let answer = device.ask("refreshToken", json!({"token": token_for("ann", &[])})).await;
        assert!(answer["expiresAt"].is_string(), "{answer}");
        let minted = app.post("/dev/token", "", &json!({"userId": "ann"})).await.expect(200);
        let minted = minted["token"].as_str().expect("a token");
        let now = jsonwebtoken::DecodingKey::from_secret(JWT_SECRET.as_bytes());
        let read = jsonwebtoken::decode::<Value>(minted, &now, &jsonwebtoken::Validation::default());
        assert!(read.expect("signed by the secret of now").claims["jti"].is_string(), "and can be revoked");
        assert_eq!(texts(app.database_url(), "SELECT bearer AS value FROM tickets").len(), 0);
    }
}
