//! Several bellhop processes over one database, one Redis and one folder of mails, as behind a balancer. What a
//! test does with them names an instance by its number; what it expects is the same of each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::{fs, iter};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::answer::Answer;
use super::app::{JWT_SECRET, booking, mail_of, token_for};
use super::deadline::{SOON, wait_until_async, wait_within};
use super::door::{Call, Door};
use super::postgres::{self, TestDatabase};
use super::process::{Process, ProcessBuilder};
use super::redis;
use super::smtp_sink::ReceivedMail;
use super::socket::TestSocket;

/// As many as most tests take: one that is told, one that hears, one that has nothing to do with it.
pub const THREE: usize = 3;

/// A fleet to be.
#[derive(Debug)]
pub struct FleetBuilder {
    environment: Vec<(String, String)>,
    /// What each instance is called; those beyond have no name.
    names: Vec<String>,
    /// What one of them has otherwise than the rest.
    exceptions: Vec<(usize, String, String)>,
    folder: TempDir,
    database: TestDatabase<'static>,
}

impl FleetBuilder {
    /// Over the Redis that all tests share, and a new database.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-fleet-").tempdir().unwrap();
        let outbox = folder.path().join("outbox").to_string_lossy().into_owned();
        let database = postgres::shared().create_database();
        let url = database.url().to_owned();
        Self { environment: Vec::new(), names: Vec::new(), exceptions: Vec::new(), folder, database }
            .with("DATABASE_URL", &url)
            .with("JWT_SECRET", JWT_SECRET)
            .with("BELLHOP__BUS__PREFIX", &redis::prefix())
            .with("BELLHOP__MAIL__OUTBOX", &outbox)
            .with("BELLHOP__SERVER__WORKERS", "2")
            .with("BELLHOP__DATABASE__READ_CONNECTIONS", "2")
            .with("API_RATE_LIMIT_PER_MINUTE", "1000000")
            .with("RATE_LIMIT_MAX_REQUESTS", "100000")
            .with("BELLHOP__DELIVERY__SETTLE_MS", "0")
            .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", "10")
            .with("BELLHOP__SERVER__DRAIN_TIMEOUT_MS", "1000")
            // Whom another instance can tell at once is told at once: nothing here is to be a deadline's work.
            .with("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "60000")
    }

    /// Sets an environment variable of every instance, over one that is set already.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several.
    pub fn with_all(self, environment: &[(&str, &str)]) -> Self {
        environment.iter().fold(self, |builder, (name, value)| builder.with(name, value))
    }

    /// Calls the instances so.
    pub fn called(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Sets an environment variable of one instance alone.
    pub fn with_at(mut self, instance: usize, name: &str, value: &str) -> Self {
        self.exceptions.push((instance, name.to_owned(), value.to_owned()));
        self
    }

    /// Has it use another Redis than the shared one.
    pub fn over(self, redis_url: &str) -> Self {
        self.with("REDIS_URL", redis_url)
    }

    /// Starts so many instances at once; all are ready when this returns.
    pub async fn start(self, instances: usize) -> Fleet {
        let redis_is_chosen = self.environment.iter().any(|(name, _)| name == "REDIS_URL");
        let builder = if redis_is_chosen { self } else { self.over(&redis::shared().url()) };
        let instance = builder
            .environment
            .iter()
            .fold(ProcessBuilder::new(&[]), |process, (name, value)| process.with(name, value));
        let names = builder.names.iter().map(String::as_str).chain(iter::repeat("")).take(instances);
        let starts = names.enumerate().map(|(number, name)| {
            let exceptions = builder.exceptions.iter().filter(|(one, ..)| *one == number);
            let instance = instance.clone().with("BELLHOP__SERVER__INSTANCE", name);
            exceptions.fold(instance, |process, (_, name, value)| process.with(name, value)).serve()
        });
        let instances = join_all(starts).await;
        Fleet {
            instances,
            client: reqwest::Client::new(),
            folder: builder.folder,
            database: builder.database,
        }
    }
}

/// Running instances and what a test does with them.
#[derive(Debug)]
pub struct Fleet {
    pub instances: Vec<Process>,
    client: reqwest::Client,
    folder: TempDir,
    // The last to be dropped: the instances must be gone before their database is.
    database: TestDatabase<'static>,
}

impl Fleet {
    /// Three, over the shared Redis.
    pub async fn start() -> Self {
        FleetBuilder::new().start(THREE).await
    }

    pub fn address(&self, instance: usize) -> SocketAddr {
        self.instances[instance].address()
    }

    /// The numbers of all instances.
    pub fn numbers(&self) -> std::ops::Range<usize> {
        0..self.instances.len()
    }

    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Ends an instance like a power cut.
    pub fn kill(&mut self, instance: usize) {
        self.instances[instance].kill();
    }

