//! What administrators see over a connection because they are administrators: in the audit before it is answered, and
//! not to be seen where it cannot be noted.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::recovery::come_back;
use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::door::{Call, Door};
use crate::support::records::texts;
use crate::support::socket::TestSocket;

/// Nobody speaks too fast, and nobody waits for long for who holds the database.
const PATIENT: [(&str, &str); 4] = [
    ("RATE_LIMIT_MAX_REQUESTS", "1000"),
    ("BELLHOP__DATABASE__CONNECTION_TIMEOUT_MS", "500"),
    ("BELLHOP__DATABASE__BUSY_TIMEOUT_MS", "500"),
    ("BELLHOP__DATABASE__STATEMENT_TIMEOUT_MS", "500"),
];
const NOTES: &str = "SELECT actor_id || ' ' || device || ' ' || action || ' ' || COALESCE(target, '-') AS value \
    FROM audit ORDER BY id";
const DETAILS: &str = "SELECT COALESCE(detail, '') AS value FROM audit ORDER BY id";

/// A token of the administrator's log-in, with these claims beside.
fn token(roles: &[&str], rooms: &[&str]) -> String {
    token_of(&json!({
        "userId": "root", "sid": "office", "roles": roles, "rooms": rooms,
        "iat": seconds_from_now(0), "exp": seconds_from_now(3_600),
    }))
}

fn notes(app: &TestApp) -> Vec<String> {
    texts(app.database_url(), NOTES)
}

/// The rooms that were published to and heard, up to a mark in the bearer's own, which all their devices hear.
async fn heard(app: &TestApp, device: &mut TestSocket, rooms: &[&str]) -> Vec<String> {
    let mark = format!("mark {}", Uuid::now_v7());
    let titles = rooms.iter().map(|room| (*room, *room)).chain([("user:root", mark.as_str())]);
    for (room, title) in titles {
        let note = json!({"room": room, "type": "note", "title": title, "passing": true});
        app.post("/notifications", &app.service(), &note).await.expect(202);
    }
    let mut heard = Vec::new();
    loop {
        match device.next_event("note").await["title"].as_str().expect("a title") {
            title if title == mark => return heard,
            other if other.starts_with("mark") => {}
            room => heard.push(room.to_owned()),
        }
    }
}

async fn join(device: &mut TestSocket, room: &str) -> Value {
    device.ask("joinRoom", json!({ "room": room })).await
}

