//! The figures that the project promises: thousands of bookings at once, each of which reaches its host
//! exactly once, on a device or by mail. The times are printed; what is asserted is that nothing is lost,
//! doubled or out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bellhop::domain::{Clock, SystemClock};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::app::{Database, TestApp, TestAppBuilder, booking, token_of};
use crate::support::both::on_both_databases;
use crate::support::deadline::{wait_until_async, wait_within};
use crate::support::smtp_sink::SmtpSink;

const BOOKINGS: usize = 5_000;
const HOSTS: usize = 100;
const IN_FLIGHT: usize = 64;
/// Far more than it takes, for machines that are busy with other tests.
const LONGEST: Duration = Duration::from_mins(2);

fn host(number: usize) -> String {
    format!("host-{number}")
}

/// A host's token, with the address that mail goes to.
fn host_token(number: usize) -> String {
    let expires = SystemClock.now().as_seconds() + 3_600;
    let email = format!("{}@hosts.example", host(number));
    token_of(&json!({"userId": host(number), "roles": ["PROFESSIONAL"], "email": email, "exp": expires}))
}

/// Posts all bookings, so many at a time, hosts in turn; answers the ids of the notifications by host.
async fn book_all(app: &TestApp) -> BTreeMap<String, BTreeSet<String>> {
    let token = app.token("guest", &["CUSTOMER"]);
    let began = Instant::now();
    let answers: Vec<(String, String)> = stream::iter(0..BOOKINGS)
        .map(async |number| {
            let host = host(number % HOSTS);
            let body = app.post("/bookings", &token, &booking(&host)).await.expect(201);
            (host, text(&body["notification"]["id"]))
        })
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    let took = began.elapsed();
    println!(
        "{BOOKINGS} bookings at {IN_FLIGHT} in flight: {took:.2?}, {:.0} a second",
        f64::from(u32::try_from(BOOKINGS).unwrap()) / took.as_secs_f64()
    );
    let mut by_host: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (host, id) in answers {
        assert!(by_host.entry(host).or_default().insert(id), "ids are distinct");
    }
    by_host
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Waits until every delivery has come to this end.
async fn until_all_are(app: &TestApp, state: &str) {
    let of_state = format!("state=\"{state}\"}} ");
    wait_within(LONGEST, format_args!("all deliveries to be {state}"), async || {
        let page = app.get("/metrics", "").await.text;
        let finished = page.lines().filter(|line| line.starts_with("bellhop_deliveries_finished_total"));
        let counts = finished.filter_map(|line| line.split_once(&of_state)?.1.parse::<usize>().ok());
        (counts.sum::<usize>() == BOOKINGS).then_some(())
    })
    .await;
}

/// A busy test machine may take longer to confirm than the usual deadline: what is tested is that a device
/// that confirms gets no mail. And these devices ask all the time.
const PATIENT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "120000"), ("RATE_LIMIT_MAX_REQUESTS", "100000")];

on_both_databases! {
    async fn hosts_that_are_connected_get_each_booking_once(app, super::PATIENT) {
        let mut devices = Vec::new();
        for number in 0..HOSTS {
            devices.push((host(number), app.connect_with(&host_token(number), "").await));
        }
        let began = Instant::now();
        let listening: Vec<_> = devices
            .into_iter()
            .map(|(host, mut device)| {
                tokio::spawn(async move {
                    let mut got = Vec::new();
                    while got.len() < BOOKINGS / HOSTS {
                        let event = device.next_event("booking.created").await;
                        got.push((event["seq"].as_i64().unwrap(), text(&event["id"])));
                    }
                    (host, got, device)
                })
            })
            .collect();
        let booked = book_all(&app).await;
        let mut devices = Vec::new();
        for task in listening {
            let (host, got, device) = tokio::time::timeout(LONGEST, task).await.expect("in time").unwrap();
            let seqs: Vec<i64> = got.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(seqs, (1..=i64::try_from(BOOKINGS / HOSTS).unwrap()).collect::<Vec<_>>(), "{host}");
            let ids: BTreeSet<String> = got.into_iter().map(|(_, id)| id).collect();
            assert_eq!(ids, booked[&host], "{host}");
            devices.push((host, device));
        }
        println!("received by {HOSTS} hosts: {:.2?}", began.elapsed());
        // The devices go on answering pings until the last proof is in, and get nothing twice meanwhile.
        let answering = async {
            loop {
                for (host, device) in &mut devices {
                    let late = device.events_so_far().await;
                    assert!(late.iter().all(|event| event.name != "booking.created"), "{host}: {late:?}");
                }
            }
        };
        tokio::select! {
            () = until_all_are(&app, "confirmed") => {}
            () = answering => {}
        }
        println!("confirmed: {:.2?}", began.elapsed());
        assert!(app.unread_mails().is_empty(), "nobody was mailed");
    }
}

async fn hosts_that_are_away_are_mailed_each_booking_once(database: Database) {
    let sink = SmtpSink::start().await;
    let mut app = TestAppBuilder::new(database).with("SMTP_URL", &sink.url()).start().await;
    // Each was here once, so that its address is known.
    let visits = (0..HOSTS).map(async |number| app.connect_with(&host_token(number), "").await.close().await);
    join_all(visits).await;
    wait_until_async("all hosts are away", async || {
        let page = app.get("/metrics", "").await.text;
        page.lines().any(|line| line == r#"bellhop_sessions_open{door="websocket"} 0"#).then_some(())
    })
    .await;

    let began = Instant::now();
    let booked = book_all(&app).await;
    until_all_are(&app, "emailed").await;
    println!("mailed: {:.2?}", began.elapsed());
    app.stop().await;

    let mails = sink.mails();
    assert_eq!(mails.len(), BOOKINGS);
    let mut mailed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in &mails {
        let [to] = mail.to.as_slice() else { panic!("one recipient each: {:?}", mail.to) };
        let host = to.trim_matches(['<', '>']).strip_suffix("@hosts.example").expect("a host's address");
        let first = mailed.entry(host.to_owned()).or_default().insert(mail.message_id());
        assert!(first, "{} was mailed twice", mail.message_id());
    }
    for (host, ids) in booked {
        let missing: Vec<&String> = ids
            .iter()
            .filter(|id| !mailed[&host].iter().any(|message_id| message_id.contains(*id)))
            .collect();
        assert!(missing.is_empty(), "{host}: {missing:?}");
    }
}

#[tokio::test]
async fn hosts_that_are_away_are_mailed_each_booking_once_on_sqlite() {
    hosts_that_are_away_are_mailed_each_booking_once(Database::Sqlite).await;
}

#[tokio::test]
async fn hosts_that_are_away_are_mailed_each_booking_once_on_postgres() {
    hosts_that_are_away_are_mailed_each_booking_once(Database::Postgres).await;
}
