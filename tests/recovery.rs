//! Socket.IO's connection state recovery, from the database: who comes back with its `pid` and offset has its id, its
//! rooms and what it missed; who shows anything else begins anew and is none the worse for it.

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::both::on_both_databases;
use crate::support::door::{Call, Door};
use crate::support::socket::TestSocket;
use crate::support::socketio::Place;

/// Comes with a place to go on from.
pub(super) async fn come_back(app: &TestApp, door: Door, token: &str, place: &Place) -> TestSocket {
    let call = Call::new(door, app.address(), token)
        .with("pid", json!(place.pid))
        .with("offset", json!(place.offset));
    TestSocket::call(&call).await
}

/// The seqs of the next notifications.
async fn next_seqs(device: &mut TestSocket, count: usize) -> Vec<i64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(device.next_event("booking.created").await["seq"].as_i64().unwrap());
    }
    seqs
}

on_both_databases! {
    async fn a_device_has_its_id_and_what_it_missed_back_after_a_break_and_after_a_restart(mut app) {
        for door in Door::SOCKET_IO {
            let host = format!("host-{}", door as u8);
            let token = app.token(&host, &[]);
            app.book("guest-3", &host).await;
            let mut device = TestSocket::call(&Call::new(door, app.address(), &token)).await;
            assert_eq!(device.await_connected().await["seq"], 1);
            let (id, place) = (device.socketio().sid().unwrap().to_owned(), device.place());
            assert_eq!(place.offset, "1", "said at once, without anything having been published");
            drop(device);

            app.book("guest-3", &host).await;
            let mut device = come_back(&app, door, &token, &place).await;
            assert_eq!(device.await_connected().await["sessionId"], json!(id));
            assert!(device.socketio().is_recovered());
            assert_eq!(next_seqs(&mut device, 1).await, [2]);
            assert_eq!(device.next_event("resumed").await, json!({"from": 2, "to": 2}));
            let place = device.place();
            assert_eq!(place.offset, "2");
            drop(device);

            app.book("guest-3", &host).await;
            app.restart().await;
            app.book("guest-3", &host).await;
            let mut device = come_back(&app, door, &token, &place).await;
            device.await_connected().await;
            assert!(device.socketio().is_recovered());
            assert_eq!(device.socketio().sid(), Some(id.as_str()));
            assert_eq!(next_seqs(&mut device, 2).await, [3, 4]);
            assert_eq!(device.next_event("resumed").await, json!({"from": 3, "to": 4}));
            device.close().await;
        }
    }

    async fn a_device_that_breaks_off_in_the_middle_of_what_it_missed_goes_on_from_there(app) {
        let token = app.token("host-7", &[]);
        for _ in 0..250 {
            app.book("guest-3", "host-7").await;
        }
        let call = Call::new(Door::WebSocket, app.address(), &token).with("since", json!(0));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        assert_eq!(device.place().offset, "0", "what it has, not what there is");
        assert_eq!(next_seqs(&mut device, 3).await, [1, 2, 3]);
        let place = device.place();
        // The third's last name may not have been read.
        let next = place.offset.parse::<i64>().unwrap() + 1;
        assert!((3..=4).contains(&next), "{place:?}");
        drop(device);
        let mut device = come_back(&app, Door::Polling, &token, &place).await;
        device.await_connected().await;
        let missed: Vec<i64> = (next..=250).collect();
        assert_eq!(next_seqs(&mut device, missed.len()).await, missed);
    }

    async fn rooms_that_were_joined_come_back_while_they_still_admit(app) {
        let booking = app.book("guest-3", "host-7").await;
        let room = format!("booking:{}", booking["booking"]["id"].as_str().unwrap());
        let token = app.token("host-7", &[]);
        let mut device = TestSocket::call(&Call::new(Door::Upgrade, app.address(), &token)).await;
        device.await_connected().await;
        device.send("joinRoom", json!({ "room": room })).await;
        assert_eq!(device.next_event("joinedRoom").await["room"], json!(room));
        let place = device.place();
        assert_eq!(place.offset, format!("1 {room}"), "known before the answer");
        drop(device);

        let mut device = come_back(&app, Door::Upgrade, &token, &place).await;
        device.await_connected().await;
        assert!(device.socketio().is_recovered());
        let news = json!({"room": room, "type": "check-in.moved", "title": "Moved", "message": "to 4 pm", "passing": true});
        app.post("/notifications", &app.service(), &news).await.expect(202);
        assert_eq!(device.next_event("check-in.moved").await["title"], "Moved");
        device.send("leaveRoom", json!({ "room": room })).await;
        device.next_event("leftRoom").await;
        assert_eq!(device.place().offset, "1");
        drop(device);

        // Somebody else's booking, asked for by an offset that anybody can write.
        let other = app.book("guest-3", "host-8").await;
        let offset = format!("1 booking:{}", other["booking"]["id"].as_str().unwrap());
        let mut device = come_back(&app, Door::Upgrade, &token, &Place { offset, ..place }).await;
        device.await_connected().await;
        assert!(!device.socketio().is_recovered(), "it is not in all of its rooms");
    }

    async fn what_is_not_ones_own_place_recovers_nothing(app) {
        let token = app.token("host-7", &[]);
        app.book("guest-3", "host-7").await;
        let mut device = TestSocket::call(&Call::new(Door::WebSocket, app.address(), &token)).await;
        device.await_connected().await;
        let (id, place) = (device.socketio().sid().unwrap().to_owned(), device.place());
        let with = |pid: &str, offset: &str| Place { pid: pid.to_owned(), offset: offset.to_owned() };
        let mut flipped = place.pid.clone().into_bytes();
        flipped[20] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap();
        for (token, place) in [
            (app.token("host-8", &[]), place.clone()),
            (token.clone(), with(&flipped, "1")),
            (token.clone(), with("", "1")),
            (token.clone(), with(&"x".repeat(5_000), "1")),
            (token.clone(), with(&place.pid, "")),
            (token.clone(), with(&place.pid, "-1")),
            (token.clone(), with(&place.pid, "7")),
            (token.clone(), with(&place.pid, "1 *")),
            (token.clone(), with(&place.pid, &"1 booking:1".repeat(500))),
        ] {
            let mut device = come_back(&app, Door::WebSocket, &token, &place).await;
            device.await_connected().await;
            assert!(!device.socketio().is_recovered(), "{place:?}");
            assert_ne!(device.place().pid, place.pid);
            device.close().await;
        }
        // Another namespace's is not this one's.
        let call = Call::new(Door::WebSocket, app.address(), &token).in_namespace("/");
        let call = call.with("pid", json!(place.pid)).with("offset", json!(place.offset));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        assert!(!device.socketio().is_recovered());
        assert_ne!(device.socketio().sid(), Some(id.as_str()));
    }
}

/// Every frame of a notification comes before the offset that says it is there.
#[actix_web::test]
async fn the_last_name_carries_the_offset() {
    let app = TestApp::start(crate::support::app::Database::Sqlite).await;
    let call = Call::new(Door::WebSocket, app.address(), &app.token("host-7", &[])).in_namespace("/");
    let call = call.with("events", json!(["notification", "notification:new", "new_booking"]));
    let mut device = TestSocket::call(&call).await;
    device.await_connected().await;
    app.book("guest-3", "host-7").await;
    for (name, offset) in [("notification", "0"), ("notification:new", "0"), ("new_booking", "1")] {
        let event = device.next().await;
        assert_eq!((event.name.as_str(), &event.data["seq"]), (name, &Value::from(1)));
        assert_eq!(device.place().offset, offset, "{name}");
    }
}
