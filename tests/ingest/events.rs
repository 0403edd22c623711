//! Every event, in every way that it may come.

use serde_json::{Value, json};

use super::{await_outcome, await_titles, fed, note, outcomes, titles};
use crate::support::both::build_on_both_databases;
use crate::support::rabbitmq;

const BOOKING: &str = "01980000-0000-7000-8000-00000000b001";

fn booking(host: &str) -> Value {
    json!({
        "hostId": host, "guestId": "guest", "guestName": "Ann", "listingId": "sea-view",
        "checkIn": "2031-12-03", "checkOut": "2031-12-05",
    })
}

build_on_both_databases! {
    async fn a_message_is_pushed_to_its_user_and_kept(builder) {
        let (app, back_end) = fed(builder).await;
        let mut host = app.connect("7").await;
        back_end.emit("notification.created", &note("7", "wrapped")).await;
        let pushed = host.next_event("note").await;
        assert_eq!((&pushed["title"], &pushed["seq"]), (&json!("wrapped"), &json!(1)), "{pushed}");
        back_end.publish("notification.created", &note("7", "routed")).await;
        assert_eq!(host.next_event("note").await["title"], "routed");
        let several = json!({"userIds": ["8", "7"], "type": "note", "title": "both"});
        back_end.emit("notification.created", &several).await;
        assert_eq!(host.next_event("note").await["title"], "both");
        assert_eq!(titles(&app, "8").await, ["both"]);
        await_outcome(&app, "done", 3).await;
        assert_eq!(back_end.waiting(&back_end.queue).await, 0);
        host.close().await;
    }

    async fn a_booking_goes_its_whole_way_by_messages(builder) {
        let (app, back_end) = fed(builder).await;
        let mut named = booking("7");
        named["id"] = json!(BOOKING);
        back_end.emit("booking.created", &named).await;
        back_end.publish("booking.accepted", &json!({"bookingId": BOOKING, "userId": "7"})).await;
        back_end.emit("booking.completed", &json!({"bookingId": BOOKING, "userId": "7"})).await;
        await_outcome(&app, "done", 3).await;
        let kept = app.get(&format!("/bookings/{BOOKING}"), &app.token("7", &[])).await.expect(200);
        assert_eq!((&kept["status"], &kept["guestName"]), (&json!("completed"), &json!("Ann")), "{kept}");
        assert_eq!(titles(&app, "7").await.len(), 1);
        assert_eq!(titles(&app, "guest").await.len(), 2);
        // One without an id gets one, and may be cancelled by whoever knows that.
        back_end.emit("booking.created", &booking("8")).await;
        await_titles(&app, "8", 1).await;
        let page = app.get("/notifications", &app.token("8", &[])).await.expect(200);
        let id = page["items"][0]["data"]["bookingId"].clone();
        back_end.emit("booking.cancelled", &json!({"bookingId": id, "userId": "guest"})).await;
        await_outcome(&app, "done", 5).await;
    }

    async fn what_is_read_by_message_is_read_on_every_device(builder) {
        let (app, back_end) = fed(builder).await;
        app.tell("7", 3).await;
        let mut host = app.connect("7").await;
        back_end.emit("notification.marked_read", &json!({"userId": "7", "upTo": 2})).await;
        let read = host.next_event("notificationRead").await;
        assert_eq!(read["unread"], 1, "{read}");
        back_end.publish("notification.marked_read", &json!({"userId": "7", "all": true})).await;
        assert_eq!(host.next_event("notificationRead").await["unread"], 0);
        host.close().await;
    }

    async fn who_holds_a_role_is_told_and_a_passing_room_is_pushed(builder) {
        let (app, back_end) = fed(builder).await;
        let mut host = app.connect("7").await;
        let role = json!({"role": "PROFESSIONAL", "type": "note", "title": "for a role"});
        back_end.emit("notification.created", &role).await;
        assert_eq!(host.next_event("note").await["title"], "for a role");
        let passing = json!({"room": "user:7", "passing": true, "type": "note", "title": "passing"});
        back_end.emit("notification.created", &passing).await;
        let pushed = host.next_event("note").await;
        assert_eq!(pushed["title"], "passing", "{pushed}");
        assert_eq!(titles(&app, "7").await, ["for a role"]);
        host.close().await;
    }

    async fn the_order_of_the_queue_is_the_order_of_the_inbox(builder) {
        let (app, back_end) = fed(builder).await;
        let wanted: Vec<String> = (0..100).map(|number| format!("number {number}")).collect();
        for title in &wanted {
            back_end.emit("notification.created", &note("7", title)).await;
        }
        assert_eq!(await_titles(&app, "7", wanted.len()).await, wanted);
        assert_eq!(outcomes(&app, "done").await, 100);
    }
}

#[tokio::test]
async fn several_servers_share_a_queue() {
    use crate::support::app::{Database, TestAppBuilder};
    let first = TestAppBuilder::new(Database::Postgres);
    let (one, back_end) = fed(first).await;
    let url = one.database_url().to_owned();
    let second = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", &url);
    let other = back_end.feed(super::patient(second)).start().await;
    super::await_ready(&other).await;
    assert_eq!(back_end.consumers(&back_end.queue).await, 2);
    for number in 0..60 {
        back_end.emit("notification.created", &note("7", &format!("number {number}"))).await;
    }
    let mut told = await_titles(&one, "7", 60).await;
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 60);
    let (by_one, by_other) = (outcomes(&one, "done").await, outcomes(&other, "done").await);
    assert_eq!(by_one + by_other, 60);
    assert!(by_one > 0 && by_other > 0, "{by_one} {by_other}");
}

#[tokio::test]
async fn a_queue_that_is_there_is_used_as_it_is() {
    use lapin::types::{AMQPValue, FieldTable};

    use crate::support::app::{Database, TestAppBuilder};
    use crate::support::back_end::BackEnd;
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(5));
    back_end.declare(&back_end.queue, arguments).await;
    let app = back_end.feed(super::patient(TestAppBuilder::new(Database::Sqlite))).start().await;
    super::await_ready(&app).await;
    back_end.emit("notification.created", &note("7", "one")).await;
    await_titles(&app, "7", 1).await;
}
