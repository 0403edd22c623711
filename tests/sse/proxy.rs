//! Behind nginx as it comes: it speaks HTTP/1.0 to the server behind it, and gathers and compresses answers unless it
//! is told not to.

use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::event_stream::{Ask, EventStream};
use crate::support::proxy::Proxy;

async fn open(proxy: &Proxy, ask: &Ask) -> EventStream {
    let url = format!("http://127.0.0.1:{}{}", proxy.port, ask.path);
    let response = EventStream::request_at(&url, ask).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["server"].to_str().unwrap().split('/').next(), Some("nginx"));
    EventStream::reading(response)
}

async fn server() -> TestApp {
    TestAppBuilder::new(Database::Sqlite).with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000").start().await
}

#[tokio::test]
async fn what_is_said_comes_through_at_once() {
    let app = server().await;
    let proxy = Proxy::before(app.address()).await;
    let ask = Ask::new(&app.token("host", &[])).with_header("accept-encoding", "gzip");
    let mut stream = open(&proxy, &ask).await;
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
    let stream = open(&proxy, &Ask::new(&app.token("host", &[])).with_query("?ttl=0.5")).await;
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
