//! What is another's: read, joined, changed or guessed at by somebody who may not, in every spelling and at every door.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Database, TestApp};
use crate::support::both::on_every_door;
use crate::support::event_stream::{Ask, EventStream};

const PATIENT: [(&str, &str); 2] =
    [("RATE_LIMIT_MAX_REQUESTS", "100000"), ("API_RATE_LIMIT_PER_MINUTE", "1000000")];

/// What only the neighbour's notifications and bookings say.
const SECRET: &str = "the-neighbours-own-words";
const NEIGHBOUR: &str = "8";
const STRANGER: &str = "7";

/// The neighbour's rooms as they are spelt, and as somebody might hope that they are read.
fn spellings_of_foreign_rooms() -> Vec<String> {
    let plain = [
        "user:8",
        "host-8",
        "host_8",
        "host:8",
        "user_8",
        "8",
        "role:ADMIN",
        "role:admin",
        "role:SERVICE",
        "session:s-8",
    ];
    let hopes = [
        "USER:8",
        "User:8",
        "user:8 ",
        " user:8",
        "user: 8",
        "user::8",
        "user:8:",
        "user:7,user:8",
        "user:7;user:8",
        "user:7\nuser:8",
        "user:7\u{0}8",
        "user:8\u{0}",
        "user:\u{200b}8",
        "user\u{ff1a}8",
        "user:\u{ff18}",
        "user%3A8",
        "user:%38",
        "user:*",
        "user:?",
        "*",
        "user:",
        ":8",
        "../user:8",
        "user:7/../8",
        "host--8",
        "host-user:8",
        "user:host-8",
        "user:user:8",
        "hOsT-8",
        "role:ADMIN ",
        "role: ADMIN",
        "role:ADMI\u{4e}\u{0}",
        "role:*",
        "session:",
        "booking:*",
        "booking:8",
        "listing:8",
        "#user:8",
        "/user:8",
        "user:8#",
        "user:8?",
        "{\"room\":\"user:8\"}",
        "[object Object]",
        "__proto__",
        "constructor",
    ];
    plain.into_iter().chain(hopes).map(str::to_owned).collect()
}

/// The neighbour gets a notification and a booking of their own; answers their ids.
async fn move_in(app: &TestApp) -> (String, String) {
    let note = json!({"userId": NEIGHBOUR, "type": "note", "title": SECRET, "message": SECRET});
    let told = app.post("/notifications", &app.service(), &note).await.expect(201);
    let note = told["notifications"][0]["id"].as_str().unwrap().to_owned();
    let mut booking = crate::support::app::booking(NEIGHBOUR);
    booking["listingName"] = json!(SECRET);
    let booked = app.post_booking("guest-of-the-neighbour", &booking).await.expect(201);
    (note, booked["booking"]["id"].as_str().unwrap().to_owned())
}

on_every_door! {
    async fn no_spelling_of_anothers_room_is_joined(app, super::PATIENT) {
        let mut socket = app.connect(STRANGER).await;
        for room in spellings_of_foreign_rooms() {
            for data in [json!(room), json!({"room": room}), json!({"room": room, "userId": STRANGER})] {
                socket.send("joinRoom", data).await;
                let said = socket.next_news().await;
                let code = said.data["code"].as_str().unwrap_or_default();
                assert!(said.name == "error" && ["forbidden", "bad_room"].contains(&code), "{room:?}: {said:?}");
            }
        }
        move_in(&app).await;
        for role in ["ADMIN", "SERVICE"] {
            let passing = json!({"role": role, "type": "note", "title": SECRET, "passing": true});
            app.post("/notifications", &app.service(), &passing).await.expect(202);
        }
        // What is told on the same road afterwards comes first.
        app.tell(STRANGER, 1).await;
        assert_eq!(socket.next_event("note").await["title"], "A note");
        let heard = socket.take_seen();
        assert!(!format!("{heard:?}").contains(SECRET), "{heard:?}");
    }

    async fn nothing_that_a_stranger_says_reaches_anothers_inbox(app, super::PATIENT) {
        let (note, booking) = move_in(&app).await;
        let mut socket = app.connect(STRANGER).await;
        for user in ["8", "user:8", "host-8", "host_8", "7,8", " 8", "8 "] {
            for event in ["subscribe", "unsubscribe"] {
                for data in [json!(user), json!({"userId": user})] {
                    socket.send(event, data.clone()).await;
                    let said = socket.next_news().await;
                    assert_eq!(said.name, "error", "{event} {data}: {said:?}");
                }
            }
        }
        for selection in [json!(note), json!({"id": note}), json!({"ids": [note]}), json!({"id": booking})] {
            socket.send("markNotificationRead", selection).await;
            assert_eq!(socket.next_news().await.data["ids"], json!([]));
        }
        for event in [("ack", json!({"seq": 1})), ("resume", json!({"since": 0}))] {
            socket.send(event.0, event.1).await;
        }
        socket.send("joinRoom", json!(format!("booking:{booking}"))).await;
        let heard = socket.events_so_far().await;
        assert!(!format!("{heard:?}").contains(SECRET), "{heard:?}");
        let inbox = app.get("/notifications/count", &app.token(NEIGHBOUR, &[])).await.expect(200);
        assert_eq!((&inbox["unread"], &inbox["total"]), (&json!(2), &json!(2)));
    }
}

