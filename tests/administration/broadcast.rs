//! One notification for everybody: kept and worked off, whatever happens meanwhile, or passing.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, TestApp, token_for};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::deadline::{wait_until, wait_until_async};
use crate::support::postgres;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::records::{execute, texts};

/// Nothing is mailed meanwhile.
const NO_MAIL: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__SETTLE_MS", "600000"), ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000")];
const PATH: &str = "/admin/notifications/broadcast";

fn root() -> String {
    token_for("root", &["ADMIN"])
}

async fn broadcast(app: &TestApp, body: &Value) -> Answer {
    app.post(PATH, &root(), body).await
}

async fn progress(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/admin/notifications/broadcasts/{id}"), &root()).await.expect(200)
}

async fn finished(app: &TestApp, accepted: &Value) -> Value {
    let id = accepted["id"].as_str().unwrap();
    wait_until_async("the broadcast is done", async || {
        Some(progress(app, id).await).filter(|progress| progress["state"] == "finished")
    })
    .await
}

/// So many people who are known, by their tokens, by their inboxes or by both.
fn populate(url: &str, count: usize) {
    let numbers =
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let id = if url.starts_with("sqlite") { "printf('%06d', i)" } else { "lpad(i::text, 6, '0')" };
    for sql in [
        format!(
            "{numbers} INSERT INTO recipients (user_id, preferences, updated_at) \
             SELECT 'user-' || {id}, '{{}}', 0 FROM n WHERE i % 3 <> 0"
        ),
        format!(
            "{numbers} INSERT INTO inboxes (user_id, last_seq, unread, total) \
             SELECT 'user-' || {id}, 0, 0, 0 FROM n WHERE i % 3 <> 1"
        ),
    ] {
        execute(url, &sql);
    }
}

fn number(url: &str, sql: &str) -> usize {
    let value = texts(url, &format!("SELECT CAST(({sql}) AS TEXT) AS value")).pop().unwrap();
    value.parse().unwrap()
}

on_both_databases_and_every_door! {
    async fn everybody_who_is_known_gets_it_once_there_or_not(app, super::NO_MAIL) {
        let mut ann = app.connect("ann").await;
        app.connect("bob").await.close().await;
        app.tell("cleo", 1).await;
        // Known by a request alone.
        app.get("/notifications/count", &app.token("dora", &["CUSTOMER"])).await.expect(200);
        let url = app.database_url().to_owned();
        wait_until_async("dora is known", async || {
            (number(&url, "SELECT COUNT(*) FROM recipients WHERE user_id = 'dora'") == 1).then_some(())
        })
        .await;

        let body = json!({
            "type": "system.maintenance", "title": "Soon", "message": "At six", "priority": "high", "all": true,
        });
        let answer = broadcast(&app, &body).await;
        let location = answer.header("location").unwrap().to_owned();
        let accepted = answer.expect(202);
        assert_eq!(location, format!("/admin/notifications/broadcasts/{}", accepted["id"].as_str().unwrap()));
        let event = ann.next_event("system.maintenance").await;
        assert_eq!((&event["seq"], &event["title"], &event["priority"]), (&json!(1), &json!("Soon"), &json!("high")));
        let done = finished(&app, &accepted).await;
        // Root and the back end are known by their tokens.
        let inboxes = number(&url, "SELECT COUNT(*) FROM inboxes");
        assert!(inboxes >= 6, "{inboxes}");
        assert_eq!((&done["told"], &done["role"], &done["actor"]), (&json!(inboxes), &Value::Null, &json!("root")));
        for (user, total) in [("ann", 1), ("bob", 1), ("cleo", 2), ("dora", 1)] {
            let list = app.get("/notifications", &app.token(user, &[])).await.expect(200);
            assert_eq!(list["items"].as_array().unwrap().len(), total, "{user}");
            assert_eq!(list["items"][0]["type"], "system.maintenance", "{user}");
        }
        assert!(ann.events_so_far().await.iter().all(|event| event.name != "system.maintenance"));
    }

    async fn what_is_passing_goes_to_whoever_is_there_and_is_kept_for_nobody(app, super::NO_MAIL) {
        let mut ann = app.connect("ann").await;
        let mut bob = app.connect_with(&app.token("bob", &["CUSTOMER"]), "").await;
        let body = json!({"type": "system.maintenance", "all": true, "passing": true});
        assert_eq!(broadcast(&app, &body).await.expect(202), json!({"passing": true}));
        for device in [&mut ann, &mut bob] {
            assert_eq!(device.next_event("system.maintenance").await["seq"], Value::Null);
        }
        let body = json!({"type": "LIKE", "role": "customer", "passing": true});
        assert_eq!(broadcast(&app, &body).await.expect(202), json!({"passing": true}));
        bob.next_event("LIKE").await;
        assert!(ann.events_so_far().await.iter().all(|event| event.name != "LIKE"));
        assert_eq!(number(app.database_url(), "SELECT COUNT(*) FROM notifications"), 0);
        assert_eq!(number(app.database_url(), "SELECT COUNT(*) FROM broadcasts"), 0);
    }
}

