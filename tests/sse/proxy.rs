//! Behind nginx as it comes: it speaks HTTP/1.0 to the server behind it, and gathers and compresses answers unless it
//! is told not to.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::deadline::wait_until_async;
use crate::support::event_stream::{Ask, EventStream};
use crate::support::port::free_port;

/// A proxy in front of a server, which is killed when this is dropped.
struct Proxy {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Where nginx's own defaults decide: answers are buffered, and compressed whatever their type.
    async fn before(server: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-nginx-").tempdir().unwrap();
        let port = free_port();
        fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), port, server)).unwrap();
        let mut child = Command::new(nginx())
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "errors.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        wait_until_async("nginx to listen", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "nginx ended: {ended:?}");
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { child, port, _folder: folder }
    }

    async fn open(&self, ask: &Ask) -> EventStream {
        let url = format!("http://127.0.0.1:{}{}", self.port, ask.path);
        let response = EventStream::request_at(&url, ask).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["server"].to_str().unwrap().split('/').next(), Some("nginx"));
        EventStream::reading(response)
    }
}

/// Where Debian keeps it, which is not on everybody's path.
fn nginx() -> &'static str {
    let known = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"];
    known.into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx")
}

fn configuration(folder: &Path, port: u16, server: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/errors.log;
         events {{ }}
         http {{
             access_log off; gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;
             client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
             server {{
                 listen 127.0.0.1:{port};
                 location / {{ proxy_pass http://{server}; }}
             }}
         }}"
    )
}

async fn server() -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000").start().await
}

#[tokio::test]
async fn what_is_said_comes_through_at_once() {
    let app = server().await;
    let proxy = Proxy::before(app.address()).await;
    let ask = Ask::new(&app.token("host", &[])).with_header("accept-encoding", "gzip");
    let mut stream = proxy.open(&ask).await;
    // A proxy that gathered would pass on nothing before its buffers are full or the stream ends.
    stream.next_event("connected").await;
    for seq in 1..=3 {
        app.tell("host", 1).await;
        assert_eq!(stream.next_event("note").await.data["seq"], seq);
    }
}

#[tokio::test]
async fn a_stream_that_ends_ends_behind_the_proxy_too() {
    let app = server().await;
    let proxy = Proxy::before(app.address()).await;
    let stream = proxy.open(&Ask::new(&app.token("host", &[])).with_query("?ttl=0.5")).await;
    let events = stream.rest().await;
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("close"));
}

#[tokio::test]
async fn the_proxy_would_gather_what_does_not_forbid_it() {
    // Otherwise the tests above would prove nothing: without the header, nothing of a short answer comes early.
    let app = server().await;
    let proxy = Proxy::before(app.address()).await;
    let url = format!("http://127.0.0.1:{}/health", proxy.port);
    let ask = Ask::default().with_header("accept-encoding", "gzip");
    let response = EventStream::request_at(&url, &ask).await;
    assert_eq!(response.headers().get("content-encoding").map(|value| value.to_str().unwrap()), Some("gzip"));
}
