//! A Postman collection (format 2.1.0) made of the document: a folder for each tag, a request for each operation,
//! and how to use the doors, for which that format has no requests.

use serde_json::{Map, Value, json};

/// What Postman knows the format by.
const FORMAT: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// Where a path's parameter gets its value: a variable of the collection, set by the scripts below.
const PLACES: [(&str, &str); 4] = [
    ("/bookings/{id}", "bookingId"),
    ("/notifications/{id}", "notificationId"),
    ("/users/{id}", "userId"),
    ("/docs/{file}", "file"),
];

/// What is kept of an answer, by operation: the requests that come after it then fit.
const SCRIPTS: [(&str, &[&str]); 3] = [
    (
        "mintToken",
        &["if (pm.response.code === 200) pm.collectionVariables.set(\"token\", pm.response.json().token);"],
    ),
    (
        "createBooking",
        &[
            "if (pm.response.code === 201) {",
            "  pm.collectionVariables.set(\"bookingId\", pm.response.json().booking.id);",
            "  pm.collectionVariables.set(\"notificationId\", pm.response.json().notification.id);",
            "}",
        ],
    ),
    (
        "issueTicket",
        &["if (pm.response.code === 201) pm.collectionVariables.set(\"ticket\", pm.response.json().ticket);"],
    ),
];

/// The collection of this document.
pub fn collection(document: &Value) -> Value {
    let tags = document["tags"].as_array().into_iter().flatten();
    let folders: Vec<Value> = tags.map(|tag| folder(document, tag)).collect();
    json!({
        "info": {
            "name": "bellhop",
            "description": include_str!("collection.md"),
            "schema": FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "baseUrl", "value": "http://localhost:3000"},
            {"key": "token", "value": ""},
            {"key": "ticket", "value": ""},
            {"key": "bookingId", "value": ""},
            {"key": "notificationId", "value": ""},
            {"key": "userId", "value": "demo-host"},
            {"key": "file", "value": "start.js"},
        ],
        "item": folders,
    })
}

fn folder(document: &Value, tag: &Value) -> Value {
    let name = tag["name"].as_str().unwrap_or_default();
    let requests = document["paths"].as_object().into_iter().flatten().flat_map(|(path, methods)| {
        let operations = methods.as_object().into_iter().flatten();
        let operations = operations.filter(|(_, operation)| at(operation, "/tags/0") == name);
        operations.map(|(method, operation)| request(document, path, method, operation))
    });
    let mut description = tag["description"].as_str().unwrap_or_default().to_owned();
    if name == "doors" {
        description = format!("{description}\n\n{}", include_str!("doors.md"));
    }
    json!({"name": name, "description": description, "item": requests.collect::<Vec<_>>()})
}

fn request(document: &Value, path: &str, method: &str, operation: &Value) -> Value {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let mut headers = parameters(operation, "header");
    let mut request = Map::new();
    if let Some((media_type, body)) = body(document, operation) {
        headers.insert(0, json!({"key": "Content-Type", "value": media_type}));
        let language = if media_type == "application/json" { "json" } else { "text" };
        request.insert(
            "body".to_owned(),
            json!({"mode": "raw", "raw": body, "options": {"raw": {"language": language}}}),
        );
    }
    if operation["security"] == json!([{}]) {
        request.insert("auth".to_owned(), json!({"type": "noauth"}));
    }
    request.insert("method".to_owned(), json!(method.to_uppercase()));
    request.insert("header".to_owned(), Value::Array(headers));
    request.insert("url".to_owned(), url(path, operation));
    request.insert("description".to_owned(), operation["description"].clone());
    let script = SCRIPTS.iter().find(|(of, _)| *of == id).map(|(_, lines)| lines);
    let event =
        script.map(|lines| json!({"listen": "test", "script": {"type": "text/javascript", "exec": lines}}));
    json!({
        "name": operation["summary"],
        "request": request,
        "response": [],
        "event": event.into_iter().collect::<Vec<_>>(),
    })
}

/// Parameters that are sent in one place; those that need not be sent are switched off.
fn parameters(operation: &Value, place: &str) -> Vec<Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let here = all.filter(|parameter| parameter["in"] == place);
    here.map(|parameter| {
        json!({
            "key": parameter["name"],
            "value": example(&parameter["schema"]),
            "description": parameter["description"],
            "disabled": parameter["required"] != true,
        })
    })
    .collect()
}

/// What is there, or null.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The first example of a schema, or of its choices, or its default, as text.
fn example(schema: &Value) -> String {
    let known = [at(schema, "/examples/0"), at(schema, "/default"), at(schema, "/enum/0")];
    match known.into_iter().find(|value| !value.is_null()) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// The media type of a body, and an example.
fn body(document: &Value, operation: &Value) -> Option<(String, String)> {
    let (media_type, content) = at(operation, "/requestBody/content").as_object()?.iter().next()?;
    let schema = &content["schema"];
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    let schema = reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema);
    let body = match at(schema, "/examples/0") {
        Value::Null => String::new(),
        example => serde_json::to_string_pretty(example).unwrap_or_default(),
    };
    Some((media_type.clone(), body))
}

fn url(path: &str, operation: &Value) -> Value {
    let spelt = path.replace('{', ":").replace('}', "");
    let segments: Vec<&str> = spelt.split('/').skip(1).collect();
    let place = PLACES.iter().find(|(part, _)| path.contains(part));
    let variables: Vec<Value> = segments
        .iter()
        .filter_map(|segment| segment.strip_prefix(':'))
        .map(|name| json!({"key": name, "value": place.map(|(_, variable)| format!("{{{{{variable}}}}}"))}))
        .collect();
    json!({
        "raw": format!("{{{{baseUrl}}}}{spelt}"),
        "host": ["{{baseUrl}}"],
        "path": segments,
        "query": parameters(operation, "query"),
        "variable": variables,
    })
}