on_both_databases! {
    async fn a_role_is_told_and_nobody_else_and_a_repeat_is_the_same_one(app, super::NO_MAIL) {
        app.connect_with(&app.token("ann", &["PROFESSIONAL"]), "").await.close().await;
        app.connect_with(&app.token("bob", &["CUSTOMER"]), "").await.close().await;
        let send = async |key: &str, body: Value| {
            let request = app.client().post(app.url(PATH)).header("idempotency-key", key).json(&body);
            app.send(request, &root()).await
        };
        let body = json!({"type": "LIKE", "role": "professional"});
        let first = send("once", body.clone()).await.expect(202);
        assert_eq!(send("once", body.clone()).await.expect(202), first);
        let done = finished(&app, &first).await;
        assert_eq!((&done["told"], &done["role"], &done["type"]), (&json!(1), &json!("PROFESSIONAL"), &json!("LIKE")));
        assert_eq!(send("once", body).await.expect(202), first);
        let other = json!({"type": "LIKE", "role": "CUSTOMER"});
        send("once", other.clone()).await.expect_problem(422, "idempotency_key_reused");
        assert_eq!(number(app.database_url(), "SELECT COUNT(*) FROM notifications"), 1);

        let passing = json!({"type": "LIKE", "all": true, "passing": true});
        send("again", passing).await.expect_problem(400, "idempotency_key_unsupported");
        for body in [
            json!({"type": "LIKE"}),
            json!({"type": "LIKE", "all": false}),
            json!({"type": "LIKE", "all": true, "role": "CUSTOMER"}),
            json!({"type": "LIKE", "all": true, "userId": "ann"}),
            json!({"type": "LIKE", "role": "CUSTOMER", "room": "user:ann"}),
            json!({"type": "LIKE", "all": true, "near": {"lat": 1, "lon": 1, "radiusKm": 1}}),
            json!({"type": "LIKE", "role": "CUSTOMER", "near": {"lat": 1, "lon": 1, "radiusKm": 1}}),
            json!({"type": "LIKE", "all": true, "passing": true, "near": {"lat": 1, "lon": 1, "radiusKm": 1}}),
        ] {
            broadcast(&app, &body).await.expect_problem(422, "invalid_target");
        }
        broadcast(&app, &json!({"type": "LIKE", "all": "yes"})).await.expect_problem(422, "invalid_body");
        broadcast(&app, &json!({"type": "error", "all": true})).await.expect_problem(422, "invalid_field");
        broadcast(&app, &json!({"type": "LIKE", "role": "a b"})).await.expect_problem(422, "invalid_field");
        let unknown = "/admin/notifications/broadcasts/0198a1b2-0000-7000-8000-000000000001";
        app.get(unknown, &root()).await.expect_problem(404, "not_found");
        app.get("/admin/notifications/broadcasts/7", &root()).await.expect_problem(400, "invalid_id");
        let deeds = app.get("/admin/audit?action=broadcast", &root()).await.expect(200);
        let noted: Vec<&Value> = deeds["items"].as_array().unwrap().iter().map(|deed| &deed["target"]).collect();
        assert_eq!(noted, ["PROFESSIONAL"; 3], "what was refused is no deed: {deeds}");
        assert_eq!(deeds["items"][2]["detail"]["id"], first["id"]);
    }

    async fn who_books_meanwhile_is_served_between_two_portions(app, super::NO_MAIL) {
        populate(app.database_url(), 2_000);
        let body = json!({"type": "system.maintenance", "all": true, "data": "x".repeat(20_000)});
        let accepted = broadcast(&app, &body).await.expect(202);
        app.book("guest", "host").await;
        let now = progress(&app, accepted["id"].as_str().unwrap()).await;
        assert_eq!(now["state"], "pending", "the booking waited for all of it: {now}");
        finished(&app, &accepted).await;
        let count = app.get("/notifications/count", &app.token("host", &[])).await.expect(200);
        assert!(count["total"].as_u64().unwrap() >= 1);
    }
}

