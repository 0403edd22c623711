//! An instance dies with what it had begun: the others see to it, by the time that it was due.

use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::records::{await_delivery_state, delivery_state};

async fn fleet() -> Fleet {
    let builder = FleetBuilder::new()
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100");
    let fleet = builder.start(THREE).await;
    fleet.give_address("ann").await;
    fleet
}

#[tokio::test]
async fn what_nobody_confirmed_to_an_instance_that_died_is_mailed_by_another() {
    let mut fleet = fleet().await;
    // A device that is never read answers nothing.
    let _silent = fleet.connect(2, "ann").await;
    let booked = fleet.book(2, "guest", "ann").await;
    let id = booked["notification"]["id"].as_str().unwrap();
    fleet.kill(2);
    assert_eq!(delivery_state(fleet.database_url(), id), "pending");
    assert_eq!(fleet.await_mails("ann", 1).await.len(), 1);
    await_delivery_state(fleet.database_url(), id, "emailed").await;
}

/// Until the dead instance's lease has ended its hosts seem to be there: the deadline knows better.
#[tokio::test]
async fn who_was_on_an_instance_that_died_is_mailed_what_comes_next() {
    let mut fleet = fleet().await;
    let _silent = fleet.connect(2, "ann").await;
    fleet.await_online(&[0, 1, 2], 1, 1).await;
    fleet.kill(2);
    for instance in [0, 1] {
        fleet.book(instance, "guest", "ann").await;
    }
    assert_eq!(fleet.await_mails("ann", 2).await.len(), 2);
}
