//! Rooms: who may join which, in every spelling, and what reaches whom.

use serde_json::{Value, json};

use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::on_every_door;
use crate::support::socket::TestSocket;

/// Nobody speaks too fast.
const PATIENT: [(&str, &str); 1] = [("RATE_LIMIT_MAX_REQUESTS", "100000")];
const FEW_ROOMS: [(&str, &str); 2] =
    [("RATE_LIMIT_MAX_REQUESTS", "100000"), ("BELLHOP__SESSION__MAX_ROOMS", "3")];

fn token(claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["exp"] = json!(seconds_from_now(3_600));
    token_of(&claims)
}

/// Joins, which must succeed, and the answer echoes the caller's spelling.
async fn join(socket: &mut TestSocket, room: &str) {
    for data in [json!(room), json!({"room": room})] {
        socket.send("joinRoom", data).await;
        let said = socket.next_news().await;
        assert_eq!((said.name.as_str(), &said.data), ("joinedRoom", &json!({"room": room})), "{room}");
    }
}

async fn leave(socket: &mut TestSocket, room: &str) {
    socket.send("leaveRoom", json!({"room": room})).await;
    let said = socket.next_news().await;
    assert_eq!((said.name.as_str(), &said.data), ("leftRoom", &json!({"room": room})), "{room}");
}

async fn assert_refused(socket: &mut TestSocket, room: &str, code: &str) {
    socket.send("joinRoom", json!({"room": room})).await;
    let said = socket.next_news().await;
    assert_eq!((said.name.as_str(), &said.data["code"]), ("error", &json!(code)), "{room}: {said:?}");
}

/// Publishes to a target without keeping it, as a service.
async fn pass(app: &TestApp, target: &str, id: &str) {
    let body = json!({"type": "system.test", "passing": true, target: id});
    app.post("/notifications", &app.token("backend", &["SERVICE"]), &body).await.expect(202);
}

/// Nothing came before a mark that takes the same road, to a room that the socket is in.
async fn assert_quiet(app: &TestApp, socket: &mut TestSocket, target: &str, id: &str) {
    let body = json!({"type": "system.mark", "passing": true, target: id});
    app.post("/notifications", &app.token("backend", &["SERVICE"]), &body).await.expect(202);
    let said = socket.next_news().await;
    assert_eq!(said.name, "system.mark", "{said:?}");
}

