//! Tests of what the other tests stand on: that databases are apart, that an outage is one and ends,
//! and that nothing is left behind.

mod redis;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use diesel::{Connection, PgConnection, RunQueryDsl};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ConnectionProperties};

use crate::support::deadline::{wait_until, wait_until_async};
use crate::support::postgres::{self, Cluster, Durability};
use crate::support::rabbitmq::Broker;

fn execute(url: &str, sql: &str) -> Result<usize, String> {
    let mut connection = PgConnection::establish(url).map_err(|error| error.to_string())?;
    diesel::sql_query(sql).execute(&mut connection).map_err(|error| error.to_string())
}

#[test]
fn every_test_has_a_database_of_its_own() {
    let first = postgres::shared().create_database();
    let second = postgres::shared().create_database();
    execute(first.url(), "CREATE TABLE rooms (name TEXT)").unwrap();
    assert!(execute(second.url(), "SELECT * FROM rooms").unwrap_err().contains("does not exist"));

    let url = first.url().to_owned();
    drop(first);
    assert!(execute(&url, "SELECT 1").unwrap_err().contains("does not exist"));
}

#[test]
fn a_cluster_that_was_stopped_comes_back_with_its_data() {
    let cluster = Cluster::start_new(Durability::Fsync);
    let database = cluster.create_database();
    execute(database.url(), "CREATE TABLE rooms (name TEXT)").unwrap();

    cluster.stop();
    assert!(execute(database.url(), "SELECT 1").is_err());

    cluster.start();
    assert_eq!(execute(database.url(), "INSERT INTO rooms VALUES ('user:1')"), Ok(1));
}

#[test]
fn a_cluster_that_is_dropped_leaves_nothing() {
    let cluster = Cluster::start_new(Durability::NoFsync);
    let (folder, url) = (cluster.folder().to_owned(), cluster.url("postgres"));
    assert_eq!(execute(&url, "SELECT 1"), Ok(1));
    drop(cluster);
    assert!(!folder.exists());
    assert!(execute(&url, "SELECT 1").is_err());
}

/// Set for the process that the next test kills.
const VICTIM: &str = "HARNESS_VICTIM";

#[test]
fn a_test_process_that_is_killed_leaves_nothing() {
    const NAME: &str = "harness::a_test_process_that_is_killed_leaves_nothing";
    if std::env::var_os(VICTIM).is_some() {
        have_a_cluster_until_killed();
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("cluster ")).expect("the cluster's line");
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(execute(words[1], "SELECT 1"), Ok(1));

    victim.kill().unwrap();
    victim.wait().unwrap();

    wait_until("the watchdog removes the cluster", || fs::metadata(words[2]).is_err().then_some(()));
    assert!(execute(words[1], "SELECT 1").is_err());
}

fn have_a_cluster_until_killed() -> ! {
    let cluster = Cluster::start_new(Durability::NoFsync);
    println!("\ncluster {} {}", cluster.url("postgres"), cluster.folder().display());
    loop {
        std::thread::park();
    }
}

/// A channel with confirms on, and the connection that it lives with.
async fn open_channel(url: &str) -> lapin::Result<(lapin::Connection, lapin::Channel)> {
    let connection = lapin::Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

#[tokio::test]
async fn a_broker_that_was_killed_comes_back_with_what_it_confirmed() {
    const QUEUE: &str = "bookings";
    let broker = Broker::start_new();
    let url = broker.url();
    let (connection, channel) = open_channel(&url).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let published =
        channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), b"one", persistent);
    assert!(published.await.unwrap().await.unwrap().is_ack());

    broker.kill();
    assert!(open_channel(&url).await.is_err());
    drop((connection, channel));

    broker.start();
    let (_connection, channel) = open_channel(&url).await.unwrap();
    let kept = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(kept.expect("a message").delivery.data, b"one");
    let folder = broker.folder().to_owned();
    drop(broker);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_broker_that_is_stopped_says_so_and_one_that_is_frozen_goes_on() {
    let broker = Broker::start_new();
    let (connection, channel) = open_channel(&broker.url()).await.unwrap();
    broker.freeze();
    let queue = channel.queue_declare("".into(), QueueDeclareOptions::default(), FieldTable::default());
    let mut queue = std::pin::pin!(queue);
    let too_early = tokio::time::timeout(std::time::Duration::from_millis(500), queue.as_mut()).await;
    assert!(too_early.is_err(), "a frozen broker answered");
    broker.thaw();
    queue.await.unwrap();

    broker.stop();
    wait_until_async("the connection ends", async || (!connection.status().connected()).then_some(())).await;
    broker.start();
    assert!(broker.is_running());
    open_channel(&broker.url()).await.unwrap();
}
