//! What is Socket.IO's own: several namespaces on one connection, acks that the server asks for, and the names under
//! which notifications are wanted.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Database, TestApp, TestAppBuilder, mail_of, token_with_mail};
use crate::support::deadline::soon;
use crate::support::door::{Call, Close, Door};
use crate::support::socket::TestSocket;
use crate::support::wire::Wire;

/// A connection whose packets are written and read by hand.
struct Connection(Wire);

impl Connection {
    async fn open(app: &TestApp) -> Self {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let mut wire = Wire::open(app.address(), path, "", false).await.unwrap();
        assert!(soon("the handshake", wire.next_text()).await.unwrap().starts_with("0{"));
        Self(wire)
    }

    async fn say(&mut self, packet: &str) {
        self.0.feed(Message::text(packet)).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next packet that begins so, without its beginning.
    async fn next(&mut self, beginning: &str) -> String {
        loop {
            let packet = soon(beginning, self.0.next_text())
                .await
                .unwrap_or_else(|end| panic!("{beginning}: {end:?}"));
            if let Some(rest) = packet.strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    async fn end(&mut self) -> Close {
        loop {
            if let Err(close) = soon("the end", self.0.next_text()).await {
                return close;
            }
        }
    }
}

#[actix_web::test]
async fn one_connection_may_join_both_namespaces_and_leave_one() {
    let app = TestApp::start(Database::Sqlite).await;
    let mut device = Connection::open(&app).await;
    let auth = json!({ "token": app.token("host-7", &[]) });
    device.say(&format!("40{auth}")).await;
    device.next("42[\"connected\",").await;
    device.say(&format!("40/ws/notifications,{auth}")).await;
    device.next("42/ws/notifications,[\"connected\",").await;
    app.book("guest-3", "host-7").await;
    // The one that came first has it first.
    device.next("42[\"notification\",").await;
    device.next("42[\"new_booking\",").await;
    device.next("42/ws/notifications,[\"booking.created\",").await;
    device.next("42/ws/notifications,[\"notification\",").await;
    device.say("41").await;
    app.book("guest-3", "host-7").await;
    let second = device.next("42/ws/notifications,[\"notification\",").await;
    assert!(second.ends_with(",\"2\"]"), "{second}");
    device.say("42[\"ping\"]").await;
    assert_eq!(device.end().await, Close::Frame(1002, "protocol_error".to_owned()), "it left that one");
}

#[actix_web::test]
async fn what_ends_in_one_namespace_goes_on_in_the_other() {
    let app = TestApp::start(Database::Sqlite).await;
    let mut device = Connection::open(&app).await;
    let token = app.token("host-7", &[]);
    device.say(&format!("40{}", json!({ "token": token, "once": true }))).await;
    device.say(&format!("40/ws/notifications,{}", json!({ "token": token }))).await;
    device.next("42/ws/notifications,[\"connected\",").await;
    let first = app.book("guest-3", "host-7").await;
    assert_eq!(device.next("41").await, "", "the main namespace");
    // As if that had crossed the line.
    device.say("42[\"ping\",1]").await;
    device.say("42/ws/notifications,[\"ping\",2]").await;
    assert_eq!(device.next("42/ws/notifications,[\"pong\",").await, "2]");
    app.wait_for_delivery(&first["notification"], "confirmed").await;
    device.say(&format!("40{}", json!({ "token": token }))).await;
    device.next("42[\"connected\",").await;
    // Who is to come back does so with a new connection, for both.
    device.say("41").await;
    device.say("41/ws/notifications,").await;
    device.say(&format!("40{}", json!({ "token": token, "ttl": 0.5 }))).await;
    assert_eq!(device.end().await, Close::Frame(4000, "ttl_elapsed".to_owned()));
}

#[actix_web::test]
async fn who_asks_for_acks_confirms_by_them_alone() {
    for door in Door::SOCKET_IO {
        let app = TestAppBuilder::new(Database::Sqlite)
            .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1000")
            .start()
            .await;
        let call = Call::new(door, app.address(), &token_with_mail("host-7")).with("acks", json!(true));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        let first = app.book("guest-3", "host-7").await;
        device.next_event("booking.created").await;
        // Pongs and polls go on, and prove nothing.
        device.listen_on();
        device.send("ping", json!(1)).await;
        device.next_event("pong").await;
        app.wait_for_delivery(&first["notification"], "emailed").await;
        app.next_mail(&mail_of("host-7")).await;

        let second = app.book("guest-3", "host-7").await;
        device.next_event("booking.created").await;
        assert!(device.acknowledge().await > 0, "{door:?}");
        app.wait_for_delivery(&second["notification"], "confirmed").await;
        device.close().await;
    }
}

#[actix_web::test]
async fn what_a_client_does_not_want_by_any_name_is_neither_sent_nor_confirmed() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "500")
        .start()
        .await;
    let call = Call::new(Door::WebSocket, app.address(), &token_with_mail("host-7")).in_namespace("/");
    let call = call.with("events", json!("new_booking, LIKE"));
    let mut device = TestSocket::call(&call).await;
    device.await_connected().await;
    let publish = async |kind: &str| {
        let body = json!({"userId": "host-7", "type": kind, "title": "New", "message": "Something is new"});
        app.post("/notifications", &app.service(), &body).await.expect(201)["notifications"][0].clone()
    };
    let comment = publish("COMMENT").await;
    assert_eq!(device.next().await.data, json!({"unread": 1, "seq": 1}), "the count alone");
    let like = publish("LIKE").await;
    assert_eq!(device.next_event("LIKE").await["seq"], 2);
    let booked = app.book("guest-3", "host-7").await;
    assert_eq!(device.next_event("new_booking").await["seq"], 3);
    // Pings are answered while something is waited for.
    device.send("ping", json!(1)).await;
    device.next_event("pong").await;
    app.wait_for_delivery(&like, "confirmed").await;
    app.wait_for_delivery(&booked["notification"], "confirmed").await;
    app.wait_for_delivery(&comment, "emailed").await;
    app.next_mail(&mail_of("host-7")).await;
    let mut device = TestSocket::call(&call.with("since", json!(0))).await;
    device.await_connected().await;
    let missed = [device.next().await.name, device.next().await.name];
    assert_eq!(missed, ["LIKE", "new_booking"]);
    assert_eq!(device.next_event("resumed").await, json!({"from": 1, "to": 3}));
}

#[actix_web::test]
async fn a_type_that_is_called_like_a_name_comes_once() {
    let app = TestApp::start(Database::Sqlite).await;
    let mut device = Connection::open(&app).await;
    device.say(&format!("40/ws/notifications,{}", json!({ "token": app.token("host-7", &[]) }))).await;
    device.next("42/ws/notifications,[\"connected\",").await;
    let body =
        json!({"userId": "host-7", "type": "notification", "title": "New", "message": "Something is new"});
    app.post("/notifications", &app.service(), &body).await.expect(201);
    device.next("42/ws/notifications,[\"notification\",").await;
    let count: Value = serde_json::from_str(&device.next("42/ws/notifications,").await).unwrap();
    assert_eq!(count, json!(["notification:unread_count", {"unread": 1, "seq": 1}]));
}
