//! The JSON that clients depend on, as it is: names, order and forms. A change here is a change of what
//! every front end sees.

use actix_web::ResponseError;
use actix_web::body::to_bytes;
use bellhop::domain::{Draft, InboxState, NotificationId, Timestamp};
use bellhop::http::Problem;
use bellhop::protocol::json::{self, Envelope, UNREAD_COUNT, UnreadCount};
use serde_json::Value;
use uuid::Uuid;

use crate::support::app::{Database, TestApp};
use crate::support::socket::TestSocket;
use crate::support::store::{NOW, booked, user};

/// A booking's notification with ids that are always the same.
fn booking_created() -> bellhop::domain::Notification {
    let mut booking = booked("guest-3", "host-7").booking.unwrap();
    booking.id =
        bellhop::domain::BookingId::from_uuid(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002));
    booking.guest_name = Some("Ana Ruiz".to_owned());
    let id = NotificationId::from_uuid(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001));
    Draft::booking_created(id, &booking).at(7, NOW)
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).expect("JSON");
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn a_bookings_notification() {
    let notification = booking_created();
    insta::assert_snapshot!(pretty(&json::answer(None, &notification.kind, Envelope::from(&notification))), @r#"
    {
      "data": {
        "actorAvatar": null,
        "actorId": "guest-3",
        "actorName": "Ana Ruiz",
        "category": "bookings",
        "data": {
          "bookingId": "01980000-0000-7000-8000-000000000002",
          "checkIn": "2031-12-03",
          "checkOut": "2031-12-05",
          "guests": 2,
          "listingId": "sea-view",
          "listingName": "Sea View",
          "status": "pending"
        },
        "id": "01980000-0000-7000-8000-000000000001",
        "isRead": false,
        "message": "Sea View is booked, 3–5 Dec, 2 guests",
        "priority": "high",
        "readAt": null,
        "seq": 7,
        "timestamp": "2030-03-17T17:46:40.000Z",
        "title": "New booking",
        "type": "booking.created",
        "userId": "host-7"
      },
      "event": "booking.created"
    }
    "#);
}

#[test]
fn a_notification_that_was_read() {
    let mut notification = booking_created();
    notification.read_at = Some(Timestamp::from_micros(NOW.as_micros() + 1_500));
    let value: Value = serde_json::to_value(Envelope::from(&notification)).unwrap();
    insta::assert_snapshot!(format!("{} {}", value["isRead"], value["readAt"]), @r#"true "2030-03-17T17:46:40.001Z""#);
}

#[test]
fn a_notification_that_passes() {
    let mut notification = booking_created();
    notification.user = user("nobody");
    let value: Value = serde_json::to_value(Envelope::passing(&notification)).unwrap();
    insta::assert_snapshot!(format!("{} {}", value["seq"], value["userId"]), @"null null");
}

#[test]
fn an_unread_count() {
    let count = UnreadCount::from(InboxState { last_seq: 7, unread: 3 });
    insta::assert_snapshot!(json::answer(None, UNREAD_COUNT, count), @r#"{"event":"notification:unread_count","data":{"unread":3,"seq":7}}"#);
}

#[tokio::test]
async fn the_first_event_of_every_session() {
    let app = TestApp::start(Database::Sqlite).await;
    let token = app.token("host-7", &["PROFESSIONAL"]);
    let mut socket = TestSocket::open(app.address(), "/ws/notifications", &token).await;
    let mut connected = socket.next().await;
    for field in ["serverTime", "sessionId"] {
        assert!(connected.data[field].is_string(), "{connected:?}");
        connected.data[field] = format!("<{field}>").into();
    }
    insta::assert_snapshot!(format!("{}: {}", connected.name, connected.data), @r#"connected: {"seq":0,"serverTime":"<serverTime>","sessionId":"<sessionId>","unread":0,"userId":"host-7"}"#);
}

#[actix_web::test]
async fn a_problem() {
    let problem =
        Problem::unprocessable("invalid_field", "checkOut must be after checkIn").of_field("checkOut");
    let response = problem.error_response();
    let kind = response.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
    let body = to_bytes(response.into_body()).await.unwrap();
    insta::assert_snapshot!(kind + "\n" + &pretty(std::str::from_utf8(&body).unwrap()), @r#"
    application/problem+json
    {
      "code": "invalid_field",
      "detail": "checkOut must be after checkIn",
      "field": "checkOut",
      "requestId": "",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[actix_web::test]
async fn a_problem_that_passes_says_when_to_come_back() {
    let response = Problem::unavailable("overloaded", "too many writes are waiting").error_response();
    let retry_after = response.headers().get("retry-after").unwrap().to_str().unwrap().to_owned();
    let body = to_bytes(response.into_body()).await.unwrap();
    insta::assert_snapshot!(format!("{retry_after} {}", String::from_utf8_lossy(&body)), @r#"1 {"type":"about:blank","title":"Service Unavailable","status":503,"code":"overloaded","detail":"too many writes are waiting","requestId":""}"#);
}
