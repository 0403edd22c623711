//! Tries to break what the project promises: a booking that was answered 201 is confirmed on a device of its
//! host, or its host is mailed, whatever fails. Guests book and hosts come and go, while the server is killed,
//! the database is stopped and the mail server misbehaves. `scripts/crash` does the same for longer.

mod audit;
mod chaos;
mod conversation;
mod guests;
mod hosts;
mod ledger;
mod plan;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::answer::Answer;
use crate::support::app::{Database, JWT_SECRET, token_for};
use crate::support::postgres::{Cluster, Durability};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::smtp_sink::SmtpSink;
use chaos::Chaos;
use guests::Desk;
use hosts::{Device, Graveyard};
use ledger::{Figures, SharedLedger};
use plan::Plan;

const HOSTS: usize = 30;
/// Every third host has two.
const DEVICES: usize = 40;
const GUESTS: u32 = 12;
/// How long guests still book when some devices are gone for good and the server does not know it.
const LAST_RUSH: Duration = Duration::from_secs(3);
/// How often the mails that were taken are written down.
const MAIL_INTERVAL: Duration = Duration::from_millis(50);
/// What everything may take to arrive when nothing fails any more: far more than it does.
const SETTLED_WITHIN: Duration = Duration::from_mins(2);
/// What a device may take to come for what the server counts as delivered.
const LATE_WITHIN: Duration = Duration::from_secs(15);
/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The first of the choices that guests make, after those of the devices; those of the chaos come last.
const GUESTS_CHOICES: usize = 1_000;
const CHAOS_CHOICES: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_on_sqlite() {
    run(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_on_postgres() {
    run(Database::Postgres).await;
}

fn host(number: usize) -> String {
    format!("host-{number}")
}

fn address(host: &str) -> String {
    format!("{host}@hosts.example")
}

/// Says how to do it again, if it fails at whatever point.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what was chosen can be chosen again with BELLHOP_CRASH_SEED={}", self.0);
        }
    }
}

async fn run(database: Database) {
    let plan = Plan::from_environment();
    let _seed = Seed(plan.seed);
    let ledger = SharedLedger::default();
    let sink = Arc::new(SmtpSink::start().await);
    let cluster = (database == Database::Postgres).then(|| Cluster::start_new(Durability::Fsync));
    let mut server = server(&plan, &sink, cluster.as_ref()).serve().await;
    let url = match &cluster {
        Some(cluster) => cluster.url("postgres"),
        None => format!("sqlite://{}", server.folder().join("data/bellhop.db").display()),
    };
    give_addresses(&server).await;

    let mut mails = JoinSet::new();
    mails.spawn(keep_mails(Arc::clone(&sink), ledger.clone()));
    let (end_day, evening) = watch::channel(false);
    let (close, open) = watch::channel(true);
    let mut devices = bring_devices(&plan, &server, &ledger, &evening);
    let mut guests = bring_guests(&plan, &server, &ledger, &open);

    let choices = plan.choices(CHAOS_CHOICES);
    let mut chaos = Chaos { server: &mut server, cluster: cluster.as_ref(), sink: &sink, choices };
    let damage = chaos.rage(plan.kills).await;
    end_day.send_replace(true);
    sleep(LAST_RUSH).await;
    close.send_replace(false);
    while let Some(guest) = guests.join_next().await {
        guest.unwrap();
    }
    server.restart().await;
    settle(&ledger, &url).await;
    write_down(&sink, &ledger);
    for failed in [devices.try_join_next(), mails.try_join_next()] {
        assert!(failed.is_none(), "who takes part ended: {failed:?}");
    }

    let (figures, findings) = judge(&ledger, &server, &url);
    let name = if database == Database::Sqlite { "sqlite" } else { "postgres" };
    println!(
        "crash {name}: seed {}, doors {}, kills {}, drains {}, freezes {}, database stops {}, {figures}",
        plan.seed, plan.doors, damage.kills, damage.drains, damage.freezes, damage.database_stops,
    );
    assert!(figures.bookings > 0, "nothing was booked");
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The figures, everything that is wrong, and what the server wrote of what is lost.
fn judge(ledger: &SharedLedger, server: &Process, url: &str) -> (Figures, Vec<String>) {
    let mut ledger = ledger.lock().unwrap();
    for request in audit::doubled_requests(url) {
        ledger.wrong(format_args!("the request for {request} made two bookings"));
    }
    let output = server.output();
    if output.contains("panicked") {
        ledger.wrong("the server panicked");
    }
    let mut findings = audit::findings(&mut ledger, &audit::records(url), address);
    let lost = ledger.lost();
    let said = output.lines().filter(|line| lost.iter().any(|id| line.contains(id)));
    findings.extend(said.map(str::to_owned));
    (ledger.figures(), findings)
}

/// A server that loses patience soon, so that much happens in little time.
fn server(plan: &Plan, sink: &SmtpSink, cluster: Option<&Cluster>) -> ProcessBuilder {
    let server = [
        ("JWT_SECRET", JWT_SECRET),
        ("LOG_LEVEL", "warn"),
        ("SMTP_URL", &sink.url()),
        ("RATE_LIMIT_MAX_REQUESTS", "100000"),
        ("API_RATE_LIMIT_PER_MINUTE", "0"),
        ("BELLHOP__SERVER__WORKERS", "2"),
        ("BELLHOP__LIMITS__SESSIONS_PER_USER", "1000"),
        ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "2000"),
        ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", "8000"),
        ("BELLHOP__SOCKETIO__PING_INTERVAL_MS", "2000"),
        ("BELLHOP__SOCKETIO__PING_TIMEOUT_MS", "6000"),
        ("SSE_HEARTBEAT_INTERVAL", "2000"),
        ("SSE_CLEANUP_INTERVAL", "8000"),
        ("BELLHOP__DELIVERY__PROOF", &plan.proof),
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"),
        ("BELLHOP__DELIVERY__SETTLE_MS", "300"),
        ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "200"),
        ("BELLHOP__MAIL__CONCURRENCY", "16"),
        ("BELLHOP__MAIL__TIMEOUT_MS", "1000"),
        ("BELLHOP__MAIL__LEASE_MS", "2500"),
        ("BELLHOP__MAIL__RETRY_FIRST_MS", "200"),
        ("BELLHOP__MAIL__RETRY_LONGEST_MS", "1000"),
    ]
    .into_iter()
    .fold(ProcessBuilder::new(&[]), |server, (name, value)| server.with(name, value));
    match cluster {
        Some(cluster) => server.with("DATABASE_URL", &cluster.url("postgres")),
        None => server,
    }
}

