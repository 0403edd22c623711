//! Coming back: what was missed comes in order, each once, by header or by query, across a restart and a day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellhop::domain::{Clock, SystemClock, Timestamp};
use serde_json::json;

use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::{build_on_both_databases, on_both_databases};
use crate::support::clock;
use crate::support::event_stream::{Ask, Event, EventStream};
use crate::support::records::execute;

/// Nothing is mailed while a slow machine works.
const PATIENT: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];
/// A queue that holds a few dozen notifications.
const NARROW: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("BELLHOP__SESSION__QUEUE_BYTES", "16384")];

/// A clock that is a day ahead.
#[derive(Debug)]
struct Tomorrow;

impl Clock for Tomorrow {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_hours(24))
    }
}

fn ask(app: &TestApp) -> Ask {
    Ask::new(&app.token("host", &["PROFESSIONAL"]))
}

/// The notifications' ids and, of gaps and ends, what they say.
fn told(events: &[Event]) -> Vec<String> {
    let show = |event: &Event| match event.name.as_str() {
        "note" => Some(event.id.clone().unwrap_or_default()),
        "gap" => Some(format!("gap {} {}", event.data["after"], event.data["oldest"])),
        "resumed" => Some(format!("resumed {} {}", event.data["from"], event.data["to"])),
        _ => None,
    };
    events.iter().filter_map(show).collect()
}

on_both_databases! {
    async fn what_was_missed_comes_in_order_and_then_what_is_new(app, super::PATIENT) {
        app.tell("host", 5).await;
        for ask in [
            ask(&app).after("2"),
            ask(&app).with_query("?since=2"),
            ask(&app).with_query("?lastEventId=2"),
            ask(&app).with_query("?since=0").after("2"),
        ] {
            let mut stream = EventStream::open(&app, &ask).await;
            assert_eq!(told(&stream.until("resumed").await), ["3", "4", "5", "resumed 3 5"], "{ask:?}");
            assert!(stream.last_id().starts_with('5'), "{}", stream.last_id());
        }
        let mut stream = EventStream::open(&app, &ask(&app).after("5")).await;
        assert_eq!(told(&stream.until("resumed").await), ["resumed 6 5"]);
        app.tell("host", 1).await;
        assert_eq!(stream.next_event("note").await.id.as_deref(), Some("6"));
    }

    async fn what_is_not_kept_is_a_gap_that_is_told_once(app, super::PATIENT) {
        app.tell("host", 6).await;
        execute(app.database_url(), "DELETE FROM notifications WHERE seq <= 4");
        let mut stream = EventStream::open(&app, &ask(&app).after("2")).await;
        assert_eq!(told(&stream.until("resumed").await), ["gap 2 5", "5", "6", "resumed 3 6"]);
        execute(app.database_url(), "DELETE FROM notifications");
        let mut stream = EventStream::open(&app, &ask(&app).after("2")).await;
        assert_eq!(told(&stream.until("resumed").await), ["gap 2 7", "resumed 3 6"]);
        let last = stream.last_id().to_owned();
        let mut stream = EventStream::open(&app, &ask(&app).after(&last)).await;
        assert_eq!(told(&stream.until("resumed").await), ["resumed 7 6"], "from {last}");
    }

    async fn who_missed_more_than_the_queue_holds_gets_all_of_it(app, super::NARROW) {
        app.tell("host", 250).await;
        let mut stream = EventStream::open(&app, &ask(&app).after("0")).await;
        let all: Vec<String> = (1..=250).map(|seq: i64| seq.to_string()).chain(["resumed 1 250".to_owned()]).collect();
        assert_eq!(told(&stream.until("resumed").await), all);
    }

    async fn a_stream_that_breaks_before_its_first_notification_misses_none(app, super::PATIENT) {
        app.tell("host", 2).await;
        let mut stream = EventStream::open(&app, &ask(&app)).await;
        stream.next_event("connected").await;
        let last = stream.last_id().to_owned();
        drop(stream);
        app.tell("host", 2).await;
        let mut stream = EventStream::open(&app, &ask(&app).after(&last)).await;
        assert_eq!(told(&stream.until("resumed").await), ["3", "4", "resumed 3 4"]);
    }
}

build_on_both_databases! {
    async fn the_id_of_yesterday_is_good_after_a_restart(builder) {
        let mut app = builder.with_all(&PATIENT).start().await;
        let lasting = json!({"userId": "host", "exp": seconds_from_now(3 * 24 * 3_600)});
        let token = Ask::new(&token_of(&lasting));
        app.tell("host", 2).await;
        let mut stream = EventStream::open(&app, &token.clone().after("0")).await;
        stream.until("resumed").await;
        let last = stream.last_id().to_owned();
        assert!(last.starts_with("2-0."), "what this stream gave: {last}");
        drop(stream);
        app.tell("host", 3).await;
        app.set_clock(Arc::new(Tomorrow));
        app.restart().await;
        let mut stream = EventStream::open(&app, &token.clone().after(&last)).await;
        let connected = stream.next_event("connected").await;
        let day = chrono::DateTime::parse_from_rfc3339(connected.data["serverTime"].as_str().unwrap()).unwrap();
        let ahead = day.to_utc() - clock::now();
        assert!(ahead > chrono::TimeDelta::hours(23), "a day has gone by: {ahead}");
        assert_eq!(told(&stream.until("resumed").await), ["3", "4", "5", "resumed 3 5"]);
        app.leave_mail_unread();
    }
}

/// A thousand missed notifications, given to a reader who dawdles, beside a session that is spoken to.
#[tokio::test]
async fn a_long_replay_holds_nobody_up() {
    let app = TestAppBuilder::new(Database::Postgres).with_all(&PATIENT).start().await;
    app.tell("host", 1_000).await;
    let mut other = app.connect("other").await;
    let quiet = slowest_of(&app, &mut other, 20).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(EventStream::open(&app, &ask(&app).after("0")).await);
    }
    let busy = slowest_of(&app, &mut other, 20).await;
    for reader in &mut readers {
        let told = told(&reader.until("resumed").await);
        assert_eq!(told.len(), 1_001);
        assert!(told.iter().take(1_000).zip(1..).all(|(id, seq): (&String, i64)| *id == seq.to_string()));
    }
    // Eight replays of a thousand are under way; a push waits for none of them.
    println!("slowest push: {quiet:?} alone, {busy:?} beside 8 replays of 1000");
    assert!(busy < quiet * 20 + Duration::from_millis(500), "{busy:?} instead of {quiet:?}");
}

/// How long the slowest of so many notifications takes from its request to its device.
async fn slowest_of(
    app: &TestApp,
    device: &mut crate::support::socket::TestSocket,
    times: usize,
) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let begun: Instant = clock::start();
        app.tell("other", 1).await;
        device.next_event("note").await;
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}