/// A path of the document with ids in it that are the neighbour's.
fn aimed_at(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{file}", "index.html")
}

/// Every route there is, those of tomorrow as well: the document has them all, and a test holds that.
async fn routes(app: &TestApp) -> Vec<(Method, String)> {
    let document = app.get("/openapi.json", "").await.expect(200);
    let paths = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.filter_map(|method| {
            Some((Method::from_bytes(method.to_uppercase().as_bytes()).ok()?, path.clone()))
        })
    });
    let routes: Vec<_> = paths
        .filter(|(method, _)| [Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(method))
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

#[tokio::test]
async fn no_route_tells_or_does_anything_of_a_neighbours() {
    let builder = crate::support::app::TestAppBuilder::new(Database::Sqlite)
        .with_all(&PATIENT)
        .with("BELLHOP_MODE", "production");
    let mut app = builder.start().await;
    app.leave_mail_unread();
    let (note, booking) = move_in(&app).await;
    let strangers = [
        String::new(),
        app.token(STRANGER, &["CUSTOMER"]),
        app.token(STRANGER, &["PROFESSIONAL"]),
        app.token(STRANGER, &["PROFESSIONAL", "CUSTOMER", "admin-in-waiting", "ADMINISTRATOR", "ROOT"]),
    ];
    for (method, path) in routes(&app).await {
        // They stay open, and are looked at below and above.
        if path.starts_with("/socket.io")
            || path.starts_with("/ws/")
            || path.starts_with("/notifications/sse")
        {
            continue;
        }
        for token in &strangers {
            for id in [&note, &booking, &NEIGHBOUR.to_owned()] {
                let url = format!("{}?userId={NEIGHBOUR}&user={NEIGHBOUR}", app.url(&aimed_at(&path, id)));
                let ids = json!({
                    "ids": [note], "userId": NEIGHBOUR, "host": NEIGHBOUR, "door": "sse", "seq": 1, "sessionId": "s-8",
                    "type": "note", "title": "from a stranger", "all": false, "user": NEIGHBOUR,
                });
                let request = app.client().request(method.clone(), url);
                let request = if method == Method::GET { request } else { request.json(&ids) };
                let answer = app.send(request, token).await;
                assert!(!answer.text.contains(SECRET), "{method} {path} tells: {}", answer.text);
                if path.starts_with("/admin/") {
                    assert!(
                        [401, 403].contains(&answer.status),
                        "{method} {path}: {} {}",
                        answer.status,
                        answer.text
                    );
                }
            }
        }
    }
    let own = app.token(NEIGHBOUR, &["PROFESSIONAL"]);
    let list = app.get("/notifications", &own).await.expect(200);
    let titles: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|item| &item["isRead"]).collect();
    assert_eq!(titles, [&json!(false), &json!(false)], "{list}");
    let booking = app.get(&format!("/bookings/{booking}"), &own).await.expect(200);
    assert_eq!(booking["status"], "pending", "{booking}");
}

#[tokio::test]
async fn an_event_stream_is_its_bearers_whatever_its_address_says() {
    let app = TestApp::start(Database::Sqlite).await;
    move_in(&app).await;
    let theirs =
        EventStream::open(&app, &Ask::new(&app.token(NEIGHBOUR, &[])).with_query("?since=0&ttl=1")).await;
    let place = last_id_of(theirs).await;
    let token = app.token(STRANGER, &[]);
    for query in [
        "userId=8",
        "user=8",
        "room=user:8",
        "rooms=user:8",
        "subscribe=8",
        "since=0",
        &format!("lastEventId={place}"),
    ] {
        let mut stream =
            EventStream::open(&app, &Ask::new(&token).with_query(&format!("?ttl=0.2&{query}"))).await;
        let mut heard = Vec::new();
        while let Some(event) = stream.next().await {
            heard.push(event);
        }
        assert!(heard.iter().any(|event| event.data["userId"] == STRANGER), "{query}: {heard:?}");
        assert!(!format!("{heard:?}").contains(SECRET), "{query}: {heard:?}");
    }
}

/// Where a stream has come to.
async fn last_id_of(mut stream: EventStream) -> String {
    while stream.next().await.is_some() {}
    stream.last_id().to_owned()
}
