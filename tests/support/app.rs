//! The real server in this process, on a port that the system chose, with a database and a mail folder
//! of its own. Tests act through its verbs. Dropping it stops it and asserts that no mail is left that
//! the test has not read.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bellhop::domain::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::answer::Answer;
use super::deadline::wait_until_async;
use super::door::{Call, Door};
use super::postgres::{self, TestDatabase};
use super::server::Server;
use super::socket::TestSocket;

/// Signs every test's tokens.
pub const JWT_SECRET: &str = "a secret for tests, of more than 32 bytes";

/// Which database a test runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A server to be: its settings are built as an operator builds them, from the environment's names.
#[derive(Debug)]
pub struct TestAppBuilder {
    environment: Vec<(String, String)>,
    clock: Arc<dyn Clock>,
    door: Door,
    folder: TempDir,
    database: Option<TestDatabase<'static>>,
}

impl TestAppBuilder {
    /// A small server in development mode, over an empty database.
    pub fn new(database: Database) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-app-").tempdir().unwrap();
        let file = folder.path().join("bellhop.db");
        let outbox = folder.path().join("outbox").to_string_lossy().into_owned();
        let (database, url) = match database {
            Database::Sqlite => (None, format!("sqlite://{}", file.display())),
            Database::Postgres => {
                let database = postgres::shared().create_database();
                let url = database.url().to_owned();
                (Some(database), url)
            }
        };
        Self { environment: Vec::new(), clock: Arc::new(SystemClock), door: Door::Raw, folder, database }
            .with("PORT", "0")
            .with("DATABASE_URL", &url)
            .with("JWT_SECRET", JWT_SECRET)
            .with("BELLHOP__MAIL__OUTBOX", &outbox)
            .with("BELLHOP__SERVER__WORKERS", "2")
            // Tests that are about limits set this themselves.
            .with("API_RATE_LIMIT_PER_MINUTE", "1000000")
            // Tests that are about coming back set this themselves.
            .with("BELLHOP__DELIVERY__SETTLE_MS", "0")
            .with("BELLHOP__PRESENCE__GRACE_MS", "0")
            // Tests that are about draining set these themselves.
            .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", "10")
            .with("BELLHOP__SERVER__DRAIN_TIMEOUT_MS", "1000")
    }

    /// Sets an environment variable, over one that is set already.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several.
    pub fn with_all(self, environment: &[(&str, &str)]) -> Self {
        environment.iter().fold(self, |builder, (name, value)| builder.with(name, value))
    }

    /// Runs it by another wall clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Has its devices come over another door than the raw one.
    pub fn through(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// Starts it; it is ready when this returns.
    pub async fn start(self) -> TestApp {
        let server = Server::start(&self.environment, Arc::clone(&self.clock)).await;
        TestApp {
            server,
            environment: self.environment,
            clock: self.clock,
            door: self.door,
            client: reqwest::Client::new(),
            read_mails: Mutex::default(),
            expects_unread_mail: false,
            folder: self.folder,
            _database: self.database,
        }
    }
}

/// A running server and what a test does with it.
#[derive(Debug)]
pub struct TestApp {
    server: Server,
    environment: Vec<(String, String)>,
    clock: Arc<dyn Clock>,
    door: Door,
    client: reqwest::Client,
    read_mails: Mutex<BTreeSet<PathBuf>>,
    expects_unread_mail: bool,
    folder: TempDir,
    // The last to be dropped: the server must be gone before its database is.
    _database: Option<TestDatabase<'static>>,
}

impl TestApp {
    /// Starts a server with the settings that most tests want.
    pub async fn start(database: Database) -> Self {
        TestAppBuilder::new(database).start().await
    }

    /// The address it listens on; the first, where there are several.
    pub fn address(&self) -> SocketAddr {
        self.server.addresses[0]
    }

    /// The URL of a path, such as `/ready`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A back end's token.
    pub fn service(&self) -> String {
        self.token("backend", &["SERVICE"])
    }

    /// A token for `user` with these roles, valid for an hour.
    #[expect(clippy::unused_self, reason = "a verb of the app, as the others")]
    pub fn token(&self, user: &str, roles: &[&str]) -> String {
        token_for(user, roles)
    }

