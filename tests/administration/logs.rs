//! All notifications with what became of them.

use std::collections::BTreeSet;

use bellhop::domain::{Channel, Timestamp};
use bellhop::storage::logs::{Filter, page};
use serde_json::{Value, json};

use crate::support::app::{TestApp, mail_of, token_for, token_with_mail};
use crate::support::both::{on_both_databases, on_both_stores};
use crate::support::deadline::wait_until_async;
use crate::support::shapes::fill;
use crate::support::store::{TestStore, user};

async fn logs(app: &TestApp, query: &str) -> Value {
    app.get(&format!("/admin/notifications/logs{query}"), &token_for("root", &["ADMIN"])).await.expect(200)
}

fn users(logs: &Value) -> Vec<&str> {
    logs["items"].as_array().unwrap().iter().map(|item| item["userId"].as_str().unwrap()).collect()
}

on_both_databases! {
    async fn every_notification_is_told_of_with_what_became_of_it(app) {
        let mut online = app.connect("online").await;
        let booked = app.book("guest", "online").await;
        online.next_event("booking.created").await;
        online.events_so_far().await;
        // Known by their token, from a request.
        app.get("/notifications/count", &token_with_mail("away")).await.expect(200);
        let url = app.database_url().to_owned();
        wait_until_async("the address is known", async || {
            let known = "SELECT user_id AS value FROM recipients WHERE email IS NOT NULL";
            crate::support::records::texts(&url, known).contains(&"away".to_owned()).then_some(())
        })
        .await;
        app.tell("away", 1).await;
        app.next_mail(&mail_of("away")).await;
        app.tell("hermit", 1).await;
        let all = wait_until_async("everything has ended", async || {
            let all = logs(&app, "").await;
            let items = all["items"].as_array().unwrap();
            (items.len() == 3 && items.iter().all(|item| item["state"] != "pending")).then_some(all)
        })
        .await;
        assert_eq!((users(&all), &all["nextCursor"]), (vec!["hermit", "away", "online"], &Value::Null));
        let [hermit, away, online] = [0, 1, 2].map(|place| &all["items"][place]);
        assert_eq!([&online["state"], &online["channel"], &online["event"]], ["confirmed", "websocket", "booking.created"]);
        assert_eq!(online["id"], booked["notification"]["id"]);
        assert_eq!(online["payload"]["data"]["bookingId"], booked["booking"]["id"]);
        assert_eq!((&online["delivered"], &online["category"]), (&json!(true), &json!("bookings")));
        assert_eq!([&away["state"], &away["channel"]], ["emailed", "email"], "{away}");
        assert_eq!((&away["delivered"], &away["attempts"]), (&json!(true), &json!(1)));
        assert!(away["deliveredAt"].as_str().unwrap() >= away["createdAt"].as_str().unwrap());
        assert_eq!([&hermit["state"], &hermit["error"]], ["suppressed", "no_address"], "{hermit}");
        assert_eq!((&hermit["delivered"], &hermit["deliveredAt"], &hermit["channel"]), (&json!(false), &Value::Null, &Value::Null));

        let later = "?from=2099-01-01T00:00:00Z";
        let now = all["items"][1]["createdAt"].as_str().unwrap();
        for (query, wanted) in [
            ("?userId=away".to_owned(), vec!["away"]),
            ("?userId=nobody".to_owned(), vec![]),
            ("?type=note".to_owned(), vec!["hermit", "away"]),
            ("?category=bookings".to_owned(), vec!["online"]),
            ("?state=suppressed".to_owned(), vec!["hermit"]),
            ("?state=pending".to_owned(), vec![]),
            ("?channel=websocket".to_owned(), vec!["online"]),
            ("?channel=email&state=emailed&userId=away&type=note".to_owned(), vec!["away"]),
            ("?channel=sse".to_owned(), vec![]),
            (later.to_owned(), vec![]),
            (format!("?to={now}"), vec!["online"]),
            (format!("?from=2001-01-01T00:00:00Z&to={now}&userId=online"), vec!["online"]),
        ] {
            assert_eq!(users(&logs(&app, &query).await), wanted, "{query}");
        }
        let first = logs(&app, "?limit=2").await;
        let cursor = first["nextCursor"].as_str().unwrap();
        assert_eq!(users(&logs(&app, &format!("?limit=2&cursor={cursor}")).await), ["online"]);
        let root = token_for("root", &["ADMIN"]);
        let other = format!("/admin/notifications/logs?userId=away&cursor={cursor}");
        app.get(&other, &root).await.expect_problem(400, "invalid_query");
        for query in ["?state=lost", "?channel=post", "?type=a%20b", "?category=A", "?limit=0"] {
            let path = format!("/admin/notifications/logs{query}");
            app.get(&path, &root).await.expect_problem(400, "invalid_query");
        }
    }
}

/// Everything that a filter finds, page by page, and how many pages that took.
fn walk(store: &TestStore, filter: &Filter, limit: usize) -> (Vec<String>, usize) {
    let (mut place, mut ids, mut pages) = (None, Vec::new(), 0);
    loop {
        let found = page(&mut store.connection(), filter, place, limit).unwrap();
        assert!(found.items.len() <= limit);
        ids.extend(found.items.iter().map(|item| item.notification.id.to_string()));
        pages += 1;
        place = found.next;
        if place.is_none() {
            return (ids, pages);
        }
    }
}

on_both_stores! {
    fn a_long_log_is_walked_without_gaps_and_what_is_rare_is_found(store) {
        const ROWS: usize = 30_000;
        fill(&mut store.connection(), 30_000, 3_000).unwrap();
        let (all, pages) = walk(&store, &Filter::default(), 200);
        assert_eq!((all.len(), pages), (ROWS, ROWS / 200));
        assert!(all.is_sorted_by(|one, other| one > other), "newest first, each once");
        let (own, _) = walk(&store, &Filter { user: Some(user("own")), ..Filter::default() }, 170);
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), 3_000);
        let rare = || Filter { kind: Some("rare.thing".to_owned()), ..Filter::default() };
        let (found, _) = walk(&store, &rare(), 100);
        let wanted = store.number("SELECT COUNT(*) FROM notifications WHERE kind = 'rare.thing'");
        assert_eq!(i64::try_from(found.len()).unwrap(), wanted);
        // Nothing is known of any delivery here: what is not there is looked for a bounded way at a time.
        for nothing in [
            Filter { state: Some("failed"), ..Filter::default() },
            Filter { channel: Some(Channel::Sse), ..rare() },
        ] {
            let (found, pages) = walk(&store, &nothing, 50);
            assert_eq!((found.len(), pages), (0, 2), "{nothing:?}");
        }
        let from = Timestamp::from_micros(29_901);
        let last = Filter { from: Some(from), user: Some(user("own")), ..Filter::default() };
        assert_eq!(walk(&store, &last, 3).0.len(), 10);
    }
}