on_every_door! {
    async fn every_spelling_of_ones_own_room_is_the_same_room(app, super::PATIENT) {
        let mut socket = app.connect("7").await;
        for spelling in ["host-7", "host_7", "host:7", "user_7", "user:7", "7"] {
            leave(&mut socket, "user:7").await;
            join(&mut socket, spelling).await;
            pass(&app, "userId", "7").await;
            let events = socket.next_news().await;
            assert_eq!(events.name, "system.test", "{spelling}");
            // Once, although it was joined twice.
            assert_quiet(&app, &mut socket, "role", "PROFESSIONAL").await;
            leave(&mut socket, spelling).await;
            pass(&app, "userId", "7").await;
            assert_quiet(&app, &mut socket, "role", "PROFESSIONAL").await;
        }
    }

    async fn a_foreign_room_is_refused_and_nothing_is_joined(app, super::PATIENT) {
        let mut admin = app.connect_with(&app.token("root", &["ADMIN"]), "").await;
        let mut socket = app.connect("7").await;
        let foreign = ["user:8", "host-8", "host_8", "host:8", "user_8", "role:ADMIN", "session:s-9"];
        for room in foreign {
            assert_refused(&mut socket, room, "forbidden").await;
        }
        for room in ["user:8", "role:CUSTOMER", "session:s-9"] {
            assert_refused(&mut admin, room, "forbidden").await;
        }
        for room in ["listing:1", "booking:1", "booking:0198a000-0000-7000-8000-000000000000"] {
            assert_refused(&mut socket, room, "forbidden").await;
        }
        for room in ["", "8", "lobby", "user:", "host-", ":7", "Booking:1", "booking:a b"] {
            assert_refused(&mut socket, room, "bad_room").await;
        }
        assert_refused(&mut socket, &format!("listing:{}", "x".repeat(200)), "bad_room").await;
        for data in [json!(null), json!(7), json!([]), json!({}), json!({"room": 7})] {
            for event in ["joinRoom", "leaveRoom"] {
                socket.send(event, data.clone()).await;
                assert_eq!(socket.next_event("error").await["code"], "bad_data", "{event} {data}");
            }
        }
        app.book("guest", "8").await;
        pass(&app, "role", "ADMIN").await;
        pass(&app, "room", "session:s-9").await;
        pass(&app, "room", "listing:1").await;
        assert_eq!(admin.next_event("system.test").await["userId"], Value::Null);
        assert_quiet(&app, &mut socket, "userId", "7").await;
    }

    async fn a_roles_room_is_its_holders(app, super::PATIENT) {
        let mut holder = app.connect("7").await;
        let mut stranger = app.connect_with(&app.token("8", &["CUSTOMER"]), "").await;
        join(&mut holder, "role:PROFESSIONAL").await;
        join(&mut holder, "role:professional").await;
        assert_refused(&mut stranger, "role:PROFESSIONAL", "forbidden").await;
        pass(&app, "role", "professional").await;
        assert_eq!(holder.next_news().await.name, "system.test");
        assert_quiet(&app, &mut holder, "userId", "7").await;
        assert_quiet(&app, &mut stranger, "userId", "8").await;
        leave(&mut holder, "role:Professional").await;
        pass(&app, "role", "PROFESSIONAL").await;
        assert_quiet(&app, &mut holder, "userId", "7").await;
    }

    async fn a_notification_for_a_role_is_stored_for_and_reaches_each_holder(app, super::PATIENT) {
        let mut one = app.connect("1").await;
        let mut two = app.connect("2").await;
        let mut other = app.connect_with(&app.token("3", &["CUSTOMER"]), "").await;
        let body = json!({"type": "system.maintenance", "title": "Tonight", "role": "PROFESSIONAL"});
        let published = app.post("/notifications", &app.token("backend", &["SERVICE"]), &body).await;
        assert_eq!(published.expect(201), json!({"count": 2}));
        for (socket, user) in [(&mut one, "1"), (&mut two, "2")] {
            let notification = socket.next_event("system.maintenance").await;
            assert_eq!((&notification["userId"], &notification["seq"]), (&json!(user), &json!(1)));
            assert_eq!(socket.next_event("notification:unread_count").await, json!({"unread": 1, "seq": 1}));
        }
        assert_quiet(&app, &mut other, "userId", "3").await;
    }

    async fn the_tabs_of_one_log_in_share_a_room(app, super::PATIENT) {
        let claims = json!({"sub": "7", "sessionId": "s-1"});
        let mut tab = app.connect_with(&token(&claims), "").await;
        let mut other_tab = app.connect_with(&token(&claims), "").await;
        let mut other_log_in = app.connect_with(&token(&json!({"sub": "7", "sid": "s-2"})), "").await;
        join(&mut tab, "session:s-1").await;
        assert_refused(&mut tab, "session:s-2", "forbidden").await;
        pass(&app, "room", "session:s-1").await;
        for socket in [&mut tab, &mut other_tab] {
            assert_eq!(socket.next_news().await.name, "system.test");
        }
        assert_quiet(&app, &mut other_log_in, "userId", "7").await;
    }

    async fn a_bookings_room_is_open_to_its_parties_only(app, super::PATIENT) {
        let id = app.book("guest", "7").await["booking"]["id"].as_str().unwrap().to_owned();
        let room = format!("booking:{id}");
        let (mut host, mut guest) = (app.connect("7").await, app.connect("guest").await);
        let mut admin = app.connect_with(&app.token("root", &["ADMIN"]), "").await;
        let mut stranger = app.connect("8").await;
        for party in [&mut host, &mut guest, &mut admin] {
            join(party, &room).await;
        }
        assert_refused(&mut stranger, &room, "forbidden").await;
        pass(&app, "room", &room).await;
        for party in [&mut host, &mut guest, &mut admin] {
            assert_eq!(party.next_event("system.test").await["seq"], Value::Null);
        }
        assert_quiet(&app, &mut stranger, "userId", "8").await;
    }

    async fn a_bookings_room_is_one_room_however_its_id_is_spelled(app, super::PATIENT) {
        let id = app.book("guest", "7").await["booking"]["id"].as_str().unwrap().to_owned();
        let (room, capitals) = (format!("booking:{id}"), format!("booking:{}", id.to_uppercase()));
        let mut guest = app.connect("guest").await;
        join(&mut guest, &capitals).await;
        for spelling in [&room, &capitals] {
            pass(&app, "room", spelling).await;
            assert_eq!(guest.next_news().await.name, "system.test", "{spelling}");
        }
        leave(&mut guest, &capitals).await;
        pass(&app, "room", &room).await;
        assert_quiet(&app, &mut guest, "userId", "guest").await;
    }

    async fn who_leaves_while_a_room_is_looked_up_is_not_in_it(app, super::PATIENT) {
        const ROUNDS: usize = 20;
        let id = app.book("guest", "7").await["booking"]["id"].as_str().unwrap().to_owned();
        let room = format!("booking:{id}");
        let mut guest = app.connect("guest").await;
        for _ in 0..ROUNDS {
            guest.send("joinRoom", json!(room)).await;
            guest.send("leaveRoom", json!(room)).await;
            // The lookup is sometimes the faster one.
            let answers = [guest.next_news().await.name, guest.next_news().await.name];
            let fits = [["leftRoom", "error"], ["joinedRoom", "leftRoom"], ["leftRoom", "joinedRoom"]];
            assert!(fits.iter().any(|fit| answers == *fit), "{answers:?}");
            pass(&app, "room", &room).await;
            assert_quiet(&app, &mut guest, "userId", "guest").await;
        }
        join(&mut guest, &room).await;
    }

    async fn a_token_may_open_further_rooms(app, super::PATIENT) {
        let claims = json!({"sub": "7", "rooms": ["listing:1", "user:8"]});
        let mut socket = app.connect_with(&token(&claims), "").await;
        join(&mut socket, "listing:1").await;
        assert_refused(&mut socket, "listing:2", "forbidden").await;
        assert_refused(&mut socket, "user:8", "forbidden").await;
        pass(&app, "room", "listing:1").await;
        assert_eq!(socket.next_news().await.name, "system.test");
        leave(&mut socket, "listing:1").await;
        pass(&app, "room", "listing:1").await;
        assert_quiet(&app, &mut socket, "userId", "7").await;
    }

    async fn one_connection_is_in_so_many_rooms_and_no_more(app, super::FEW_ROOMS) {
        // Its own room and that of its role count.
        let mut socket = app.connect_with(&app.token("root", &["ADMIN"]), "").await;
        join(&mut socket, "listing:1").await;
        assert_refused(&mut socket, "listing:2", "too_many_rooms").await;
        leave(&mut socket, "listing:1").await;
        join(&mut socket, "listing:2").await;
    }
}
