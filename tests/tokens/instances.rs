//! Several instances on one database: an order given to one is in force on all.

use serde_json::json;

use super::token_named;
use crate::support::app::JWT_SECRET;
use crate::support::app::{Database, TestApp, TestAppBuilder};
use crate::support::deadline::wait_until_async;
use crate::support::door::Call;
use crate::support::door::Door;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::records::execute;
use crate::support::socket::TestSocket;

/// Another instance over the same database.
async fn beside(first: &TestApp, door: Door) -> TestApp {
    TestAppBuilder::new(Database::Sqlite)
        .with("DATABASE_URL", first.database_url())
        .with("BELLHOP__AUTH__REVOCATION_POLL_MS", "100")
        .through(door)
        .start()
        .await
}

#[tokio::test]
async fn an_order_to_one_instance_is_in_force_on_the_other() {
    for door in Door::ALL {
        let first = TestAppBuilder::new(Database::Postgres).through(door).start().await;
        let second = beside(&first, door).await;
        let (bad, good) = (token_named("ann", "bad", 0), token_named("ann", "good", 0));
        let mut out = second.connect_with(&bad, "").await;
        let mut stays = second.connect_with(&good, "").await;
        let ticket = second.ticket(&bad, door.label()).await;
        first.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        out.expect_end(4003, "token_revoked").await;
        second.assert_refuses(&bad, "token_revoked").await;
        let refused = crate::support::tickets::Entry::refused("token_revoked");
        assert_eq!(second.enter(&format!("ticket={ticket}")).await, refused, "{door:?}");
        assert_eq!(stays.events_so_far().await, []);

        first.disconnect("ann").await.expect(200);
        stays.expect_end(4004, "disconnected").await;
        first.revoke("ann", &json!({})).await.expect(200);
        wait_until_async("the other instance to know", async || {
            (second.get("/notifications/count", &good).await.status == 401).then_some(())
        })
        .await;
        second.assert_believes(&token_named("ann", "new", 0)).await;
    }
}

/// Ids come in the order of commits, so none is passed over, whoever gives orders at the same time.
#[tokio::test]
async fn orders_of_several_instances_at_once_are_all_in_force_on_all() {
    const ORDERS: usize = 40;
    let first = TestApp::start(Database::Postgres).await;
    let second = beside(&first, Door::Raw).await;
    let third = beside(&first, Door::Raw).await;
    let apps = [&first, &second];
    let given = (0..ORDERS).map(|n| {
        let body = json!({"jti": format!("t-{n}")});
        async move { apps[n % 2].revoke("ann", &body).await.expect(200) }
    });
    futures_util::future::join_all(given).await;
    for n in 0..ORDERS {
        let token = token_named("ann", &format!("t-{n}"), 0);
        for app in [&first, &second, &third] {
            wait_until_async(format_args!("order {n} to be in force"), async || {
                (app.get("/notifications/count", &token).await.status == 401).then_some(())
            })
            .await;
        }
    }
}

/// As after a restore from a copy, or on a replica that had not heard of everything: ids of before are given again.
#[tokio::test]
async fn an_order_counts_also_when_the_database_was_set_back() {
    // It does not look before the test is over: what it takes is in force all the same.
    let first = TestAppBuilder::new(Database::Postgres).with("BELLHOP__AUTH__REVOCATION_POLL_MS", "600000");
    let first = first.start().await;
    let second = beside(&first, Door::Raw).await;
    let refused_by = async |app: &TestApp, token: &str| {
        wait_until_async("the order to be in force", async || {
            (app.get("/notifications/count", token).await.status == 401).then_some(())
        })
        .await;
    };
    let named = ["old", "older", "third", "fourth"].map(|name| token_named("ann", name, 0));
    first.disconnect("bob").await.expect(200);
    for id in ["old", "older"] {
        first.revoke("ann", &json!({ "jti": id })).await.expect(200);
    }
    refused_by(&second, &named[1]).await;
    let mut back = second.connect("bob").await;

    // Some are gone at first, then all of them; another instance may or may not look in between.
    execute(first.database_url(), "DELETE FROM revocations WHERE id > 1");
    first.revoke("ann", &json!({"jti": "third"})).await.expect(200);
    first.assert_refuses(&named[2], "token_revoked").await;
    refused_by(&second, &named[2]).await;
    execute(first.database_url(), "DELETE FROM revocations");
    first.revoke("ann", &json!({"jti": "fourth"})).await.expect(200);
    first.assert_refuses(&named[3], "token_revoked").await;
    refused_by(&second, &named[3]).await;

    for app in [&first, &second] {
        for token in &named {
            app.assert_refuses(token, "token_revoked").await;
        }
        app.assert_believes(&token_named("ann", "good", 0)).await;
    }
    assert_eq!(back.events_so_far().await, [], "an order that was carried out is not carried out again");
    first.disconnect("bob").await.expect(200);
    back.expect_end(4004, "disconnected").await;
}

/// How often it was looked for orders, and a few times more: for what is overdue, which is rare.
async fn looks(server: &Process) -> u64 {
    let page = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
    let name = "bellhop_database_wait_seconds_count{whom=\"apart\"} ";
    page.lines().find_map(|line| line.strip_prefix(name)).map_or(0, |count| count.parse().unwrap())
}

/// The same on the instance that looks, and in another program's words: it says so once, and goes on.
#[tokio::test]
async fn that_the_database_was_set_back_is_told_once() {
    let server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__AUTH__REVOCATION_POLL_MS", "50")
        .serve()
        .await;
    let told = || server.output().matches("as if it was set back").count();
    for id in ["a", "b"] {
        assert_eq!(order(&server, "/admin/users/ann/revoke", &json!({ "jti": id })).await, 200);
    }
    let begun = looks(&server).await;
    wait_until_async("the orders to be read", async || (looks(&server).await >= begun + 5).then_some(()))
        .await;
    let database = format!("sqlite://{}", server.folder().join("data/bellhop.db").display());
    execute(&database, "DELETE FROM revocations");
    wait_until_async("a line", async || (told() > 0).then_some(())).await;
    for id in ["c", "d", "e"] {
        assert_eq!(order(&server, "/admin/users/ann/revoke", &json!({ "jti": id })).await, 200);
        assert_eq!(status_of(&server, &token_named("ann", id, 0)).await, 401);
    }
    assert_eq!(told(), 1, "{}", server.output());
    assert_eq!(status_of(&server, &token_named("ann", "a", 0)).await, 401);
}

async fn order(server: &Process, path: &str, body: &serde_json::Value) -> u16 {
    let token = crate::support::app::token_for("root", &["ADMIN"]);
    let request = reqwest::Client::new().post(server.url(path)).bearer_auth(token).json(body);
    request.send().await.unwrap().status().as_u16()
}

async fn status_of(server: &Process, token: &str) -> u16 {
    let request = reqwest::Client::new().get(server.url("/notifications/count")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

/// What was answered is in force after a kill, before anybody is let in.
#[tokio::test]
async fn what_was_revoked_stays_revoked_over_a_kill() {
    let mut server = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    let (bad, good) = (token_named("ann", "bad", 0), token_named("ann", "good", 0));
    assert_eq!(order(&server, "/admin/users/ann/revoke", &json!({"jti": "bad"})).await, 200);
    server.kill();
    server.restart().await;
    assert_eq!((status_of(&server, &bad).await, status_of(&server, &good).await), (401, 200));
    let refused = TestSocket::try_call(&Call::new(Door::Raw, server.address(), &bad)).await;
    assert_eq!(refused.err(), Some(401));
}
