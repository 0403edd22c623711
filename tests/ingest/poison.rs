//! What can never be done is put aside with its reason, and does not hold anything up.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use super::{await_outcome, fed, note, titles};
use crate::support::app::{Database, TestAppBuilder};
use crate::support::both::build_on_both_databases;

build_on_both_databases! {
    async fn what_cannot_be_done_is_put_aside_with_its_reason(builder) {
        let (app, back_end) = fed(builder.with("BELLHOP__LIMITS__BODY_BYTES", "1000")).await;
        let id = "01980000-0000-7000-8000-00000000b0ff";
        let wrap = |pattern: &str, data: serde_json::Value| json!({"pattern": pattern, "data": data}).to_string();
        let long = wrap("notification.created", json!({"userId": "7", "type": "note", "message": "x".repeat(1000)}));
        for (body, reason, field) in [
            ("\u{1}".to_owned(), "malformed_json", ""),
            ("[]".to_owned(), "invalid_body", ""),
            (wrap("notification.deleted", json!({})), "unknown_pattern", "pattern"),
            (r#"{"pattern":{"cmd":"sum"},"data":{}}"#.to_owned(), "unknown_pattern", "pattern"),
            (long, "body_too_large", ""),
            (wrap("notification.created", json!({"type": "note"})), "invalid_target", ""),
            (wrap("notification.created", json!({"userId": "a b", "type": "note"})), "invalid_field", "userId"),
            (wrap("notification.created", json!({"room": "listing:1", "type": "note"})), "invalid_target", "room"),
            (wrap("booking.created", json!({"hostId": "7"})), "invalid_body", "guestId"),
            (wrap("booking.accepted", json!({"bookingId": id, "userId": "7"})), "not_found", ""),
        ] {
            back_end.put("", &back_end.queue, body.as_bytes(), BasicProperties::default()).await;
            let letter = back_end.take(&back_end.dead()).await;
            assert_eq!(letter.body, body.as_bytes());
            assert_eq!((&*letter.header("x-reason"), &*letter.header("x-field")), (reason, field), "{body}");
            assert!(!letter.header("x-detail").is_empty() && letter.header("x-refused-at").ends_with('Z'));
            assert_eq!(letter.header("x-original-routing-key"), back_end.queue);
        }
        await_outcome(&app, "dead", 10).await;
        assert_eq!(back_end.waiting(&back_end.queue).await, 0);
        back_end.emit("notification.created", &note("7", "later")).await;
        await_outcome(&app, "done", 1).await;
        assert_eq!(titles(&app, "7").await, ["later"]);
    }

    async fn a_booking_is_moved_by_its_parties_and_only_where_it_fits(builder) {
        let (app, back_end) = fed(builder).await;
        let booked = app.book("guest", "7").await;
        let id = &booked["booking"]["id"];
        for (pattern, user, reason) in [
            ("booking.accepted", "stranger", "not_found"),
            ("booking.accepted", "guest", "forbidden"),
            ("booking.completed", "7", "wrong_status"),
        ] {
            back_end.emit(pattern, &json!({"bookingId": id, "userId": user})).await;
            assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), reason);
        }
        back_end.emit("booking.accepted", &json!({"bookingId": id, "userId": "7"})).await;
        await_outcome(&app, "done", 1).await;
        // Another message that says the same is another wish, which does not fit any more.
        back_end.emit("booking.accepted", &json!({"bookingId": id, "userId": "7"})).await;
        assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), "wrong_status");
        assert_eq!(titles(&app, "guest").await.len(), 1);
    }

    async fn an_id_names_one_booking(builder) {
        let (app, back_end) = fed(builder).await;
        let booking = |host: &str| json!({
            "id": "01980000-0000-7000-8000-00000000b002", "hostId": host, "guestId": "guest",
            "listingId": "sea-view", "checkIn": "2031-12-03", "checkOut": "2031-12-05",
        });
        back_end.emit("booking.created", &booking("7")).await;
        await_outcome(&app, "done", 1).await;
        back_end.emit("booking.created", &booking("8")).await;
        assert_eq!(back_end.take(&back_end.dead()).await.header("x-reason"), "booking_exists");
        // Neither does it harm who is written in the same transaction.
        back_end.emit("booking.created", &booking("8")).await;
        back_end.emit("notification.created", &note("9", "beside")).await;
        await_outcome(&app, "dead", 2).await;
        await_outcome(&app, "done", 2).await;
        assert_eq!((titles(&app, "7").await.len(), titles(&app, "8").await.len()), (1, 0));
    }
}

#[tokio::test]
async fn a_dead_letter_keeps_what_it_came_with_except_what_would_lose_it() {
    let (app, back_end) = fed(TestAppBuilder::new(Database::Sqlite)).await;
    let mut headers = FieldTable::default();
    headers.insert("x-tenant".into(), AMQPValue::LongString("acme".into()));
    // The broker would hand the letter back to the queue that it came from.
    headers.insert(
        "CC".into(),
        AMQPValue::FieldArray(vec![AMQPValue::LongString(back_end.queue.as_str().into())].into()),
    );
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id("m-1".into())
        .with_correlation_id("c-1".into())
        .with_content_type("application/json".into())
        .with_expiration("600000".into())
        .with_user_id("guest".into());
    back_end.put("", &back_end.queue, b"nothing", properties).await;
    let letter = back_end.take(&back_end.dead()).await;
    let kept = &letter.properties;
    assert_eq!(kept.message_id().as_ref().unwrap().as_str(), "m-1");
    assert_eq!(kept.correlation_id().as_ref().unwrap().as_str(), "c-1");
    assert_eq!(kept.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!((kept.expiration(), kept.user_id()), (&None, &None));
    assert_eq!(kept.delivery_mode(), &Some(2));
    assert_eq!(letter.header("x-tenant"), "acme");
    assert_eq!(letter.header("x-original-expiration"), "600000");
    assert_eq!(letter.header("x-original-user-id"), "guest");
    await_outcome(&app, "dead", 1).await;
    assert!(back_end.try_take(&back_end.dead()).await.is_none());
    assert_eq!(back_end.waiting(&back_end.queue).await, 0);
}

#[tokio::test]
async fn a_dead_letter_with_too_many_headers_leaves_some_of_them_out() {
    let (app, back_end) = fed(TestAppBuilder::new(Database::Sqlite)).await;
    let mut headers = FieldTable::default();
    for number in 0..129 {
        headers.insert(format!("x-{number:03}").into(), AMQPValue::LongString("h".repeat(1_000).into()));
    }
    // As much as one frame holds, so that no header of ours has room beside them.
    back_end.put("", &back_end.queue, b"nothing", BasicProperties::default().with_headers(headers)).await;
    back_end.emit("notification.created", &note("7", "behind it")).await;
    let letter = back_end.take(&back_end.dead()).await;
    assert_eq!((&*letter.header("x-reason"), letter.header("x-000").len()), ("malformed_json", 1_000));
    let headers = letter.properties.headers().as_ref().unwrap().inner();
    let Some(AMQPValue::LongUInt(dropped)) = headers.get("x-headers-dropped") else { panic!("{headers:?}") };
    assert!((60..100).contains(dropped), "{dropped}");
    await_outcome(&app, "done", 1).await;
    assert_eq!(titles(&app, "7").await, ["behind it"]);
}