    /// Has an instance stop as an operator does.
    pub fn terminate(&mut self, instance: usize) -> ExitStatus {
        self.instances[instance].terminate()
    }

    /// Starts an instance again, on its port, until it is ready.
    pub async fn restart(&mut self, instance: usize) {
        self.instances[instance].restart().await;
    }

    /// GET of a path as whoever the token names; an empty token is none.
    pub async fn get(&self, instance: usize, path: &str, token: &str) -> Answer {
        self.send(self.client.get(self.instances[instance].url(path)), token).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, instance: usize, path: &str, token: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.instances[instance].url(path)).json(body), token).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, token: &str) -> Answer {
        Answer::of(if token.is_empty() { request } else { request.bearer_auth(token) }).await
    }

    /// `guest` books with `host` on this instance, which must succeed; answers the body.
    pub async fn book(&self, instance: usize, guest: &str, host: &str) -> Value {
        let token = token_for(guest, &["CUSTOMER"]);
        self.post(instance, "/bookings", &token, &booking(host)).await.expect(201)
    }

    /// A back end says something through this instance, which must be taken.
    pub async fn publish(&self, instance: usize, notification: &Value) -> Value {
        let token = token_for("backend", &["SERVICE"]);
        let answer = self.post(instance, "/notifications", &token, notification).await;
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
        answer.json()
    }

    /// An administrator orders something of this instance, which must be done.
    pub async fn order(&self, instance: usize, path: &str, body: &Value) -> Value {
        self.post(instance, path, &administrator(), body).await.expect(200)
    }

    /// Tells where a host's mails go.
    pub async fn give_address(&self, host: &str) {
        let body = json!({"email": mail_of(host)});
        let request = self.client.put(self.instances[0].url("/notifications/preferences")).json(&body);
        self.send(request, &token_for(host, &["PROFESSIONAL"])).await.expect(200);
    }

    /// Opens a device of `user` on this instance and waits until it is connected.
    pub async fn connect(&self, instance: usize, user: &str) -> TestSocket {
        self.connect_through(instance, Door::Raw, &token_for(user, &["PROFESSIONAL"])).await
    }

    /// The same over any door, with a token of the test's own.
    pub async fn connect_through(&self, instance: usize, door: Door, token: &str) -> TestSocket {
        self.call(&Call::new(door, self.address(instance), token)).await
    }

    /// The same with all that a call may say.
    pub async fn call(&self, call: &Call) -> TestSocket {
        let mut device = TestSocket::call(call).await;
        device.await_connected().await;
        device
    }

    /// Who is online, as this instance tells an administrator.
    pub async fn presence(&self, instance: usize) -> Value {
        self.get(instance, "/admin/presence", &administrator()).await.expect(200)
    }

    /// Waits until every instance that is named says that so many users are online, over so many connections.
    pub async fn await_online(&self, instances: &[usize], users: usize, connections: usize) {
        for &instance in instances {
            let mut said = Value::Null;
            let look = async || {
                said = self.presence(instance).await;
                (said["totalOnline"] == users && said["connections"] == connections).then_some(())
            };
            // It is given up before it gives up, because it could not say what it saw.
            let seen = timeout(SOON, wait_within(SOON * 2, "who is online", look)).await;
            assert!(
                seen.is_ok(),
                "{users} users over {connections} connections, instance {instance} says {said}"
            );
        }
    }

    /// What this instance says of itself.
    pub async fn ready(&self, instance: usize) -> Value {
        self.get(instance, "/ready", "").await.expect(200)
    }

    /// Waits until every instance says that it is this: `ready` or `degraded`.
    pub async fn await_status(&self, status: &str) {
        for instance in self.numbers() {
            wait_until_async(format_args!("instance {instance} to be {status}"), async || {
                (self.ready(instance).await["status"] == status).then_some(())
            })
            .await;
        }
    }

    /// The mails that were sent so far to this user's address.
    pub fn mails(&self, user: &str) -> Vec<ReceivedMail> {
        let address = mail_of(user);
        let all = self.mail_files().into_iter().filter_map(|path| fs::read(path).ok());
        let all = all.map(ReceivedMail::from_raw);
        all.filter(|mail| mail.header("To").is_some_and(|to| to.contains(&address))).collect()
    }

    /// Waits until this user was sent as many mails.
    pub async fn await_mails(&self, user: &str, count: usize) -> Vec<ReceivedMail> {
        wait_until_async(format_args!("{count} mails to {user}"), async || {
            Some(self.mails(user)).filter(|mails| mails.len() >= count)
        })
        .await
    }

    /// The files of all mails.
    pub fn mail_files(&self) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("outbox")).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect()
    }

    /// What all instances wrote, in all their lives.
    pub fn output(&self) -> String {
        self.instances.iter().map(Process::output).collect()
    }
}

/// An administrator's token.
pub fn administrator() -> String {
    token_for("root", &["ADMIN"])
}
