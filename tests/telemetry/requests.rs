//! One request's id, from its answer through every log line that it leads to, to the mail that goes in the end.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, booking, mail_of, token_for, token_with_mail};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::smtp_sink::{Behaviour, SmtpSink};
use crate::support::socket::TestSocket;
use crate::trail::{id_of, trail_of};

/// So long that nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")];

on_both_databases! {
    async fn the_trail_names_the_request_that_a_notification_comes_of(app, super::LONG) {
        let mut silent = app.connect("host").await;
        let named = app.client().post(app.url("/bookings")).header("x-request-id", "order-7");
        let booked = app.send(named.json(&booking("host")), &app.token("guest", &[])).await.expect(201);
        assert_eq!(trail_of(&app, &booked).await["requestId"], "order-7");

        let nameless = app.post_booking("guest", &booking("host")).await;
        let given = nameless.header("x-request-id").unwrap().to_owned();
        let booked = nameless.expect(201);
        assert_eq!(trail_of(&app, &booked).await["requestId"], given);

        let guest = app.connect("guest").await;
        let accept = format!("/bookings/{}/accept", booked["booking"]["id"].as_str().unwrap());
        let accept = app.client().post(app.url(&accept)).header("x-request-id", "accept.8");
        let accepted = app.send(accept, &app.token("host", &[])).await.expect(200);
        assert_eq!(trail_of(&app, &accepted).await["requestId"], "accept.8");
        drop(guest);

        let seen = silent.next_event("booking.created").await.to_string();
        assert!(!seen.contains("order-7"), "the host is not told what the guest called it: {seen}");
    }
}

/// The fields of each line of this target that has this message.
fn lines(server: &Process, target: &str, message: &str) -> Vec<Value> {
    let lines = server.output();
    let parsed = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let wanted = parsed.filter(|line| {
        let is_of = line["target"].as_str().is_some_and(|found| found.starts_with(target));
        is_of && line["message"].as_str().is_some_and(|found| found.starts_with(message))
    });
    wanted.map(|line| line["fields"].clone()).collect()
}

/// Waits for such a line of this notification.
async fn line_of(server: &Process, target: &str, message: &str, notification: &str) -> Value {
    wait_until_async(format_args!("{target}: {message} of {notification}"), async || {
        lines(server, target, message).into_iter().find(|fields| fields["notification"] == notification)
    })
    .await
}

async fn book(server: &Process, host: &str, request: &str) -> Value {
    let post = Client::new().post(server.url("/bookings")).header("x-request-id", request);
    Answer::of(post.json(&booking(host)).bearer_auth(token_for("guest", &[]))).await.expect(201)
}

#[tokio::test]
async fn a_bookings_whole_way_is_found_by_its_request() {
    let sink = SmtpSink::start().await;
    let mut server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("SMTP_URL", &sink.url())
        .with("LOG_LEVEL", "info,bellhop=debug")
        .with("BELLHOP__LOG__FORMAT", "json")
        .with("BELLHOP__DELIVERY__SETTLE_MS", "0")
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
        // Long enough for it to be killed before it tries again: mail that was being sent waits for the end of its lease.
        .with("BELLHOP__MAIL__RETRY_FIRST_MS", "5000")
        .with("BELLHOP__MAIL__RETRY_LONGEST_MS", "5000")
        .serve()
        .await;

    let mut phone = TestSocket::open(server.address(), "/ws/notifications", &token_for("here", &[])).await;
    phone.await_connected().await;
    let booked = book(&server, "here", "to-a-device").await;
    phone.next_event("booking.created").await;
    phone.events_so_far().await;
    for (target, message) in [
        ("bellhop::actors::persistence", "stored"),
        ("bellhop::actors::hub", "routed"),
        ("bellhop::actors::session", "pushed"),
    ] {
        assert_eq!(
            line_of(&server, target, message, id_of(&booked)).await["request"],
            "to-a-device",
            "{message}"
        );
    }
    assert_eq!(
        line_of(&server, "bellhop::actors::session", "confirmed", id_of(&booked)).await["door"],
        "websocket"
    );

    // Somebody is away, and their mail server too: what goes in the end goes from another process.
    let token = token_with_mail("away");
    let preferences = json!({"email": mail_of("away")});
    Answer::of(
        Client::new().put(server.url("/notifications/preferences")).json(&preferences).bearer_auth(token),
    )
    .await
    .expect(200);
    sink.set(Behaviour::Busy);
    let booked = book(&server, "away", "to-nobody").await;
    let tried = line_of(&server, "bellhop::actors::email", "mail will be tried again", id_of(&booked)).await;
    assert_eq!(tried["request"], "to-nobody");
    server.kill();
    sink.set(Behaviour::Accept);
    server.restart().await;
    let mailed = line_of(&server, "bellhop::actors::email", "mailed", id_of(&booked)).await;
    assert_eq!(mailed["request"], "to-nobody");
    assert!(mailed["attempt"].as_i64().unwrap() > 1, "{mailed}");
    assert!(!server.output().contains(&mail_of("away")), "an address is nobody's business");
}

#[tokio::test]
async fn requests_are_told_at_debug_by_their_route_and_never_by_their_path() {
    let server = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("LOG_LEVEL", "info,bellhop::access=debug")
        .with("BELLHOP__LOG__FORMAT", "json")
        .serve()
        .await;
    book(&server, "host", "told-of").await;
    let look = Client::new().get(server.url("/bookings/secret-path?token=secret-query"));
    let look = look.header("x-request-id", "looked-for").bearer_auth(token_for("guest", &[]));
    Answer::of(look).await.expect_problem(404, "not_found");
    let nowhere = Client::new().get(server.url("/secret-nowhere")).header("x-request-id", "nowhere");
    Answer::of(nowhere).await.expect_problem(404, "unknown_route");
    // A word that is no method of HTTP's is the client's own.
    let brew = Client::new().request(Method::from_bytes(b"secret-brew").unwrap(), server.url("/bookings"));
    Answer::of(brew.header("x-request-id", "brewed")).await.expect_problem(405, "method_not_allowed");
    for (request, method, route, status, user) in [
        ("brewed", "other", "/bookings", 405, "-"),
        ("told-of", "POST", "/bookings", 201, "guest"),
        ("looked-for", "GET", "/bookings/{id}", 404, "guest"),
        ("nowhere", "GET", "-", 404, "-"),
    ] {
        let line = wait_until_async(format_args!("the line of {request}"), async || {
            let found = lines(&server, "bellhop::access", "answered");
            found.into_iter().find(|fields| fields["request"] == request)
        })
        .await;
        assert_eq!((&line["method"], &line["route"]), (&json!(method), &json!(route)), "{line}");
        assert_eq!((&line["status"], &line["user"]), (&json!(status), &json!(user)), "{line}");
        assert!(line["seconds"].as_f64().unwrap() >= 0.0, "{line}");
    }
    assert!(!server.output().contains("secret-"), "{}", server.output());
    assert!(lines(&server, "bellhop::actors", "").is_empty(), "nothing else was asked for");
}
