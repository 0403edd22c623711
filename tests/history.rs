//! What a user does with what is kept: deleting it, and reading what no device ever got. Every device hears
//! of it, nothing of it is mailed, and the receipts tell it afterwards.

use serde_json::{Value, json};

use crate::support::app::{TestApp, mail_of, token_with_mail};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::records::texts;

/// Nothing is mailed for as long as a user takes to read or delete; then everything that is due.
const SETTLING: [(&str, &str); 3] = [
    ("BELLHOP__DELIVERY__SETTLE_MS", "3000"),
    ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "100"),
    ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100"),
];

async fn notify(app: &TestApp, user: &str, kind: &str) -> Value {
    let body = json!({"userId": user, "type": kind});
    app.post("/notifications", &app.service(), &body).await.expect(201)["notifications"][0]["id"].take()
}

async fn list(app: &TestApp, user: &str) -> Vec<Value> {
    let mut list = app.get("/notifications", &app.token(user, &[])).await.expect(200);
    list["items"].as_array_mut().unwrap().drain(..).map(|mut item| item["seq"].take()).collect()
}

async fn delete(app: &TestApp, user: &str, body: Value) -> Value {
    app.post("/notifications/delete", &app.token(user, &[]), &body).await.expect(200)
}

async fn delete_one(app: &TestApp, user: &str, id: &str) -> crate::support::answer::Answer {
    let request = app.client().delete(app.url(&format!("/notifications/{id}")));
    app.send(request, &app.token(user, &[])).await
}

async fn trail(app: &TestApp, id: &Value) -> Value {
    let path = format!("/admin/notifications/{}/trail", id.as_str().unwrap());
    app.get(&path, &app.token("root", &["ADMIN"])).await.expect(200)
}

