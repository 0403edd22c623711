//! `POST /notifications`: a back end tells users, a role or a room.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{Database, TestApp, TestAppBuilder, seconds_from_now, token_of};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};

async fn publish(app: &TestApp, body: &Value) -> Answer {
    app.post("/notifications", &app.service(), body).await
}

/// Tells ann, with data of just this text.
async fn post_data(app: &TestApp, data: &str) -> Answer {
    let body = format!(r#"{{"type": "LIKE", "userId": "ann", "data": {data}}}"#);
    let request = app.client().post(app.url("/notifications")).header("content-type", "application/json");
    app.send(request.body(body), &app.service()).await
}

on_both_databases_and_every_door! {
    async fn one_user_is_told(app) {
        let mut ann = app.connect("ann").await;
        let mut bob = app.connect("bob").await;
        let body = json!({"type": "review.created", "title": "A review", "message": "Five stars", "userId": "ann"});
        let answer = publish(&app, &body).await.expect(201);
        let event = ann.next_event("review.created").await;
        assert_eq!(answer, json!({"notifications": [{"id": event["id"], "userId": "ann", "seq": 1}]}));
        for (field, wanted) in [
            ("category", "reviews"), ("priority", "normal"), ("title", "A review"), ("message", "Five stars"),
        ] {
            assert_eq!(event[field], wanted, "{field}");
        }
        assert_eq!(bob.events_so_far().await, []);
    }

    async fn several_users_are_told_each_once(app) {
        let mut ann = app.connect("ann").await;
        let body = json!({"type": "LIKE", "userIds": ["bob", "ann", "cleo", "ann"]});
        let answer = publish(&app, &body).await.expect(201);
        let mut told: Vec<&str> =
            answer["notifications"].as_array().unwrap().iter().map(|one| one["userId"].as_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, ["ann", "bob", "cleo"]);
        let event = ann.next_event("LIKE").await;
        // Without a title, the type is one.
        assert_eq!((&event["seq"], &event["title"], &event["message"]), (&json!(1), &json!("LIKE"), &json!("")));
        assert!(ann.events_so_far().await.iter().all(|event| event.name != "LIKE"));
    }

    async fn everybody_who_holds_a_role_is_told_present_or_not(app) {
        let mut ann = app.connect_with(&app.token("ann", &["Professional"]), "").await;
        let bob = app.connect_with(&app.token("bob", &["PROFESSIONAL", "CUSTOMER"]), "").await;
        let mut cleo = app.connect_with(&app.token("cleo", &["CUSTOMER"]), "").await;
        bob.close().await;

        let body = json!({"type": "system.maintenance", "role": "professional"});
        assert_eq!(publish(&app, &body).await.expect(201), json!({"count": 2}));
        assert_eq!(ann.next_event("system.maintenance").await["seq"], 1);
        let bobs = app.get("/notifications", &app.token("bob", &[])).await.expect(200);
        assert_eq!(bobs["items"][0]["type"], "system.maintenance");
        assert_eq!(cleo.events_so_far().await, []);
        assert_eq!(publish(&app, &json!({"type": "LIKE", "role": "NOBODY"})).await.expect(201), json!({"count": 0}));
    }

    async fn the_room_of_a_user_or_a_role_is_their_inbox(app) {
        let mut ann = app.connect_with(&app.token("ann", &["PROFESSIONAL"]), "").await;
        for (seq, room) in [(1, "user:ann"), (2, "host-ann"), (3, "role:PROFESSIONAL")] {
            publish(&app, &json!({"type": "LIKE", "room": room})).await.expect(201);
            assert_eq!(ann.next_event("LIKE").await["seq"], seq, "{room}");
        }
    }

    async fn what_is_passing_reaches_who_is_there_and_is_kept_for_nobody(app) {
        let token = token_of(&json!({
            "userId": "ann", "role": "PROFESSIONAL", "rooms": ["listing:9"],
            "exp": seconds_from_now(3_600)
        }));
        let mut ann = app.connect_with(&token, "").await;
        ann.send("joinRoom", json!("listing:9")).await;
        ann.next_event("joinedRoom").await;
        for target in [
            json!({"room": "listing:9"}), json!({"userId": "ann"}), json!({"userIds": ["ann", "bob"]}),
            json!({"role": "PROFESSIONAL"}), json!({"room": "user:ann"}),
        ] {
            let mut body = json!({"type": "LIKE", "title": "Now", "passing": true});
            body.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
            assert_eq!(publish(&app, &body).await.expect(202), json!({"passing": true}), "{target}");
            let event = ann.next_event("LIKE").await;
            assert_eq!((&event["seq"], &event["userId"]), (&Value::Null, &Value::Null), "{target}");
        }
        let count = app.get("/notifications/count", &token).await.expect(200);
        assert_eq!(count, json!({"unread": 0, "total": 0, "seq": 0, "categories": {}}));
        assert_eq!(app.deliveries(), []);
    }
}

on_both_databases! {
    async fn an_administrator_publishes_too_and_others_do_not(app) {
        let body = json!({"type": "LIKE", "userId": "ann"});
        app.post("/notifications", &app.token("root", &["admin"]), &body).await.expect(201);
        for roles in [&[][..], &["CUSTOMER"], &["PROFESSIONAL"], &["SERVICES"]] {
            let answer = app.post("/notifications", &app.token("bob", roles), &body).await;
            answer.expect_problem(403, "forbidden");
        }
        app.post("/notifications", "", &body).await.expect_problem(401, "token_missing");
        let count = app.get("/notifications/count", &app.token("ann", &[])).await.expect(200);
        assert_eq!(count["total"], 1);
    }

    async fn data_is_listed_and_pushed_as_it_was_sent(app) {
        let mut ann = app.connect("ann").await;
        let odd = r#"{"b":12345678901234567890123,"a":1.10,"text":"\u0000"}"#;
        post_data(&app, odd).await.expect(201);
        ann.next_event("LIKE").await;
        let list = app.get("/notifications", &app.token("ann", &[])).await;
        assert!(list.text.contains(odd), "{}", list.text);
    }

    async fn any_text_that_is_accepted_reads_back(app) {
        let title = "\u{1f6ce} \u{202e}abc \\ \" ' % \u{7f} </script>";
        let body = json!({
            "type": "LIKE", "userId": "ann", "title": title, "message": "a\nb\tc",
            "data": {"text": "\u{0}", "big": 12_345_678_901_234_567_890_u64}
        });
        publish(&app, &body).await.expect(201);
        let list = app.get("/notifications", &app.token("ann", &[])).await.expect(200);
        for field in ["title", "message", "data"] {
            assert_eq!(list["items"][0][field], body[field], "{field}");
        }
    }
}

#[tokio::test]
async fn every_bad_value_is_refused_by_its_field() {
    let app = TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP__LIMITS__RECIPIENTS_PER_REQUEST", "3")
        .start()
        .await;
    let long = "x".repeat(2_001);
    for (spoil, code, field) in [
        (json!({"type": ""}), "invalid_field", Some("type")),
        (json!({"type": "a b"}), "invalid_field", Some("type")),
        (json!({"type": "connected"}), "invalid_field", Some("type")),
        (json!({"type": "x".repeat(65)}), "invalid_field", Some("type")),
        (json!({"type": 7}), "invalid_body", Some("type")),
        (json!({"category": "No"}), "invalid_field", Some("category")),
        (json!({"category": ""}), "invalid_field", Some("category")),
        (json!({"priority": "urgent"}), "invalid_body", Some("priority")),
        (json!({"title": "x".repeat(201)}), "invalid_field", Some("title")),
        (json!({"title": "a\u{0}"}), "invalid_field", Some("title")),
        (json!({"message": long}), "invalid_field", Some("message")),
        (json!({"message": "\u{0}"}), "invalid_field", Some("message")),
        (json!({"actorId": "x".repeat(501)}), "invalid_field", Some("actorId")),
        (json!({"actorName": "\u{0}"}), "invalid_field", Some("actorName")),
        (json!({"actorAvatar": "x".repeat(501)}), "invalid_field", Some("actorAvatar")),
        (json!({"passing": "yes"}), "invalid_body", Some("passing")),
        (json!({"userId": ""}), "invalid_field", Some("userId")),
        (json!({"userId": "a b"}), "invalid_field", Some("userId")),
        (json!({"userId": "x".repeat(129)}), "invalid_field", Some("userId")),
        (json!({"userId": null}), "invalid_target", None),
        (json!({"userId": null, "userIds": []}), "invalid_field", Some("userIds")),
        (json!({"userId": null, "userIds": ["a", ""]}), "invalid_field", Some("userIds")),
        (json!({"userId": null, "userIds": ["a", 7]}), "invalid_body", Some("userIds[1]")),
        (json!({"userId": null, "userIds": ["a", "b", "c", "d"]}), "invalid_field", Some("userIds")),
        (json!({"userIds": ["b"]}), "invalid_target", None),
        (json!({"role": "ADMIN"}), "invalid_target", None),
        (json!({"room": "user:b"}), "invalid_target", None),
        (json!({"near": {"lat": 1, "lon": 1, "radiusKm": 1}}), "invalid_target", None),
        (
            json!({"userId": null, "role": "ADMIN", "near": {"lat": 1, "lon": 1, "radiusKm": 1}}),
            "invalid_target",
            None,
        ),
        (json!({"userId": null, "role": ""}), "invalid_field", Some("role")),
        (json!({"userId": null, "role": "a\u{0}b"}), "invalid_field", Some("role")),
        (json!({"userId": null, "room": "lobby"}), "invalid_field", Some("room")),
        (json!({"userId": null, "room": "user:"}), "invalid_field", Some("room")),
        (json!({"userId": null, "room": "booking:7"}), "invalid_target", Some("room")),
    ] {
        let mut body = json!({"type": "LIKE", "userId": "ann"});
        body.as_object_mut().unwrap().extend(spoil.as_object().unwrap().clone());
        let problem = publish(&app, &body).await.expect_problem(422, code);
        assert_eq!(problem.get("field").and_then(Value::as_str), field, "{spoil}");
    }
    let count = app.get("/notifications/count", &app.token("ann", &[])).await.expect(200);
    assert_eq!(count["total"], 0);
}

#[tokio::test]
async fn data_that_a_client_cannot_read_is_refused() {
    let app = TestApp::start(Database::Sqlite).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for data in [&*deep, "1e999", r#"{"a": [-1e999]}"#, r#""\ud800""#, r#"{"\udc00": 1}"#] {
        let problem = post_data(&app, data).await.expect_problem(422, "invalid_field");
        assert_eq!(problem["field"], "data", "{data}");
    }
    post_data(&app, "null").await.expect(201);
    let list = app.get("/notifications", &app.token("ann", &[])).await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}
