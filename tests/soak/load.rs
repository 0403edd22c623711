//! Who does what: guests book, services tell, devices come and go over every door, people read their inboxes, and some
//! do all of it wrong. What is counted shows that everybody did something.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::text;
use crate::support::app::{booking, token_for, token_with_mail};
use crate::support::door::{Call, Door};
use crate::support::socket::Link;

const HOSTS: usize = 40;
const GUESTS: usize = 3;
const SERVICES: usize = 1;
const DEVICES: usize = 30;
const READERS: usize = 3;
const BUNGLERS: usize = 2;
const OPERATORS: usize = 1;
/// What anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shorter than the server keeps an idle connection here.
const IDLE: Duration = Duration::from_secs(2);
const DOORS: [Door; 5] = [Door::Raw, Door::WebSocket, Door::Polling, Door::Upgrade, Door::Sse];

/// How often what was done.
#[derive(Debug, Clone, Default)]
pub(super) struct Deeds(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    booked: AtomicUsize,
    told: AtomicUsize,
    visits: AtomicUsize,
    received: AtomicUsize,
    read: AtomicUsize,
    bungled: AtomicUsize,
    looked: AtomicUsize,
}

impl Deeds {
    fn all(&self) -> [(&'static str, usize); 7] {
        let Counts { booked, told, visits, received, read, bungled, looked } = &*self.0;
        [
            ("booked", booked),
            ("told", told),
            ("visits", visits),
            ("received", received),
            ("read", read),
            ("bungled", bungled),
            ("looked", looked),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    pub(super) fn are_all_done(&self) -> bool {
        self.all().iter().all(|(_, count)| *count > 0)
    }
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all().map(|(name, count)| format!("{name} {count}"));
        f.write_str(&all.join(", "))
    }
}

fn one_more(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Everybody who takes part, until they leave.
#[derive(Debug)]
pub(super) struct Crowd {
    people: JoinSet<()>,
    go_home: watch::Sender<bool>,
}

/// One who takes part.
#[derive(Debug)]
struct Person {
    server: SocketAddr,
    client: Client,
    deeds: Deeds,
    home_time: watch::Receiver<bool>,
    choices: StdRng,
}

impl Crowd {
    pub(super) fn gather(server: SocketAddr, deeds: &Deeds) -> Self {
        let (go_home, home_time) = watch::channel(false);
        // The server must not be the first to give an idle connection up, just as it is used again.
        let client = Client::builder().timeout(PATIENCE).pool_idle_timeout(IDLE).build().unwrap();
        let person = || Person {
            server,
            client: client.clone(),
            deeds: deeds.clone(),
            home_time: home_time.clone(),
            choices: StdRng::seed_from_u64(u64::from(rand::random::<u32>())),
        };
        let mut people = JoinSet::new();
        (0..GUESTS).for_each(|_| drop(people.spawn(person().book())));
        (0..SERVICES).for_each(|_| drop(people.spawn(person().tell())));
        (0..DEVICES).for_each(|_| drop(people.spawn(person().visit())));
        (0..READERS).for_each(|_| drop(people.spawn(person().read())));
        (0..BUNGLERS).for_each(|_| drop(people.spawn(person().bungle())));
        (0..OPERATORS).for_each(|_| drop(people.spawn(person().look())));
        Self { people, go_home }
    }

    pub(super) async fn leave(mut self) {
        self.go_home.send_replace(true);
        while let Some(person) = self.people.join_next().await {
            person.unwrap();
        }
    }
}

impl Person {
    fn stays(&self) -> bool {
        !*self.home_time.borrow()
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.choices.random_range(milliseconds))).await;
    }

    fn host(&mut self) -> String {
        format!("host-{}", self.choices.random_range(0..HOSTS))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    /// Sends a request, whose answer must be one of these.
    async fn ask(&self, request: RequestBuilder, statuses: &[u16]) -> Value {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert!(statuses.contains(&status), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Guests book, and some bookings go on their way.
    async fn book(mut self) {
        let guest = token_for("guest-1", &["CUSTOMER"]);
        while self.stays() {
            let host = self.host();
            let post = self.client.post(self.url("/bookings")).bearer_auth(&guest).json(&booking(&host));
            let made = self.ask(post, &[201]).await;
            one_more(&self.deeds.0.booked);
            if let Some(id) = text(&made, "/booking/id").filter(|_| self.choices.random_bool(0.3)) {
                let step = if self.choices.random_bool(0.5) { "accept" } else { "cancel" };
                let post = self.client.post(self.url(&format!("/bookings/{id}/{step}")));
                self.ask(post.bearer_auth(token_for(&host, &["PROFESSIONAL"])), &[200]).await;
            }
            self.pause(5..40).await;
        }
    }

    /// A service tells single users, a role, and whoever is there.
    async fn tell(mut self) {
        let service = token_for("backend", &["SERVICE"]);
        while self.stays() {
            let mut note = json!({"type": "note", "title": "A note", "message": "Nothing new. ".repeat(20)});
            match self.choices.random_range(0..3) {
                0 => note["userId"] = json!(self.host()),
                1 => note["role"] = json!("PROFESSIONAL"),
                _ => (note["role"], note["passing"]) = (json!("PROFESSIONAL"), json!(true)),
            }
            let post = self.client.post(self.url("/notifications")).bearer_auth(&service).json(&note);
            self.ask(post, &[201, 202]).await;
            one_more(&self.deeds.0.told);
            self.pause(50..300).await;
        }
    }

    /// Devices come over every door, and leave in every way there is.
    async fn visit(mut self) {
        while self.stays() {
            let host = self.host();
            let door = DOORS[self.choices.random_range(0..DOORS.len())];
            let mut call = Call::new(door, self.server, &token_with_mail(&host));
            call.narrow = self.choices.random_bool(0.2);
            if self.choices.random_bool(0.3) {
                call = call.with("since", json!(0));
            }
            let Ok(Ok(mut link)) = timeout(PATIENCE, Link::open(&call)).await else {
                panic!("{door:?}: not let in");
            };
            one_more(&self.deeds.0.visits);
            self.listen(&mut link).await;
            if door != Door::Sse {
                let _ = timeout(PATIENCE, link.send("markNotificationRead", json!({"all": true}))).await;
            }
            match self.choices.random_range(0..4) {
                0 => drop(timeout(PATIENCE, link.close()).await),
                1 => link.reset_when_dropped(),
                // Stalls: neither reads nor answers.
                2 => self.pause(500..4_000).await,
                _ => {}
            }
        }
    }

    async fn listen(&mut self, link: &mut Link) {
        let end = Instant::now() + Duration::from_millis(self.choices.random_range(50..3_000));
        while let Ok(Ok(_)) = timeout_at(end, link.receive()).await {
            one_more(&self.deeds.0.received);
        }
    }

    /// People look at their inboxes and tidy them up.
    async fn read(mut self) {
        while self.stays() {
            let host = token_for(&self.host(), &["PROFESSIONAL"]);
            for path in ["/notifications/count", "/notifications?limit=50", "/notifications?unread=true"] {
                self.ask(self.client.get(self.url(path)).bearer_auth(&host), &[200]).await;
            }
            let ticket = self.client.post(self.url("/notifications/tickets")).bearer_auth(&host);
            self.ask(ticket.json(&json!({"door": "sse"})), &[201, 429]).await;
            let (all, path) = (json!({"all": true}), self.url("/notifications/delete"));
            if self.choices.random_bool(0.2) {
                self.ask(self.client.post(path).bearer_auth(&host).json(&all), &[200]).await;
            }
            one_more(&self.deeds.0.read);
            self.pause(20..200).await;
        }
    }

    /// Wrong tokens, broken bodies, unknown paths, half requests and what is no HTTP.
    async fn bungle(mut self) {
        const HALVES: [&[u8]; 5] = [
            b"GET /notifications HTTP/1.1\r\nHost: x\r\nAuthor",
            b"POST /bookings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /ws/notifications HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
            b"",
        ];
        let host = token_for("host-1", &["PROFESSIONAL"]);
        while self.stays() {
            let (list, bookings) = (self.url("/notifications"), self.url("/bookings"));
            self.ask(self.client.get(&list).bearer_auth("not.a.token"), &[401]).await;
            self.ask(self.client.get(self.url("/nowhere")), &[404]).await;
            self.ask(self.client.post(&list).bearer_auth(&host).json(&json!({"type": "x"})), &[403, 422])
                .await;
            let broken = self
                .client
                .post(&bookings)
                .bearer_auth(&host)
                .body("{")
                .header("content-type", "application/json");
            self.ask(broken, &[400]).await;
            let half = HALVES[self.choices.random_range(0..HALVES.len())];
            let mut stream = TcpStream::connect(self.server).await.unwrap();
            stream.write_all(half).await.unwrap();
            self.pause(0..3_000).await;
            drop(stream);
            one_more(&self.deeds.0.bungled);
        }
    }

    /// An operator looks at everything there is to look at, tells everybody, and sends some away.
    async fn look(mut self) {
        const PAGES: [&str; 8] = [
            "/ready",
            "/metrics",
            "/openapi.json",
            "/docs",
            "/admin/presence?limit=20",
            "/admin/audit?limit=20",
            "/admin/notifications/logs?limit=20",
            "/admin/notifications/stats",
        ];
        let admin = token_for("root", &["ADMIN"]);
        while self.stays() {
            for path in PAGES {
                self.ask(self.client.get(self.url(path)).bearer_auth(&admin), &[200]).await;
            }
            if self.choices.random_bool(0.1) {
                let (url, all) = (
                    self.url("/admin/notifications/broadcast"),
                    json!({"all": true, "type": "note", "title": "All"}),
                );
                self.ask(self.client.post(url).bearer_auth(&admin).json(&all), &[202]).await;
            }
            let host = self.host();
            let away = self.url(&format!("/admin/users/{host}/disconnect"));
            self.ask(self.client.post(away).bearer_auth(&admin), &[200, 202, 204]).await;
            one_more(&self.deeds.0.looked);
            self.pause(200..1_000).await;
        }
    }
}
