//! One instance after the other is started anew: sessions are asked to leave over a configured time, each at a moment
//! of its own, are served until then, and miss nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, token_for};
use crate::support::deadline::soon;
use crate::support::door::{Call, Door, End};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::socket::{Event, TestSocket};

const DOORS: [Door; 5] = [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse];
/// Each has a device at every door.
const USERS: usize = 24;
/// Longer than what the server waits for those who do not go.
const SPREAD: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(1);
/// How much later than it was said a test may see something.
const SLACK: Duration = Duration::from_secs(1);

async fn serve() -> Process {
    ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("API_RATE_LIMIT_PER_MINUTE", "1000000")
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
        .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", &SPREAD.as_millis().to_string())
        .with("BELLHOP__SERVER__DRAIN_TIMEOUT_MS", &PATIENCE.as_millis().to_string())
        .serve()
        .await
}

fn users() -> Vec<String> {
    (0..USERS).map(|number| format!("user-{number}")).collect()
}

/// How it went for one device.
struct Stay {
    door: Door,
    user: String,
    end: End,
    ended: Instant,
    seqs: Vec<i64>,
}

async fn stay(server: &Process, door: Door, user: String) -> (Door, String, TestSocket) {
    let mut device = TestSocket::call(&Call::new(door, server.address(), &token_for(&user, &[]))).await;
    device.await_connected().await;
    (door, user, device)
}

/// The seqs of the notes among events, in the order in which they came.
fn seqs(events: &[Event]) -> Vec<i64> {
    let notes = events.iter().filter(|event| event.name == "note");
    notes.map(|note| note.data["seq"].as_i64().unwrap()).collect()
}

/// Tells everybody something again and again, until the server takes no more; answers when each was taken.
async fn tell_everybody(server: &Process) -> Vec<Instant> {
    let client = reqwest::Client::new();
    let note = json!({"userIds": users(), "type": "note", "title": "A note", "message": "Nothing new"});
    let mut taken = Vec::new();
    loop {
        let request = client.post(server.url("/notifications")).json(&note);
        let request = request.bearer_auth(token_for("backend", &["SERVICE"])).send();
        match soon("an answer", request).await {
            Ok(answer) if answer.status() == 201 => taken.push(Instant::now()),
            Ok(answer) => {
                assert_eq!(answer.status(), 503);
                return taken;
            }
            Err(_) => return taken,
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn count(range: std::ops::Range<Duration>, began: Instant, stays: &[Stay]) -> usize {
    stays.iter().filter(|stay| range.contains(&(stay.ended - began))).count()
}

/// That each got everything in order that was taken before its end, and how much that is.
fn assert_served(stay: &Stay, taken: &[Instant]) {
    let (door, got) = (stay.door, stay.seqs.len());
    let gapless: Vec<i64> = (1..).take(got).collect();
    assert_eq!(stay.seqs, gapless, "{door:?}");
    let due = taken.iter().filter(|at| **at + SLACK < stay.ended).count();
    assert!(got >= due, "{door:?} got {got} of {due}");
}

#[tokio::test]
async fn a_drain_closes_each_session_at_a_moment_of_its_own_and_serves_it_until_then() {
    let mut server = serve().await;
    let all = DOORS.iter().flat_map(|door| users().into_iter().map(|user| (*door, user)));
    let devices = join_all(all.map(|(door, user)| stay(&server, door, user))).await;
    let began = Instant::now();
    server.signal(Signal::SIGTERM);
    let staying = join_all(devices.into_iter().map(async |(door, user, mut device)| {
        let end = device.end().await;
        Stay { door, user, end, ended: Instant::now(), seqs: seqs(&device.take_seen()) }
    }));
    let newcomer = async {
        sleep(SPREAD / 2).await;
        // New connections are answered: who polls needs them, and who is new is to go elsewhere at once.
        let health = Answer::of(reqwest::Client::new().get(server.url("/health"))).await;
        assert_eq!(health.status, 200);
        for door in DOORS {
            let call = Call::new(door, server.address(), &token_for("new", &[]));
            match TestSocket::try_call(&call).await {
                // An event stream that is refused by its status does not come back.
                Ok(mut stream) if door == Door::Sse => stream.expect_end(1012, "server_restart").await,
                other => assert_eq!(other.err(), Some(503), "{door:?}"),
            }
        }
    };
    let (stays, taken, ()) = tokio::join!(staying, tell_everybody(&server), newcomer);
    assert_eq!(soon("the end", async { server.wait() }).await.code(), Some(0), "{}", server.output());

    for stay in &stays {
        stay.end.assert_is(stay.door, 1012, "server_restart");
        assert_served(stay, &taken);
    }
    // A third of them in each third of the time, by and large, and in many steps.
    let total = stays.len();
    for third in 0..3 {
        let range = SPREAD / 3 * third..SPREAD / 3 * (third + 1);
        assert!(count(range, began, &stays) > total / 6, "the {third}. third of the time");
    }
    assert_eq!(count(Duration::ZERO..SPREAD + SLACK, began, &stays), total, "nobody is forgotten");
    let moments: BTreeSet<u128> = stays.iter().map(|stay| (stay.ended - began).as_millis() / 100).collect();
    assert!(moments.len() > 20, "{moments:?}");

    server.restart().await;
    let stored = i64::try_from(taken.len()).unwrap();
    join_all(stays.iter().filter(|stay| stay.user == "user-7").map(async |stay| {
        let since = i64::try_from(stay.seqs.len()).unwrap();
        let call = Call::new(stay.door, server.address(), &token_for(&stay.user, &[]));
        let mut device = TestSocket::call(&call.with("since", json!(since))).await;
        assert_eq!(device.await_connected().await["seq"], stored);
        for seq in since + 1..=stored {
            assert_eq!(device.next_event("note").await["seq"], seq, "{:?}", stay.door);
        }
    }))
    .await;
}
