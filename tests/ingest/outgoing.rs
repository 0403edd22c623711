//! What goes out again: each delivery and each reading once or more often, never less, with an id to tell.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{await_ready, note, patient};
use crate::support::app::{Database, TestApp, TestAppBuilder, mail_of, token_with_mail};
use crate::support::back_end::{BackEnd, Letter};
use crate::support::both::build_on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::rabbitmq::{self, Broker};
use crate::support::records::texts;

/// Where a back end hears what it is told.
fn ears(back_end: &BackEnd) -> String {
    format!("{}-heard", back_end.events)
}

async fn telling(builder: TestAppBuilder, back_end: &BackEnd) -> TestApp {
    back_end.listen(&ears(back_end)).await;
    let app =
        back_end.feed(builder).with("BELLHOP__RABBITMQ__EVENTS_EXCHANGE", &back_end.events).start().await;
    await_ready(&app).await;
    app
}

async fn heard(back_end: &BackEnd) -> Letter {
    back_end.take(&ears(back_end)).await
}

/// Asserts that a letter is one of NestJS's, and answers its data.
fn data_of(letter: &Letter, pattern: &str) -> Value {
    let body = letter.json();
    assert_eq!((&body["pattern"], letter.routing_key.as_str()), (&json!(pattern), pattern), "{body}");
    assert_eq!(letter.properties.delivery_mode(), &Some(2));
    body["data"].clone()
}

fn waiting(app: &TestApp) -> usize {
    texts(app.database_url(), "SELECT id AS value FROM outgoing_events").len()
}

build_on_both_databases! {
    async fn a_back_end_hears_what_was_delivered_and_read(builder) {
        let back_end = BackEnd::on(rabbitmq::shared()).await;
        let app = telling(patient(builder), &back_end).await;
        let mut host = app.connect("7").await;
        back_end.emit("notification.created", &note("7", "one")).await;
        let pushed = host.next_event("note").await;
        // Its device proves that it has it while it is read from.
        host.events_so_far().await;
        let letter = heard(&back_end).await;
        let data = data_of(&letter, "notification.delivered");
        assert_eq!((&data["id"], &data["userId"], &data["seq"]), (&pushed["id"], &json!("7"), &json!(1)), "{data}");
        assert_eq!((&data["type"], &data["channel"]), (&json!("note"), &json!("websocket")), "{data}");
        assert!(data["at"].as_str().unwrap().ends_with('Z'));
        let delivered_id = letter.properties.message_id().clone().unwrap();

        app.post("/notifications/mark-read", &app.token("7", &[]), &json!({"all": true})).await.expect(200);
        let letter = heard(&back_end).await;
        let data = data_of(&letter, "notification.read");
        assert_eq!((&data["id"], &data["channel"]), (&pushed["id"], &json!("rest")), "{data}");
        assert_ne!(letter.properties.message_id().clone().unwrap(), delivered_id);
        wait_until_async("everything to be told", async || (waiting(&app) == 0).then_some(())).await;
        assert!(back_end.try_take(&ears(&back_end)).await.is_none());
        host.close().await;
    }

    async fn what_a_device_says_that_it_has_is_told(builder) {
        let back_end = BackEnd::on(rabbitmq::shared()).await;
        // Who is away is not mailed before they can say that they have it.
        let builder = patient(builder).with("BELLHOP__DELIVERY__SETTLE_MS", "60000");
        let app = telling(builder, &back_end).await;
        app.tell("7", 3).await;
        app.post("/notifications/ack", &app.token("7", &[]), &json!({"seq": 3})).await.expect(200);
        let mut seqs = Vec::new();
        for _ in 0..3 {
            seqs.push(data_of(&heard(&back_end).await, "notification.delivered")["seq"].as_i64().unwrap());
        }
        seqs.sort_unstable();
        assert_eq!(seqs, [1, 2, 3]);
    }

    async fn a_mail_that_was_taken_is_a_delivery(builder) {
        let back_end = BackEnd::on(rabbitmq::shared()).await;
        let app = telling(builder, &back_end).await;
        app.connect_with(&token_with_mail("7"), "").await.close().await;
        app.book("guest", "7").await;
        app.next_mail(&mail_of("7")).await;
        let data = data_of(&heard(&back_end).await, "notification.delivered");
        assert_eq!((&data["userId"], &data["channel"]), (&json!("7"), &json!("email")), "{data}");
    }

    async fn nothing_is_kept_where_nobody_is_to_be_told(builder) {
        let back_end = BackEnd::on(rabbitmq::shared()).await;
        let app = back_end.feed(patient(builder)).start().await;
        app.tell("7", 2).await;
        app.post("/notifications/mark-read", &app.token("7", &[]), &json!({"all": true})).await.expect(200);
        assert_eq!(waiting(&app), 0);
    }

    async fn what_waits_for_too_long_is_dropped_and_counted(builder) {
        let back_end = BackEnd::on(rabbitmq::shared()).await;
        let builder = back_end.feed(patient(builder)).with("BELLHOP__RABBITMQ__EVENTS_EXCHANGE", &back_end.events);
        // Nobody is there to be told, which is no trouble of its own.
        let mut app = builder.with("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f").start().await;
        app.tell("7", 2).await;
        app.post("/notifications/mark-read", &app.token("7", &[]), &json!({"all": true})).await.expect(200);
        assert_eq!(waiting(&app), 2);
        let long_ago = "UPDATE outgoing_events SET at = 1 WHERE id = (SELECT min(id) FROM outgoing_events)";
        crate::support::records::execute(app.database_url(), long_ago);
        app.restart().await;
        let dropped = "bellhop_outgoing_events_total{outcome=\"dropped\"} 1";
        wait_until_async("one to be dropped", async || {
            app.get("/metrics", "").await.text.contains(dropped).then_some(())
        })
        .await;
        assert_eq!(waiting(&app), 1);
        assert!(app.get("/metrics", "").await.text.contains("bellhop_outgoing_events_waiting 1"));
    }
}

