//! The front end behind a message broker: the token in `auth` or in a header, the room `user:{id}`, an alert
//! for each `notification:new` and a badge that is always absolute.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{assert_once_under, leave, patient, settings, settings_with};
use crate::support::node::{count, with_both_clients, with_every_client};

const SCRIPT: &str = "rabbitmq_bridge.mjs";

with_every_client! {
    async fn a_booking_alerts_and_the_badge_counts_it(client) {
        let app = patient().start().await;
        for (in_header, seq) in [(false, 1), (true, 2)] {
            let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"inHeader": in_header})));
            assert_eq!(page.await_event("joinedRoom").await, json!({"room": "user:7"}));
            let booked = app.book("guest", "7").await;
            let alert = page.await_line("alert").await;
            assert_eq!((&alert["id"], &alert["seq"]), (&booked["notification"]["id"], &json!(seq)));
            assert_eq!(page.await_line("badge").await, seq);
            assert_eq!(
                page.await_event("notification:unread_count").await,
                json!({"unread": seq, "seq": seq})
            );
            let lines = page.lines_so_far().await;
            assert_once_under(&lines, &["notification", "notification:new", "new_booking"], &alert);
            app.wait_for_delivery(&booked["notification"], "confirmed").await;
            leave(&app, page, "disconnect").await;
        }
    }

    async fn a_page_may_confirm_each_notification_itself(client) {
        let app = patient().start().await;
        let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"auth": {"acks": true}})));
        page.await_event("joinedRoom").await;
        let booked = app.book("guest", "7").await;
        assert_eq!(page.await_line("alert").await["id"], booked["notification"]["id"]);
        let asking = page.lines_so_far().await.into_iter().filter(|line| line.data["asks"] == true);
        assert_eq!(asking.count(), 3, "under each name: who knows where the page listens?");

        // What another page proved by its transport is written later than this would have been.
        let mut other = client.run(SCRIPT, &settings(&app, "8"));
        other.await_event("joinedRoom").await;
        let later = app.book("guest", "8").await;
        app.wait_for_delivery(&later["notification"], "confirmed").await;
        assert_eq!(app.delivery(&booked["notification"]).state, "pending");
        page.tell_to("answer").await;
        app.wait_for_delivery(&booked["notification"], "confirmed").await;
        other.leave("disconnect").await;
        leave(&app, page, "disconnect").await;
    }

    async fn nothing_is_lost_or_doubled_while_the_transport_changes(client) {
        const TOLD: usize = 60;
        let app = patient().start().await;
        let mut page = client.run(SCRIPT, &settings(&app, "7"));
        page.await_event("connected").await;
        stream::iter(0..TOLD).for_each_concurrent(4, |_| app.tell("7", 1)).await;
        let mut seqs = Vec::new();
        while seqs.len() < TOLD {
            seqs.push(page.await_line("alert").await["seq"].as_u64().unwrap());
        }
        assert_eq!(seqs, (1..=TOLD as u64).collect::<Vec<u64>>());
        let lines = page.lines_so_far().await;
        assert_eq!(count(&lines, "alert"), 0);
        assert_eq!(count(&lines, "upgrade"), usize::from(client.upgrades()));
        leave(&app, page, "disconnect").await;
    }
}

with_both_clients! {
    async fn what_is_read_elsewhere_leaves_the_badge(client) {
        let app = patient().start().await;
        app.tell("7", 3).await;
        let mut page = client.run(SCRIPT, &settings(&app, "7"));
        assert_eq!(page.await_event("connected").await["unread"], 3);
        app.post("/notifications/mark-read", &app.token("7", &[]), &json!({"upTo": 2})).await.expect(200);
        assert_eq!(page.await_line("badge").await, 1);
        let read = page.await_event("notificationRead").await;
        assert_eq!((&read["unread"], read["ids"].as_array().map(Vec::len)), (&json!(1), Some(2)), "{read}");
        leave(&app, page, "disconnect").await;
    }

    async fn a_page_that_says_what_it_has_gets_what_it_missed(client) {
        let app = patient().start().await;
        app.tell("7", 2).await;
        // `since` is 0 at first: everything there is, in order.
        let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"resumes": true})));
        for seq in 1..=2 {
            assert_eq!(page.await_line("alert").await["seq"], seq);
        }
        let resumed = page.await_event("resumed").await;
        assert_eq!((&resumed["from"], &resumed["to"]), (&json!(1), &json!(2)), "{resumed}");
        app.tell("7", 1).await;
        assert_eq!(page.await_line("alert").await["seq"], 3);
        let lines = page.lines_so_far().await;
        assert!(!lines.iter().any(|line| line.saw == "alert"), "{lines:?}");
        leave(&app, page, "disconnect").await;
    }

    async fn a_page_learns_of_history_that_is_gone(client) {
        let app = patient().start().await;
        app.tell("7", 3).await;
        crate::support::records::execute(app.database_url(), "DELETE FROM notifications WHERE seq <= 2");
        let mut page = client.run(SCRIPT, &settings_with(&app, "7", &json!({"resumes": true})));
        assert_eq!(page.await_event("gap").await["oldest"], 3);
        assert_eq!(page.await_line("alert").await["seq"], 3);
        assert_ne!(page.await_event("resumed").await, Value::Null);
        leave(&app, page, "disconnect").await;
    }
}
