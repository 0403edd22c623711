//! A disk that is full, under the real binary with SQLite: refused clearly, nothing half-written, and
//! once there is space again it goes on by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, booking, token_for};
use crate::support::deadline::wait_until_async;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::records::texts;
use crate::support::socket::TestSocket;

/// What the tiny disk holds, in KiB, and how much of that is taken until space is made. The rest is enough
/// for a write-ahead log of its usual 4 MiB and for moving that into the tables a few times.
const DISK_KIB: usize = 16 * 1_024;
const FILLER_KIB: usize = 9 * 1_024;
/// The largest file where the size of files is limited instead, in bytes.
const FILE_MAX: usize = 1_024 * 1_024;
/// So many refusals in a row are no accident.
const REFUSALS: usize = 5;
/// More bookings than fit.
const BOOKINGS_MAX: usize = 4_000;

/// How space is kept small, and made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// A file system of its own in memory, in a namespace of the process's own: ENOSPC.
    TinyDisk,
    /// No file may grow beyond a size: EFBIG.
    FileSize,
}

impl Limit {
    /// Namespaces of one's own are not permitted everywhere; file sizes are limited everywhere.
    fn is_permitted(self) -> bool {
        let tried = || {
            Command::new("unshare")
                .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
                .output()
        };
        self == Self::FileSize || tried().is_ok_and(|output| output.status.success())
    }

    async fn serve(self) -> Process {
        let server =
            ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).with("BELLHOP__MAIL__OUTBOX", "outbox");
        match self {
            Self::TinyDisk => {
                let script = format!(
                    "mkdir -p data && mount -t tmpfs -o size={DISK_KIB}k tmpfs data && \
                     head -c {FILLER_KIB}K /dev/zero > data/filler && exec \"$0\" \"$@\""
                );
                let namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script];
                server.run_by(&namespace).serve().await
            }
            Self::FileSize => {
                let limit = format!("--fsize={FILE_MAX}:unlimited");
                // The signal that comes with the error would end the process.
                let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
                server.run_by(&["prlimit", &limit, "sh", "-c", script]).serve().await
            }
        }
    }

    fn make_space(self, server: &Process) {
        match self {
            Self::TinyDisk => fs::remove_file(self.data(server).join("filler")).unwrap(),
            Self::FileSize => {
                let id = server.id().to_string();
                let raised = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status();
                assert!(raised.unwrap().success());
            }
        }
    }

    /// The folder of the database, as it is reached from here.
    fn data(self, server: &Process) -> PathBuf {
        let folder = server.folder().join("data");
        match self {
            Self::TinyDisk => {
                let root = PathBuf::from(format!("/proc/{}/root", server.id()));
                root.join(folder.strip_prefix("/").unwrap())
            }
            Self::FileSize => folder,
        }
    }
}

async fn get(server: &Process, path: &str) -> Answer {
    Answer::of(reqwest::Client::new().get(server.url(path)).bearer_auth(token_for("host-7", &[]))).await
}

/// A booking that takes room.
async fn book(server: &Process, client: &reqwest::Client) -> Answer {
    let mut body = booking("host-7");
    body["note"] = json!("x".repeat(2_000));
    let token = token_for("guest-3", &["CUSTOMER"]);
    Answer::of(client.post(server.url("/bookings")).json(&body).bearer_auth(token)).await
}

fn id_of(answer: Answer) -> String {
    answer.expect(201)["booking"]["id"].as_str().unwrap().to_owned()
}