#[tokio::test]
async fn events_of_our_own_do_not_come_in_again() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let builder = back_end.feed(patient(TestAppBuilder::new(Database::Sqlite)));
    let app = builder.with("BELLHOP__RABBITMQ__EVENTS_EXCHANGE", &back_end.events).start().await;
    await_ready(&app).await;
    // An operator who binds the queue to the events' exchange makes a circle that nobody could refuse.
    back_end.bind(&back_end.queue, &back_end.events).await;
    app.tell("7", 1).await;
    app.post("/notifications/mark-read", &app.token("7", &[]), &json!({"all": true})).await.expect(200);
    super::await_outcome(&app, "ignored", 1).await;
    assert_eq!(super::outcomes(&app, "dead").await, 0);
    assert!(back_end.try_take(&back_end.dead()).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_outlive_the_broker_and_the_server() {
    const TOLD: usize = 40;
    let broker = Broker::start_new();
    let mut back_end = BackEnd::on(&broker).await;
    let mut app = telling(patient(TestAppBuilder::new(Database::Postgres)), &back_end).await;
    let read = async |app: &TestApp, up_to: usize| {
        let body = json!({"upTo": up_to});
        app.post("/notifications/mark-read", &app.token("7", &[]), &body).await.expect(200);
    };
    app.tell("7", TOLD).await;
    read(&app, 10).await;
    tokio::task::block_in_place(|| broker.kill());
    read(&app, 20).await;
    app.restart().await;
    read(&app, 30).await;
    tokio::task::block_in_place(|| broker.start());
    back_end.reconnect().await;
    await_ready(&app).await;
    read(&app, TOLD).await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut seqs = std::collections::BTreeSet::new();
    while seqs.len() < TOLD {
        let letter = heard(&back_end).await;
        seqs.insert(data_of(&letter, "notification.read")["seq"].as_u64().unwrap());
        *times.entry(letter.properties.message_id().as_ref().unwrap().to_string()).or_default() += 1;
    }
    // Whatever comes twice comes under the same id.
    assert_eq!(times.len(), TOLD, "{times:?}");
    wait_until_async("everything to be told", async || (waiting(&app) == 0).then_some(())).await;
}
