//! Rooms that are not one user's reach over all instances: a role's, a booking's, everybody's.

use serde_json::json;

use crate::support::app::{seconds_from_now, token_for, token_of};
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder};
use crate::support::socket::TestSocket;

async fn connect(fleet: &Fleet, instance: usize, user: &str, role: &str) -> TestSocket {
    fleet.connect_through(instance, Door::Raw, &token_for(user, &[role])).await
}

async fn join(device: &mut TestSocket, room: &str) {
    assert_eq!(device.ask("joinRoom", json!({"room": room})).await, json!({"room": room}));
}

/// Says something to a room through each instance in turn; everybody named hears each once, in any order.
async fn assert_heard(fleet: &Fleet, to: (&str, &str), devices: &mut [&mut TestSocket]) {
    let (target, id) = to;
    for instance in fleet.numbers() {
        let note = json!({"type": "note", "title": format!("{instance}"), "passing": true, target: id});
        fleet.publish(instance, &note).await;
    }
    for device in devices {
        let mut titles = Vec::new();
        for _ in fleet.numbers() {
            titles.push(device.next_event("note").await["title"].as_str().unwrap().to_owned());
        }
        titles.sort_unstable();
        assert_eq!(titles, ["0", "1", "2"], "{target} {id}");
    }
}

/// Nothing else came before a mark to everybody.
async fn assert_quiet(fleet: &Fleet, devices: &mut [&mut TestSocket]) {
    for instance in fleet.numbers() {
        let mark = json!({"all": true, "type": "mark", "title": "mark", "passing": true});
        let path = "/admin/notifications/broadcast";
        fleet.post(instance, path, &crate::support::fleet::administrator(), &mark).await.expect(202);
    }
    for device in devices {
        for _ in fleet.numbers() {
            device.next_event("mark").await;
        }
        let seen = device.take_seen();
        assert!(!seen.iter().any(|event| event.name == "note"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_role_is_heard_by_its_holders_on_every_instance() {
    let fleet = Fleet::start().await;
    let mut holders = Vec::new();
    for instance in fleet.numbers() {
        holders.push(connect(&fleet, instance, &format!("host-{instance}"), "PROFESSIONAL").await);
    }
    let mut guest = connect(&fleet, 1, "guest", "CUSTOMER").await;
    let mut holders: Vec<&mut TestSocket> = holders.iter_mut().collect();
    assert_heard(&fleet, ("role", "professional"), &mut holders).await;
    assert_quiet(&fleet, &mut [&mut guest]).await;
    assert_quiet(&fleet, &mut holders).await;
}

#[tokio::test]
async fn a_bookings_room_is_heard_by_both_parties_wherever_they_are() {
    let fleet = Fleet::start().await;
    let booked = fleet.book(0, "guest", "ann").await;
    let room = format!("booking:{}", booked["booking"]["id"].as_str().unwrap());
    let mut host = connect(&fleet, 1, "ann", "PROFESSIONAL").await;
    let mut guest = connect(&fleet, 2, "guest", "CUSTOMER").await;
    let mut other = connect(&fleet, 2, "other", "CUSTOMER").await;
    join(&mut host, &room).await;
    join(&mut guest, &room).await;
    assert_heard(&fleet, ("room", &room), &mut [&mut host, &mut guest]).await;
    assert_quiet(&fleet, &mut [&mut other]).await;

    // Who has left is not told any more, and who is still there is.
    guest.ask("leaveRoom", json!({"room": room})).await;
    assert_heard(&fleet, ("room", &room), &mut [&mut host]).await;
    assert_quiet(&fleet, &mut [&mut guest, &mut other]).await;
}

/// A room of a token's claim, which no booking has made.
#[tokio::test]
async fn what_is_passing_for_one_user_reaches_all_their_devices() {
    let fleet = Fleet::start().await;
    let exp = seconds_from_now(3_600);
    let token = token_of(&json!({"userId": "ann", "roles": [], "rooms": ["listing:1"], "exp": exp}));
    let mut devices = Vec::new();
    for instance in fleet.numbers() {
        let mut device = fleet.connect_through(instance, Door::Raw, &token).await;
        join(&mut device, "listing:1").await;
        devices.push(device);
    }
    let mut devices: Vec<&mut TestSocket> = devices.iter_mut().collect();
    assert_heard(&fleet, ("userId", "ann"), &mut devices).await;
    assert_heard(&fleet, ("room", "listing:1"), &mut devices).await;
    assert_quiet(&fleet, &mut devices).await;
}

/// Whatever is configured alike: what they say is for the users of one database, who are others in the other.
#[tokio::test]
async fn two_deployments_at_one_redis_do_not_hear_each_other() {
    let start = async || FleetBuilder::new().with("BELLHOP__BUS__PREFIX", "the-same").start(1).await;
    let [one, other] = [start().await, start().await];
    let mut hosts = [one.connect(0, "ann").await, other.connect(0, "ann").await];
    one.book(0, "guest", "ann").await;
    let first = hosts[0].next_event("booking.created").await;
    let second = other.book(0, "guest", "ann").await;
    let told = hosts[1].next_event("booking.created").await;
    assert_eq!((&told["id"], &told["seq"]), (&second["notification"]["id"], &json!(1)), "{first}");
    for fleet in [&one, &other] {
        assert_eq!(fleet.presence(0).await["totalOnline"], 1);
    }
}
