//! Several instances behind nginx and HAProxy, with the files of `deploy/`: every client gets in and stays with the
//! instance that has it, comes back on another when that is killed, and misses nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::answer::Answer;
use crate::support::app::{booking, token_for};
use crate::support::balancer::{Balancer, Kind, behind_both_balancers};
use crate::support::deadline::{soon, wait_until_async};
use crate::support::door::{Call, Close, Door};
use crate::support::fleet::{Fleet, FleetBuilder, THREE};
use crate::support::node::{Client, NodeClient, count, events};
use crate::support::records::texts;
use crate::support::socket::TestSocket;

/// As the files in `deploy/` call them.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three instances behind a balancer.
struct Balanced {
    fleet: Fleet,
    balancer: Balancer,
}

impl Balanced {
    async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &NAMES, &[]).await
    }

    /// Instances of these names, with these settings.
    async fn start_with(kind: Kind, names: &[&str], environment: &[(&str, &str)]) -> Self {
        let fleet = fleet(names).with_all(environment).start(THREE).await;
        let balancer = Balancer::start(kind, [0, 1, 2].map(|instance| fleet.address(instance))).await;
        Self { fleet, balancer }
    }

    /// Which instance has the only session that there is.
    async fn home(&self) -> usize {
        wait_until_async("somebody to have the session", async || {
            for (at, instance) in self.fleet.instances.iter().enumerate() {
                let Ok(answer) = reqwest::get(instance.url("/metrics")).await else { continue };
                let figures = answer.text().await.ok()?;
                let open = figures.lines().filter(|line| line.starts_with("bellhop_sessions_open"));
                if open.filter_map(|line| line.rsplit(' ').next()).any(|count| count != "0") {
                    return Some(at);
                }
            }
            None
        })
        .await
    }

    /// Books with host 7 on whichever instance the balancer chooses; answers the seq.
    async fn book(&self) -> i64 {
        book(&self.balancer.url("/bookings")).await
    }

    /// Ends the instance that has the session like a power cut; answers which that was.
    async fn kill_home(&mut self) -> usize {
        let home = self.home().await;
        self.fleet.kill(home);
        home
    }
}

/// Instances that believe the balancer, and whose streams are soon back.
fn fleet(names: &[&str]) -> FleetBuilder {
    FleetBuilder::new()
        .called(names)
        .with("BELLHOP__SERVER__TRUSTED_PROXIES", "127.0.0.1/32")
        .with("BELLHOP__SSE__RETRY_MS", "300")
}

async fn book(url: &str) -> i64 {
    let request = reqwest::Client::new().post(url).json(&booking("7"));
    let booked = Answer::of(request.bearer_auth(token_for("guest", &["CUSTOMER"]))).await.expect(201);
    booked["notification"]["seq"].as_i64().unwrap()
}

/// The page that says what it has when it comes back, of either version.
async fn a_page_recovers(kind: Kind, client: Client) {
    let mut all = Balanced::start(kind).await;
    let token = token_for("7", &[]);
    let settings = json!({"server": all.balancer.url(""), "user": "7", "token": token, "resumes": true});
    let mut page = client.run("rabbitmq_bridge.mjs", &settings);
    page.await_line("connect").await;
    page.await_event("joinedRoom").await;
    if client.upgrades() {
        page.await_line("upgrade").await;
    }
    assert_eq!(all.book().await, 1);
    assert_eq!(page.await_line("alert").await["seq"], 1);
    assert_stays(&mut page).await;

    let killed = all.kill_home().await;
    page.await_line("disconnect").await;
    for seq in 2..=3 {
        assert_eq!(all.book().await, seq, "whoever is left takes the booking");
    }
    page.await_line("connect").await;
    page.await_event("joinedRoom").await;
    assert_ne!(all.home().await, killed);
    assert_eq!(all.book().await, 4);
    for seq in 2..=4 {
        assert_eq!(page.await_line("alert").await["seq"], seq);
    }
    let lines = page.lines_so_far().await;
    assert_eq!(count(&lines, "disconnect"), 0, "it was lost once only");
    let seqs: Vec<&Value> =
        events(&lines, "notification:new").into_iter().map(|event| &event["seq"]).collect();
    assert_eq!(seqs, [1, 2, 3, 4], "each once and in order");
    page.leave("disconnect").await;
}

/// Whose requests went to one instance and then to another would not last for so many.
async fn assert_stays(page: &mut NodeClient) {
    for number in 0..10 {
        assert_eq!(page.ask("ping", json!(number)).await, number);
    }
}

