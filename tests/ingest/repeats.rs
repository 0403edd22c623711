//! A message that comes again does nothing again; another one that says the same does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{await_outcome, await_titles, fed, note, titles};
use crate::support::both::build_on_both_databases;
use crate::support::clock::SteppedClock;

build_on_both_databases! {
    async fn a_named_message_is_done_once_however_often_it_is_sent(builder) {
        let (app, back_end) = fed(builder).await;
        for _ in 0..3 {
            back_end.emit_named("order-7", "notification.created", &note("7", "one")).await;
        }
        await_outcome(&app, "repeated", 2).await;
        assert_eq!(titles(&app, "7").await, ["one"]);
        back_end.emit_named("order-7", "notification.created", &note("7", "another")).await;
        assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), "idempotency_key_reused");
        back_end.emit_named("order-8", "notification.created", &note("7", "one")).await;
        assert_eq!(await_titles(&app, "7", 2).await, ["one", "one"]);

        let booking = json!({
            "hostId": "8", "guestId": "guest", "listingId": "sea-view",
            "checkIn": "2031-12-03", "checkOut": "2031-12-05",
        });
        for _ in 0..2 {
            back_end.emit_named("booking-1", "booking.created", &booking).await;
        }
        await_outcome(&app, "repeated", 3).await;
        assert_eq!(titles(&app, "8").await.len(), 1);
        let page = app.get("/notifications", &app.token("8", &[])).await.expect(200);
        let step = json!({"bookingId": page["items"][0]["data"]["bookingId"], "userId": "8"});
        for _ in 0..2 {
            back_end.emit_named("step-1", "booking.accepted", &step).await;
        }
        await_outcome(&app, "repeated", 4).await;
        assert_eq!(titles(&app, "guest").await.len(), 1);

        let role = json!({"role": "CUSTOMER", "type": "note", "title": "for a role"});
        app.connect_with(&app.token("9", &["CUSTOMER"]), "").await.close().await;
        for _ in 0..2 {
            back_end.emit_named("role-1", "notification.created", &role).await;
        }
        await_outcome(&app, "repeated", 5).await;
        back_end.emit("notification.created", &note("9", "after")).await;
        let told = await_titles(&app, "9", 2).await;
        assert_eq!(told.iter().filter(|title| *title == "for a role").count(), 1, "{told:?}");
    }

    async fn two_messages_without_a_name_that_say_the_same_are_two(builder) {
        let (app, back_end) = fed(builder).await;
        for _ in 0..3 {
            back_end.emit("notification.created", &note("7", "again")).await;
        }
        assert_eq!(await_titles(&app, "7", 3).await, ["again", "again", "again"]);
        await_outcome(&app, "done", 3).await;
    }

    async fn what_was_said_long_ago_was_said_by_another_message(builder) {
        let clock = Arc::new(SteppedClock::default());
        let (mut app, back_end) = fed(builder.with_clock(clock.clone())).await;
        back_end.emit("notification.created", &note("7", "again")).await;
        await_titles(&app, "7", 1).await;
        // Each comes as if somebody had had it before, who never began with it.
        for (minutes, kept, repeated) in [(20, 2, 0), (5, 2, 1)] {
            app.stop().await;
            clock.step_forward(Duration::from_mins(minutes));
            back_end.emit("notification.created", &note("7", "again")).await;
            back_end.hand_back(&back_end.queue).await;
            app.start_again().await;
            await_outcome(&app, "repeated", repeated).await;
            assert_eq!(await_titles(&app, "7", kept).await.len(), kept, "{minutes}");
        }
    }
}
