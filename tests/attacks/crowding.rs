//! Much at once by one sender: charged for what it writes, and whoever books meanwhile hardly notices.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, booking, token_for};
use crate::support::both::on_both_databases;
use crate::support::clock;
use crate::support::records::{execute, texts};

/// No quota stands in the way, and nothing is mailed meanwhile.
const UNCHARGED: [(&str, &str); 2] =
    [("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "10000000"), ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000")];
/// A bucket of 1,000 that fills in ten seconds.
const CHARGED: [(&str, &str); 3] = [
    ("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "100"),
    ("API_RATE_LIMIT_PER_MINUTE", "600"),
    ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000"),
];
const CLIENTS: usize = 12;
const FLOOD: Duration = Duration::from_secs(4);
/// What a machine that runs other tests besides may add.
const SLACK: Duration = Duration::from_millis(750);

fn to_many(count: usize) -> Value {
    let users: Vec<String> = (0..count).map(|number| format!("user-{number}")).collect();
    json!({"type": "LIKE", "title": "t", "message": "m", "userIds": users})
}

fn to_a_role() -> Value {
    json!({"type": "LIKE", "title": "t", "role": "CROWD"})
}

/// So many people of this name hold a role.
fn hire(app: &TestApp, name: &str, count: usize) {
    let id =
        if app.database_url().starts_with("sqlite") { "printf('%06d', i)" } else { "lpad(i::text, 6, '0')" };
    let numbers =
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    for sql in [
        format!(
            "{numbers} INSERT INTO recipients (user_id, preferences, updated_at) SELECT '{name}-' || {id}, '{{}}', 0 FROM n"
        ),
        format!(
            "{numbers} INSERT INTO recipient_roles (user_id, role) SELECT '{name}-' || {id}, 'CROWD' FROM n"
        ),
    ] {
        execute(app.database_url(), &sql);
    }
}

fn stored(app: &TestApp) -> usize {
    let sql = "SELECT CAST(COUNT(*) AS TEXT) AS value FROM notifications WHERE kind = 'LIKE'";
    texts(app.database_url(), sql).pop().unwrap().parse().unwrap()
}

/// Guests who book one after the other for a while, from a thread of their own.
struct Guests(thread::JoinHandle<Vec<(u16, Duration)>>);

impl Guests {
    fn begin(app: &TestApp, lasts: Duration) -> Self {
        let url = app.url("/bookings");
        Self(thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, token) = (reqwest::Client::new(), token_for("guest", &["CUSTOMER"]));
                let (began, mut seen) = (clock::start(), Vec::new());
                while began.elapsed() < lasts {
                    let asked = clock::start();
                    let request = client.post(&url).bearer_auth(&token).json(&booking("host-7"));
                    let status = Answer::of(request).await.status;
                    seen.push((status, asked.elapsed()));
                }
                seen
            })
        }))
    }

    /// How long they took, the slowest but one in a hundred; none may have been refused.
    fn slowest(self) -> Duration {
        let seen = self.0.join().unwrap();
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        for (status, _) in &seen {
            *statuses.entry(*status).or_default() += 1;
        }
        assert_eq!(statuses.keys().collect::<Vec<_>>(), [&201], "{statuses:?}");
        assert!(seen.len() >= 5, "{} bookings", seen.len());
        let mut times: Vec<Duration> = seen.into_iter().map(|(_, time)| time).collect();
        times.sort_unstable();
        times[(times.len() * 99).div_ceil(100) - 1]
    }
}

async fn quiet(app: &TestApp) -> Duration {
    let guests = Guests::begin(app, Duration::from_secs(1));
    tokio::task::spawn_blocking(|| guests.slowest()).await.unwrap()
}

