//! What is posted to any instance reaches devices on any, once, and mail is for those who are on none.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AT_ONCE, median};
use crate::support::app::token_for;
use crate::support::clock::start;
use crate::support::door::Door;
use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::records::await_delivery_state;
use crate::support::socket::TestSocket;

fn id_of(booked: &Value) -> &str {
    booked["notification"]["id"].as_str().unwrap()
}

/// The next booking that a device is told of: its id and seq.
async fn next_booking(device: &mut TestSocket) -> (String, i64) {
    let told = device.next_event("booking.created").await;
    (told["id"].as_str().unwrap().to_owned(), told["seq"].as_i64().unwrap())
}

#[tokio::test]
async fn a_booking_posted_to_any_instance_reaches_a_host_on_any_within_a_second() {
    const ROUNDS: usize = 3;
    let fleet = Fleet::start().await;
    let mut hosts = Vec::new();
    for instance in fleet.numbers() {
        hosts.push(fleet.connect(instance, &format!("host-{instance}")).await);
    }
    let mut times = Vec::new();
    for posted_to in (0..ROUNDS).flat_map(|_| fleet.numbers()) {
        for (number, host) in hosts.iter_mut().enumerate() {
            let begun = start();
            let booked = fleet.book(posted_to, "guest", &format!("host-{number}")).await;
            let (id, _) = next_booking(host).await;
            times.push(begun.elapsed());
            assert_eq!(id, id_of(&booked));
        }
    }
    let slowest = times.iter().max().copied();
    let median = median(times);
    println!("from the request to the device: {median:?} in the middle, {slowest:?} at most");
    assert!(median < AT_ONCE, "{median:?}");
}

#[tokio::test]
async fn a_device_hears_of_other_instances_over_every_door() {
    let fleet = Fleet::start().await;
    for (number, door) in Door::ALL.into_iter().chain([Door::Sse]).enumerate() {
        let host = format!("host-{number}");
        let mut device = fleet.connect_through(1, door, &token_for(&host, &["PROFESSIONAL"])).await;
        for seq in 1..=3 {
            let booked = fleet.book(2, "guest", &host).await;
            assert_eq!(next_booking(&mut device).await, (id_of(&booked).to_owned(), seq), "{door:?}");
        }
    }
}

/// The answer to a question is the asker's; everybody else is told of it.
#[tokio::test]
async fn what_happens_to_an_inbox_is_told_on_every_instance() {
    let fleet = Fleet::start().await;
    let mut devices = Vec::new();
    for instance in fleet.numbers() {
        devices.push(fleet.connect(instance, "ann").await);
    }
    let booked = fleet.book(0, "guest", "ann").await;
    for device in &mut devices {
        assert_eq!(next_booking(device).await, (id_of(&booked).to_owned(), 1));
        assert_eq!(device.next_event("notification:unread_count").await, json!({"unread": 1, "seq": 1}));
    }
    let answer = devices[1].ask("markNotificationRead", json!({"id": id_of(&booked)})).await;
    assert_eq!(answer["unread"], 0);
    for at in [0, 2] {
        assert_eq!(devices[at].next_event("notificationRead").await, answer);
    }
    for device in &mut devices {
        assert_eq!(device.next_event("notification:unread_count").await, json!({"unread": 0, "seq": 1}));
    }
    let body = json!({"ids": [id_of(&booked)]});
    let deleted = fleet.post(2, "/notifications/delete", &token_for("ann", &[]), &body).await.expect(200);
    for device in &mut devices {
        assert_eq!(device.next_event("notificationDeleted").await, deleted);
    }
    // What went to the others came by the same roads, and before this.
    fleet.book(2, "guest", "ann").await;
    for (at, device) in devices.iter_mut().enumerate() {
        assert_eq!(next_booking(device).await.1, 2);
        let repeats: Vec<_> = device.take_seen();
        let is_repeat = |name: &str| matches!(name, "notificationRead" | "notificationDeleted");
        assert!(!repeats.iter().any(|event| is_repeat(&event.name)), "{at}: {repeats:?}");
    }
}

#[tokio::test]
async fn devices_on_two_instances_have_everything_once() {
    const BOOKINGS: i64 = 12;
    let fleet = Fleet::start().await;
    let mut devices = [fleet.connect(0, "ann").await, fleet.connect(1, "ann").await];
    let mut wanted = Vec::new();
    for seq in 1..=BOOKINGS {
        let instance = usize::try_from(seq).unwrap() % THREE;
        wanted.push((id_of(&fleet.book(instance, "guest", "ann").await).to_owned(), seq));
    }
    for device in &mut devices {
        let mut told = Vec::new();
        while told.len() < wanted.len() {
            told.push(next_booking(device).await);
        }
        assert_eq!(told, wanted);
        let more = device.events_so_far().await;
        assert!(!more.iter().any(|event| event.name == "booking.created"), "{more:?}");
    }
}

/// Of two devices one is dead: what the other says is enough, wherever it is.
#[tokio::test]
async fn a_confirmation_on_either_instance_means_no_mail() {
    let fleet = FleetBuilder::new()
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1000")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")
        .start(THREE)
        .await;
    for user in ["ann", "bob", "late"] {
        fleet.give_address(user).await;
    }
    // A device that is never read answers nothing.
    let _dead =
        [fleet.connect(0, "ann").await, fleet.connect(1, "bob").await, fleet.connect(2, "late").await];
    let mut alive = [("ann", fleet.connect(1, "ann").await), ("bob", fleet.connect(0, "bob").await)];
    for (user, device) in &mut alive {
        let booked = fleet.book(2, "guest", user).await;
        assert_eq!(next_booking(device).await.0, id_of(&booked));
        device.events_so_far().await;
        await_delivery_state(fleet.database_url(), id_of(&booked), "confirmed").await;
    }
    // Whose deadline was after theirs.
    fleet.book(0, "guest", "late").await;
    fleet.await_mails("late", 1).await;
    for (user, _) in &alive {
        assert!(fleet.mails(user).is_empty(), "{user} was mailed what a device had");
    }
}

/// Which is far before the time that devices have to confirm: it is known that there is none.
#[tokio::test]
async fn who_is_on_no_instance_is_mailed_at_once_and_who_is_on_another_is_not() {
    let fleet = Fleet::start().await;
    for user in ["ann", "bob", "away"] {
        fleet.give_address(user).await;
    }
    // Whoever gave an address was there for a request only, and is nowhere now.
    let mut hosts = [("ann", fleet.connect(1, "ann").await), ("bob", fleet.connect(2, "bob").await)];
    fleet.await_online(&[0, 1, 2], 2, 2).await;
    let begun = start();
    for (user, device) in &mut hosts {
        fleet.book(0, "guest", user).await;
        next_booking(device).await;
    }
    let mut owed = Vec::new();
    for instance in fleet.numbers() {
        owed.push(fleet.book(instance, "guest", "away").await);
    }
    assert_eq!(fleet.await_mails("away", THREE).await.len(), THREE);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "not at once: {took:?}");
    for (user, _) in &hosts {
        assert!(fleet.mails(user).is_empty(), "{user} was mailed while a device was there");
    }
    for booked in &owed {
        await_delivery_state(fleet.database_url(), id_of(booked), "emailed").await;
    }
}
