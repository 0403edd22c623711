//! What the document says, as far as a reader of documents must be able to rely on it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::{Database, TestApp, TestAppBuilder};

async fn document() -> (TestApp, Value) {
    let app = TestApp::start(Database::Sqlite).await;
    let document = app.get("/openapi.json", "").await.expect(200);
    (app, document)
}

/// Every value of the document, with the way to it.
fn walk<'a>(at: &str, value: &'a Value, seen: &mut Vec<(String, &'a Value)>) {
    seen.push((at.to_owned(), value));
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| walk(&format!("{at}/{name}"), value, seen));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, value)| walk(&format!("{at}/{number}"), value, seen));
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let (_app, document) = document().await;
    let mut values = Vec::new();
    walk("", &document, &mut values);
    let references: BTreeSet<&str> = values
        .iter()
        .filter(|(at, _)| at.ends_with("/$ref"))
        .filter_map(|(_, value)| value.as_str())
        .collect();
    assert!(references.len() > 5, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_its_refusals_have_codes() {
    let (_app, document) = document().await;
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(names.insert(name.to_owned()), "{name} is the name of two operations");
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            // The door of Engine.IO clients refuses as its protocol's reference server does.
            for (status, response) in responses.iter().filter(|(status, _)| *status >= &"400".to_owned()) {
                if path != "/socket.io/" {
                    let refined = &response["content"]["application/problem+json"]["schema"]["allOf"];
                    assert_eq!(
                        refined[0]["$ref"], "#/components/schemas/Problem",
                        "{method} {path} {status}"
                    );
                    let codes = refined[1]["properties"]["code"]["enum"].as_array();
                    assert!(codes.is_some_and(|codes| !codes.is_empty()), "{method} {path} {status}");
                }
            }
            let open = operation["security"]
                .as_array()
                .is_some_and(|needed| needed.contains(&serde_json::json!({})));
            assert_eq!(!open, responses.contains_key("401"), "{method} {path}: a token, or none");
        }
    }
}

/// What the document says of `/metrics`: the statuses that it answers, and what it wants.
async fn figures(environment: &[(&str, &str)]) -> (TestApp, BTreeSet<String>, Value) {
    let app = TestAppBuilder::new(Database::Sqlite).with_all(environment).start().await;
    let document = app.get("/openapi.json", "").await.expect(200);
    let figures = &document["paths"]["/metrics"]["get"];
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for needed in figures["security"].as_array().unwrap().iter().filter_map(Value::as_object) {
        assert!(needed.keys().all(|name| schemes.contains_key(name)), "{needed:?}");
    }
    let statuses = figures["responses"].as_object().unwrap().keys();
    // Who asks too much is told so everywhere.
    let statuses = statuses.filter(|status| *status != "429").cloned().collect();
    (app, statuses, figures["security"].clone())
}

#[tokio::test]
async fn the_figures_want_what_the_configuration_says() {
    let statuses = |all: &[&str]| all.iter().map(|&status| status.to_owned()).collect::<BTreeSet<_>>();
    let (app, answers, needs) = figures(&[]).await;
    assert_eq!((answers, needs), (statuses(&["200"]), json!([{}])));
    app.get("/metrics", "").await.expect_text(200);

    let token = ("BELLHOP__METRICS__TOKEN", "the-figures-token");
    let (app, answers, needs) = figures(&[token]).await;
    assert_eq!((answers, needs), (statuses(&["200", "401"]), json!([{"figures": []}])));
    app.get("/metrics", "").await.expect_problem(401, "token_missing");

    let production = [("BELLHOP_MODE", "production"), ("BELLHOP__SERVER__DRAIN_NOTICE_MS", "0")];
    let (app, answers, needs) = figures(&production).await;
    assert_eq!((answers, needs), (statuses(&["200", "404"]), json!([{}])));
    app.get("/metrics", "").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn who_has_the_document_already_is_not_sent_it_again() {
    let (app, _) = document().await;
    for path in ["/openapi.json", "/docs", "/docs/swagger-ui.css", "/docs/start.js"] {
        let first = app.get(path, "").await;
        let tag = first.header("etag").expect("a tag").to_owned();
        assert_eq!((first.status, first.header("cache-control")), (200, Some("public, no-cache")), "{path}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let request = app.client().get(app.url(path)).header("if-none-match", &known);
            let again = app.send(request, "").await;
            assert_eq!((again.status, again.text.as_str()), (304, ""), "{path} {known}");
            assert_eq!(again.header("etag"), Some(tag.as_str()));
        }
        let request = app.client().get(app.url(path)).header("if-none-match", "\"other\"");
        assert_eq!(app.send(request, "").await.status, 200, "{path}");
    }
}