/// Publishes over and over; answers how often with which status.
async fn flood(app: &TestApp, body: &Value) -> BTreeMap<u16, u32> {
    let (service, mut answers) = (app.service(), BTreeMap::new());
    let began = clock::start();
    while began.elapsed() < FLOOD {
        let answer = app.post("/notifications", &service, body).await;
        *answers.entry(answer.status).or_default() += 1;
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            answer.expect_problem(503, "overloaded");
            // Not as told, but as somebody in a hurry.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    answers
}

/// Floods while guests book; asserts that none of them is refused or waits for more than a few publications.
async fn assert_nobody_else_waits(app: &TestApp, body: &Value) {
    let quiet = quiet(app).await;
    let guests = Guests::begin(app, FLOOD);
    let answers = join_all((0..CLIENTS).map(|_| flood(app, body))).await;
    let slowest = tokio::task::spawn_blocking(|| guests.slowest()).await.unwrap();
    let published: u32 = answers.iter().filter_map(|answers| answers.get(&201)).sum();
    assert!(answers.iter().flat_map(BTreeMap::keys).all(|status| [201, 503].contains(status)), "{answers:?}");
    assert!(published > 0, "{answers:?}");
    let each = FLOOD / published;
    assert!(slowest <= quiet * 4 + each * 4 + SLACK, "{slowest:?}, of before {quiet:?}, for one {each:?}");
}

on_both_databases! {
    async fn a_service_that_tells_thousands_in_parallel_keeps_no_booking_waiting(app, super::UNCHARGED) {
        assert_nobody_else_waits(&app, &to_many(1_000)).await;
    }

    async fn a_service_that_sends_one_by_one_in_parallel_keeps_no_booking_waiting(app, super::UNCHARGED) {
        assert_nobody_else_waits(&app, &to_many(1)).await;
    }

    async fn whoever_books_while_a_role_is_told_does_not_wait_for_all_of_it(app, super::UNCHARGED) {
        const HOLDERS: usize = 3_000;
        hire(&app, "user", HOLDERS);
        let (quiet, body, service) = (quiet(&app).await, to_a_role(), app.service());
        let guests = Guests::begin(&app, FLOOD);
        let began = clock::start();
        let mut times = 0;
        while began.elapsed() < FLOOD {
            let told = app.post("/notifications", &service, &body).await.expect(201);
            assert_eq!(told, json!({"count": HOLDERS}));
            times += 1;
        }
        let (all, slowest) = (began.elapsed() / times, tokio::task::spawn_blocking(|| guests.slowest()).await.unwrap());
        assert_eq!(stored(&app), HOLDERS * usize::try_from(times).unwrap());
        // A portion is less than a tenth of it.
        assert!(slowest <= quiet * 4 + all / 3 + SLACK / 3, "{slowest:?}, of before {quiet:?}, for all {all:?}");
    }

    async fn what_tells_many_is_charged_for_each_and_refused_before_anything_is_written(app, super::CHARGED) {
        let post = async |key: &str, body: &Value| {
            let request = app.client().post(app.url("/notifications")).header("idempotency-key", key);
            app.send(request.json(body), &app.service()).await
        };
        let began = clock::start();
        let answer = post("first", &to_many(400)).await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"service\";q=1000;w=10"));
        assert_used(&answer, 400, began);
        answer.expect(201);
        // Of a long text there are as many rows as it takes.
        let mut long = to_many(60);
        long["data"] = json!("x".repeat(4_096 * 3));
        let answer = post("second", &long).await;
        assert_used(&answer, 400 + 60 * 4, began);
        answer.expect(201);

        let before = stored(&app);
        let refused = post("third", &to_many(900)).await;
        // 540 of 900 were missing at first, of which 100 come in a second.
        let retry_after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((6 - came_back(began).div_ceil(100)..=6).contains(&retry_after), "{retry_after}");
        assert_eq!(refused.header("ratelimit"), Some(&*format!("\"service\";r=0;t={retry_after}")));
        refused.expect_problem(429, "rate_limited");
        assert_eq!(stored(&app), before);
        tokio::time::sleep(Duration::from_secs(retry_after)).await;
        post("third", &to_many(900)).await.expect(201);
        assert_eq!(stored(&app), before + 900);
    }
}

fn remaining(answer: &Answer) -> u64 {
    let standing = answer.header("ratelimit").unwrap();
    standing.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse().unwrap()
}

/// The most that may have come back to a bucket since then.
fn came_back(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis() / 10).unwrap() + 1
}

/// Asserts that so much was used of a bucket of 1,000 since then.
fn assert_used(answer: &Answer, used: u64, began: Instant) {
    let (left, most) = (1_000 - used, 1_000 - used + came_back(began));
    assert!((left..=most).contains(&remaining(answer)), "{left} to {most}: {:?}", answer.headers);
}

#[tokio::test]
async fn what_is_more_than_a_whole_quota_is_possible_when_nothing_of_it_is_used() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with_all(&CHARGED)
        .with("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "10")
        .start()
        .await;
    let (service, body) = (app.service(), to_many(500));
    let answer = app.post("/notifications", &service, &body).await;
    assert_eq!(remaining(&answer), 0);
    answer.expect(201);
    // Ten come back in a second: what needs all of them has to wait for all.
    let refused = app.post("/notifications", &service, &body).await;
    let retry_after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&retry_after), "{retry_after}");
    refused.expect_problem(429, "rate_limited");
    // Others have a quota of their own.
    app.post("/notifications", &app.token("another", &["SERVICE"]), &to_many(99)).await.expect(201);
    assert_eq!(stored(&app), 599);
}

#[tokio::test]
async fn a_role_is_charged_for_those_who_hold_it() {
    let app = TestAppBuilder::new(Database::Sqlite).with_all(&CHARGED).start().await;
    hire(&app, "user", 300);
    let (service, began) = (app.service(), clock::start());
    let answer = app.post("/notifications", &service, &json!({"type": "LIKE", "role": "NOBODY"})).await;
    assert_used(&answer, 1, began);
    assert_eq!(answer.expect(201), json!({"count": 0}));
    for used in [301, 601] {
        let answer = app.post("/notifications", &service, &to_a_role()).await;
        assert_used(&answer, used, began);
        answer.expect(201);
    }
    hire(&app, "more", 3_000);
    let refused = app.post("/notifications", &service, &to_a_role()).await;
    refused.expect_problem(429, "rate_limited");
    assert_eq!(stored(&app), 600);
    // What is passing is written for nobody.
    let passing = json!({"type": "LIKE", "role": "CROWD", "passing": true});
    app.post("/notifications", &service, &passing).await.expect(202);
}
