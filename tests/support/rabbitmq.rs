//! Throw-away RabbitMQ: a node of its own with its own port mapper, in a temporary folder, on free ports.
//! One serves the whole test binary, each test with queues of its own names ([`shared`], [`Broker::name`]);
//! a test that needs an outage starts another ([`Broker::start_new`]) and ends that.
//!
//! A broker must not outlive the tests, however they end: a watchdog as that of `postgres.rs` sees to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::port::free_port;

/// How often other ports are tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;
/// Erlang loads a few hundred modules before it listens: seconds of processor time, which are minutes where two cores
/// are busy with servers under load.
const START_LIMIT: Duration = Duration::from_mins(3);
/// How often a server that starts or stops is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a node that accepts may take to answer the protocol's header.
const GREETING_LIMIT: Duration = Duration::from_secs(2);

/// Reads to the end of its input, then kills what runs in this folder and removes it. The processes are those
/// that have written their ids there; one whose id somebody else has by now does not have the folder in its
/// environment.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
cat >/dev/null
for file in "$1"/*.pid; do
    id=$(cat "$file" 2>/dev/null) || continue
    grep -qsF "$1" "/proc/$id/environ" && kill -KILL "$id"
done
rm -rf -- "$1"
"#;

/// Leaves its process id in a file, then becomes the rest of its arguments.
const LEAVE_ID: &str = r#"echo $$ >"$1"; shift; exec "$@""#;

/// One scheduler that does not spin while it waits: tests beside it need the processor. Nothing of it listens
/// but on the loopback interface.
const ERLANG_ARGUMENTS: &str = "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}";

/// The broker that all tests share. It ends with the test process.
pub fn shared() -> &'static Broker {
    static SHARED: LazyLock<Broker> = LazyLock::new(Broker::start_new);
    &SHARED
}

/// A RabbitMQ node with its data.
#[derive(Debug)]
pub struct Broker {
    program: PathBuf,
    folder: PathBuf,
    ports: Ports,
    /// None while it is stopped.
    server: Mutex<Option<Child>>,
    /// Tells nodes where they are; a port of its own, so that no other node of this machine is met.
    mapper: Option<Child>,
    names: AtomicUsize,
    watchdog: Child,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    distribution: u16,
    mapper: u16,
}

impl Ports {
    fn free() -> Self {
        Self { amqp: free_port(), distribution: free_port(), mapper: free_port() }
    }
}

impl Broker {
    /// Makes a broker and starts it.
    pub fn start_new() -> Self {
        let folder = tempfile::Builder::new().prefix("bellhop-rabbitmq-").tempdir().unwrap().keep();
        // First of all, so that whatever fails from here on is cleaned up.
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
        let mut broker = Self {
            program: find_program(),
            folder,
            ports: Ports::free(),
            server: Mutex::new(None),
            mapper: None,
            names: AtomicUsize::new(0),
            watchdog,
        };
        for _ in 0..PORT_ATTEMPTS {
            broker.start_mapper();
            if broker.try_start() {
                return broker;
            }
            broker.end_mapper();
            broker.ports = Ports::free();
        }
        panic!("RabbitMQ does not start:\n{}", broker.log());
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// A name that no other test has for its queue or exchange.
    pub fn name(&self, of: &str) -> String {
        format!("{of}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Stops it in good order: clients are told, what is durable is written.
    pub fn stop(&self) {
        self.end(Signal::SIGTERM);
    }

    /// Ends it like a power cut.
    pub fn kill(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Holds it without ending it: connections stay open and nothing answers any more.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Starts it again, with its data, on the same port.
    pub fn start(&self) {
        assert!(self.server().is_none(), "the broker is not stopped");
        assert!(self.try_start(), "RabbitMQ does not start again:\n{}", self.log());
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.server().is_some()
    }

    /// Where everything lies, for tests of this harness.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn end(&self, signal: Signal) {
        let Some(mut server) = self.server().take() else { return };
        kill(pid(&server), signal).unwrap();
        poll("RabbitMQ ends", || server.try_wait().unwrap());
    }

    fn signal(&self, signal: Signal) {
        let server = self.server();
        kill(pid(server.as_ref().expect("the broker runs")), signal).unwrap();
    }

    fn start_mapper(&mut self) {
        self.mapper = Some(self.spawn("mapper", Path::new("epmd"), &["-address", "127.0.0.1"]));
    }

    fn end_mapper(&mut self) {
        if let Some(mut mapper) = self.mapper.take() {
            let _ = mapper.kill();
            let _ = mapper.wait();
        }
    }

    /// Starts the server and waits until it takes connections. False when it ended instead, as it does when
    /// a port is taken.
    fn try_start(&self) -> bool {
        fs::write(self.folder.join("enabled_plugins"), "[].").unwrap();
        fs::write(self.folder.join("rabbitmq.conf"), self.configuration()).unwrap();
        let mut server = self.spawn("server", &self.program, &[]);
        let started = poll("RabbitMQ starts", || {
            if server.try_wait().unwrap().is_some() {
                return Some(false);
            }
            self.greets().then_some(true)
        });
        if started {
            *self.server() = Some(server);
        }
        started
    }

    fn configuration(&self) -> String {
        // A full disk of the machine is not what is tested, and would block every publisher.
        format!("listeners.tcp.1 = 127.0.0.1:{}\ndisk_free_limit.absolute = 1MB\n", self.ports.amqp)
    }

    /// A program in the folder's environment that nothing of the machine's own nodes reaches.
    fn spawn(&self, name: &str, program: &Path, arguments: &[&str]) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let variable = |name: &'static str, path: &str| (name, self.folder.join(path));
        Command::new("sh")
            .args(["-c", LEAVE_ID, name])
            .arg(self.folder.join(format!("{name}.pid")))
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            // Where Erlang keeps its cookie.
            .env("HOME", &self.folder)
            // Has the script become the server instead of waiting for it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("ERL_EPMD_PORT", self.ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("bellhop-{}@localhost", self.ports.amqp))
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS)
            .envs([
                variable("RABBITMQ_MNESIA_BASE", "data"),
                variable("RABBITMQ_LOG_BASE", "logs"),
                variable("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
                variable("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ])
            .process_group(0)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Whether the server answers the protocol's header with its first frame, which is one of type 1.
    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.amqp)) else { return false };
        stream.set_read_timeout(Some(GREETING_LIMIT)).unwrap();
        let mut first = [0];
        stream.write_all(b"AMQP\0\0\x09\x01").is_ok() && stream.read_exact(&mut first).is_ok() && first == [1]
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Ends the watchdog's input; it does the rest. Waiting reaps all children.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        if let Some(mut server) = self.server().take() {
            let _ = server.wait();
        }
        self.end_mapper();
    }
}

/// Waits longer than other tests do for what Erlang is slow at.
fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {START_LIMIT:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// The script that starts a server as whoever calls it; Debian's of the same name in the PATH wants to be root
/// and serves as another user.
fn find_program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    [PathBuf::from("/usr/lib/rabbitmq/bin")]
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("rabbitmq-server"))
        .find(|program| program.exists())
        .expect("RabbitMQ's server: scripts/test installs it")
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"))
}
