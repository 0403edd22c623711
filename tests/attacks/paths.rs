//! Paths that mean something else than they seem to, hosts that are none, and names of files.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::app::{Database, TestApp};
use crate::support::deadline::SOON;

/// Sends a request line as it is, which a proper client would not; answers everything that comes back.
fn ask(app: &TestApp, target: &str, more: &str) -> String {
    let mut connection = TcpStream::connect(app.address()).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{more}\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn bearer(app: &TestApp, roles: &[&str]) -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", app.token("ann", roles))
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_past_its_routes() {
    let app = TestApp::start(Database::Sqlite).await;
    let ann = bearer(&app, &[]);
    for target in [
        "//notifications/list",
        "/./notifications/list",
        "/notifications/../notifications/list",
        "/notifications/%2e%2e/notifications/list",
        "/notifications//list",
        "/notifications/list/",
        "/notifications/list;a=b",
        "/notifications/list%20",
        "/notifications/list%00",
        "/notifications/list%2f",
        "/notifications%2flist",
        "/notifications\\list",
        "/notifications/list.",
        "/notifications/list.json",
        "/NOTIFICATIONS/LIST",
        "/notifications/..;/admin/notifications/logs",
        "/health/../admin/presence",
        "/health/%2e%2e/metrics",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%c0%af..%c0%afetc/passwd",
        "/docs/../../Cargo.toml",
        "/docs/..%2f..%2fCargo.toml",
        "/docs/%2e%2e%2fstart.js",
        "/docs/start.js%00",
        "/docs/start.js%00.css",
        "/docs/start.js.",
        "/docs/START.JS",
        "/docs/swagger-ui.css/",
        "/docs//start.js",
        "/docs/file:%2f%2f%2fetc%2fpasswd",
        "/docs/%ff%fe",
        "/bookings/..%2f..%2fadmin",
        "/%",
        "/%zz",
        "/notifications/list%",
    ] {
        let answer = ask(&app, target, &ann);
        let status = answer.get(9..12).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{target}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("[package]"), "{target}: {answer}");
        if status == "404" {
            assert!(answer.contains("application/problem+json"), "{target}: {answer}");
        }
    }
    // An encoded letter is that letter, and the rules of its route hold.
    let answer = ask(&app, "/%61dmin/notifications/0198f5a2-0000-7000-8000-000000000000/trail", &ann);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(ask(&app, "/notifications/%6cist", &ann).starts_with("HTTP/1.1 200 "));
    assert!(ask(&app, "/notifications/%6cist", "Host: a\r\n").starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn a_host_that_is_none_is_nowhere_repeated() {
    let app = TestApp::start(Database::Sqlite).await;
    for host in
        ["evil.example", "evil.example:1", "a b", "<script>evil.example</script>", "127.0.0.1@evil.example"]
    {
        for target in
            ["/openapi.json", "/docs", "/nothing", "/notifications/list", "http://evil.example/health"]
        {
            let more = format!(
                "Host: {host}\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: evil.example\r\n"
            );
            let answer = ask(&app, target, &more);
            assert!(
                answer.starts_with("HTTP/1.1 ") && !answer.contains("evil.example"),
                "{target}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_client_writes_into_a_path_is_not_repeated_to_others() {
    let app = TestApp::start(Database::Sqlite).await;
    let ann = bearer(&app, &[]);
    for target in [
        "/<script>x</script>",
        "/docs/<script>x</script>",
        "/bookings/<script>x</script>",
        "/notifications/list?limit=<script>x</script>",
    ] {
        let answer = ask(&app, target, &ann);
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains("<script>") || answer.contains("application/problem+json"), "{answer}");
    }
    for injected in ["/nothing%0d%0aSet-Cookie:%20a=b", "/nothing?%0d%0aSet-Cookie:%20a=b"] {
        let answer = ask(&app, injected, &ann).to_lowercase();
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
}
