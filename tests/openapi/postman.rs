//! The Postman collection: that the one in the repository is current, and that it has every request.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::app::{Database, TestApp};
use crate::support::process::ProcessBuilder;

fn kept() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("postman/notifications.json");
    std::fs::read_to_string(path).expect("the collection is there")
}

#[test]
fn the_collection_is_current() {
    let mut process = ProcessBuilder::new(&["postman"]).spawn();
    assert!(process.wait().success());
    // A thread reads what the process wrote: wait until all of it is there.
    process.wait_for_output("\n}\n");
    let same = process.output() == kept();
    assert!(same, "it is not: run `cargo run -- postman > postman/notifications.json`");
}

#[tokio::test]
async fn every_operation_of_the_document_is_a_request_of_the_collection() {
    let app = TestApp::start(Database::Sqlite).await;
    let document = app.get("/openapi.json", "").await.expect(200);
    let operations: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let path = path.replace('{', ":").replace('}', "");
            item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let collection: Value = serde_json::from_str(&kept()).unwrap();
    let mut requests = BTreeSet::new();
    for folder in collection["item"].as_array().unwrap() {
        for item in folder["item"].as_array().unwrap() {
            let (request, url) = (&item["request"], item["request"]["url"]["raw"].as_str().unwrap());
            let path = url.strip_prefix("{{baseUrl}}").expect("an address that can be changed");
            requests.insert(format!("{} {path}", request["method"].as_str().unwrap()));
            if let Some(body) = request["body"]["raw"].as_str().filter(|_| path != "/socket.io/") {
                serde_json::from_str::<Value>(body).unwrap_or_else(|error| panic!("{url}: {error}"));
            }
        }
    }
    assert_eq!(requests, operations);
}

#[tokio::test]
async fn the_bodies_of_the_collection_do_what_they_say() {
    let mut app = TestApp::start(Database::Sqlite).await;
    app.leave_mail_unread();
    let collection: Value = serde_json::from_str(&kept()).unwrap();
    for (name, status) in [
        ("Get a token", 200),
        ("Notify anybody", 201),
        ("Book", 201),
        ("Notify", 201),
        ("Mark notifications as read", 200),
        ("Confirm receipt", 200),
        ("Get a ticket", 201),
        ("Choose your preferences", 200),
    ] {
        let folders = collection["item"].as_array().unwrap().iter();
        let mut items = folders.flat_map(|folder| folder["item"].as_array().unwrap());
        let item = items.find(|item| item["name"] == name).unwrap_or_else(|| panic!("no request {name:?}"));
        let path = item["request"]["url"]["raw"].as_str().unwrap().trim_start_matches("{{baseUrl}}");
        let body: Value = serde_json::from_str(item["request"]["body"]["raw"].as_str().unwrap()).unwrap();
        let service = app.service();
        let answer = match item["request"]["method"].as_str().unwrap() {
            "PUT" => app.put(path, &service, &body).await,
            _ => app.post(path, &service, &body).await,
        };
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
    }
}