fn steps(trail: &Value) -> Vec<&str> {
    trail["trail"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

on_both_databases_and_every_door! {
    async fn what_is_deleted_is_gone_and_told_to_every_device(app) {
        let mut ids = Vec::new();
        for kind in ["LIKE", "LIKE", "review.created", "LIKE", "LIKE", "LIKE"] {
            ids.push(notify(&app, "ann", kind).await);
        }
        app.post("/notifications/mark-read", &app.token("ann", &[]), &json!({"ids": [ids[0]]})).await.expect(200);
        let mut devices = [app.connect("ann").await, app.connect("ann").await];
        for (body, gone, up_to, unread, total) in [
            (json!({"ids": [ids[0], ids[2]]}), vec![0, 2], None, 4, 4),
            (json!({"ids": [ids[0], ids[1]]}), vec![1], None, 3, 3),
            (json!({"notificationId": ids[3]}), vec![3], None, 2, 2),
            (json!({"upTo": 5}), vec![4], Some(5), 1, 1),
            (json!({"all": true}), vec![5], Some(6), 0, 0),
        ] {
            let gone: Vec<&Value> = gone.into_iter().map(|at: usize| &ids[at]).collect();
            let mut wanted = json!({"ids": gone, "unread": unread, "total": total, "seq": 6});
            if let Some(seq) = up_to {
                wanted["upTo"] = json!(seq);
            }
            assert_eq!(delete(&app, "ann", body).await, wanted);
            for device in &mut devices {
                assert_eq!(device.next_event("notificationDeleted").await, wanted);
                let count = device.next_event("notification:unread_count").await;
                assert_eq!(count, json!({"unread": unread, "seq": 6}));
            }
        }
        assert_eq!(list(&app, "ann").await, [json!(null); 0]);
        let count = app.get("/notifications/count", &app.token("ann", &[])).await.expect(200);
        assert_eq!(count, json!({"unread": 0, "total": 0, "seq": 6, "categories": {}}));
        // Nothing left: nothing is told. What comes next goes on where the inbox stood.
        assert_eq!(delete(&app, "ann", json!({"all": true})).await["ids"], json!([]));
        notify(&app, "ann", "LIKE").await;
        assert_eq!(devices[0].next_news().await.data["seq"], 7);
    }

    async fn a_hole_that_was_deleted_is_told_to_who_comes_back(app) {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(notify(&app, "ann", "LIKE").await);
        }
        delete(&app, "ann", json!({"ids": [ids[1], ids[2]]})).await;
        let mut device = app.connect_with(&app.token("ann", &[]), "?since=0").await;
        assert_eq!(device.next_event("LIKE").await["seq"], 1);
        assert_eq!(device.next_event("gap").await, json!({"after": 1, "oldest": 4}));
        assert_eq!(device.next_event("LIKE").await["seq"], 4);
    }
}

on_both_databases! {
    async fn one_is_deleted_by_its_user_once(app) {
        let [first, second] = [notify(&app, "ann", "LIKE").await, notify(&app, "ann", "LIKE").await];
        let id = first.as_str().unwrap();
        delete_one(&app, "bob", id).await.expect_problem(404, "not_found");
        let deleted = delete_one(&app, "ann", id).await.expect(200);
        assert_eq!(deleted, json!({"ids": [first], "unread": 1, "total": 1, "seq": 2}));
        delete_one(&app, "ann", id).await.expect_problem(404, "not_found");
        delete_one(&app, "ann", "17").await.expect_problem(400, "invalid_id");
        app.get(&format!("/notifications/{id}"), &app.token("ann", &[])).await.expect_problem(404, "not_found");
        assert_eq!(list(&app, "ann").await, [2]);
        let bobs = delete(&app, "bob", json!({"ids": [second]})).await;
        assert_eq!(bobs, json!({"ids": [], "unread": 0, "total": 0, "seq": 0}));
        assert_eq!(delete(&app, "bob", json!({"all": true})).await["upTo"], 0);
    }

    async fn a_tag_from_before_a_deletion_is_not_known_after_it(app) {
        let read = notify(&app, "ann", "LIKE").await;
        let token = app.token("ann", &[]);
        app.post("/notifications/mark-read", &token, &json!({"all": true})).await.expect(200);
        let before = app.get("/notifications", &token).await;
        // Neither the newest seq nor what is unread changes.
        delete(&app, "ann", json!({"id": read})).await;
        let request = app.client().get(app.url("/notifications"));
        let after = app.send(request.header("if-none-match", before.header("etag").unwrap()), &token).await;
        assert_eq!(after.expect(200)["items"], json!([]));
    }

    async fn a_deletion_that_does_not_fit_is_refused(app) {
        let id = "0198a1b2-0000-7000-8000-000000000001";
        for body in [
            json!({}), json!({"all": false}), json!({"all": true, "upTo": 1}), json!({"ids": []}),
            json!({"ids": ["x"]}), json!({"upTo": -1}), json!({"ids": vec![id; 1001]}), json!([]), json!(null),
        ] {
            let answer = app.post("/notifications/delete", &app.token("ann", &[]), &body).await;
            answer.expect_problem(422, "invalid_body");
        }
        let reserved = json!({"userId": "ann", "type": "notificationDeleted"});
        app.post("/notifications", &app.service(), &reserved).await.expect_problem(422, "invalid_field");
    }

    async fn a_trail_outlives_its_notification(app) {
        let id = notify(&app, "ann", "LIKE").await;
        app.post("/notifications/mark-read", &app.token("ann", &[]), &json!({"id": id})).await.expect(200);
        delete_one(&app, "ann", id.as_str().unwrap()).await.expect(200);
        let trail = trail(&app, &id).await;
        assert_eq!((&trail["notification"], &trail["delivery"]), (&json!(null), &json!(null)), "{trail}");
        // What became of the mail, which nobody can be sent, may come before, between and after.
        let own: Vec<&Value> =
            trail["trail"].as_array().unwrap().iter().filter(|step| step["step"] != "suppressed").collect();
        let steps: Vec<&Value> = own.iter().map(|step| &step["step"]).collect();
        assert_eq!(steps, ["read", "deleted"], "{trail}");
        assert_eq!(own[1]["channel"], "rest");
        let unknown = "/admin/notifications/0198a1b2-0000-7000-8000-000000000001/trail";
        app.get(unknown, &app.token("root", &["ADMIN"])).await.expect_problem(404, "not_found");
    }

    /// The server has just started and mails nothing yet: nobody was pushed anything, either.
    async fn what_is_read_or_deleted_unpushed_is_not_mailed(app, super::SETTLING) {
        for user in ["reader", "deleter", "sleeper"] {
            app.get("/notifications/count", &token_with_mail(user)).await.expect(200);
        }
        let read = notify(&app, "reader", "LIKE").await;
        let deleted = notify(&app, "deleter", "LIKE").await;
        notify(&app, "sleeper", "LIKE").await;
        app.post("/notifications/mark-read", &app.token("reader", &[]), &json!({"id": read})).await.expect(200);
        delete(&app, "deleter", json!({"all": true})).await;

        app.next_mail(&mail_of("sleeper")).await;
        let trail_of_read = trail(&app, &read).await;
        assert_eq!(trail_of_read["delivery"]["state"], "confirmed", "{trail_of_read}");
        assert_eq!(steps(&trail_of_read), ["pending", "read"]);
        assert_eq!(steps(&trail(&app, &deleted).await), ["deleted"]);
        let mailed = "SELECT user_id AS value FROM receipts WHERE channel = 'email'";
        assert!(texts(app.database_url(), mailed).iter().all(|user| user == "sleeper"));
    }
}
