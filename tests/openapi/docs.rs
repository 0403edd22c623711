//! The page that shows the document: that all it loads is here, and whole.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::app::{Database, TestApp};

/// Unpacks with Node, which the tests need anyhow, and which checks the checksum and the length.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let script = "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(0)))";
    let mut node = Command::new("node")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node is installed");
    let (mut stdin, packed) = (node.stdin.take().unwrap(), packed.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&packed));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "what was sent is no gzip");
    output.stdout
}

#[tokio::test]
async fn everything_that_the_page_loads_is_served_beside_it() {
    let app = TestApp::start(Database::Sqlite).await;
    let page = app.get("/docs", "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");

    let links = page.text.split('"').skip(1).step_by(2).filter(|text| text.starts_with("docs/"));
    let mut loaded = 0;
    for link in links {
        let answer = app.client().get(app.url(&format!("/{link}"))).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{link}");
        let packed = answer.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
        let bytes = answer.bytes().await.unwrap();
        let bytes = if packed { unpack(&bytes) } else { bytes.to_vec() };
        assert!(bytes.len() > 100, "{link}");
        loaded += 1;
    }
    assert_eq!(loaded, 3);
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "{}", page.text);
    app.get("/docs/nothing.js", "").await.expect_problem(404, "not_found");
}
