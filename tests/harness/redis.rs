//! That a Redis of the tests fails as it is told to, comes back empty, and is not left behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::deadline::wait_until;
use crate::support::redis::{self, RedisCluster, RedisOptions, RedisServer};

#[test]
fn a_redis_that_was_killed_comes_back_with_nothing() {
    let redis = RedisServer::start_new();
    redis.command(&["SET", "a", "1"]);
    redis.kill();
    assert!(redis.ask(&["PING"]).is_err());
    redis.start();
    assert_eq!(redis.command(&["GET", "a"]), "");
    redis.stop();
    redis.start();
    assert_eq!(redis.command(&["PING"]), "PONG");
}

#[test]
fn a_redis_that_is_paused_takes_connections_and_answers_later() {
    let redis = RedisServer::start_new();
    redis.pause();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| redis.ask(&["PING"]));
        assert!(std::net::TcpStream::connect(("127.0.0.1", redis.port())).is_ok());
        assert!(!asked.is_finished(), "a hanging Redis answered");
        redis.resume();
        asked.join().unwrap()
    });
    assert_eq!(asked.unwrap().to_string(), "PONG");
}

#[test]
fn a_replica_has_what_its_master_had_when_it_is_promoted() {
    let master =
        RedisServer::start_with(RedisOptions { password: Some("secret".to_owned()), cluster: false });
    master.command(&["SET", "a", "1"]);
    let replica = master.start_replica();
    assert!(replica.ask(&["SET", "a", "2"]).unwrap().to_string().starts_with("READONLY"));
    master.kill();
    replica.promote();
    assert_eq!(replica.command(&["GET", "a"]), "1");
    replica.command(&["SET", "a", "2"]);
}

#[test]
fn a_clusters_replica_takes_its_masters_place() {
    let cluster = RedisCluster::start_new();
    cluster.fail_over(0);
    // A key of the first third.
    let key = "b";
    let heir = &cluster.nodes()[3];
    wait_until("the new master serves its slots", || {
        matches!(heir.ask(&["SET", key, "1"]), Ok(redis::Reply::Text(_))).then_some(())
    });
    assert_eq!(heir.command(&["GET", key]), "1");
}

#[test]
fn what_passes_is_counted() {
    let redis = RedisServer::start_new();
    let before = redis.traffic();
    for _ in 0..3 {
        redis.command(&["PUBLISH", "room", "hello"]);
    }
    let passed = &redis.traffic() - &before;
    assert_eq!(passed.commands, [("publish".to_owned(), 3)].into());
    assert_eq!(redis.listeners("room"), 0);
}

/// Set for the process that the next test kills.
const VICTIM: &str = "REDIS_HARNESS_VICTIM";

#[test]
fn a_test_process_that_is_killed_leaves_no_redis() {
    const NAME: &str = "harness::redis::a_test_process_that_is_killed_leaves_no_redis";
    if std::env::var_os(VICTIM).is_some() {
        let redis = RedisServer::start_new();
        println!("\nredis {} {}", redis.port(), redis.folder().display());
        loop {
            std::thread::park();
        }
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("redis ")).expect("the server's line");
    let words: Vec<&str> = line.split(' ').collect();
    let port: u16 = words[1].parse().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());

    victim.kill().unwrap();
    victim.wait().unwrap();

    wait_until("the watchdog removes the server", || std::fs::metadata(words[2]).is_err().then_some(()));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
