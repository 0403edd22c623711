//! How streams end: every end has its reason, and only those come back who are welcome.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::event_stream::{Ask, Event, EventStream};
use crate::support::records::texts;

fn ask(app: &TestApp) -> Ask {
    Ask::new(&app.token("host", &["PROFESSIONAL"]))
}

/// The last words of a stream, which end it.
async fn goodbye(stream: EventStream) -> Event {
    let events = stream.rest().await;
    let last = events.last().expect("a stream says goodbye").clone();
    assert_eq!(last.name, "close", "{events:?}");
    last
}

fn says(code: u16, reason: &str, reconnect: bool) -> Value {
    json!({"code": code, "reason": reason, "reconnect": reconnect})
}

/// Sends who comes back with this id away for good.
async fn assert_is_the_end(app: &TestApp, last: &str) {
    let answer = EventStream::request(app, &ask(app).after(last)).await;
    assert_eq!(answer.status(), 204, "{last}");
}

/// Sessions that ended for this reason.
async fn closed(app: &TestApp, reason: &str) -> String {
    let page = app.get("/metrics", "").await;
    let wanted = format!("bellhop_sessions_closed_total{{reason=\"{reason}\"}} ");
    page.text.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap_or("0").to_owned()
}

on_both_databases! {
    async fn a_stream_ends_when_its_time_is_over_and_browsers_stay_away(app) {
        let stream = EventStream::open(&app, &ask(&app).with_query("?ttl=0.5")).await;
        let last = goodbye(stream).await;
        assert_eq!(last.data, says(4000, "ttl_elapsed", false));
        assert_is_the_end(&app, last.id.as_deref().expect("an id")).await;
        assert_eq!(closed(&app, "ttl_elapsed").await, "1");
    }

    async fn a_stream_ends_after_its_one_notification(app, [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")]) {
        app.tell("host", 1).await;
        let mut stream = EventStream::open(&app, &ask(&app).with_query("?once=true")).await;
        stream.next_event("connected").await;
        app.tell("host", 2).await;
        let events = stream.rest().await;
        let ids: Vec<&str> = events.iter().filter_map(|event| event.id.as_deref()).collect();
        let [note, count, end] = ids[..] else { panic!("{ids:?}") };
        assert_eq!(note, "2");
        assert!(count.starts_with("2-1."), "{count}");
        assert_eq!(end, format!("{count}.end"));
        // A browser comes back all the same, and so proves what it was given, and only that.
        assert_is_the_end(&app, end).await;
        let confirmed = "SELECT seq || '' AS value FROM notifications JOIN deliveries ON notification_id = id
                         WHERE state = 'confirmed'";
        assert_eq!(texts(app.database_url(), confirmed), ["2"]);
        // Who opens a new stream wants one, whatever it kept.
        let again = EventStream::open(&app, &ask(&app).with_query(&format!("?ttl=1&lastEventId={end}"))).await;
        assert_eq!(goodbye(again).await.data["reason"], "ttl_elapsed");
        // One that was missed counts, too.
        let events = EventStream::open(&app, &ask(&app).with_query("?once=true&since=0")).await.rest().await;
        let notes = events.iter().filter(|event| event.name == "note").count();
        assert_eq!((notes, events.last().map(|last| &last.data["reason"])), (1, Some(&json!("once_delivered"))));
    }

    async fn a_stream_ends_with_its_token_and_a_fresh_one_is_welcome(app, [("BELLHOP__AUTH__LEEWAY_SECONDS", "0")]) {
        let token = token_of(&json!({"userId": "host", "exp": seconds_from_now(2)}));
        let stream = EventStream::open(&app, &Ask::new(&token)).await;
        let last = goodbye(stream).await;
        assert_eq!((last.id, last.data), (None, says(4002, "token_expired", true)));
    }

    async fn a_stop_tells_everybody_to_come_back(mut app) {
        let mut stream = EventStream::open(&app, &ask(&app)).await;
        stream.next_event("connected").await;
        app.begin_stop();
        assert_eq!(goodbye(stream).await.data, says(1012, "server_restart", true));
    }

    async fn who_has_as_many_as_one_may_have_is_told_to_wait(app, [("BELLHOP__LIMITS__SESSIONS_PER_USER", "1")]) {
        let mut first = EventStream::open(&app, &ask(&app)).await;
        first.next_event("connected").await;
        let mut second = EventStream::open(&app, &ask(&app)).await;
        assert_eq!(second.next().await.expect("a goodbye").data, says(4011, "too_many_sessions", true));
        assert_eq!(second.next().await, None);
        // Ten times as long as usual, which is up to half more or less.
        assert!(second.retry().last().is_some_and(|retry| *retry >= 15_000), "{:?}", second.retry());
    }
}

#[tokio::test]
async fn a_server_that_is_stopping_sends_a_browser_to_come_back() {
    let mut app =
        TestAppBuilder::new(Database::Sqlite).with("BELLHOP__SERVER__DRAIN_NOTICE_MS", "5000").start().await;
    app.begin_stop();
    let last = wait_until_async("the server to be stopping", async || {
        let stream = EventStream::open(&app, &ask(&app).with_query("?ttl=1")).await;
        let last = goodbye(stream).await;
        (last.data["reason"] != "ttl_elapsed").then_some(last)
    })
    .await;
    assert_eq!((last.id, last.data), (None, says(1012, "server_restart", true)));
}

#[tokio::test]
async fn heartbeats_come_as_often_as_the_environment_says() {
    let app = TestAppBuilder::new(Database::Sqlite).with("SSE_HEARTBEAT_INTERVAL", "300").start().await;
    app.tell("host", 1).await;
    let mut stream = EventStream::open(&app, &ask(&app)).await;
    for _ in 0..2 {
        let beat = stream.next_event("heartbeat").await;
        assert_eq!((&beat.data["seq"], &beat.data["unread"]), (&json!(1), &json!(1)));
        assert!(beat.data["serverTime"].is_string());
    }
}

/// A client whose receive buffer is soon full, and which reads nothing.
async fn stalled(address: SocketAddr, token: &str) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request =
        format!("GET /notifications/sse HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Publishes to the host until this many kilobytes are under way, or the sessions that ended for `reason` are some.
async fn publish_until_closed(app: &TestApp, reason: &str) {
    let message = "x".repeat(1_900);
    wait_until_async(format_args!("a session to end: {reason}"), async || {
        let note = json!({"userId": "host", "type": "note", "message": message, "passing": true});
        app.post("/notifications", &app.service(), &note).await.expect(202);
        (closed(app, reason).await == "1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_before_much_waits() {
    let app =
        TestAppBuilder::new(Database::Sqlite).with("BELLHOP__SESSION__QUEUE_BYTES", "65536").start().await;
    let stalled = stalled(app.address(), &app.token("host", &[])).await;
    publish_until_closed(&app, "slow_consumer").await;
    drop(stalled);
}

#[tokio::test]
async fn who_takes_nothing_for_too_long_is_cleaned_up() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("SSE_HEARTBEAT_INTERVAL", "200")
        .with("SSE_CLEANUP_INTERVAL", "1500")
        .with("BELLHOP__SESSION__QUEUE_BYTES", "100000000")
        .start()
        .await;
    // A reader is heard of by what it takes, however long nothing but heartbeats comes.
    let mut reader = EventStream::open(&app, &Ask::new(&app.token("reader", &[]))).await;
    let stalled = stalled(app.address(), &app.token("host", &[])).await;
    publish_until_closed(&app, "heartbeat_timeout").await;
    assert_eq!(closed(&app, "slow_consumer").await, "0");
    drop(stalled);
    for _ in 0..10 {
        reader.next_event("heartbeat").await;
    }
    assert_eq!(closed(&app, "heartbeat_timeout").await, "1");
}
