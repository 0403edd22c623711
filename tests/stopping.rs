//! The real binary stops and is killed: nobody is cut off without a word, and what was answered with
//! 201 is there afterwards and reaches its host.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, booking, token_for};
use crate::support::deadline::{soon, wait_until_async};
use crate::support::door::{Call, Door};
use crate::support::port::free_port;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::records::texts;
use crate::support::socket::TestSocket;

const PATH: &str = "/ws/notifications";
const LOAD_TASKS: usize = 8;

fn server() -> ProcessBuilder {
    ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET)
}

async fn connect(server: &Process, user: &str) -> TestSocket {
    connect_through(server, Door::Raw, user).await
}

async fn connect_through(server: &Process, door: Door, user: &str) -> TestSocket {
    let mut socket = TestSocket::call(&Call::new(door, server.address(), &token_for(user, &[]))).await;
    socket.await_connected().await;
    socket
}

/// Gives a user an address that mail goes to.
async fn give_address(server: &Process, user: &str) {
    let url = server.url("/notifications/preferences");
    let preferences = json!({"email": format!("{user}@example.com")});
    let request = reqwest::Client::new().put(url).json(&preferences).bearer_auth(token_for(user, &[]));
    Answer::of(request).await.expect(200);
}

fn database(server: &Process) -> String {
    format!("sqlite://{}", server.folder().join("data/bellhop.db").display())
}

/// Books until told to stop or until the server is gone; what was answered with 201 is kept.
#[derive(Debug, Default)]
struct Load {
    over: AtomicBool,
    accepted: Mutex<Vec<Value>>,
}

impl Load {
    /// Several guests at once, each with its next booking as soon as the last is answered.
    async fn run(&self, server: &Process, host: &str) {
        let (url, body, token) = (server.url("/bookings"), booking(host), token_for("guest", &[]));
        let client = reqwest::Client::new();
        join_all((0..LOAD_TASKS).map(async |_| {
            while !self.over.load(Ordering::Relaxed) {
                let request = client.post(&url).bearer_auth(&token).json(&body).send();
                // The server is gone, perhaps in the middle of an answer: nothing was promised.
                let Ok(answer) = soon("an answer", request).await else { return };
                let status = answer.status().as_u16();
                let Ok(text) = answer.text().await else { return };
                match status {
                    201 => self.accepted.lock().unwrap().push(serde_json::from_str(&text).unwrap()),
                    503 => assert!(text.contains("\"code\""), "a refusal says why: {text}"),
                    other => panic!("{other}: {text}"),
                }
            }
        }))
        .await;
    }

