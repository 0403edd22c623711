//! A back end of NestJS and a host's page, neither of which knows of the other: what the one emits the other shows.

use serde_json::{Value, json};

use super::{await_outcome, await_ready, patient};
use crate::support::app::{Database, TestAppBuilder};
use crate::support::back_end::BackEnd;
use crate::support::node::{Client, NodeClient};
use crate::support::rabbitmq;

async fn emit(service: &mut NodeClient, pattern: &str, payload: Value) {
    service.tell(&json!({"do": "emit", "pattern": pattern, "payload": payload})).await;
    assert_eq!(service.await_line("emitted").await, pattern);
}

#[tokio::test]
async fn what_nestjs_emits_a_hosts_page_shows_and_nestjs_hears_of_it() {
    let back_end = BackEnd::on(rabbitmq::shared()).await;
    let heard = format!("{}-heard", back_end.events);
    back_end.listen(&heard).await;
    let url = rabbitmq::shared().url();
    let settings = json!({"amqp": url, "queue": back_end.queue, "events": heard});
    // It comes first, and makes the queue as it likes.
    let mut service = Client::new(4).run("nestjs_service.mjs", &settings);
    assert_eq!(service.await_line("listening").await, Value::Null);
    let app = back_end
        .feed(patient(TestAppBuilder::new(Database::Sqlite)))
        .with("BELLHOP__RABBITMQ__EVENTS_EXCHANGE", &back_end.events)
        .start()
        .await;
    await_ready(&app).await;
    let page = json!({"server": app.url(""), "token": app.token("7", &["PROFESSIONAL"]), "user": "7"});
    let mut page = Client::new(4).run("rabbitmq_bridge.mjs", &page);
    assert_eq!(page.await_event("joinedRoom").await, json!({"room": "user:7"}));

    let payload = json!({
        "userId": "7", "type": "booking_received", "title": "A booking", "message": "Sea View",
        "data": {"bookingId": "b-7"},
    });
    emit(&mut service, "notification.created", payload).await;
    let alert = page.await_line("alert").await;
    assert_eq!(
        (&alert["title"], &alert["data"]["bookingId"]),
        (&json!("A booking"), &json!("b-7")),
        "{alert}"
    );
    assert_eq!(page.await_line("badge").await, 1);
    let delivered = service.await_line("notification.delivered").await;
    assert_eq!((&delivered["id"], &delivered["userId"]), (&alert["id"], &json!("7")), "{delivered}");
    assert_eq!(delivered["channel"], "socketio");

    emit(&mut service, "notification.marked_read", json!({"userId": "7", "notificationId": alert["id"]}))
        .await;
    assert_eq!(page.await_line("badge").await, 0);
    let read = service.await_line("notification.read").await;
    assert_eq!((&read["id"], &read["channel"]), (&alert["id"], &json!("amqp")), "{read}");

    emit(&mut service, "listing.renamed", json!({"listingId": "1"})).await;
    assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), "unknown_pattern");
    await_outcome(&app, "done", 2).await;
    page.leave("disconnect").await;
    service.tell_to("close").await;
    service.finish().await;
}