    /// GET of a path as whoever the token names; an empty token is none.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(self.client.get(self.url(path)), token).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body), token).await
    }

    /// PUT of a JSON body.
    pub async fn put(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(self.client.put(self.url(path)).json(body), token).await
    }

    /// Any request: for odd methods, headers and bodies, start from [`TestApp::client`].
    pub async fn send(&self, request: reqwest::RequestBuilder, token: &str) -> Answer {
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        Answer::of(request).await
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// `guest` books with `host`, which must succeed; answers the body.
    pub async fn book(&self, guest: &str, host: &str) -> Value {
        self.post_booking(guest, &booking(host)).await.expect(201)
    }

    /// `guest` posts this booking.
    pub async fn post_booking(&self, guest: &str, booking: &Value) -> Answer {
        self.post("/bookings", &self.token(guest, &["CUSTOMER"]), booking).await
    }

    /// A back end tells `user` something, so often, which must succeed each time.
    pub async fn tell(&self, user: &str, times: usize) {
        for _ in 0..times {
            let note = json!({"userId": user, "type": "note", "title": "A note", "message": "Nothing new"});
            self.post("/notifications", &self.service(), &note).await.expect(201);
        }
    }

    /// Opens a device of `user` and waits until the server says `connected`.
    pub async fn connect(&self, user: &str) -> TestSocket {
        self.connect_with(&self.token(user, &["PROFESSIONAL"]), "").await
    }

    /// The same with a token of the test's own, and wishes as in a query: `?ttl=2`.
    pub async fn connect_with(&self, token: &str, query: &str) -> TestSocket {
        let mut socket = self.open(token, query).await;
        socket.await_connected().await;
        socket
    }

    /// The same, without waiting for `connected`.
    pub async fn open(&self, token: &str, query: &str) -> TestSocket {
        TestSocket::call(&self.call(token).with_query(query)).await
    }

    /// A call over the door that devices take here.
    pub fn call(&self, token: &str) -> Call {
        Call::new(self.door, self.address(), token)
    }

    /// The door that devices take here.
    pub fn door(&self) -> Door {
        self.door
    }

    /// Waits for a mail to `address` that the test has not read yet; answers its text.
    pub async fn next_mail(&self, address: &str) -> String {
        wait_until_async(format_args!("a mail to {address}"), async || {
            self.unread_mails().into_iter().find_map(|path| {
                let text = fs::read_to_string(&path).ok()?;
                let is_to =
                    |line: &str| line.to_ascii_lowercase().starts_with("to:") && line.contains(address);
                text.lines().take_while(|line| !line.is_empty()).any(is_to).then(|| {
                    self.read_mails.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
                    text
                })
            })
        })
        .await
    }

    /// The mails in the outbox that the test has not read, oldest name first.
    pub fn unread_mails(&self) -> Vec<PathBuf> {
        let read = self.read_mails.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mails: Vec<PathBuf> = fs::read_dir(self.outbox())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .filter(|path| !read.contains(path))
            .collect();
        mails.sort();
        mails
    }

    /// For the rare test that is not about the mails it causes.
    pub fn leave_mail_unread(&mut self) {
        self.expects_unread_mail = true;
    }

    pub fn outbox(&self) -> PathBuf {
        self.folder.path().join("outbox")
    }

    /// What an environment variable was set to.
    pub fn setting(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).expect("a variable that was set")
    }

    /// Its folder, with the SQLite file and the outbox.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database that it writes to, for tests that look beside it.
    pub fn database_url(&self) -> &str {
        let found = self.environment.iter().find(|(name, _)| name == "DATABASE_URL");
        &found.expect("every server has a database").1
    }

    /// Has its next start go by another wall clock.
    pub fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    /// Begins to stop it, without waiting.
    pub fn begin_stop(&mut self) {
        self.server.begin_stop();
    }

    /// Stops it as SIGTERM does, and waits until it has.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Starts it again over the same database and outbox, on another port.
    pub async fn restart(&mut self) {
        self.server.stop().await;
        self.start_again().await;
    }

    /// The same for one that was stopped.
    pub async fn start_again(&mut self) {
        self.server = Server::start(&self.environment, Arc::clone(&self.clock)).await;
    }
}

/// A token for `user` with these roles, valid for an hour.
pub fn token_for(user: &str, roles: &[&str]) -> String {
    let now = seconds_from_now(0);
    token_of(&json!({"userId": user, "roles": roles, "iat": now, "exp": now + 3_600}))
}

/// The address that [`token_with_mail`] names.
pub fn mail_of(user: &str) -> String {
    format!("{user}@example.com")
}

/// A host's token that says where their mail goes.
pub fn token_with_mail(user: &str) -> String {
    let (email, exp) = (mail_of(user), seconds_from_now(3_600));
    token_of(&json!({"userId": user, "role": "PROFESSIONAL", "email": email, "exp": exp}))
}

/// A token that says just this, signed as the server wants it.
pub fn token_of(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

/// A time as tokens write it.
pub fn seconds_from_now(seconds: i64) -> i64 {
    chrono::Utc::now().timestamp() + seconds
}

/// A booking that is in order, to be posted as it is or spoilt first.
pub fn booking(host: &str) -> Value {
    json!({
        "hostId": host, "listingId": "sea-view", "listingName": "Sea View",
        "checkIn": "2031-12-03", "checkOut": "2031-12-05", "guests": 2
    })
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.begin_stop();
        let ended = self.server.wait();
        // A test that has failed already says more than what follows from that.
        if !thread::panicking() {
            ended.expect("the server stops without an error");
            let unread = self.unread_mails();
            assert!(self.expects_unread_mail || unread.is_empty(), "mails that nobody expected: {unread:?}");
        }
    }
}