on_both_databases_and_every_door! {
    async fn what_only_administrators_may_is_in_the_audit_when_it_is_answered(app, super::PATIENT) {
        let booking = app.book("guest", "host").await;
        let booking = format!("booking:{}", booking["booking"]["id"].as_str().unwrap());
        let mut device = app.connect_with(&token(&["ADMIN"], &[]), "").await;
        let mut wanted = Vec::new();
        for room in ["listing:1", &booking, "booking:0198a000-0000-7000-8000-000000000000"] {
            assert_eq!(join(&mut device, room).await["room"], json!(room));
            wanted.push(format!("root office join_room {room}"));
            assert_eq!(notes(&app), wanted);
        }
        for (asked, target) in [(json!(["host"]), "host"), (json!(["root", "guest"]), "guest"), (json!(["a", "b"]), "-")] {
            let stats = device.ask("getPresence", json!({ "userIds": asked })).await;
            assert!(stats["users"].is_object(), "{stats}");
            wanted.push(format!("root office read_presence {target}"));
            assert_eq!(notes(&app), wanted);
        }
        let details = texts(app.database_url(), DETAILS);
        let details: Vec<Value> = details.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let channel = if app.door() == Door::Raw { "websocket" } else { "socketio" };
        assert!(details.iter().all(|detail| detail["channel"] == channel), "{details:?}");
        assert_eq!((&details[5]["userIds"], &details[5]["users"]), (&json!(["a", "b"]), &json!(2)));
        let rooms = ["listing:1", booking.as_str(), "listing:2"];
        assert_eq!(heard(&app, &mut device, &rooms).await, ["listing:1", booking.as_str()]);
        // As everybody reads the audit.
        let found = app.get("/admin/audit?action=join_room&target=listing:1", &token(&["ADMIN"], &[])).await.expect(200);
        assert_eq!((&found["items"][0]["actor"], &found["items"][0]["device"]), (&json!("root"), &json!("office")));
    }

    async fn what_others_may_as_well_is_not_noted(app, super::PATIENT) {
        let own = app.book("root", "host").await;
        let own = format!("booking:{}", own["booking"]["id"].as_str().unwrap());
        let mut device = app.connect_with(&token(&["ADMIN"], &["listing:1"]), "").await;
        for room in ["listing:1", own.as_str(), "user:root", "role:ADMIN", "session:office"] {
            assert_eq!(join(&mut device, room).await["room"], json!(room));
        }
        for asked in [Value::Null, json!({"userIds": []}), json!({"userIds": ["root"]})] {
            assert!(device.ask("getPresence", asked).await["totalOnline"].is_u64());
        }
        let mut service = app.connect_with(&token(&["SERVICE"], &[]), "").await;
        assert!(service.ask("getPresence", json!({"userIds": ["host"]})).await["users"]["host"].is_boolean());
        for foreign in ["user:host", "role:CUSTOMER", "session:other"] {
            assert_eq!(join(&mut device, foreign).await["code"], "forbidden");
        }
        assert_eq!(notes(&app), [""; 0]);
        assert_eq!(heard(&app, &mut device, &["listing:1", &own]).await, ["listing:1", own.as_str()]);
        let mut both = app.connect_with(&token(&["ADMIN", "SERVICE"], &[]), "").await;
        assert!(both.ask("getPresence", json!({"userIds": ["host"]})).await["users"]["host"].is_boolean());
        assert_eq!(notes(&app).len(), 1, "an administrator is noted, whatever else they are");
    }

    async fn what_cannot_be_noted_is_not_shown(app, super::PATIENT) {
        let mut device = app.connect_with(&token(&["ADMIN"], &[]), "").await;
        let mut claims = app.connect_with(&token(&["PROFESSIONAL"], &["listing:1"]), "").await;
        assert_eq!(join(&mut claims, "listing:1").await["room"], "listing:1");
        let hold = app.hold_writers();
        for (event, data) in [("joinRoom", json!("listing:1")), ("getPresence", json!({"userIds": ["host"]}))] {
            let refused = device.ask(event, data).await;
            assert_eq!((&refused["code"], &refused["users"]), (&json!("unavailable"), &Value::Null), "{refused}");
        }
        // The claim is gone with the fresh token; an administrator would be noted.
        let fresh = json!({ "token": token(&["ADMIN"], &[]) });
        assert!(claims.ask("refreshToken", fresh).await["expiresAt"].is_string());
        drop(hold);
        assert_eq!(notes(&app), [""; 0]);
        assert_eq!(heard(&app, &mut claims, &["listing:1"]).await, [""; 0]);
        assert_eq!(heard(&app, &mut device, &["listing:1"]).await, [""; 0]);
        assert_eq!(join(&mut device, "listing:1").await["room"], "listing:1");
        assert_eq!(heard(&app, &mut device, &["listing:1"]).await, ["listing:1"]);
    }

    async fn who_becomes_an_administrator_is_noted_in_the_rooms_that_nothing_else_opens(app, super::PATIENT) {
        let own = app.book("root", "host").await;
        let own = format!("booking:{}", own["booking"]["id"].as_str().unwrap());
        let mut device = app.connect_with(&token(&["PROFESSIONAL"], &["listing:1", "listing:2"]), "").await;
        let rooms = ["listing:1", "listing:2", own.as_str()];
        for room in rooms {
            assert_eq!(join(&mut device, room).await["room"], json!(room));
        }
        let fresh = json!({ "token": token(&["ADMIN"], &["listing:2"]) });
        assert!(device.ask("refreshToken", fresh).await["expiresAt"].is_string());
        assert_eq!(notes(&app), ["root office join_room listing:1"]);
        assert_eq!(heard(&app, &mut device, &rooms).await, rooms);
        // And not again, as long as they are one.
        let fresh = json!({ "token": token(&["ADMIN"], &["listing:2"]) });
        assert!(device.ask("refreshToken", fresh).await["expiresAt"].is_string());
        assert_eq!(notes(&app).len(), 1);
        assert_eq!(heard(&app, &mut device, &rooms).await, rooms);
    }

    async fn who_is_no_administrator_any_more_when_it_is_noted_is_not_let_in(app, super::PATIENT) {
        let mut device = app.connect_with(&token(&["ADMIN"], &[]), "").await;
        for _ in 0..10 {
            device.send("joinRoom", json!("listing:1")).await;
            let fresh = json!({ "token": token(&["PROFESSIONAL"], &[]) });
            assert!(device.ask("refreshToken", fresh).await["expiresAt"].is_string());
            // One more question, so that what was asked first is decided.
            assert_eq!(join(&mut device, "listing:2").await["code"], "forbidden");
            assert_eq!(heard(&app, &mut device, &["listing:1"]).await, [""; 0]);
            let again = json!({ "token": token(&["ADMIN"], &[]) });
            assert!(device.ask("refreshToken", again).await["expiresAt"].is_string());
        }
    }
}

on_both_databases! {
    async fn who_comes_back_to_a_room_as_an_administrator_is_noted_again(app, super::PATIENT) {
        let token = token(&["ADMIN"], &["listing:2"]);
        let mut wanted = Vec::new();
        for door in Door::SOCKET_IO {
            let mut device = TestSocket::call(&Call::new(door, app.address(), &token)).await;
            device.await_connected().await;
            for room in ["listing:1", "listing:2"] {
                device.send("joinRoom", json!(room)).await;
                device.next_event("joinedRoom").await;
            }
            let place = device.place();
            drop(device);
            let mut device = come_back(&app, door, &token, &place).await;
            device.await_connected().await;
            assert!(device.socketio().is_recovered());
            wanted.extend([(); 2].map(|()| "root office join_room listing:1"));
            assert_eq!(notes(&app), wanted, "{door:?}");
            assert_eq!(heard(&app, &mut device, &["listing:1", "listing:2"]).await, ["listing:1", "listing:2"]);
            device.close().await;
        }
    }
}
