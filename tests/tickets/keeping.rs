//! How tickets are kept: nobody can enter with what the database or the log holds, and what is over goes away.

use std::time::Duration;

use bellhop::domain::{Door, Identity, Timestamp};
use bellhop::storage::tickets::{Grant, Ticket, forget, issue, redeem};
use serde_json::json;

use super::refused;
use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, TestApp, token_for};
use crate::support::both::{on_both_databases, on_both_stores};
use crate::support::door::{self, Call};
use crate::support::process::ProcessBuilder;
use crate::support::records::texts;
use crate::support::socket::TestSocket;
use crate::support::store::{NOW, TestStore, user};
use crate::support::tickets::{Entry, enter, enter_raw};

/// Everything that the table of tickets holds.
fn kept(app: &TestApp) -> Vec<String> {
    let url = app.database_url();
    ["digest", "user_id", "door", "bearer"]
        .into_iter()
        .flat_map(|column| texts(url, &format!("SELECT {column} AS value FROM tickets")))
        .collect()
}

on_both_databases! {
    async fn what_the_database_holds_lets_nobody_in(app) {
        let token = app.token("host-7", &[]);
        let ticket = app.ticket(&token, "websocket").await;
        let kept = kept(&app);
        assert_eq!(kept.len(), 4, "{kept:?}");
        for text in &kept {
            assert!(!text.contains(&ticket) && !text.contains(&token), "{text}");
        }
        let digest = &kept[0];
        assert_eq!(digest.len(), ticket.len(), "it could pass for one");
        assert_eq!(app.enter(&format!("ticket={digest}")).await, refused());
        // It was none: the ticket itself still is.
        assert_eq!(app.enter(&format!("ticket={ticket}")).await, Entry::by("host-7"));
        assert_eq!(self::kept(&app), [""; 0], "what was used is gone");
    }
}

fn bearer(of: &str) -> Identity {
    Identity {
        user: user(of),
        roles: Vec::new(),
        session: None,
        email: None,
        name: None,
        locale: None,
        time_zone: None,
        rooms: Vec::new(),
        expires_at: None,
        token_id: None,
        issued_at: None,
        signed_by: None,
    }
}

fn in_seconds(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Issues a ticket of `of` for the door of SSE, which must succeed.
fn issued(store: &TestStore, of: &str, expires_at: Timestamp) -> Ticket {
    let ticket = Ticket::fresh().unwrap();
    let bearer = bearer(of);
    let grant = Grant { ticket: &ticket, door: Door::Sse, bearer: &bearer, expires_at, at_most: 10 };
    assert_eq!(store.write(|connection| issue(connection, &[grant], NOW)), [true]);
    ticket
}

fn redeemed(store: &TestStore, shown: &[(Ticket, Door)], at: Timestamp) -> Vec<Option<String>> {
    let bearers = store.write(|connection| redeem(connection, shown, at));
    bearers.into_iter().map(|bearer| bearer.unwrap().map(|bearer| bearer.user.as_str().to_owned())).collect()
}

on_both_stores! {
    fn a_batch_lets_in_each_by_their_own_ticket_and_nobody_twice(store) {
        let [ann, ben, cid] = ["ann", "ben", "cid"].map(|of| issued(&store, of, in_seconds(30)));
        let late = issued(&store, "late", in_seconds(10));
        let shown = [
            (ben.clone(), Door::Sse),
            (ann.clone(), Door::Sse),
            (Ticket::fresh().unwrap(), Door::Sse),
            (ben.clone(), Door::Sse),
            (cid.clone(), Door::WebSocket),
            (late, Door::Sse),
        ];
        let let_in = [Some("ben".to_owned()), Some("ann".to_owned()), None, None, None, None];
        assert_eq!(redeemed(&store, &shown, in_seconds(10)), let_in);
        assert_eq!(store.number("SELECT COUNT(*) FROM tickets"), 0, "what was shown is used up");
        assert_eq!(redeemed(&store, &shown, in_seconds(10)), [const { None }; 6]);
    }

    fn what_has_expired_is_forgotten_and_nothing_else(store) {
        let good = issued(&store, "ann", in_seconds(31));
        issued(&store, "ann", in_seconds(30));
        issued(&store, "ben", in_seconds(5));
        assert_eq!(store.write(|connection| forget(connection, in_seconds(30))), 2);
        assert_eq!(store.write(|connection| forget(connection, in_seconds(30))), 0);
        assert_eq!(redeemed(&store, &[(good, Door::Sse)], in_seconds(30)), [Some("ann".to_owned())]);
    }

    fn nobody_is_issued_more_than_they_may_hold(store) {
        let tickets: Vec<Ticket> = (0..7).map(|_| Ticket::fresh().unwrap()).collect();
        let bearers = ["ann", "ann", "ben", "ann", "ann", "ben", "ann"].map(bearer);
        let grants: Vec<Grant<'_>> = tickets
            .iter()
            .zip(&bearers)
            .map(|(ticket, bearer)| {
                Grant { ticket, door: Door::Sse, bearer, expires_at: in_seconds(30), at_most: 3 }
            })
            .collect();
        let issued = store.write(|connection| issue(connection, &grants, NOW));
        assert_eq!(issued, [true, true, true, true, false, true, false]);
        let again = store.write(|connection| issue(connection, &grants[4..5], NOW));
        assert_eq!(again, [false], "also by a later batch");
        let once_used = [(tickets[0].clone(), Door::Sse)];
        assert_eq!(redeemed(&store, &once_used, NOW), [Some("ann".to_owned())]);
        assert_eq!(store.write(|connection| issue(connection, &grants[4..5], NOW)), [true]);
        let when_they_expired = store.write(|connection| issue(connection, &grants[6..], in_seconds(30)));
        assert_eq!(when_they_expired, [true]);
    }
}

#[tokio::test]
async fn no_ticket_appears_in_a_log_line() {
    let server =
        ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).with("LOG_LEVEL", "trace").serve().await;
    let token = token_for("host-7", &[]);
    let client = reqwest::Client::new();
    let mut tickets = Vec::new();
    for door in door::Door::ALL {
        let request = client.post(server.url("/notifications/tickets")).bearer_auth(&token);
        let issued = Answer::of(request.json(&json!({"door": door.label()}))).await.expect(201);
        let ticket = issued["ticket"].as_str().unwrap().to_owned();
        let call = Call::new(door, server.address(), "").asking(&format!("ticket={ticket}"));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        device.close().await;
        assert_eq!(enter(door, server.address(), &format!("ticket={ticket}")).await, refused());
        tickets.push(ticket);
    }
    let other_door = client.post(server.url("/notifications/tickets")).bearer_auth(&token);
    let issued = Answer::of(other_door.json(&json!({"door": "sse"}))).await.expect(201);
    tickets.push(issued["ticket"].as_str().unwrap().to_owned());
    let query = format!("ticket={}", tickets[4]);
    assert_eq!(enter_raw(server.address(), &query, &[]).await, refused());
    server.wait_for_output("TRACE");
    let output = server.output();
    for ticket in tickets {
        assert!(!output.contains(&ticket), "a ticket is in:\n{output}");
    }
}