    fn count(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    fn ids(&self, of: &str) -> BTreeSet<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().map(|answer| answer[of]["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many bookings were accepted.
    async fn reach(&self, count: usize) {
        wait_until_async(format_args!("{count} bookings"), async || (self.count() >= count).then_some(()))
            .await;
    }
}

/// All mails in the outbox of a server, one after the other.
fn mails(folder: &Path) -> String {
    let files = fs::read_dir(folder.join("data/outbox")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
}

#[tokio::test]
async fn at_sigterm_every_socket_gets_a_reason_and_the_exit_code_is_zero() {
    const SOCKETS: usize = 200;
    let mut server = server()
        .with("BELLHOP__LIMITS__SESSIONS_PER_USER", "1000")
        .with("BELLHOP__SERVER__DRAIN_NOTICE_MS", "1500")
        .serve()
        .await;
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        // The doors in turn.
        let door = Door::ALL[number % Door::ALL.len()];
        sockets.push((door, connect_through(&server, door, &format!("user-{}", number % 10)).await));
    }
    server.signal(Signal::SIGTERM);

    // First /ready says so, while everybody is still served.
    let client = reqwest::Client::new();
    let answer = wait_until_async("/ready says that the server stops", async || {
        let answer = Answer::of(client.get(server.url("/ready"))).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    answer.expect_problem(503, "draining");
    let refused = TestSocket::try_open(server.address(), PATH, &token_for("7", &[])).await;
    assert_eq!(refused.err(), Some(503));
    for door in Door::SOCKET_IO {
        let call = Call::new(door, server.address(), &token_for("7", &[]));
        assert_eq!(TestSocket::try_call(&call).await.err(), Some(503), "{door:?}");
    }
    for (_, socket) in sockets.iter_mut().take(Door::ALL.len()) {
        socket.send("ping", json!(1)).await;
        assert_eq!(socket.next_event("pong").await, 1);
    }

    // No Socket.IO DISCONNECT packet among them: all are to come back.
    join_all(sockets.iter_mut().map(async |(door, socket)| {
        socket.end().await.assert_is(*door, 1012, "server_restart");
    }))
    .await;
    assert_eq!(server.wait().code(), Some(0), "{}", server.output());
}

#[tokio::test]
async fn bookings_in_flight_at_sigterm_are_durable_or_refused() {
    let mut server = server().serve().await;
    give_address(&server, "host").await;
    let load = Load::default();
    let mut host = connect(&server, "host").await;
    let stop = async {
        load.reach(100).await;
        server.signal(Signal::SIGTERM);
    };
    tokio::join!(load.run(&server, "host"), stop, host.stay());
    assert_eq!(server.wait().code(), Some(0), "{}", server.output());

    let kept = texts(&database(&server), "SELECT id AS value FROM bookings").into_iter().collect();
    assert!(load.ids("booking").is_subset(&kept), "an answered booking is missing");
    // The host got them all by push or mail, or will: what is pending goes on its way at the next start.
    let sql = "SELECT notification_id AS value FROM deliveries WHERE state IN ('pending', 'emailed')";
    let mailed: BTreeSet<String> = texts(&database(&server), sql).into_iter().collect();
    let pushed: BTreeSet<String> = host
        .take_seen()
        .iter()
        .filter(|event| event.name == "booking.created")
        .map(|event| event.data["id"].as_str().unwrap().to_owned())
        .collect();
    let missing: Vec<String> = load
        .ids("notification")
        .into_iter()
        .filter(|id| !pushed.contains(id) && !mailed.contains(id))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "neither pushed nor mailed nor waiting");
}

#[tokio::test]
async fn after_a_kill_every_accepted_booking_is_there_and_reaches_its_host() {
    let mut server = server()
        .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "300")
        .with("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "100")
        // What was claimed and not sent when it was killed is claimed again soon.
        .with("BELLHOP__MAIL__TIMEOUT_MS", "1000")
        .with("BELLHOP__MAIL__LEASE_MS", "3000")
        .serve()
        .await;
    give_address(&server, "host").await;

    let load = Load::default();
    for round in 1..=2 {
        // Killed in the middle: nobody has told the load to end.
        let killer = async {
            load.reach(round * 60).await;
            server.signal(Signal::SIGKILL);
        };
        tokio::join!(load.run(&server, "host"), killer);
        server.restart().await;
    }
    let kept = texts(&database(&server), "SELECT id AS value FROM bookings").into_iter().collect();
    assert!(load.ids("booking").is_subset(&kept), "an answered booking is missing");
    let guest = token_for("guest", &[]);
    let client = reqwest::Client::new();
    for id in load.ids("booking") {
        let request = client.get(server.url(&format!("/bookings/{id}"))).bearer_auth(&guest);
        assert_eq!(Answer::of(request).await.expect(200)["id"], json!(id));
    }
    let seqs = texts(&database(&server), "SELECT CAST(seq AS TEXT) AS value FROM notifications ORDER BY seq");
    let gapless: Vec<String> = (1..=seqs.len()).map(|seq| seq.to_string()).collect();
    assert_eq!(seqs, gapless);
    wait_until_async("every booking's mail", async || {
        let mails = mails(server.folder());
        load.ids("booking").iter().all(|id| mails.contains(id)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_second_port_serves_the_same() {
    let second = free_port();
    let server = server().with("PORT_2", &second.to_string()).serve().await;
    let address = (std::net::Ipv4Addr::LOCALHOST, second).into();
    let mut host = TestSocket::open(address, PATH, &token_for("host", &[])).await;
    host.await_connected().await;
    let client = reqwest::Client::new();
    let request =
        client.post(server.url("/bookings")).bearer_auth(token_for("guest", &[])).json(&booking("host"));
    let booked = Answer::of(request).await.expect(201);
    assert_eq!(host.next_event("booking.created").await["id"], booked["notification"]["id"]);
    let request = client.get(format!("http://{address}/notifications/count"));
    let count = Answer::of(request.bearer_auth(token_for("host", &[]))).await.expect(200);
    assert_eq!([&count["unread"], &count["total"], &count["seq"]], [1, 1, 1]);
}

#[tokio::test]
async fn a_stopped_server_starts_again_and_knows_everything() {
    let mut server = server().serve().await;
    let load = Load::default();
    let host = connect(&server, "host").await;
    let end = async {
        load.reach(20).await;
        load.over.store(true, Ordering::Relaxed);
    };
    tokio::join!(load.run(&server, "host"), end);
    drop(host);
    assert_eq!(soon("the end", async { server.terminate() }).await.code(), Some(0));
    server.restart().await;
    let mut host = TestSocket::open(server.address(), PATH, &token_for("host", &[])).await;
    let connected = host.await_connected().await;
    assert_eq!(connected["seq"], json!(load.count()));
    assert_eq!(connected["unread"], json!(load.count()));
}