behind_both_balancers! {
    async fn version_4_that_polls_recovers(kind) {
        a_page_recovers(kind, Client::new(4).over(&["polling"])).await;
    }

    async fn version_4_that_upgrades_recovers(kind) {
        a_page_recovers(kind, Client::new(4)).await;
    }

    async fn version_3_that_polls_recovers(kind) {
        a_page_recovers(kind, Client::new(3).over(&["polling"])).await;
    }

    async fn version_3_that_upgrades_recovers(kind) {
        a_page_recovers(kind, Client::new(3)).await;
    }

    async fn an_event_source_recovers(kind) {
        let mut all = Balanced::start(kind).await;
        let settings = json!({"server": all.balancer.url(""), "token": token_for("7", &[])});
        let mut page = Client::new(4).run("presence_sse_events.mjs", &settings);
        page.await_line("SSE connection opened").await;
        // What is published before it is let in is in its inbox, not in its stream.
        all.fleet.await_online(&[0, 1, 2], 1, 1).await;
        assert_eq!(all.book().await, 1);
        assert_eq!(page.await_line("New booking:").await["seq"], 1);
        let killed = all.kill_home().await;
        for seq in 2..=3 {
            assert_eq!(all.book().await, seq);
        }
        for seq in 2..=3 {
            assert_eq!(page.await_line("New booking:").await["seq"], seq);
        }
        assert_ne!(all.home().await, killed);
        assert_eq!(all.book().await, 4);
        assert_eq!(page.await_line("New booking:").await["seq"], 4);
        page.tell_to("disconnect").await;
        page.finish().await;
    }

    async fn a_raw_websocket_recovers(kind) {
        let mut all = Balanced::start(kind).await;
        let call = Call::new(Door::Raw, all.balancer.address, &token_for("7", &[]));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        assert_eq!(all.book().await, 1);
        assert_eq!(device.next_event("booking.created").await["seq"], 1);
        let killed = all.kill_home().await;
        assert_eq!(device.end().await.close, Close::Broken);
        assert_eq!(all.book().await, 2);
        let mut device = TestSocket::call(&call.with("since", json!(1))).await;
        device.await_connected().await;
        assert_eq!(device.next_event("booking.created").await["seq"], 2);
        assert_ne!(all.home().await, killed);
        assert_eq!(all.book().await, 3);
        assert_eq!(device.next_event("booking.created").await["seq"], 3);
    }

    /// Instances without names: the balancer has nothing to go by.
    async fn without_names_who_polls_is_told_what_is_wrong(kind) {
        let all = Balanced::start_with(kind, &[], &[]).await;
        let open = Answer::of(reqwest::Client::new().get(all.balancer.url(POLL))).await;
        let sid = sid_of(&open.text);
        assert!(!sid.contains('.'), "{sid}");
        let refused = wait_until_async("a request that goes astray", async || {
            // A marker: one that was let in would wait for something to be said.
            let url = all.balancer.url(&format!("{POLL}&sid={sid}"));
            let request = reqwest::Client::new().post(url).body("6");
            Some(Answer::of(request).await).filter(|answer| answer.status != 200)
        })
        .await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(1)), "{}", refused.text);
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("the balancer") && message.contains("server.instance"), "{message}");

        let settings = json!({"server": all.balancer.url(""), "user": "7", "token": token_for("7", &[])});
        let mut page = Client::new(4).over(&["polling"]).run("rabbitmq_bridge.mjs", &settings);
        let told = page.await_line("connect_error").await;
        // Whichever of its first requests goes astray.
        assert!(["xhr poll error", "xhr post error"].iter().any(|known| told["message"] == *known), "{told}");
    }

    /// A rolling restart: `/ready` says it first, then sessions leave in their turns.
    async fn an_instance_that_stops_keeps_its_own_and_gets_nobody_new(kind) {
        /// Longer than HAProxy takes to notice.
        const NOTICE: Duration = Duration::from_secs(4);
        const WATCHED: Duration = Duration::from_millis(3_500);
        let milliseconds = NOTICE.as_millis().to_string();
        let mut all = Balanced::start_with(kind, &NAMES, &[("BELLHOP__SERVER__DRAIN_NOTICE_MS", &milliseconds)]).await;
        let call = Call::new(Door::Polling, all.balancer.address, &token_for("7", &[]));
        let mut device = TestSocket::call(&call).await;
        device.await_connected().await;
        let home = all.home().await;
        all.fleet.instances[home].signal(Signal::SIGTERM);
        let began = Instant::now();
        let client = reqwest::Client::new();
        while began.elapsed() < WATCHED {
            assert_eq!(device.ask("ping", json!("still here")).await, "still here");
            let opened = Answer::of(client.get(all.balancer.url(POLL))).await;
            assert_eq!(opened.status, 200, "{}", opened.text);
            assert_ne!(sid_of(&opened.text).split('.').next(), Some(NAMES[home]));
            sleep(Duration::from_millis(50)).await;
        }
        device.expect_end(1012, "server_restart").await;
        let mut back = TestSocket::call(&call).await;
        back.await_connected().await;
        assert_eq!(soon("the end", async { all.fleet.instances[home].wait() }).await.code(), Some(0));
        assert_eq!(back.ask("ping", json!(1)).await, 1);
    }

    /// One of the three takes requests and dies before it answers.
    async fn what_may_have_been_done_is_not_asked_for_twice(kind) {
        let fleet = fleet(&["b"]).start(1).await;
        let real = fleet.address(0);
        let (dying, taken) = dying_instance().await;
        let balancer = Balancer::start(kind, [dying, real, real]).await;
        let mut statuses = Vec::new();
        for _ in 0..6 {
            // Of its own, so that the connection is not one that may end between two requests.
            let request = reqwest::Client::new().post(balancer.url("/bookings")).json(&booking("7"));
            statuses.push(Answer::of(request.bearer_auth(token_for("guest", &[]))).await.status);
        }
        let booked = statuses.iter().filter(|status| **status == 201).count();
        let failed = statuses.iter().filter(|status| **status == 502).count();
        assert!(failed > 0 && booked > 0 && booked + failed == 6, "{statuses:?}");
        assert_eq!(texts(fleet.database_url(), "SELECT id AS value FROM bookings").len(), booked);
        assert_eq!(taken.load(Ordering::SeqCst), failed, "nothing else was asked of it");
        // What only looks is asked for again, and nobody notices.
        for _ in 0..6 {
            let health = Answer::of(reqwest::Client::new().get(balancer.url("/health"))).await;
            assert_eq!(health.status, 200);
        }
    }

    /// The header of a client that claims to be another is not believed.
    async fn clients_are_known_by_their_own_addresses(kind) {
        let limit = [("BELLHOP__LIMITS__HANDSHAKES_PER_MINUTE", "6")];
        let all = Balanced::start_with(kind, &NAMES, &limit).await;
        let open = async |from: [u8; 4]| {
            let client = reqwest::Client::builder().local_address(Some(Ipv4Addr::from(from).into()));
            let request = client.build().unwrap().get(all.balancer.url(POLL));
            Answer::of(request.header("x-forwarded-for", "203.0.113.9")).await.status
        };
        wait_until_async("the first to be too many", async || (open([127, 0, 0, 2]).await == 429).then_some(()))
            .await;
        assert_eq!(open([127, 0, 0, 3]).await, 200);
    }
}

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// The sid of an Engine.IO handshake's answer.
fn sid_of(opened: &str) -> String {
    let open: Value = serde_json::from_str(opened.strip_prefix('0').expect("an open packet")).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// Takes requests and hangs up, and says that it is well; answers its address and how many it took.
async fn dying_instance() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 16_384];
            let read = stream.read(&mut head).await.unwrap_or(0);
            if head.starts_with(b"GET /ready ") {
                let fine = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                // Whoever asked may have gone.
                let _ = stream.write_all(fine).await;
            } else if read > 0 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, taken)
}

/// A request that names an instance and comes to another is told just that.
#[tokio::test]
async fn a_sid_of_another_instance_is_named_as_such() {
    let fleet = fleet(&["a", "b"]).start(2).await;
    let (a, b) = (&fleet.instances[0], &fleet.instances[1]);
    let client = reqwest::Client::new();
    let sid = sid_of(&Answer::of(client.get(a.url(POLL))).await.text);
    assert!(sid.starts_with("a."), "{sid}");
    let own = Answer::of(client.post(a.url(&format!("{POLL}&sid={sid}"))).body("6")).await;
    assert_eq!(own.status, 200);
    let astray = Answer::of(client.get(b.url(&format!("{POLL}&sid={sid}")))).await;
    assert_eq!((astray.status, &astray.json()["code"]), (400, &json!(1)));
    let message = astray.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("another instance") && message.contains("before the dot"), "{message}");
    let over = Answer::of(client.get(a.url(&format!("{POLL}&sid=a.{}", "x".repeat(20))))).await;
    assert!(over.json()["message"].as_str().unwrap().contains("it has ended"), "{}", over.text);
}
