//! The stream that anybody may open, to see that streams come through.

use serde_json::json;

use crate::support::app::{Database, TestAppBuilder};
use crate::support::deadline::wait_until_async;
use crate::support::event_stream::{Ask, EventStream};

fn ask() -> Ask {
    Ask { path: "/notifications/sse/test".to_owned(), ..Ask::default() }
}

#[tokio::test]
async fn it_counts_without_a_token_and_goes_on_where_it_broke_off() {
    let app = TestAppBuilder::new(Database::Sqlite).start().await;
    let mut stream = EventStream::open(&app, &ask()).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    stream.next_event("connected").await;
    for count in 1..=2 {
        let event = stream.next_event("test").await;
        assert_eq!((&event.data["count"], event.id), (&json!(count), Some(count.to_string())));
    }
    let mut stream = EventStream::open(&app, &ask().after("29")).await;
    assert_eq!(stream.next_event("test").await.data["count"], 30);
    let last = stream.next_event("close").await;
    assert_eq!(last.id.as_deref(), Some("30.end"));
    assert_eq!(stream.next().await, None);
    let answer = EventStream::request(&app, &ask().after("30.end")).await;
    assert_eq!(answer.status(), 204, "a browser stays away");
}

#[tokio::test]
async fn there_are_only_so_many() {
    let app = TestAppBuilder::new(Database::Sqlite).with("BELLHOP__SSE__TEST_STREAMS", "1").start().await;
    let mut stream = EventStream::open(&app, &ask()).await;
    stream.next_event("connected").await;
    let mut other = EventStream::open(&app, &ask()).await;
    let goodbye = other.next().await.expect("a reason");
    assert_eq!((goodbye.name.as_str(), &goodbye.data["reason"]), ("close", &json!("try_again_later")));
    drop(stream);
    wait_until_async("the place to be free again", async || {
        let first = EventStream::open(&app, &ask()).await.next().await;
        first.is_some_and(|first| first.name == "connected").then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_does_not_outlive_the_server() {
    let mut app = TestAppBuilder::new(Database::Sqlite).start().await;
    let mut stream = EventStream::open(&app, &ask()).await;
    stream.next_event("connected").await;
    app.begin_stop();
    assert_eq!(stream.next_event("close").await.data["reason"], "server_restart");
}
