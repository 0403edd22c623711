//! Going on by a fresh token, in place: the connection, its session and its place in the inbox stay.

use serde_json::{Value, json};

use super::token_named;
use crate::support::app::{TestApp, booking, seconds_from_now, token_of};
use crate::support::both::on_every_door;
use crate::support::socket::TestSocket;

/// A token of a log-in, which expires so many seconds from now.
fn token(user: &str, id: &str, roles: &[&str], expires: i64) -> String {
    let (iat, exp) = (seconds_from_now(0), seconds_from_now(expires));
    token_of(&json!({"userId": user, "sid": "s-1", "jti": id, "roles": roles, "iat": iat, "exp": exp}))
}

async fn ask(device: &mut TestSocket, token: &str) -> Value {
    device.ask("refreshToken", json!({"token": token})).await
}

/// A back end says something to everybody in a room who is there now.
async fn pass(app: &TestApp, room: &str, title: &str) {
    let note = json!({"room": room, "type": "note", "title": title, "message": "Now", "passing": true});
    app.post("/notifications", &app.service(), &note).await.expect(202);
}

/// The titles of the notes that a device got, up to this one.
async fn titles(device: &mut TestSocket, last: &str) -> Vec<String> {
    let mut titles = Vec::new();
    while titles.last().is_none_or(|title| title != last) {
        let note = device.next_event("note").await;
        titles.push(note["title"].as_str().expect("a title").to_owned());
    }
    titles
}

on_every_door! {
    async fn a_session_outlives_its_first_token(app, [("BELLHOP__AUTH__LEEWAY_SECONDS", "0")]) {
        let mut device = app.connect_with(&token("ann", "first", &[], 2), "").await;
        let fresh = token("ann", "second", &[], 5);
        let answer = ask(&mut device, &fresh).await;
        let until = chrono::DateTime::parse_from_rfc3339(answer["expiresAt"].as_str().expect("a time")).unwrap();
        assert!(until.timestamp() - seconds_from_now(0) > 2, "{answer}");
        app.revoke("ann", &json!({"jti": "first"})).await.expect(200);
        // Past the end of the first, which counts for nothing any more.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(device.events_so_far().await, []);
        device.expect_end(4002, "token_expired").await;
        assert!(seconds_from_now(0) >= until.timestamp());
    }

    async fn a_token_of_another_user_changes_nothing(app) {
        let mut device = app.connect_with(&token("ann", "mine", &["PROFESSIONAL"], 600), "").await;
        let theirs = token("bob", "theirs", &["ADMIN"], 3_600);
        for (fresh, code) in [
            (theirs.as_str(), "other_user"),
            ("a.b.c", "token_malformed"),
            (&token("ann", "late", &[], -60), "token_expired"),
            (&theirs.replace('.', "x"), "token_malformed"),
        ] {
            let answer = ask(&mut device, fresh).await;
            assert_eq!(answer["code"], code, "{answer}");
            assert!(!answer.to_string().contains(fresh), "{answer}");
        }
        // Neither its roles nor its user.
        assert_eq!(device.ask("joinRoom", json!({"room": "role:ADMIN"})).await["code"], "forbidden");
        assert_eq!(device.ask("subscribe", json!("bob")).await["code"], "forbidden");
        pass(&app, "role:PROFESSIONAL", "still").await;
        app.revoke("bob", &json!({"jti": "theirs"})).await.expect(200);
        assert_eq!(titles(&mut device, "still").await, ["still"]);
        app.revoke("ann", &json!({"jti": "mine"})).await.expect(200);
        device.expect_end(4003, "token_revoked").await;
    }

    async fn a_revoked_token_refreshes_nothing(app) {
        app.revoke("ann", &json!({"jti": "bad"})).await.expect(200);
        let mut device = app.connect_with(&token_named("ann", "good", 0), "").await;
        assert_eq!(ask(&mut device, &token_named("ann", "bad", 0)).await["code"], "token_revoked");
        app.revoke("ann", &json!({"jti": "good"})).await.expect(200);
        device.expect_end(4003, "token_revoked").await;
    }

    async fn a_fresh_token_that_is_revoked_ends_the_session(app) {
        let mut device = app.connect_with(&token("ann", "first", &[], 600), "").await;
        ask(&mut device, &token("ann", "second", &[], 600)).await;
        app.revoke("ann", &json!({"jti": "second"})).await.expect(200);
        device.expect_end(4003, "token_revoked").await;
    }

    async fn the_roles_and_rooms_are_those_of_the_fresh_token(app, [("RATE_LIMIT_MAX_REQUESTS", "100")]) {
        let guest = app.book("cat", "ann").await;
        let party = format!("booking:{}", guest["booking"]["id"].as_str().expect("an id"));
        let foreign = app.post("/bookings", &app.token("dan", &["CUSTOMER"]), &booking("bob")).await.expect(201);
        let foreign = format!("booking:{}", foreign["booking"]["id"].as_str().expect("an id"));
        let mut device = app.connect_with(&token("ann", "first", &["ADMIN", "PROFESSIONAL"], 600), "").await;
        for room in [&party, &foreign] {
            assert_eq!(device.ask("joinRoom", json!({ "room": room })).await["room"], json!(room));
        }
        let answer = ask(&mut device, &token("ann", "second", &["PROFESSIONAL", "CARETAKER"], 600)).await;
        assert!(answer["expiresAt"].is_string(), "{answer}");
        for (room, title) in [
            ("role:ADMIN", "admin"),
            (foreign.as_str(), "foreign"),
            ("role:PROFESSIONAL", "professional"),
            ("role:CARETAKER", "caretaker"),
            (&party, "party"),
            ("session:s-1", "session"),
            ("user:ann", "user"),
        ] {
            pass(&app, room, title).await;
        }
        let heard = titles(&mut device, "user").await;
        assert_eq!(heard, ["professional", "caretaker", "party", "session", "user"]);
        let presence = device.ask("getPresence", Value::Null).await;
        assert_eq!(presence["byRole"], json!({"CARETAKER": 1, "PROFESSIONAL": 1}), "{presence}");
        assert_eq!((&presence["sessions"], &presence["connections"]), (&json!(1), &json!(1)));
        assert_eq!(device.ask("joinRoom", json!({ "room": foreign })).await["code"], "forbidden");
    }

    async fn what_is_no_token_is_told(app) {
        let mut device = app.connect("ann").await;
        for data in [Value::Null, json!({}), json!({"token": 7}), json!(["a.b.c"])] {
            assert_eq!(device.ask("refreshToken", data.clone()).await["code"], "bad_data", "{data}");
        }
        let answer = device.ask("refreshToken", json!(token("ann", "bare", &[], 600))).await;
        assert!(answer["expiresAt"].is_string(), "{answer}");
    }
}
