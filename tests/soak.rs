//! Has everybody do everything at once for a while, and then leave: the server must end with the memory and the files
//! that it began with. The tests do it for seconds, `scripts/soak` for hours.

mod load;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::answer::Answer;
use crate::support::app::JWT_SECRET;
use crate::support::deadline::wait_within;
use crate::support::postgres::{Cluster, Durability};
use crate::support::process::{Process, ProcessBuilder};
use load::{Crowd, Deeds};
use plan::Plan;

/// What everybody may take to be gone: longer than the server keeps an idle connection here.
const QUIET_WITHIN: Duration = Duration::from_mins(1);
/// How long nobody does anything before it is looked at what is left, so that what is due later is done.
const REST: Duration = Duration::from_secs(3);
/// What memory may differ by: the allocator keeps pages that it has had.
const MEMORY_SLACK: usize = 16 * 1024 * 1024;
/// The same in percent, where the server is large.
const MEMORY_SLACK_PERCENT: usize = 10;
/// What each connection to SQLite keeps of its file, at most: it fills as the file grows.
const SQLITE_CACHE: usize = 2_000 * 1024;
/// As many connections to the database as the configuration allows. SQLite keeps the files of closed ones for the next,
/// where it must not give up its locks.
const POOLED_MAX: usize = 16;

/// What a quiet server holds.
#[derive(Debug, Clone)]
struct Holdings {
    memory: usize,
    /// Connections to the database: opened as they are needed, up to a number.
    pooled: usize,
    /// Without those of the database's connections.
    files: BTreeMap<String, usize>,
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.files.values().sum();
        write!(f, "{} KB, {} connections to the database and {files} files", self.memory / 1024, self.pooled)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_with_what_it_began_with() {
    let plan = Plan::from_environment();
    let cluster = plan.is_postgres.then(|| Cluster::start_new(Durability::Fsync));
    let server = server(cluster.as_ref()).serve().await;
    let deeds = Deeds::default();

    // What everybody does for the first time makes pools and caches: the beginning is after that.
    work(&server, &deeds, plan.warm_up).await;
    let before = rest(&server, plan.is_postgres).await;
    println!("soak: it began with {before}");
    let mut last = before.clone();
    let end = Instant::now() + plan.time;
    let mut round = 1;
    while Instant::now() < end {
        work(&server, &deeds, plan.portion.min(end - Instant::now())).await;
        last = rest(&server, plan.is_postgres).await;
        println!("soak: round {round}: {last}; {deeds}");
        round += 1;
    }

    assert!(deeds.are_all_done(), "somebody did nothing: {deeds}");
    for (name, count) in &last.files {
        let had = before.files.get(name).copied().unwrap_or_default();
        assert!(*count <= had, "files stayed open: {:?}, then {:?}", before.files, last.files);
    }
    let caches = if plan.is_postgres { 0 } else { last.pooled * SQLITE_CACHE };
    let slack = MEMORY_SLACK.max(before.memory / 100 * MEMORY_SLACK_PERCENT);
    assert!(last.memory <= before.memory + caches + slack, "memory was kept: {before}, then {last}");
    let said = server.output();
    assert!(!said.contains("panicked") && !said.contains("ERROR"), "the server failed");
}

/// Everybody comes, does what they do for so long, and leaves.
async fn work(server: &Process, deeds: &Deeds, time: Duration) {
    let crowd = Crowd::gather(server.address(), deeds);
    sleep(time).await;
    crowd.leave().await;
}

/// Waits until nobody is there, and a little longer; answers what the server holds then.
async fn rest(server: &Process, is_postgres: bool) -> Holdings {
    wait_within(QUIET_WITHIN, "everybody to have left", async || {
        let figures = figures(server).await;
        let is_empty = values(&figures, "bellhop_sessions_open{").all(|count| count == 0);
        (is_empty && server.connections() == 0).then_some(())
    })
    .await;
    let pooled = values(&figures(server).await, "bellhop_database_connections{").sum();
    // Also for the connection that this was asked over.
    sleep(REST).await;
    let mut files = server.open_files();
    for (name, count) in &mut files {
        if is_postgres && name == "socket" {
            *count = count.saturating_sub(pooled);
        } else if name.contains(".db") {
            *count = count.saturating_sub(POOLED_MAX);
        }
    }
    Holdings { memory: server.resident_bytes(), pooled, files }
}

async fn figures(server: &Process) -> String {
    Answer::of(reqwest::Client::new().get(server.url("/metrics"))).await.expect_text(200)
}

/// What the lines say that begin like this.
fn values(figures: &str, beginning: &str) -> impl Iterator<Item = usize> {
    let lines = figures.lines().filter(move |line| line.starts_with(beginning));
    lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(usize::MAX))
}

/// As it is when nobody configures anything, but for what would make one machine's clients wait for each other.
fn server(cluster: Option<&Cluster>) -> ProcessBuilder {
    let settings = [
        ("JWT_SECRET", JWT_SECRET),
        ("LOG_LEVEL", "info"),
        ("API_RATE_LIMIT_PER_MINUTE", "100000"),
        ("BELLHOP__SERVER__KEEP_ALIVE_MS", "5000"),
        ("BELLHOP__SERVER__REQUEST_TIMEOUT_MS", "2000"),
        ("BELLHOP__SOCKETIO__PING_INTERVAL_MS", "2000"),
        ("BELLHOP__SOCKETIO__PING_TIMEOUT_MS", "2000"),
        ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "2000"),
        ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", "6000"),
        ("SSE_HEARTBEAT_INTERVAL", "2000"),
        ("SSE_CLEANUP_INTERVAL", "6000"),
    ];
    let server =
        settings.into_iter().fold(ProcessBuilder::new(&[]), |server, (name, value)| server.with(name, value));
    match cluster {
        Some(cluster) => server.with("DATABASE_URL", &cluster.url("postgres")),
        None => server,
    }
}

/// The value at a path that must be there.
fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}
