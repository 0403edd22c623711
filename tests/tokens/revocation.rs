//! Revoking and disconnecting on one instance: who is out, who is not, and for how long that is remembered.

use serde_json::json;

use super::{time_from_now, token_named};
use crate::support::app::{Database, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::{on_both_databases, on_every_door};
use crate::support::deadline::wait_until_async;
use crate::support::door::{Call, Door};
use crate::support::event_stream::{Ask, EventStream};
use crate::support::postgres::{Cluster, Durability};
use crate::support::records::texts;
use crate::support::socket::TestSocket;
use crate::support::tickets::Entry;

/// In seconds.
const WEEK: i64 = 7 * 86_400;
/// The audit, an entry a line.
const NOTES: &str = "SELECT actor_id || ' ' || action || ' ' || target AS value FROM audit ORDER BY id";
const DETAILS: &str = "SELECT COALESCE(detail, '') AS value FROM audit ORDER BY id";

on_every_door! {
    async fn a_token_that_is_revoked_is_out_everywhere_at_once(app) {
        let (bad, good) = (token_named("ann", "bad", 0), token_named("ann", "good", 0));
        let mut out = app.connect_with(&bad, "").await;
        let mut stays = app.connect_with(&good, "").await;
        let door = app.door().label();
        let (out_ticket, ticket) = (app.ticket(&bad, door).await, app.ticket(&good, door).await);
        let answer = app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        assert_eq!((&answer["userId"], &answer["jti"]), (&json!("ann"), &json!("bad")), "{answer}");
        out.expect_end(4003, "token_revoked").await;
        app.assert_refuses(&bad, "token_revoked").await;
        assert_eq!(app.enter(&format!("token={bad}")).await, Entry::refused("token_revoked"));
        assert_eq!(app.enter(&format!("ticket={out_ticket}")).await, Entry::refused("token_revoked"));
        assert_eq!(app.enter(&format!("ticket={ticket}")).await, Entry::by("ann"));
        app.assert_believes(&good).await;
        assert_eq!(stays.events_so_far().await, []);
    }

    async fn all_of_a_users_tokens_are_out_and_the_next_is_not(app) {
        let (old, dateless) = (
            token_named("ann", "old", 0),
            token_of(&json!({"userId": "ann", "exp": seconds_from_now(60)})),
        );
        let mut devices = [app.connect_with(&old, "").await, app.connect_with(&dateless, "").await];
        let mut other = app.connect("bob").await;
        let answer = app.revoke("ann", &json!({})).await.expect(200);
        assert!(answer["issuedBefore"].is_string(), "{answer}");
        // At once after the answer.
        let new = token_named("ann", "new", 0);
        app.assert_believes(&new).await;
        for device in &mut devices {
            device.expect_end(4003, "token_revoked").await;
        }
        for token in [&old, &dateless] {
            app.assert_refuses(token, "token_revoked").await;
        }
        app.connect_with(&new, "").await.close().await;
        assert_eq!(other.events_so_far().await, []);
    }

    /// Such a token does not say when it was issued, whoever signed it by a clock or in a unit of their own.
    async fn all_of_a_users_tokens_are_those_from_ahead_of_time_too(app) {
        let (now, exp) = (seconds_from_now(0), seconds_from_now(86_400));
        let issued = [json!(now * 1_000), json!(seconds_from_now(3_600)), json!(1e300)];
        let tokens = issued.map(|iat| token_of(&json!({"userId": "ann", "iat": iat, "exp": exp})));
        let mut devices = Vec::new();
        for token in &tokens {
            app.assert_believes(token).await;
            devices.push(app.connect_with(token, "").await);
        }
        app.revoke("ann", &json!({})).await.expect(200);
        for device in &mut devices {
            device.expect_end(4003, "token_revoked").await;
        }
        for token in &tokens {
            app.assert_refuses(token, "token_revoked").await;
        }
        // Ahead by no more than clocks may differ, a token of after says when it was issued.
        app.assert_believes(&token_named("ann", "new", 10)).await;
    }

    async fn who_is_disconnected_may_come_back(app) {
        let mut devices = [app.connect("ann").await, app.connect("ann").await];
        let mut other = app.connect("bob").await;
        assert_eq!(app.disconnect("ann").await.expect(200)["userId"], "ann");
        for device in &mut devices {
            device.expect_end(4004, "disconnected").await;
        }
        assert_eq!(other.events_so_far().await, []);
        // The order is not carried out again on who came back, however often it is read.
        let mut back = app.connect("ann").await;
        app.disconnect("nobody").await.expect(200);
        app.disconnect("bob").await.expect(200);
        other.expect_end(4004, "disconnected").await;
        assert_eq!(back.events_so_far().await, []);
    }

    async fn what_waits_for_a_client_is_not_given_once_its_token_is_revoked(app) {
        let token = token_named("ann", "bad", 0);
        let mut device = app.connect_with(&token, "").await;
        app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        app.tell("ann", 1).await;
        device.expect_end(4003, "token_revoked").await;
        let seen: Vec<_> = device.take_seen().into_iter().map(|event| event.name).collect();
        assert!(!seen.iter().any(|name| name == "note"), "{seen:?}");
        // It goes to the mail's queue as for everybody who is away.
        app.assert_refuses(&token, "token_revoked").await;
    }
}

on_both_databases! {
    async fn a_stream_is_ended_for_good(app) {
        let token = token_named("ann", "bad", 0);
        let mut stream = EventStream::open(&app, &Ask::new(&token)).await;
        stream.next_event("connected").await;
        app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        let close = stream.next_event("close").await;
        assert_eq!((&close.data["code"], &close.data["reason"]), (&json!(4003), &json!("token_revoked")));
        assert!(close.id.is_some_and(|id| id.split('.').next_back() == Some("end")), "browsers are not to come back");
        assert_eq!(stream.next().await, None);
        assert_eq!(EventStream::request(&app, &Ask::new(&token)).await.status(), 401);
    }

    async fn what_was_revoked_stays_revoked_over_a_restart(mut app) {
        let (bad, old, good) = (token_named("ann", "bad", 0), token_named("bob", "b", -5), token_named("ann", "good", 0));
        app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        app.revoke("bob", &json!({"issuedBefore": time_from_now(0)})).await.expect(200);
        app.disconnect("ann").await.expect(200);
        app.restart().await;
        app.assert_refuses(&bad, "token_revoked").await;
        app.assert_refuses(&old, "token_revoked").await;
        app.assert_believes(&good).await;
        let mut device = app.connect_with(&good, "").await;
        app.disconnect("nobody").await.expect(200);
        assert_eq!(device.events_so_far().await, [], "an old order to disconnect is over");
    }

    async fn every_order_is_in_the_audit_with_who_gave_it(app) {
        app.revoke("ann", &json!({"jti": "t-1"})).await.expect(200);
        app.revoke("bob", &json!({"issuedBefore": "2026-01-06T15:30:45.123Z"})).await.expect(200);
        app.disconnect("ann").await.expect(200);
        assert_eq!(
            texts(app.database_url(), NOTES),
            ["root revoke_token ann", "root revoke_user bob", "root disconnect ann"]
        );
        let details = texts(app.database_url(), DETAILS);
        assert!(details[0].contains("t-1") && details[1].contains("2026-01-06T15:30:45.123Z"), "{details:?}");
        // What is not understood is neither kept nor noted.
        let later = time_from_now(3_600);
        for (body, code) in [
            (json!({"jti": ""}), "invalid_field"),
            (json!({"jti": "a\nb"}), "invalid_field"),
            (json!({"jti": "x".repeat(257)}), "invalid_field"),
            (json!({"jti": "a", "issuedBefore": "2026-01-06T15:30:45.123Z"}), "invalid_field"),
            (json!({"issuedBefore": later}), "invalid_field"),
            (json!({"issuedBefore": "yesterday"}), "invalid_body"),
            (json!({"jti": 7}), "invalid_body"),
            // Taken for nothing said, they would take everything back.
            (json!({"jti": null}), "invalid_body"),
            (json!({"issuedBefore": null}), "invalid_body"),
            (json!({"Jti": "a"}), "invalid_body"),
            (json!({"jti": "a", "reason": "lost"}), "invalid_body"),
        ] {
            app.revoke("ann", &body).await.expect_problem(422, code);
        }
        assert_eq!(texts(app.database_url(), NOTES).len(), 3);
        assert_eq!(texts(app.database_url(), "SELECT kind AS value FROM revocations ORDER BY id").len(), 3);
        app.assert_believes(&token_named("ann", "a", 0)).await;
    }

    async fn only_administrators_may(app) {
        for roles in [&["CUSTOMER"][..], &["PROFESSIONAL"], &["SERVICE"], &[], &["ADMINISTRATOR"]] {
            let token = app.token("ann", roles);
            for path in ["/admin/users/ann/revoke", "/admin/users/ann/disconnect"] {
                app.post(path, &token, &json!({})).await.expect_problem(403, "forbidden");
                app.post(path, "", &json!({})).await.expect_problem(401, "token_missing");
            }
        }
        app.assert_believes(&app.token("ann", &[])).await;
    }

    /// A token that lasts longer than it may is refused whether or not it was revoked, so that forgetting brings
    /// none back to life.
    async fn tokens_that_outlast_what_is_remembered_are_refused(app, [("BELLHOP__AUTH__MAX_TOKEN_AGE", "7d")]) {
        let token = |iat: i64, exp: i64| {
            token_of(&json!({"userId": "ann", "iat": seconds_from_now(iat), "exp": seconds_from_now(exp)}))
        };
        app.assert_believes(&token(0, WEEK)).await;
        app.assert_believes(&token(20, WEEK)).await;
        for (iat, exp) in [(0, WEEK + 60), (60, WEEK), (-60, WEEK)] {
            app.assert_refuses(&token(iat, exp), "token_lasts_too_long").await;
        }
        let dateless = token_of(&json!({"userId": "ann", "exp": seconds_from_now(60)}));
        app.assert_refuses(&dateless, "token_lasts_too_long").await;
    }
}

/// The session's id and rooms are not had back either by who logs in again.
#[tokio::test]
async fn a_session_of_before_is_not_recovered_by_a_token_of_after() {
    for door in Door::SOCKET_IO {
        let app = TestAppBuilder::new(Database::Sqlite).through(door);
        let app = app.start().await;
        let mut device = app.connect_with(&token_named("ann", "old", 0), "").await;
        app.tell("ann", 1).await;
        device.next_event("note").await;
        let place = device.place();
        app.revoke("ann", &json!({})).await.expect(200);
        device.expect_end(4003, "token_revoked").await;
        let call = Call::new(door, app.address(), &token_named("ann", "new", 0))
            .with("pid", json!(place.pid))
            .with("offset", json!(place.offset));
        let mut back = TestSocket::call(&call).await;
        assert_eq!(back.await_connected().await["userId"], "ann");
        assert!(!back.socketio().is_recovered(), "{door:?}");
    }
}

#[tokio::test]
async fn what_was_revoked_counts_while_the_database_is_away() {
    let cluster = Cluster::start_new(Durability::NoFsync);
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("DATABASE_URL", &cluster.url("postgres"))
        .with("BELLHOP__AUTH__REVOCATION_POLL_MS", "50")
        .start()
        .await;
    let (bad, good) = (token_named("ann", "bad", 0), token_named("ann", "good", 0));
    app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
    cluster.stop();
    for token in [&bad, &bad] {
        app.assert_refuses(token, "token_revoked").await;
    }
    // An order that cannot be kept is refused, and neither in force nor said to be.
    let refused = app.revoke("ann", &json!({"jti": "good"})).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    cluster.start();
    wait_until_async("the order is taken again", async || {
        let answer = app.revoke("ann", &json!({"jti": "good"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    app.assert_refuses(&good, "token_revoked").await;
}
