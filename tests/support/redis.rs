//! Throw-away Redis: a server of its own in a temporary folder, on a free port, that keeps nothing. One serves
//! the whole test binary, each test with a prefix of its own ([`shared`], [`prefix`]); a test that needs an
//! outage, a failover or figures of its own starts another ([`RedisServer::start_new`]).
//!
//! A server must not outlive the tests, however they end. As with PostgreSQL a watchdog sees to it: a shell
//! whose standard input is a pipe that the test process holds.

mod cluster;
mod resp;
pub mod traffic;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::deadline::wait_until;
use super::port::free_port;

pub use cluster::RedisCluster;
pub use resp::Reply;

/// How often another port is tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;

/// Reads to the end of its input, then kills the server and removes the folder. A process of that number is the
/// server only if it works in that folder: nothing else can be hit.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
cat >/dev/null
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1" ]; then kill -KILL "$pid"; fi
rm -rf -- "$1"
"#;

/// Writes down who it is, then becomes the server: there is no moment at which the watchdog would miss it.
const LAUNCH: &str = r#"cd "$1" && echo $$ >pid && shift && exec "$@""#;

/// The server that all tests share, who keep apart by [`prefix`]. It ends with the test process.
pub fn shared() -> &'static RedisServer {
    static SHARED: LazyLock<RedisServer> = LazyLock::new(RedisServer::start_new);
    &SHARED
}

/// A prefix that no other test has, for `BELLHOP__BUS__PREFIX`.
pub fn prefix() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// What every client must give first.
    pub password: Option<String>,
    /// Whether it is to be a node of a cluster.
    pub cluster: bool,
}

/// A Redis server.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    port: u16,
    /// Where other nodes of its cluster reach it.
    cluster_port: u16,
    options: RedisOptions,
    /// None while it is stopped.
    server: Mutex<Option<Child>>,
    watchdog: Child,
}

impl RedisServer {
    /// Starts one.
    pub fn start_new() -> Self {
        Self::start_with(RedisOptions::default())
    }

    pub fn start_with(options: RedisOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-redis-").tempdir().unwrap().keep();
        // As the system names it, which the watchdog compares it with.
        let folder = folder.canonicalize().unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            // Not reached by what is typed at the terminal or sent to the tests' process group.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (port, cluster_port) = (free_port(), free_port());
        let mut redis = Self { folder, port, cluster_port, options, server: Mutex::new(None), watchdog };
        for _ in 0..PORT_ATTEMPTS {
            if redis.try_start() {
                return redis;
            }
            (redis.port, redis.cluster_port) = (free_port(), free_port());
        }
        panic!("Redis does not start:\n{}", redis.log());
    }

    /// Starts another that copies this one, and waits until it does. `command(&["REPLICAOF", "NO", "ONE"])`
    /// promotes it.
    pub fn start_replica(&self) -> Self {
        let replica = Self::start_with(self.options.clone());
        replica.replica_of(self);
        replica
    }

    /// Makes this a copy of another, and waits until it is.
    pub fn replica_of(&self, master: &Self) {
        if let Some(password) = &master.options.password {
            self.command(&["CONFIG", "SET", "masterauth", password]);
        }
        self.command(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        wait_until("the replica to have everything", || {
            self.command(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
        });
    }

    /// Makes a copy one that takes orders by itself.
    pub fn promote(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]);
    }

    /// What `REDIS_URL` wants, with the password.
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Has it stop as an operator does: connections are closed.
    pub fn stop(&self) {
        self.end(Signal::SIGTERM);
    }

    fn end(&self, signal: Signal) {
        if let Some(mut server) = self.server().take() {
            kill(pid(&server), signal).unwrap();
            wait_until("Redis ends", || server.try_wait().unwrap());
        }
    }

    /// Starts it again on the same port, with nothing in it.
    pub fn start(&self) {
        assert!(self.server().is_none(), "the server is not stopped");
        assert!(self.try_start(), "Redis does not start again:\n{}", self.log());
    }

    /// Has it hang: its connections stay open, the system takes more of them, and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(pid(self.server().as_ref().expect("the server runs")), signal).unwrap();
    }

    /// Runs a command, which must not fail; a list comes as lines.
    pub fn command(&self, words: &[&str]) -> String {
        match self.ask(words).unwrap() {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply.to_string(),
        }
    }

    /// Runs a command and answers whatever Redis says.
    pub fn ask(&self, words: &[&str]) -> std::io::Result<Reply> {
        resp::ask(self.port, self.options.password.as_deref(), words)
    }

    /// Starts the server and waits until it answers. False when it ended instead, as it does when its port is
    /// taken.
    fn try_start(&self) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCH, "launch"]).arg(&self.folder).args([
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            // A replica is not kept waiting for others to come.
            "--repl-diskless-sync-delay",
            "0",
        ]);
        command.args(["--port", &self.port.to_string()]);
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
        if self.options.cluster {
            command.args(cluster::NODE_ARGUMENTS).args(["--cluster-port", &self.cluster_port.to_string()]);
        }
        let mut server = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = wait_until("Redis starts", || {
            if server.try_wait().unwrap().is_some() {
                return Some(false);
            }
            // Another server may have the port: this one says whose it is.
            let info = self.ask(&["INFO", "server"]).ok()?.to_string();
            info.contains(&format!("process_id:{}\r\n", server.id())).then_some(true)
        });
        if started {
            *self.server() = Some(server);
        }
        started
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Where everything lies, for tests of this harness.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Ends the watchdog's input; it does the rest. Waiting reaps both children.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        if let Some(mut server) = self.server().take() {
            let _ = server.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"))
}
