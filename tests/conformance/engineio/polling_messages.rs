//! Messages over HTTP long-polling: payloads of packets, and requests that get in each other's way.

use crate::conformance::echo::{ENGINE_IO, Server};
use crate::conformance::polling::{Polling, SEPARATOR, expect_refused};
use crate::support::deadline::wait_until_async;

async fn session() -> Polling {
    Polling::open(&Server::start().await, ENGINE_IO).await
}

/// Waits until the server knows the session no more. It asks by pongs: a poll would hang, and two of them
/// would end the session, which is what the test wants to see happen by itself.
async fn await_gone(session: &Polling) {
    wait_until_async("the end of the session", async || {
        session.post("3").await.filter(|answer| answer.status == 400)
    })
    .await;
    session.expect_gone().await;
}

#[tokio::test]
async fn a_message_comes_back() {
    let session = session().await;
    session.write("4hello").await;
    assert_eq!(session.read().await, "4hello");
}

#[tokio::test]
async fn messages_of_one_payload_come_back_in_one() {
    let session = session().await;
    session.write("4one\x1e4two\x1e4three").await;
    assert_eq!(session.read().await, "4one\x1e4two\x1e4three");
}

#[tokio::test]
async fn text_and_binary_mix() {
    let session = session().await;
    session.write("4before\x1ebAP8BAg==\x1e4after").await;
    assert_eq!(session.read().await, "4before\x1ebAP8BAg==\x1e4after");
}

#[tokio::test]
async fn text_is_utf8() {
    let session = session().await;
    session.write("4Zimmer für zwei, 80 €, 🛎").await;
    assert_eq!(session.read().await, "4Zimmer für zwei, 80 €, 🛎");
}

#[tokio::test]
async fn messages_wait_for_a_poll_in_order() {
    let session = session().await;
    for number in 0..20 {
        session.write(format!("4{number}")).await;
    }
    let expected: Vec<_> = (0..20).map(|number| format!("4{number}")).collect();
    assert_eq!(session.read().await.split(SEPARATOR).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_hanging_poll_is_answered_by_a_message() {
    let session = session().await;
    for text in ["4first", "4second"] {
        let poll = session.hang().await;
        session.write(text).await;
        assert_eq!(poll.payload().await, text);
    }
}

#[tokio::test]
async fn a_payload_out_of_form_ends_the_session() {
    let server = Server::start().await;
    for payload in ["abc", "", "9", "\x1e", "4fine\x1exyz", "2"] {
        let session = Polling::open(&server, ENGINE_IO).await;
        let answer = session.post(payload).await;
        // Some servers notice only after they have said `ok`.
        assert!(answer.is_none_or(|answer| [200, 400].contains(&answer.status)), "{payload:?}");
        expect_refused(&session.poll().await, 1);
    }
}

#[tokio::test]
async fn a_second_poll_at_a_time_ends_the_session() {
    let session = session().await;
    let first = session.hang().await;
    let second = session.poll().await;
    assert_eq!(second.status, 400, "{}", second.text);
    assert_eq!(first.payload().await, "1");
    session.expect_gone().await;
}

#[tokio::test]
async fn a_second_post_at_a_time_ends_the_session() {
    let session = session().await;
    let first = session.begin_post().await;
    let second = session.post("4second").await.expect("an answer");
    assert_eq!(second.status, 400, "{}", second.text);
    session.expect_gone().await;
    drop(first);
}

#[tokio::test]
async fn a_poll_that_is_hung_up_on_ends_the_session() {
    let session = session().await;
    session.poll_and_hang_up().await;
    await_gone(&session).await;
}

#[tokio::test]
async fn a_post_that_is_hung_up_on_ends_the_session() {
    let session = session().await;
    drop(session.begin_post().await);
    await_gone(&session).await;
}
