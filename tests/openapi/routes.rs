//! That the document and the server name the same routes: the paths as the sources register them, the methods
//! as the running server tells them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::support::app::{Database, TestApp, TestAppBuilder};

/// Other spellings of a path that the document has: what it says of the one is true of the other.
const ALIASES: [(&str, &str); 3] = [
    ("/socket.io", "/socket.io/"),
    ("/ws/notifications/", "/socket.io/"),
    ("/ws/notifications", "/ws/notifications"),
];

/// The paths that the doors of Engine.IO clients register by constants, which answer every method themselves.
const ENGINE_IO: [&str; 4] = ["/socket.io", "/socket.io/", "/ws/notifications", "/ws/notifications/"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The paths that the sources register: `resource("/…"`, wherever the line is broken.
fn registered() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut paths: BTreeSet<String> = ENGINE_IO.map(str::to_owned).into();
    for file in files {
        let text: String = fs::read_to_string(&file).unwrap().split_whitespace().collect::<Vec<_>>().join("");
        for call in text.split("resource(").skip(1) {
            match call.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                Some(path) => drop(paths.insert(path.to_owned())),
                None => {
                    assert!(
                        call.starts_with("path"),
                        "a path that this test cannot read: {}",
                        file.display()
                    );
                }
            }
        }
        for other in ["scope(\"", ".route(\"", "#[get(", "#[post("] {
            assert!(
                !text.contains(other),
                "{} registers by {other}, which this test cannot read",
                file.display()
            );
        }
    }
    paths
}

/// The methods that the document has for each path.
fn described(document: &Value) -> Vec<(String, BTreeSet<String>)> {
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn every_path_that_is_registered_is_described_and_the_other_way_round() {
    let app = TestApp::start(Database::Sqlite).await;
    let document = app.get("/openapi.json", "").await.expect(200);
    let described: BTreeSet<String> = described(&document).into_iter().map(|(path, _)| path).collect();
    let canonical = |path: String| {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == path);
        alias.map_or(path, |(_, canonical)| (*canonical).to_owned())
    };
    let registered: BTreeSet<String> = registered().into_iter().map(canonical).collect();
    assert!(registered.len() > 15, "the scan found only {registered:?}");
    assert_eq!(registered, described);
}

#[tokio::test]
async fn every_method_that_a_path_takes_is_described_and_the_other_way_round() {
    let app = TestApp::start(Database::Sqlite).await;
    let document = app.get("/openapi.json", "").await.expect(200);
    for (path, methods) in described(&document) {
        if path == "/socket.io/" {
            assert_eq!(methods, BTreeSet::from(["GET".to_owned(), "POST".to_owned()]));
            continue;
        }
        let url = app.url(&path.replace(['{', '}'], ""));
        let brew = Method::from_bytes(b"BREW").unwrap();
        let answer = app.send(app.client().request(brew, url), "").await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed: BTreeSet<String> =
            answer.header("allow").unwrap().split(", ").map(str::to_owned).collect();
        // What GET answers, HEAD answers without its body.
        let said = |methods: BTreeSet<String>| -> BTreeSet<String> {
            methods.into_iter().filter(|method| method != "HEAD").collect()
        };
        assert_eq!(said(allowed), methods, "{path}");
    }
}

#[tokio::test]
async fn the_document_of_a_server_in_production_has_no_routes_of_development() {
    let app = TestAppBuilder::new(Database::Sqlite).with("BELLHOP_MODE", "production").start().await;
    let document = app.get("/openapi.json", "").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/bookings"));
    assert!(!paths.keys().any(|path| path.starts_with("/dev")), "{:?}", paths.keys());
}
