//! Tries to break what the project promises: a booking that was answered 201 is confirmed on a device of its
//! host, or its host is mailed, whatever fails. Guests book and hosts come and go, while servers are killed, the
//! database is stopped and the mail server misbehaves; where the servers are several, they use any of them, or a broker
//! before them, and that and the Redis between them fail as well. `scripts/crash` does the same for longer.

mod audit;
mod chaos;
mod conversation;
mod guests;
mod hosts;
mod ledger;
mod plan;
mod publishers;
mod site;
mod weather;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::app::token_for;
use crate::support::process::Process;
use crate::support::smtp_sink::SmtpSink;
use chaos::Chaos;
use guests::Desk;
use hosts::{Device, Graveyard};
use ledger::{Figures, SharedLedger};
use plan::Plan;
use publishers::Publisher;
use site::{Kind, Site};

const HOSTS: usize = 30;
/// Every third host has two.
const DEVICES: usize = 40;
const GUESTS: u32 = 12;
/// Those whose bookings come over the broker, where there is one; each makes as many as a guest.
const PUBLISHERS: u32 = 3;
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

/// The first of the choices that guests make, after those of the devices; those of what fails come last.
const GUESTS_CHOICES: usize = 1_000;
const CHAOS_CHOICES: usize = 2_000;
const REDIS_CHOICES: usize = 2_001;
const BROKER_CHOICES: usize = 2_002;
const PUBLISHERS_CHOICES: usize = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_on_sqlite() {
    run(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_on_postgres() {
    run(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_accepted_is_lost_on_fleet() {
    run(Kind::Fleet).await;
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

async fn run(kind: Kind) {
    let plan = Plan::from_environment();
    let _seed = Seed(plan.seed);
    let ledger = SharedLedger::default();
    let mut site = Site::start(kind, &plan).await;

    let mut mails = JoinSet::new();
    mails.spawn(keep_mails(Arc::clone(&site.sink), ledger.clone()));
    let (end_day, evening) = watch::channel(false);
    let (close, open) = watch::channel(true);
    let mut devices = bring_devices(&plan, &site, &ledger, &evening);
    let mut guests = bring_guests(&plan, &site, &ledger, &open);
    bring_publishers(&plan, &site, &ledger, &open, &mut guests);
    let mut storms = JoinSet::new();
    if let Some(redis) = site.redis.clone() {
        storms.spawn(weather::storm(redis, plan.choices(REDIS_CHOICES), evening.clone()));
    }
    if let Some(broker) = site.broker.clone() {
        storms.spawn(weather::storm(broker, plan.choices(BROKER_CHOICES), evening));
    }

    let damage = Chaos { site: &mut site, choices: plan.choices(CHAOS_CHOICES) }.rage(&plan).await;
    end_day.send_replace(true);
    sleep(LAST_RUSH).await;
    let mut done = vec![damage.to_string()];
    done.extend(storms.join_all().await.iter().map(ToString::to_string));
    close.send_replace(false);
    while let Some(guest) = guests.join_next().await {
        guest.unwrap();
    }
    for server in &mut site.servers {
        server.restart().await;
    }
    settle(&ledger, &site.url).await;
    write_down(&site.sink, &ledger);
    for failed in [devices.try_join_next(), mails.try_join_next()] {
        assert!(failed.is_none(), "who takes part ended: {failed:?}");
    }

    let (figures, findings) = judge(&ledger, &site);
    println!("crash {kind}: seed {}, doors {}, {}, {figures}", plan.seed, plan.doors, done.join(", "));
    assert!(figures.bookings > figures.published, "nothing was booked");
    assert!(figures.published > 0 || site.broker.is_none(), "nothing was published");
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The figures, everything that is wrong, and what the servers wrote of what is lost.
fn judge(ledger: &SharedLedger, site: &Site) -> (Figures, Vec<String>) {
    let mut ledger = ledger.lock().unwrap();
    for request in audit::doubled_requests(&site.url) {
        ledger.wrong(format_args!("the request for {request} made two bookings"));
    }
    for booking in audit::doubled_bookings(&site.url) {
        ledger.wrong(format_args!("the booking {booking} made two notifications"));
    }
    let output = site.output();
    if output.contains("panicked") {
        ledger.wrong("a server panicked");
    }
    for listing in audit::adopt(&mut ledger, &site.url) {
        ledger.wrong(format_args!("LOST: {listing} was published and nothing came of it"));
    }
    let mut findings = audit::findings(&mut ledger, &audit::records(&site.url), address);
    let lost = ledger.lost();
    let said = output.lines().filter(|line| lost.iter().any(|id| line.contains(id)));
    findings.extend(said.map(str::to_owned));
    (ledger.figures(), findings)
}

fn bring_devices(
    plan: &Plan,
    site: &Site,
    ledger: &SharedLedger,
    evening: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let graveyard = Graveyard::default();
    let servers: Vec<SocketAddr> = site.servers.iter().map(Process::address).collect();
    let mut devices = JoinSet::new();
    for number in 0..DEVICES {
        let host = host(number % HOSTS);
        let device = Device {
            number,
            door: plan.door(number),
            token: token_for(&host, &["PROFESSIONAL"]),
            host,
            servers: servers.clone(),
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
    site: &Site,
    ledger: &SharedLedger,
    open: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let urls = site.servers.iter().map(|server| server.url("/bookings")).collect();
    let desk = Desk::new(urls, (0..HOSTS).map(host).collect(), ledger.clone());
    let pace = Duration::from_secs(1) * GUESTS / plan.rate;
    let mut guests = JoinSet::new();
    for number in 0..GUESTS as usize {
        let token = token_for(&format!("guest-{number}"), &["CUSTOMER"]);
        let choices = plan.choices(GUESTS_CHOICES + number);
        guests.spawn(desk.clone().serve(number, token, pace, open.clone(), choices));
    }
    guests
}

fn bring_publishers(
    plan: &Plan,
    site: &Site,
    ledger: &SharedLedger,
    open: &watch::Receiver<bool>,
    guests: &mut JoinSet<()>,
) {
    let Some(broker) = &site.broker else { return };
    let pace = Duration::from_secs(1) * GUESTS / plan.rate;
    for number in 0..PUBLISHERS as usize {
        let publisher = Publisher {
            number,
            url: broker.url(),
            hosts: (0..HOSTS).map(host).collect(),
            ledger: ledger.clone(),
            choices: plan.choices(PUBLISHERS_CHOICES + number),
            link: None,
        };
        guests.spawn(publisher.publish(pace, open.clone()));
    }
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
        // What is published and not made yet is still to come.
        let is_made = audit::adopt(&mut ledger.lock().unwrap(), url).is_empty();
        if is_made && audit::count_pending(url) == 0 {
            if ledger.lock().unwrap().lost().is_empty() {
                return;
            }
            deadline = deadline.min(Instant::now() + LATE_WITHIN);
        }
        sleep(LOOK_INTERVAL).await;
    }
}
