//! Everybody's own inbox over REST: counted, listed page by page, marked as read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};

/// Sends `user` one notification; answers its place.
async fn notify(app: &TestApp, user: &str, body: Value) -> Value {
    let mut body = body;
    body["userId"] = json!(user);
    app.post("/notifications", &app.service(), &body).await.expect(201)["notifications"][0].take()
}

/// Sends `user` so many likes.
async fn like(app: &TestApp, user: &str, count: usize) {
    for _ in 0..count {
        notify(app, user, json!({"type": "LIKE"})).await;
    }
}

async fn list(app: &TestApp, user: &str, query: &str) -> Value {
    app.get(&format!("/notifications/list{query}"), &app.token(user, &[])).await.expect(200)
}

fn seqs(list: &Value) -> Vec<i64> {
    list["items"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect()
}

async fn mark(app: &TestApp, user: &str, body: Value) -> Value {
    app.post("/notifications/mark-read", &app.token(user, &[]), &body).await.expect(200)
}

async fn unread(app: &TestApp, user: &str) -> i64 {
    let count = app.get("/notifications/count", &app.token(user, &[])).await.expect(200);
    count["unread"].as_i64().unwrap()
}

on_both_databases_and_every_door! {
    async fn what_is_marked_as_read_is_counted_and_told_to_every_device(app) {
        like(&app, "ann", 6).await;
        let ids: Vec<Value> =
            list(&app, "ann", "?since=0").await["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        let mut phone = app.connect("ann").await;
        let mut tablet = app.connect("ann").await;
        for (body, changed, up_to, unread) in [
            (json!({"ids": [ids[0], ids[2]]}), vec![0, 2], None, 4),
            (json!({"ids": [ids[0], ids[1]]}), vec![1], None, 3),
            (json!({"notificationId": ids[3]}), vec![3], None, 2),
            (json!({"upTo": 5}), vec![4], Some(5), 1),
            (json!({"all": true}), vec![5], Some(6), 0),
        ] {
            let mut wanted = json!({
                "ids": changed.iter().map(|&at: &usize| &ids[at]).collect::<Vec<_>>(), "unread": unread, "seq": 6
            });
            if let Some(seq) = up_to {
                wanted["upTo"] = json!(seq);
            }
            assert_eq!(mark(&app, "ann", body).await, wanted);
            for device in [&mut phone, &mut tablet] {
                assert_eq!(device.next_event("notificationRead").await, wanted);
                let count = device.next_event("notification:unread_count").await;
                assert_eq!(count, json!({"unread": unread, "seq": 6}));
            }
        }
        // Nothing left to change: nothing is told.
        assert_eq!(mark(&app, "ann", json!({"all": true})).await["ids"], json!([]));
        assert_eq!(mark(&app, "ann", json!({"upTo": 99})).await["upTo"], 6);
        assert_eq!(phone.events_so_far().await, []);
        let items = list(&app, "ann", "").await["items"].take();
        assert!(items.as_array().unwrap().iter().all(|one| one["isRead"] == true && one["readAt"].is_string()));
    }
}

on_both_databases! {
    async fn a_count_that_has_not_changed_is_answered_with_304(app) {
        let token = app.token("ann", &[]);
        let empty = app.get("/notifications/count", &token).await;
        let old = empty.header("etag").unwrap().to_owned();
        assert_eq!(empty.expect(200), json!({"unread": 0, "total": 0, "seq": 0, "categories": {}}));

        let ask = async |tag: &str| {
            let url = app.url("/notifications/count");
            app.send(app.client().get(url).header("if-none-match", tag), &token).await
        };
        for tag in [old.clone(), format!("W/{old}"), format!("\"x\", {old}"), "*".to_owned()] {
            let answer = ask(&tag).await;
            assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{tag}");
            assert_eq!(answer.header("etag"), Some(&*old));
        }

        let place = notify(&app, "ann", json!({"type": "LIKE"})).await;
        let changed = ask(&old).await;
        let tag = changed.header("etag").unwrap().to_owned();
        let social = |unread| json!({"social": {"unread": unread, "total": 1}});
        assert_eq!(changed.expect(200), json!({"unread": 1, "total": 1, "seq": 1, "categories": social(1)}));
        assert_eq!(ask(&tag).await.status, 304);

        mark(&app, "ann", json!({"id": place["id"]})).await;
        let read = ask(&tag).await.expect(200);
        assert_eq!(read, json!({"unread": 0, "total": 1, "seq": 1, "categories": social(0)}));
    }

    async fn a_list_that_has_not_changed_is_answered_with_304(app) {
        like(&app, "ann", 2).await;
        let ask = async |user: &str, query: &str, tag: &str| {
            let url = app.url(&format!("/notifications/list{query}"));
            app.send(app.client().get(url).header("if-none-match", tag), &app.token(user, &[])).await
        };
        let first = ask("ann", "", "\"none\"").await;
        let old = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("private, no-cache"));
        let varies = first.header("vary").unwrap().to_ascii_lowercase();
        assert!(varies.contains("authorization") && varies.contains("cookie"), "{varies}");
        let id = first.expect(200)["items"][0]["id"].take();
        assert_eq!(ask("ann", "", &old).await.status, 304);

        mark(&app, "ann", json!({"id": id})).await;
        let read = ask("ann", "", &old).await;
        let now = read.header("etag").unwrap().to_owned();
        assert_eq!(read.expect(200)["items"][0]["isRead"], true);
        assert_eq!(ask("ann", "?unread=true", &now).await.status, 304, "of one inbox's state");
        like(&app, "ann", 1).await;
        assert_eq!(ask("ann", "", &now).await.expect(200)["items"][0]["seq"], 3);
    }

    /// Two inboxes that stand alike, and a browser that first the one and then the other uses.
    async fn what_was_kept_of_one_user_is_not_taken_for_anothers(app) {
        like(&app, "ann", 1).await;
        like(&app, "bob", 1).await;
        for path in ["/notifications/count", "/notifications/list"] {
            let anns = app.get(path, &app.token("ann", &[])).await;
            let tag = anns.header("etag").unwrap();
            let request = app.client().get(app.url(path)).header("if-none-match", tag);
            let bobs = app.send(request, &app.token("bob", &[])).await;
            assert_ne!(bobs.header("etag"), Some(tag), "{path}");
            bobs.expect(200);
        }
    }

    async fn a_count_tells_the_categories_apart(app) {
        for kind in ["LIKE", "review.created", "LIKE", "LIKE"] {
            notify(&app, "ann", json!({"type": kind})).await;
        }
        mark(&app, "ann", json!({"upTo": 2})).await;
        let count = app.get("/notifications/count", &app.token("ann", &[])).await.expect(200);
        assert_eq!(count, json!({
            "unread": 2, "total": 4, "seq": 4,
            "categories": {"reviews": {"unread": 0, "total": 1}, "social": {"unread": 2, "total": 3}}
        }));
    }

    async fn one_notification_is_shown_to_its_user_alone(app) {
        like(&app, "ann", 2).await;
        let item = list(&app, "ann", "").await["items"][1].take();
        let path = format!("/notifications/{}", item["id"].as_str().unwrap());
        let answer = app.get(&path, &app.token("ann", &[])).await;
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        assert_eq!(answer.expect(200), item);
        for (path, user) in [
            (path.as_str(), "bob"),
            ("/notifications/0198a1b2-0000-7000-8000-000000000001", "ann"),
        ] {
            app.get(path, &app.token(user, &["ADMIN"])).await.expect_problem(404, "not_found");
        }
        let odd = app.get("/notifications/17", &app.token("ann", &[])).await;
        assert_eq!(odd.expect_problem(400, "invalid_id")["field"], "id");
        app.get(&path, "").await.expect(401);
    }

    async fn a_list_shows_the_newest_first_in_full(app) {
        like(&app, "ann", 2).await;
        let place = notify(&app, "ann", json!({
            "type": "COMMENT", "title": "A comment", "message": "Nice", "priority": "low",
            "actorId": "bob", "actorName": "Bob", "actorAvatar": "https://example.org/bob.png",
            "data": {"postId": 7, "deep": [{"a": null}]}
        })).await;
        let found = list(&app, "ann", "").await;
        assert_eq!(seqs(&found), [3, 2, 1]);
        assert_eq!(found["nextCursor"], Value::Null);

        let mut newest = found["items"][0].clone();
        let timestamp = newest["timestamp"].take();
        assert!(chrono::DateTime::parse_from_rfc3339(timestamp.as_str().unwrap()).is_ok(), "{timestamp}");
        assert_eq!(newest, json!({
            "id": place["id"], "seq": 3, "type": "COMMENT", "category": "social", "priority": "low",
            "title": "A comment", "message": "Nice", "userId": "ann", "actorId": "bob", "actorName": "Bob",
            "actorAvatar": "https://example.org/bob.png", "data": {"postId": 7, "deep": [{"a": null}]},
            "timestamp": null, "isRead": false, "readAt": null
        }));
        let short = app.get("/notifications", &app.token("ann", &[])).await.expect(200);
        assert_eq!(short, found);
        assert_eq!(list(&app, "bob", "").await, json!({"items": [], "nextCursor": null}));
    }

    async fn pages_miss_and_repeat_nothing_while_new_ones_arrive(app) {
        like(&app, "ann", 23).await;
        let mut query = "?limit=5".to_owned();
        let mut seen = Vec::new();
        loop {
            let page = list(&app, "ann", &query).await;
            seen.extend(seqs(&page));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            query = format!("?limit=5&cursor={cursor}");
            like(&app, "ann", 2).await;
        }
        assert_eq!(seen, (1..=23).rev().collect::<Vec<i64>>());
    }

    async fn a_last_page_that_is_just_full_says_that_it_is_the_last(app) {
        like(&app, "ann", 6).await;
        let first = list(&app, "ann", "?limit=3").await;
        let query = format!("?limit=3&cursor={}", first["nextCursor"].as_str().unwrap());
        let second = list(&app, "ann", &query).await;
        assert_eq!((seqs(&second), &second["nextCursor"]), (vec![3, 2, 1], &Value::Null));
    }

    async fn pages_can_be_numbered(app) {
        like(&app, "ann", 7).await;
        for (page, wanted) in [(1, vec![7, 6, 5]), (2, vec![4, 3, 2]), (3, vec![1]), (4, vec![])] {
            assert_eq!(seqs(&list(&app, "ann", &format!("?limit=3&page={page}")).await), wanted, "{page}");
        }
    }

    async fn since_answers_what_came_after_oldest_first(app) {
        like(&app, "ann", 5).await;
        assert_eq!(seqs(&list(&app, "ann", "?since=0").await), [1, 2, 3, 4, 5]);
        assert_eq!(seqs(&list(&app, "ann", "?since=3").await), [4, 5]);
        assert_eq!(seqs(&list(&app, "ann", "?since=2&limit=2").await), [3, 4]);
        assert_eq!(seqs(&list(&app, "ann", "?since=5").await), Vec::<i64>::new());
    }

    async fn a_listing_since_goes_on_by_its_cursor(app) {
        like(&app, "ann", 7).await;
        let mut query = "?limit=3&since=1".to_owned();
        let mut seen = Vec::new();
        loop {
            let page = list(&app, "ann", &query).await;
            seen.push(seqs(&page));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            query = format!("?limit=3&cursor={cursor}");
        }
        assert_eq!(seen, [vec![2, 3, 4], vec![5, 6, 7]]);
    }

    async fn lists_come_compressed_to_who_takes_them_so(app) {
        like(&app, "ann", 20).await;
        let id = list(&app, "ann", "?limit=1").await["items"][0]["id"].take();
        let token = app.token("ann", &[]);
        let one = format!("/notifications/{}", id.as_str().unwrap());
        for path in ["/notifications", "/notifications/list", one.as_str()] {
            let ask = || app.client().get(app.url(path)).header("accept-encoding", "gzip");
            let answer = app.send(ask(), &token).await;
            assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{path}");
            assert!(answer.text.starts_with('\u{1f}'), "{path}");
            let varies: Vec<&str> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            let varies = varies.join(", ").to_ascii_lowercase();
            for on in ["accept-encoding", "authorization", "cookie"] {
                assert!(varies.contains(on), "{path}: {varies}");
            }
            if let Some(tag) = answer.header("etag") {
                let again = app.send(ask().header("if-none-match", tag), &token).await;
                assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
            }
        }
    }

    async fn a_list_is_filtered_by_category_type_and_what_is_unread(app) {
        for kind in ["LIKE", "COMMENT", "review.created", "LIKE", "custom"] {
            notify(&app, "ann", json!({"type": kind})).await;
        }
        notify(&app, "ann", json!({"type": "custom", "category": "reviews"})).await;
        mark(&app, "ann", json!({"upTo": 2})).await;
        for (query, wanted) in [
            ("?category=social", vec![4, 2, 1]),
            ("?category=reviews", vec![6, 3]),
            ("?type=LIKE", vec![4, 1]),
            ("?unread=true", vec![6, 5, 4, 3]),
            ("?unread=false&limit=2", vec![6, 5]),
            ("?unread=true&category=social&type=LIKE", vec![4]),
            ("?category=general", vec![5]),
            ("?category=nobody-has-this", vec![]),
            ("?category=social&limit=2", vec![4, 2]),
            ("?category=social&limit=2&cursor=2", vec![1]),
        ] {
            assert_eq!(seqs(&list(&app, "ann", query).await), wanted, "{query}");
        }
    }

    async fn a_query_that_does_not_fit_is_refused(app) {
        for (query, field) in [
            ("limit=0", Some("limit")),
            ("limit=101", Some("limit")),
            ("limit=-1", Some("limit")),
            ("limit=many", None),
            ("cursor=abc", Some("cursor")),
            ("cursor=after-", Some("cursor")),
            ("cursor=after--1", Some("cursor")),
            ("cursor=-1", Some("cursor")),
            ("cursor=1&since=1", Some("cursor")),
            ("since=-1", Some("since")),
            ("page=0", Some("page")),
            ("page=1001&limit=10", Some("page")),
            ("unread=maybe", None),
            ("category=%00", Some("category")),
            ("category=Not%20One", Some("category")),
            ("type=%00", Some("type")),
            ("type=a%20b", Some("type")),
            ("limit=1&limit=2", None),
        ] {
            let answer = app.get(&format!("/notifications/list?{query}"), &app.token("ann", &[])).await;
            let problem = answer.expect_problem(400, "invalid_query");
            assert_eq!(problem.get("field").and_then(Value::as_str), field, "{query}");
        }
    }

    async fn what_belongs_to_others_is_not_marked(app) {
        let anns = notify(&app, "ann", json!({"type": "LIKE"})).await;
        let bobs = notify(&app, "bob", json!({"type": "LIKE"})).await;
        let unknown = "0198a1b2-0000-7000-8000-000000000001";
        let read = mark(&app, "bob", json!({"ids": [anns["id"], unknown, bobs["id"]]})).await;
        assert_eq!((&read["ids"], &read["unread"]), (&json!([bobs["id"]]), &json!(0)));
        assert_eq!((unread(&app, "ann").await, unread(&app, "bob").await), (1, 0));
        mark(&app, "bob", json!({"all": true})).await;
        assert_eq!(unread(&app, "ann").await, 1);
    }

    async fn marks_and_arrivals_at_once_leave_a_true_count(app) {
        like(&app, "ann", 10).await;
        let arrivals = async { for _ in 0..3 { like(&app, "ann", 5).await } };
        let marks = async { for seq in 1..=20 { mark(&app, "ann", json!({"upTo": seq})).await; } };
        tokio::join!(arrivals, marks);
        let open = list(&app, "ann", "?unread=true&limit=100").await;
        assert_eq!(unread(&app, "ann").await, i64::try_from(seqs(&open).len()).unwrap());
        let all: BTreeSet<i64> = seqs(&list(&app, "ann", "?limit=100").await).into_iter().collect();
        assert_eq!(all, (1..=25).collect());
    }

    async fn a_mark_that_does_not_fit_is_refused(app) {
        let id = "0198a1b2-0000-7000-8000-000000000001";
        for body in [
            json!({}), json!({"all": false}), json!({"all": true, "upTo": 1}), json!({"ids": []}),
            json!({"ids": ["x"]}), json!({"upTo": -1}), json!({"ids": vec![id; 1001]}), json!({"ids": id}),
            json!({"upTo": "3"}), json!({"all": 1}), json!([]), json!("all"), json!(null),
            json!({"id": id, "ids": [id]}), json!({"id": id, "notificationId": id}),
        ] {
            let answer = app.post("/notifications/mark-read", &app.token("ann", &[]), &body).await;
            answer.expect_problem(422, "invalid_body");
        }
    }
}
