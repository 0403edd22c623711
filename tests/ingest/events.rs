//! Every event, in every way that it may come.

use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{await_outcome, await_titles, fed, note, outcomes, titles};
use crate::support::app::{Database, TestAppBuilder};
use crate::support::back_end::BackEnd;
use crate::support::both::build_on_both_databases;
use crate::support::deadline::wait_until_async;
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
async fn of_several_servers_one_takes_the_messages_and_another_goes_on() {
    const PAIRS: usize = 40;
    let (mut one, back_end) = fed(TestAppBuilder::new(Database::Postgres)).await;
    wait_until_async("the first to consume", async || {
        (back_end.consumers(&back_end.queue).await == 1).then_some(())
    })
    .await;
    let second = TestAppBuilder::new(Database::Sqlite).with("DATABASE_URL", one.database_url());
    let other = back_end.feed(super::patient(second)).start().await;
    super::await_ready(&other).await;
    // What makes sense only behind the message before it.
    let send_pair = async |number: usize| {
        let id = format!("01980000-0000-7000-8000-{number:012}");
        let mut named = booking("7");
        named["id"] = json!(id);
        back_end.emit_named(&format!("created-{number}"), "booking.created", &named).await;
        let step = json!({"bookingId": id, "userId": "7"});
        back_end.emit_named(&format!("accepted-{number}"), "booking.accepted", &step).await;
    };
    for number in 0..PAIRS / 2 {
        send_pair(number).await;
    }
    await_outcome(&one, "done", PAIRS as u64).await;
    assert_eq!((outcomes(&other, "done").await, back_end.consumers(&back_end.queue).await), (0, 1));
    let rest = async {
        for number in PAIRS / 2..PAIRS {
            send_pair(number).await;
        }
    };
    tokio::join!(rest, one.stop());
    wait_until_async("every booking to be accepted", async || {
        (titles(&other, "guest").await.len() == PAIRS).then_some(())
    })
    .await;
    assert!(outcomes(&other, "done").await > 0);
    assert!(back_end.try_take(&back_end.dead()).await.is_none());
    assert_eq!(titles(&other, "7").await.len(), PAIRS);
}

#[tokio::test]
async fn a_queue_that_lets_one_consume_itself_is_consumed() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    back_end.declare(&back_end.queue, arguments).await;
    let app = back_end.feed(super::patient(TestAppBuilder::new(Database::Sqlite))).start().await;
    back_end.emit("notification.created", &note("7", "one")).await;
    await_titles(&app, "7", 1).await;
}

#[tokio::test]
async fn a_queue_that_is_there_is_used_as_it_is() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(5));
    back_end.declare(&back_end.queue, arguments).await;
    let app = back_end.feed(super::patient(TestAppBuilder::new(Database::Sqlite))).start().await;
    super::await_ready(&app).await;
    back_end.emit("notification.created", &note("7", "one")).await;
    await_titles(&app, "7", 1).await;
}