/// Books until the server refuses again and again; answers which were accepted.
async fn fill(server: &Process, host: &mut TestSocket, told: &mut Vec<Value>) -> Vec<String> {
    let client = reqwest::Client::new();
    let mut accepted = Vec::new();
    let mut refused = 0;
    for _ in 0..BOOKINGS_MAX {
        let answer = book(server, &client).await;
        if answer.status == 201 {
            accepted.push(id_of(answer));
            refused = 0;
            told.push(host.next_event("booking.created").await);
            host.take_seen();
            continue;
        }
        let pause = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
        assert!(pause.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
        answer.expect_problem(503, "database_unavailable");
        refused += 1;
        if refused == REFUSALS {
            return accepted;
        }
    }
    panic!("{} bookings fitted", accepted.len());
}

/// The whole inbox of the host, as the list shows it: seq and booking.
async fn inbox(server: &Process) -> Vec<(i64, String)> {
    let mut items = Vec::new();
    loop {
        let since = items.last().map_or(0, |(seq, _)| *seq);
        let page = get(server, &format!("/notifications/list?limit=100&since={since}")).await.expect(200);
        let page = page["items"].as_array().unwrap();
        if page.is_empty() {
            return items;
        }
        items.extend(page.iter().map(|item| {
            (item["seq"].as_i64().unwrap(), item["data"]["bookingId"].as_str().unwrap().to_owned())
        }));
    }
}

/// Copies the database while nobody writes, since SQLite would not open it through `/proc`.
fn copy_of(data: &Path, to: &Path) -> String {
    for file in ["bellhop.db", "bellhop.db-wal"] {
        fs::copy(data.join(file), to.join(file)).unwrap();
    }
    format!("sqlite://{}", to.join("bellhop.db").display())
}

async fn a_full_disk(limit: Limit) {
    let server = limit.serve().await;
    let mut host = TestSocket::open(server.address(), "/ws/notifications", &token_for("host-7", &[])).await;
    host.await_connected().await;
    let mut told = Vec::new();
    let mut accepted = fill(&server, &mut host, &mut told).await;
    println!("{limit:?}: full after {} bookings", accepted.len());
    assert!(!accepted.is_empty());

    let ready = get(&server, "/ready").await.expect(200);
    assert_eq!((&ready["status"], &ready["parts"]["database"]), (&json!("degraded"), &json!("degraded")));
    get(&server, "/health").await.expect(200);
    assert_eq!(inbox(&server).await.len(), accepted.len(), "reading goes on");
    let seen = host.events_so_far().await;
    assert!(seen.iter().all(|event| event.name != "booking.created"), "nobody is told of what was refused");

    limit.make_space(&server);
    let client = reqwest::Client::new();
    let again = wait_until_async("a booking is accepted again", async || {
        Some(book(&server, &client).await).filter(|answer| answer.status == 201)
    })
    .await;
    accepted.push(id_of(again));
    for _ in 0..20 {
        accepted.push(id_of(book(&server, &client).await));
    }
    while told.len() < accepted.len() {
        told.push(host.next_event("booking.created").await);
    }
    wait_until_async("all is well", async || {
        (get(&server, "/ready").await.json()["status"] == "ok").then_some(())
    })
    .await;

    let inbox = inbox(&server).await;
    let seqs: Vec<i64> = inbox.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(
        seqs,
        (1..=i64::try_from(accepted.len()).unwrap()).collect::<Vec<_>>(),
        "no hole, nothing more"
    );
    let listed: BTreeSet<&String> = inbox.iter().map(|(_, booking)| booking).collect();
    assert_eq!(listed, accepted.iter().collect());
    assert!(
        told.iter().map(|event| event["seq"].as_i64().unwrap()).eq(seqs),
        "the device was told each once"
    );

    let folder = tempfile::tempdir().unwrap();
    wait_until_async("every delivery to end", async || {
        let url = copy_of(&limit.data(&server), folder.path());
        let pending = "SELECT notification_id AS value FROM deliveries WHERE state = 'pending'";
        texts(&url, pending).is_empty().then_some(())
    })
    .await;
    let url = copy_of(&limit.data(&server), folder.path());
    assert_eq!(texts(&url, "SELECT integrity_check AS value FROM pragma_integrity_check"), ["ok"]);
    for table in ["bookings", "notifications", "deliveries"] {
        let count = texts(&url, &format!("SELECT CAST(COUNT(*) AS TEXT) AS value FROM {table}"));
        assert_eq!(count, [accepted.len().to_string()], "{table}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_and_space_heals_it() {
    if Limit::TinyDisk.is_permitted() {
        a_full_disk(Limit::TinyDisk).await;
    } else {
        println!("a disk of one's own is not permitted here: the limit of file sizes has its own test");
    }
}

#[tokio::test]
async fn a_limit_of_file_sizes_refuses_clearly_and_raising_it_heals_it() {
    a_full_disk(Limit::FileSize).await;
}