fn server(url: &str) -> ProcessBuilder {
    let environment = [("JWT_SECRET", JWT_SECRET), ("DATABASE_URL", url), ("LOG_LEVEL", "warn")];
    environment
        .into_iter()
        .chain(NO_MAIL)
        .fold(ProcessBuilder::new(&[]), |server, (name, value)| server.with(name, value))
}

/// How many have it; looked at in the database, so that the moment is not missed.
fn told(url: &str) -> usize {
    number(url, "SELECT SUM(told) FROM broadcasts")
}

/// Kills the server as soon as so many have it.
fn kill_at(server: &mut Process, url: &str, count: usize) {
    wait_until(format_args!("{count} who were told"), || (told(url) >= count).then_some(()));
    server.kill();
}

async fn survives_kills(url: &str) {
    const PEOPLE: usize = 5_000;
    let mut first = server(url).serve().await;
    populate(url, PEOPLE);
    // So large that it takes some sixty portions.
    let body = json!({"type": "system.maintenance", "all": true, "data": "x".repeat(8_200)});
    let request = reqwest::Client::new().post(first.url(PATH)).bearer_auth(root()).json(&body);
    Answer::of(request).await.expect(202);
    for count in [1, PEOPLE / 3, PEOPLE * 2 / 3] {
        kill_at(&mut first, url, count);
        let (told, kept) = (told(url), number(url, "SELECT COUNT(*) FROM notifications"));
        assert!(told >= count && told < PEOPLE, "in the middle: {told}");
        assert_eq!(told, kept, "what was told and where it stands are one");
        if count < PEOPLE / 2 {
            first.restart().await;
        }
    }
    // Another instance goes on.
    let second = server(url).serve().await;
    wait_until_async("the broadcast is done", async || {
        (number(url, "SELECT COUNT(*) FROM broadcasts WHERE finished_at IS NOT NULL") == 1).then_some(())
    })
    .await;
    let by_user = "SELECT COUNT(DISTINCT user_id) FROM notifications WHERE user_id LIKE 'user-%'";
    let all = "SELECT COUNT(*) FROM notifications WHERE user_id LIKE 'user-%'";
    let ids = "SELECT COUNT(DISTINCT id) FROM notifications WHERE user_id LIKE 'user-%'";
    assert_eq!([number(url, by_user), number(url, all), number(url, ids)], [PEOPLE; 3], "each once");
    assert_eq!(number(url, "SELECT MAX(last_seq) FROM inboxes"), 1);
    assert_eq!(told(url), number(url, "SELECT COUNT(*) FROM notifications"));
    drop(second);
}

#[tokio::test]
async fn nobody_is_told_twice_or_left_out_by_kills_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    survives_kills(&format!("sqlite://{}", folder.path().join("bellhop.db").display())).await;
}

#[tokio::test]
async fn nobody_is_told_twice_or_left_out_by_kills_on_postgres() {
    let database = postgres::shared().create_database();
    survives_kills(database.url()).await;
}

#[tokio::test]
async fn two_instances_work_one_off_together_and_tell_everybody_once() {
    let database = postgres::shared().create_database();
    let url = database.url();
    let (first, second) = (server(url).serve().await, server(url).serve().await);
    populate(url, 2_000);
    for server in [&first, &second] {
        let body = json!({"type": "system.maintenance", "all": true, "data": "x".repeat(8_200)});
        let request = reqwest::Client::new().post(server.url(PATH)).bearer_auth(root()).json(&body);
        Answer::of(request).await.expect(202);
    }
    wait_until_async("both broadcasts are done", async || {
        (number(url, "SELECT COUNT(*) FROM broadcasts WHERE finished_at IS NOT NULL") == 2).then_some(())
    })
    .await;
    let lowest = number(url, "SELECT MIN(last_seq) FROM inboxes WHERE user_id LIKE 'user-%'");
    let highest = number(url, "SELECT MAX(last_seq) FROM inboxes WHERE user_id LIKE 'user-%'");
    assert_eq!((lowest, highest), (2, 2), "each of the two once");
}