async fn give_addresses(server: &Process) {
    let client = reqwest::Client::new();
    join_all((0..HOSTS).map(async |number| {
        let host = host(number);
        let request = client.put(server.url("/notifications/preferences"));
        let request = request.bearer_auth(token_for(&host, &[])).json(&json!({"email": address(&host)}));
        Answer::of(request).await.expect(200);
    }))
    .await;
}

fn bring_devices(
    plan: &Plan,
    server: &Process,
    ledger: &SharedLedger,
    evening: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let graveyard = Graveyard::default();
    let mut devices = JoinSet::new();
    for number in 0..DEVICES {
        let host = host(number % HOSTS);
        let device = Device {
            number,
            door: plan.door(number),
            token: token_for(&host, &["PROFESSIONAL"]),
            host,
            server: server.address(),
            ledger: ledger.clone(),
            graveyard: graveyard.clone(),
            evening: evening.clone(),
            choices: plan.choices(number),
        };
        devices.spawn(device.live());
    }
    devices
}

fn bring_guests(
    plan: &Plan,
    server: &Process,
    ledger: &SharedLedger,
    open: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let desk = Desk::new(server.url("/bookings"), (0..HOSTS).map(host).collect(), ledger.clone());
    let pace = Duration::from_secs(1) * GUESTS / plan.rate;
    let mut guests = JoinSet::new();
    for number in 0..GUESTS as usize {
        let token = token_for(&format!("guest-{number}"), &["CUSTOMER"]);
        let choices = plan.choices(GUESTS_CHOICES + number);
        guests.spawn(desk.clone().serve(number, token, pace, open.clone(), choices));
    }
    guests
}

async fn keep_mails(sink: Arc<SmtpSink>, ledger: SharedLedger) {
    loop {
        write_down(&sink, &ledger);
        sleep(MAIL_INTERVAL).await;
    }
}

/// Moves what the mail server has taken into the ledger.
fn write_down(sink: &SmtpSink, ledger: &SharedLedger) {
    // Locked first, so that nobody finds a mail in neither of the two.
    let mut ledger = ledger.lock().unwrap();
    for mail in sink.take_mails() {
        let message_id = mail.message_id();
        let Some((id, _)) = message_id.trim_start_matches('<').split_once('@') else {
            ledger.wrong(format_args!("a mail with the Message-ID {message_id:?}"));
            continue;
        };
        ledger.mailed(id, &mail.to);
    }
}

/// Waits until everything has arrived and is recorded. What has not in that time is for the audit to tell.
async fn settle(ledger: &SharedLedger, url: &str) {
    let mut deadline = Instant::now() + SETTLED_WITHIN;
    while Instant::now() < deadline {
        if audit::count_pending(url) == 0 {
            if ledger.lock().unwrap().lost().is_empty() {
                return;
            }
            deadline = deadline.min(Instant::now() + LATE_WITHIN);
        }
        sleep(LOOK_INTERVAL).await;
    }
}
