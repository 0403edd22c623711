//! What proves receipt: an ack, or coming back with the last event's id, and that of what the stream gave alone. Else
//! the deadline decides.

use serde_json::json;

use crate::support::app::{TestApp, mail_of, token_with_mail};
use crate::support::both::on_both_databases;
use crate::support::event_stream::{Ask, EventStream};
use crate::support::records::{await_delivery_state, delivery_state, texts};

/// Nothing is mailed while a slow machine works.
const PATIENT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000"), ("SSE_HEARTBEAT_INTERVAL", "1000")];
/// A short patience with devices that do not answer.
const SHORT: [(&str, &str); 2] =
    [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"), ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")];

/// Tells the host something; answers its id.
async fn tell(app: &TestApp) -> String {
    let note = json!({"userId": "host", "type": "note", "title": "A note"});
    let body = app.post("/notifications", &app.service(), &note).await.expect(201);
    body["notifications"][0]["id"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn a_plain_event_source_is_given_until_the_deadline(app, super::SHORT) {
        let mut stream = EventStream::open(&app, &Ask::new(&token_with_mail("host"))).await;
        stream.next_event("connected").await;
        let id = tell(&app).await;
        assert_eq!(stream.next_event("note").await.data["id"], id.as_str());
        assert!(app.next_mail(&mail_of("host")).await.contains("A note"));
        await_delivery_state(app.database_url(), &id, "emailed").await;
    }

    async fn an_ack_proves_what_it_names(app, super::PATIENT) {
        let token = app.token("host", &[]);
        let mut stream = EventStream::open(&app, &Ask::new(&token)).await;
        let connected = stream.next_event("connected").await;
        let (first, second) = (tell(&app).await, tell(&app).await);
        let ack = json!({"seq": 1, "sessionId": connected.data["sessionId"]});
        assert_eq!(app.post("/notifications/ack", &token, &ack).await.expect(200), json!({"seq": 1}));
        // It is recorded when it is answered.
        assert_eq!(delivery_state(app.database_url(), &first), "confirmed");
        assert_eq!(delivery_state(app.database_url(), &second), "pending");
        let admin = app.token("admin", &["ADMIN"]);
        let trail = app.get(&format!("/admin/notifications/{first}/trail"), &admin).await.expect(200);
        let step = &trail["trail"][1];
        assert_eq!((&step["step"], &step["channel"], &step["device"]), (&json!("confirmed"), &json!("rest"), &connected.data["sessionId"]));
    }

    async fn an_ack_on_a_stream_proves_what_that_gave(app, super::PATIENT) {
        let token = app.token("host", &[]);
        let silent = EventStream::open(&app, &Ask::new(&token)).await;
        let before = tell(&app).await;
        let mut stream = EventStream::open(&app, &Ask::new(&token)).await;
        let session = stream.next_event("connected").await.data["sessionId"].clone();
        let narrow = Ask::new(&token).with_query("?events=LIKE");
        let mut narrow = EventStream::open(&app, &narrow).await;
        let narrow_session = narrow.next_event("connected").await.data["sessionId"].clone();
        let note = tell(&app).await;
        let like = json!({"userId": "host", "type": "LIKE"});
        let like = app.post("/notifications", &app.service(), &like).await.expect(201)["notifications"][0].clone();
        narrow.next_event("LIKE").await;
        let states = || [&before, &note].map(|id| delivery_state(app.database_url(), id));
        app.post("/notifications/ack", &token, &json!({"seq": 3, "sessionId": narrow_session})).await.expect(200);
        assert_eq!(delivery_state(app.database_url(), like["id"].as_str().unwrap()), "confirmed");
        assert_eq!(states(), ["pending", "pending"], "the one that it acknowledged");
        app.post("/notifications/ack", &token, &json!({"seq": 2, "sessionId": session})).await.expect(200);
        assert_eq!(states(), ["pending", "confirmed"], "what came on the stream");
        app.post("/notifications/ack", &token, &json!({"seq": 3, "above": 1})).await.expect(200);
        assert_eq!(states(), ["pending", "confirmed"], "what the client says");
        app.post("/notifications/ack", &token, &json!({"seq": 3})).await.expect(200);
        assert_eq!(states(), ["confirmed", "confirmed"], "everything");
        drop(silent);
    }

    async fn an_ack_of_what_is_not_there_is_refused(app) {
        let token = app.token("host", &[]);
        tell(&app).await;
        for (body, code) in [
            (json!({"seq": 2}), "seq_ahead"),
            (json!({"seq": -1}), "invalid_field"),
            (json!({"seq": 1, "above": -1}), "invalid_field"),
            (json!({"seq": "1"}), "invalid_body"),
            (json!({}), "invalid_body"),
            (json!({"seq": 1, "sessionId": "x".repeat(201)}), "invalid_field"),
        ] {
            app.post("/notifications/ack", &token, &body).await.expect_problem(422, code);
        }
        app.post("/notifications/ack", "", &json!({"seq": 1})).await.expect_problem(401, "token_missing");
        let mut others = texts(app.database_url(), "SELECT state AS value FROM deliveries");
        others.dedup();
        assert_ne!(others, ["confirmed"]);
    }

    async fn nobody_acknowledges_for_another(app, super::PATIENT) {
        let waiting = app.connect("nobody").await;
        let mut stream = EventStream::open(&app, &Ask::new(&app.token("host", &[]))).await;
        stream.next_event("connected").await;
        let id = tell(&app).await;
        app.tell("stranger", 1).await;
        app.post("/notifications/ack", &app.token("stranger", &[]), &json!({"seq": 1})).await.expect(200);
        assert_eq!(delivery_state(app.database_url(), &id), "pending");
        drop(waiting);
    }

    async fn coming_back_proves_what_the_stream_gave(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        // Somebody whose device is dead: what it was sent is with nobody.
        let silent = EventStream::open(&app, &ask).await;
        let before = tell(&app).await;
        let mut stream = EventStream::open(&app, &ask).await;
        stream.next_event("connected").await;
        let given = tell(&app).await;
        stream.next_event("note").await;
        stream.next_event("notification:unread_count").await;
        let last = stream.last_id().to_owned();
        assert!(last.starts_with("2-1."), "{last}");
        drop(stream);
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        stream.until("resumed").await;
        await_delivery_state(app.database_url(), &given, "confirmed").await;
        assert_eq!(delivery_state(app.database_url(), &before), "pending", "that was never given");
        // The run goes on over as many streams as it takes.
        let next = tell(&app).await;
        stream.next_event("notification:unread_count").await;
        assert!(stream.last_id().starts_with("3-1."), "{}", stream.last_id());
        let last = stream.last_id().to_owned();
        drop(stream);
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        stream.until("resumed").await;
        await_delivery_state(app.database_url(), &next, "confirmed").await;
        assert_eq!(delivery_state(app.database_url(), &before), "pending");
        let trail = "SELECT channel AS value FROM receipts WHERE step = 'confirmed'";
        assert_eq!(texts(app.database_url(), trail), ["sse", "sse"]);
        drop(silent);
    }

    async fn who_says_since_claims_all_of_it(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        let silent = EventStream::open(&app, &ask).await;
        let first = tell(&app).await;
        let mut stream = EventStream::open(&app, &ask.clone().with_query("?since=1")).await;
        stream.until("resumed").await;
        await_delivery_state(app.database_url(), &first, "confirmed").await;
        tell(&app).await;
        stream.next_event("notification:unread_count").await;
        assert!(stream.last_id().starts_with("2-0."), "from the beginning: {}", stream.last_id());
        drop(silent);
    }

    async fn a_notifications_own_id_proves_what_its_stream_gave(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        let silent = EventStream::open(&app, &ask).await;
        let before = tell(&app).await;
        let mut stream = EventStream::open(&app, &ask).await;
        stream.next_event("connected").await;
        let given = [tell(&app).await, tell(&app).await];
        stream.next_event("note").await;
        let last = stream.next_event("note").await.id.expect("an id");
        assert_eq!(last, "3");
        drop(stream);
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        assert_eq!(stream.until("resumed").await.len(), 2, "nothing was missed");
        for id in &given {
            await_delivery_state(app.database_url(), id, "confirmed").await;
        }
        assert_eq!(delivery_state(app.database_url(), &before), "pending", "that was never given");
        // Whoever else shows it has shown a place and no more.
        let others = app.token("other", &[]);
        app.post("/notifications", &app.service(), &json!({"userId": "other", "type": "note"})).await.expect(201);
        let mut other = EventStream::open(&app, &Ask::new(&others).after("1")).await;
        other.until("resumed").await;
        other.next_event("heartbeat").await;
        let confirmed = "SELECT user_id AS value FROM receipts WHERE step = 'confirmed'";
        assert_eq!(texts(app.database_url(), confirmed), ["host", "host"]);
        drop(silent);
    }

    async fn an_id_is_good_for_whom_it_was_told(app, super::PATIENT) {
        let (ann, bob) = (Ask::new(&app.token("ann", &[])), Ask::new(&app.token("bob", &[])));
        let silent = EventStream::open(&app, &bob).await;
        app.tell("bob", 2).await;
        let mut stream = EventStream::open(&app, &ann.clone().with_query("?since=0")).await;
        app.tell("ann", 2).await;
        while !stream.last_id().starts_with("2-0.") {
            stream.next().await.expect("ann's");
        }
        // The browser changes hands: its stream comes back by itself, as somebody else's.
        let last = stream.last_id().to_owned();
        let mut stream = EventStream::open(&app, &bob.clone().after(&last)).await;
        let connected = stream.next_event("connected").await;
        assert_eq!((&connected.data["userId"], &connected.data["unread"]), (&json!("bob"), &json!(2)));
        assert!(stream.last_id().starts_with("2-2."), "it begins anew: {}", stream.last_id());
        stream.next_event("heartbeat").await;
        let confirmed = "SELECT user_id AS value FROM receipts WHERE step = 'confirmed' AND user_id = 'bob'";
        assert_eq!(texts(app.database_url(), confirmed), [""; 0]);
        drop(silent);
    }

    async fn who_remembers_another_inbox_has_nothing_of_this_one(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        let silent = EventStream::open(&app, &ask).await;
        app.tell("host", 2).await;
        let mut stream = EventStream::open(&app, &ask.clone().with_query("?since=100")).await;
        assert_eq!(stream.next_event("gap").await.data, json!({"after": 100, "oldest": 3}));
        stream.next_event("resumed").await;
        let last = stream.last_id().to_owned();
        assert!(last.starts_with("2-2."), "{last}");
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        stream.until("heartbeat").await;
        assert_eq!(texts(app.database_url(), "SELECT step AS value FROM receipts WHERE step = 'confirmed'"), [""; 0]);
        drop(silent);
    }

    async fn who_wants_some_types_only_proves_nothing_by_coming_back(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        let mut stream = EventStream::open(&app, &ask.clone().with_query("?events=LIKE&since=0")).await;
        stream.next_event("connected").await;
        tell(&app).await;
        let like = json!({"userId": "host", "type": "LIKE"});
        app.post("/notifications", &app.service(), &like).await.expect(201);
        stream.next_event("LIKE").await;
        stream.next_event("notification:unread_count").await;
        let last = stream.last_id().to_owned();
        assert!(last.starts_with("2."), "a place: {last}");
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        stream.until("heartbeat").await;
        assert_eq!(texts(app.database_url(), "SELECT step AS value FROM receipts WHERE step = 'confirmed'"), [""; 0]);
    }

    async fn coming_back_after_a_thousand_proves_every_one(app, super::PATIENT) {
        let ask = Ask::new(&app.token("host", &[]));
        let mut stream = EventStream::open(&app, &ask.clone().with_query("?since=0")).await;
        app.tell("host", 300).await;
        while !stream.last_id().starts_with("300-0.") {
            stream.next().await.expect("the rest");
        }
        let last = stream.last_id().to_owned();
        drop(stream);
        let mut stream = EventStream::open(&app, &ask.clone().after(&last)).await;
        stream.until("resumed").await;
        let pending = "SELECT notification_id AS value FROM deliveries WHERE state = 'pending'";
        crate::support::deadline::wait_until_async("all to be confirmed", async || {
            texts(app.database_url(), pending).is_empty().then_some(())
        })
        .await;
    }
}
