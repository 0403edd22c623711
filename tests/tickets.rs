//! Tickets: who gets one, that it lets in once at its door and soon not at all, and that nobody can read one off
//! the database or the log.

mod keeping;
mod order;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::{build_on_both_databases, on_both_databases_and_every_door};
use crate::support::clock::{SteppedClock, now};
use crate::support::door::{Call, Door};
use crate::support::socket::TestSocket;
use crate::support::tickets::{Entry, enter};

const INVALID: &str = "ticket_invalid";

/// What `enter` answers of those whom a ticket no longer lets in.
fn refused() -> Entry {
    Entry::refused(INVALID)
}

fn host() -> Entry {
    Entry::by("host-7")
}

on_both_databases_and_every_door! {
    async fn a_ticket_lets_in_once(app) {
        let ticket = app.ticket(&app.token("host-7", &[]), app.door().label()).await;
        assert_eq!(app.enter(&format!("ticket={ticket}")).await, host());
        assert_eq!(app.enter(&format!("ticket={ticket}")).await, refused());
    }

    async fn of_many_who_show_the_same_ticket_at_once_exactly_one_is_let_in(app) {
        const GUESTS: usize = 12;
        let ticket = app.ticket(&app.token("host-7", &[]), app.door().label()).await;
        let query = format!("ticket={ticket}");
        let entered = join_all((0..GUESTS).map(|_| app.enter(&query))).await;
        assert_eq!(entered.iter().filter(|entered| **entered == host()).count(), 1, "{entered:?}");
        assert!(entered.iter().all(|entered| *entered == host() || *entered == refused()), "{entered:?}");
    }

    async fn a_ticket_carries_everything_that_the_token_says(app) {
        let claims = json!({
            "userId": "host-7", "roles": ["ADMIN"], "sessionId": "s-1", "rooms": ["booking:1"],
            "exp": seconds_from_now(3_600)
        });
        let ticket = app.ticket(&token_of(&claims), app.door().label()).await;
        let call = Call::new(app.door(), app.address(), "").asking(&format!("ticket={ticket}"));
        let mut device = TestSocket::call(&call).await;
        assert_eq!(device.await_connected().await["userId"], "host-7");
        // Only administrators are told about everybody, and only the token opens this room.
        device.send("getPresence", Value::Null).await;
        assert_eq!(device.next_event("presenceStats").await["totalOnline"], 1);
        device.send("joinRoom", json!("booking:1")).await;
        assert_eq!(device.next_event("joinedRoom").await["room"], "booking:1");
        app.tell("host-7", 1).await;
        assert_eq!(device.next_event("note").await["seq"], 1);
        device.close().await;
    }
}

build_on_both_databases! {
    async fn a_ticket_is_good_on_every_instance_and_after_a_restart(builder) {
        let mut one = builder.start().await;
        let other = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", one.database_url()).start().await;
        let token = one.token("host-7", &[]);
        for door in [Door::Raw, Door::WebSocket, Door::Polling] {
            let ticket = one.ticket(&token, door.label()).await;
            let query = format!("ticket={ticket}");
            assert_eq!(enter(door, other.address(), &query).await, host(), "{door:?}");
            assert_eq!(enter(door, one.address(), &query).await, refused(), "{door:?}");
        }
        let query = format!("ticket={}", one.ticket(&token, "websocket").await);
        one.restart().await;
        let both = [one.address(), other.address()].map(|at| enter(Door::Raw, at, &query));
        let mut entered = join_all(both).await;
        entered.sort();
        assert_eq!(entered, [host(), refused()], "at the same time");
    }

    async fn a_ticket_is_good_for_so_long_and_no_longer(builder) {
        let clock = Arc::new(SteppedClock::default());
        let app = builder.with_clock(Arc::clone(&clock) as _).start().await;
        let token = app.token("host-7", &[]);
        let (early, late) = (app.ticket(&token, "websocket").await, app.ticket(&token, "websocket").await);
        clock.step_forward(Duration::from_secs(15));
        assert_eq!(app.enter(&format!("ticket={early}")).await, host());
        clock.step_forward(Duration::from_secs(16));
        assert_eq!(app.enter(&format!("ticket={late}")).await, refused());
    }

    async fn who_holds_too_many_tickets_gets_another_when_they_are_used_or_expired(builder) {
        let clock = Arc::new(SteppedClock::default());
        let app = builder
            .with("BELLHOP__LIMITS__TICKETS_PER_USER", "3")
            .with_clock(Arc::clone(&clock) as _)
            .start()
            .await;
        let token = app.token("host-7", &[]);
        let wanted = join_all((0..8).map(|_| app.ask_for_ticket(&token, "sse"))).await;
        let (given, full): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(given.len(), 3, "also of those who ask at the same time");
        for answer in full {
            assert!(answer.header("retry-after").is_some());
            answer.expect_problem(429, "too_many_tickets");
        }
        app.ticket(&app.token("guest-3", &[]), "sse").await;
        clock.step_forward(Duration::from_secs(31));
        let ticket = app.ticket(&token, "websocket").await;
        app.ticket(&token, "sse").await;
        app.ticket(&token, "sse").await;
        app.ask_for_ticket(&token, "sse").await.expect_problem(429, "too_many_tickets");
        assert_eq!(app.enter(&format!("ticket={ticket}")).await, host());
        app.ticket(&token, "sse").await;
    }
}

#[tokio::test]
async fn a_ticket_says_for_which_door_and_how_long() {
    let app = TestApp::start(Database::Sqlite).await;
    for door in ["websocket", "sse", "socketio"] {
        let answer = app.ask_for_ticket(&app.token("host-7", &[]), door).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.expect(201);
        assert_eq!((&body["door"], &body["expiresIn"]), (&json!(door), &json!(30)));
        let ticket = body["ticket"].as_str().unwrap();
        assert!(
            ticket.len() == 43 && ticket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        let expires = chrono::DateTime::parse_from_rfc3339(body["expiresAt"].as_str().unwrap()).unwrap();
        let left = (expires.to_utc() - now()).num_milliseconds();
        assert!((20_000..=30_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn a_request_for_a_ticket_that_is_not_in_order_is_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.token("host-7", &[]);
    for (body, field) in [
        (json!({}), "door"),
        (json!({"door": "rest"}), "door"),
        (json!({"door": "WebSocket"}), "door"),
        (json!({"door": ""}), "door"),
        (json!({"door": null}), "door"),
        (json!({"door": 1}), "door"),
        (json!({"door": {"sse": null}}), "door"),
    ] {
        let problem =
            app.post("/notifications/tickets", &token, &body).await.expect_problem(422, "invalid_body");
        assert_eq!(problem["field"], field, "{body}");
    }
    let no_object = app.post("/notifications/tickets", &token, &json!(["sse"])).await;
    no_object.expect_problem(422, "invalid_body");
    let no_body = app.client().post(app.url("/notifications/tickets"));
    app.send(no_body, &token).await.expect_problem(415, "unsupported_media_type");
    app.ask_for_ticket("", "sse").await.expect_problem(401, "token_missing");
    // Neither a ticket: whoever has one cannot make more of it.
    let ticket = app.ticket(&token, "websocket").await;
    for path in ["/notifications/tickets", "/notifications/mark-read"] {
        let asked = app.post(&format!("{path}?ticket={ticket}"), "", &json!({"door": "sse"})).await;
        asked.expect_problem(401, "token_missing");
    }
    app.get(&format!("/notifications/count?ticket={ticket}"), "").await.expect_problem(401, "token_missing");
    assert_eq!(app.enter(&format!("ticket={ticket}")).await, host(), "which uses it up nowhere");
}
