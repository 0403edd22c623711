//! The broker, the database or the server goes away in between: nothing is lost, and what has a name is not doubled.

use std::time::Duration;

use tokio::time::sleep;

use super::{await_outcome, await_ready, await_titles, fed, note, outcomes, patient, titles};
use crate::support::app::{Database, JWT_SECRET, TestAppBuilder};
use crate::support::back_end::BackEnd;
use crate::support::deadline::{soon, wait_until_async, wait_within};
use crate::support::postgres::{Cluster, Durability};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::rabbitmq::{self, Broker};
use crate::support::records::execute;

/// A dead connection is noticed within this.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

async fn await_away(app: &crate::support::app::TestApp) {
    wait_within(NOTICED_WITHIN, "the broker's absence to be noticed", async || {
        let ready = app.get("/ready", "").await.expect(200);
        let is_degraded = ready["parts"]["rabbitmq"] == "degraded" && ready["status"] == "degraded";
        is_degraded.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_and_comes_back_is_consumed_again() {
    let broker = Broker::start_new();
    let mut back_end = BackEnd::on(&broker).await;
    let builder = back_end.feed(patient(TestAppBuilder::new(Database::Sqlite)));
    let app = builder.with("BELLHOP__RABBITMQ__HEARTBEAT_SECONDS", "1").start().await;
    await_ready(&app).await;
    back_end.emit("notification.created", &note("7", "before")).await;
    await_titles(&app, "7", 1).await;

    tokio::task::block_in_place(|| broker.kill());
    await_away(&app).await;
    // It does without: requests are answered.
    app.tell("7", 1).await;
    tokio::task::block_in_place(|| broker.start());
    back_end.reconnect().await;
    await_ready(&app).await;
    back_end.emit("notification.created", &note("7", "after")).await;
    assert_eq!(await_titles(&app, "7", 3).await, ["before", "A note", "after"]);

    // One that says nothing any more is as good as gone.
    broker.freeze();
    await_away(&app).await;
    broker.thaw();
    await_ready(&app).await;
    back_end.reconnect().await;
    back_end.emit("notification.created", &note("7", "thawed")).await;
    await_titles(&app, "7", 4).await;
}

#[tokio::test]
async fn a_server_starts_without_its_broker() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let builder = back_end.feed(TestAppBuilder::new(Database::Sqlite));
    let app = builder.with("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f").start().await;
    await_away(&app).await;
    app.tell("7", 1).await;
    assert_eq!(titles(&app, "7").await.len(), 1);
    let mut app = app;
    app.leave_mail_unread();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_and_not_acknowledged_is_not_done_again() {
    let broker = Broker::start_new();
    let mut back_end = BackEnd::on(&broker).await;
    let app = back_end.feed(patient(TestAppBuilder::new(Database::Sqlite))).start().await;
    await_ready(&app).await;
    let hold = app.hold_writers();
    // With a name and without one: both are known again by what they claim.
    back_end.emit_named("order-7", "notification.created", &note("7", "named")).await;
    back_end.emit("notification.created", &note("7", "nameless")).await;
    wait_until_async("both to be under way", async || {
        (back_end.waiting(&back_end.queue).await == 0).then_some(())
    })
    .await;
    tokio::task::block_in_place(|| broker.kill());
    drop(hold);
    assert_eq!(await_titles(&app, "7", 2).await, ["named", "nameless"]);
    tokio::task::block_in_place(|| broker.start());
    back_end.reconnect().await;
    await_ready(&app).await;
    await_outcome(&app, "repeated", 2).await;
    assert_eq!(titles(&app, "7").await, ["named", "nameless"]);
    assert_eq!(back_end.waiting(&back_end.queue).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_while_the_database_is_away_and_keep_their_order() {
    let cluster = Cluster::start_new(Durability::Fsync);
    let database = cluster.create_database();
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let app = back_end
        .feed(patient(TestAppBuilder::new(Database::Sqlite)))
        .with("DATABASE_URL", database.url())
        .with("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "300")
        .with("BELLHOP__RABBITMQ__PREFETCH", "10")
        .start()
        .await;
    await_ready(&app).await;
    tokio::task::block_in_place(|| cluster.stop());
    let wanted: Vec<String> = (0..30).map(|number| format!("number {number}")).collect();
    for title in &wanted {
        back_end.emit_named(title, "notification.created", &note("7", title)).await;
    }
    await_outcome(&app, "retried", 3).await;
    // No more than the prefetch are out of the queue, and none was put aside.
    assert_eq!(back_end.waiting(&back_end.queue).await, 20);
    assert_eq!(outcomes(&app, "dead").await, 0);
    tokio::task::block_in_place(|| cluster.start());
    assert_eq!(await_titles(&app, "7", wanted.len()).await, wanted);
    assert!(back_end.try_take(&back_end.dead()).await.is_none());
    drop(app);
}

#[tokio::test]
async fn no_more_are_under_way_than_the_prefetch_allows() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let builder = back_end.feed(patient(TestAppBuilder::new(Database::Sqlite)));
    let app = builder
        .with("BELLHOP__RABBITMQ__PREFETCH", "5")
        .with("BELLHOP__DATABASE__BUSY_TIMEOUT_MS", "15000")
        .start()
        .await;
    await_ready(&app).await;
    let hold = app.hold_writers();
    for number in 0..20 {
        back_end.emit("notification.created", &note("7", &format!("number {number}"))).await;
    }
    wait_until_async("five to be under way", async || {
        (back_end.waiting(&back_end.queue).await == 15).then_some(())
    })
    .await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(back_end.waiting(&back_end.queue).await, 15);
    drop(hold);
    await_titles(&app, "7", 20).await;
}

#[tokio::test]
async fn a_server_that_stops_leaves_the_rest_to_others() {
    let (mut app, back_end) = fed(TestAppBuilder::new(Database::Sqlite)).await;
    back_end.emit("notification.created", &note("7", "before")).await;
    await_titles(&app, "7", 1).await;
    app.stop().await;
    assert_eq!(back_end.consumers(&back_end.queue).await, 0);
    back_end.emit("notification.created", &note("7", "meanwhile")).await;
    assert_eq!(back_end.waiting(&back_end.queue).await, 1);
    app.start_again().await;
    assert_eq!(await_titles(&app, "7", 2).await, ["before", "meanwhile"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_no_message_and_doubles_none_that_has_a_name() {
    const SENT: usize = 600;
    let cluster = Cluster::start_new(Durability::Fsync);
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    back_end.declare(&back_end.queue, lapin::types::FieldTable::default()).await;
    let mut server = server(&back_end, &cluster.url("postgres")).await;
    let mut standing_by = self::server(&back_end, &cluster.url("postgres")).await;
    let sending = async {
        for number in 0..SENT {
            let user = format!("host-{}", number % 7);
            let (name, data) = (format!("order-{number}"), note(&user, &format!("number {number}")));
            back_end.emit_named(&name, "notification.created", &data).await;
        }
    };
    let killing = async {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            server.kill();
            server.restart().await;
        }
    };
    tokio::join!(sending, killing);
    let url = cluster.url("postgres");
    let kept = || {
        let sql = "SELECT payload::jsonb->>'title' AS value FROM notifications";
        crate::support::records::texts(&url, sql)
    };
    let all =
        wait_until_async("everything to be kept", async || Some(kept()).filter(|kept| kept.len() >= SENT))
            .await;
    wait_until_async("the queue to be empty", async || {
        (back_end.waiting(&back_end.queue).await == 0).then_some(())
    })
    .await;
    server.terminate();
    standing_by.terminate();
    let mut titles = kept();
    assert_eq!((all.len(), titles.len()), (SENT, SENT), "doubled");
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), SENT);
    assert!(back_end.try_take(&back_end.dead()).await.is_none());
}

/// Has the database refuse whatever is written for these users, for no reason that passes.
fn curse(app: &crate::support::app::TestApp, users: &str) {
    let sql = format!(
        "CREATE TRIGGER cursed BEFORE INSERT ON notifications WHEN NEW.user_id {users} \
         BEGIN SELECT RAISE(ABORT, 'no'); END"
    );
    execute(app.database_url(), &sql);
}

#[tokio::test]
async fn what_fails_by_itself_is_put_aside_and_what_fails_with_all_others_waits() {
    let (app, back_end) = fed(TestAppBuilder::new(Database::Sqlite)).await;
    curse(&app, "LIKE '%'");
    for number in 0..5 {
        back_end.emit("notification.created", &note("7", &format!("number {number}"))).await;
    }
    await_outcome(&app, "retried", 30).await;
    assert_eq!(outcomes(&app, "dead").await, 0);
    execute(app.database_url(), "DROP TRIGGER cursed");
    assert_eq!(await_titles(&app, "7", 5).await.len(), 5);

    curse(&app, "= 'cursed'");
    back_end.emit("notification.created", &note("cursed", "never")).await;
    let letter = async {
        loop {
            if let Some(letter) = back_end.try_take(&back_end.dead()).await {
                return letter;
            }
            back_end.emit("notification.created", &note("8", "others")).await;
        }
    };
    let letter = soon("the letter", letter).await;
    assert_eq!(letter.header("x-reason"), "write_failed");
    assert_eq!(letter.json()["data"]["title"], "never");
    assert!(!titles(&app, "8").await.is_empty());
}

#[tokio::test]
async fn a_queue_for_dead_letters_that_was_deleted_is_made_again() {
    let (app, back_end) =
        fed(TestAppBuilder::new(Database::Sqlite).with("BELLHOP__RABBITMQ__PREFETCH", "3")).await;
    back_end.delete(&back_end.dead()).await;
    for _ in 0..5 {
        back_end.emit("no.such.event", &serde_json::json!({})).await;
    }
    back_end.emit("notification.created", &note("7", "behind them")).await;
    await_titles(&app, "7", 1).await;
    for _ in 0..5 {
        assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), "unknown_pattern");
    }
    await_ready(&app).await;
}

async fn server(back_end: &BackEnd, database: &str) -> Process {
    let builder = ProcessBuilder::new(&[])
        .with("DATABASE_URL", database)
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000")
        .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", "10");
    let builder =
        back_end.environment().iter().fold(builder, |builder, (name, value)| builder.with(name, value));
    builder.serve().await
}
