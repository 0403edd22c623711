//! Throw-away PostgreSQL: a cluster of its own in a temporary folder, on a free port, with a socket
//! there too. One serves the whole test binary, each test in a database of its own ([`shared`]);
//! a test that needs an outage starts another ([`Cluster::start_new`]) and stops that.
//!
//! A cluster must not outlive the tests, however they end. A watchdog sees to it: a shell whose
//! standard input is a pipe that the test process holds. When the pipe ends, because the cluster is
//! dropped or the process is gone, even by SIGKILL, it stops the server and removes the folder.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use diesel::{Connection, PgConnection, RunQueryDsl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use super::deadline::wait_until;
use super::port::free_port;

/// The database user that owns everything.
const SUPERUSER: &str = "bellhop";
/// Every test has pools of its own, and they run beside each other.
const MAX_CONNECTIONS: u32 = 400;
/// How often another port is tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;

/// Reads to the end of its input, then stops the server and removes the folder. `pg_ctl` finds the
/// server by the process id in that folder, so nothing else can be hit.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
cat >/dev/null
"$1" -D "$2/data" -m immediate -w -t 30 stop >/dev/null 2>&1
rm -rf -- "$2"
"#;

/// Whether commits reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Fsync,
    /// Faster, for tests that write much and prove nothing about durability.
    NoFsync,
}

/// The cluster that all tests share. It ends with the test process.
pub fn shared() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::start_new(Durability::Fsync));
    &SHARED
}

/// A PostgreSQL server with its data.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    durability: Durability,
    /// Whom the server runs as, where the tests run as root, which it refuses.
    user: Option<User>,
    /// None while it is stopped.
    server: Mutex<Option<Child>>,
    databases: AtomicUsize,
    watchdog: Child,
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub fn start_new(durability: Durability) -> Self {
        let programs = find_programs();
        let user = geteuid().is_root().then(unprivileged_user);
        let folder = tempfile::Builder::new().prefix("bellhop-postgres-").tempdir().unwrap().keep();
        if let Some(user) = &user {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        // First of all, so that whatever fails from here on is cleaned up.
        let watchdog = as_user("sh", user.as_ref())
            .args(["-c", WATCHDOG, "watchdog"])
            .args([programs.join("pg_ctl"), folder.clone()])
            // Not reached by what is typed at the terminal or sent to the tests' process group.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Self {
            programs,
            folder,
            port: free_port(),
            durability,
            user,
            server: Mutex::new(None),
            databases: AtomicUsize::new(0),
            watchdog,
        };
        cluster.initialise();
        for _ in 0..PORT_ATTEMPTS {
            if cluster.try_start() {
                return cluster;
            }
            cluster.port = free_port();
        }
        panic!("PostgreSQL does not start:\n{}", cluster.log());
    }

    /// The URL of a database in this cluster.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same over the Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://{SUPERUSER}@{folder}:{}/{database}", self.port)
    }

    /// A new, empty database; dropped together with what is returned.
    pub fn create_database(&self) -> TestDatabase<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("bellhop_{number}");
        self.execute(&format!("CREATE DATABASE {name}")).unwrap();
        TestDatabase { cluster: self, url: self.url(&name), name }
    }

    /// Ends the server at once, as a crash would: connections break, nothing is tidied up.
    pub fn stop(&self) {
        if let Some(mut server) = self.server().take() {
            kill(pid(&server), Signal::SIGQUIT).unwrap();
            wait_until("PostgreSQL stops", || server.try_wait().unwrap());
        }
    }

    /// Starts it again, with its data, on the same port.
    pub fn start(&self) {
        assert!(self.server().is_none(), "the cluster is not stopped");
        assert!(self.try_start(), "PostgreSQL does not start again:\n{}", self.log());
    }

    fn initialise(&self) {
        let output = as_user(self.programs.join("initdb"), self.user.as_ref())
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", SUPERUSER, "-D"])
            .arg(self.data())
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server and waits until it takes connections. False when it ended instead, as it
    /// does when its port is taken.
    fn try_start(&self) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let fsync = if self.durability == Durability::Fsync { "on" } else { "off" };
        let mut server = as_user(self.programs.join("postgres"), self.user.as_ref())
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-c", &format!("fsync={fsync}"), "-c", &format!("max_connections={MAX_CONNECTIONS}")])
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = wait_until("PostgreSQL starts", || {
            if server.try_wait().unwrap().is_some() {
                return Some(false);
            }
            // Over the socket, which is surely this server's.
            PgConnection::establish(&self.socket_url("postgres")).is_ok().then_some(true)
        });
        if started {
            *self.server() = Some(server);
        }
        started
    }

    /// Runs one statement in the cluster's own database.
    fn execute(&self, sql: &str) -> diesel::QueryResult<usize> {
        let mut connection = PgConnection::establish(&self.socket_url("postgres")).unwrap();
        diesel::sql_query(sql).execute(&mut connection)
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where everything lies, for tests of this harness.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Ends the watchdog's input; it does the rest. Waiting reaps both children.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        if let Some(mut server) = self.server().take() {
            let _ = server.wait();
        }
    }
}

/// One test's database.
#[derive(Debug)]
pub struct TestDatabase<'a> {
    cluster: &'a Cluster,
    name: String,
    url: String,
}

impl TestDatabase<'_> {
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase<'_> {
    /// Gives the disk back, whoever is still connected. Where that fails, the cluster's end does it.
    fn drop(&mut self) {
        if self.cluster.server().is_some() {
            let _ = self.cluster.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// The folder of `initdb`, `pg_ctl` and `postgres`: the newest of Debian's, or that of the PATH.
fn find_programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .max();
    if let Some((_, folder)) = newest {
        return folder;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Resolved, because the programs look for their siblings beside themselves.
    std::env::split_paths(&path)
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .find_map(|initdb| Some(initdb.parent()?.to_owned()))
        .filter(|folder| folder.join("postgres").exists())
        .expect("PostgreSQL's server programs: scripts/test installs them")
}

/// Whom the server runs as when the tests run as root.
fn unprivileged_user() -> User {
    let find = |name| User::from_name(name).expect("the list of users can be read");
    find("postgres").or_else(|| find("nobody")).expect("a user named postgres or nobody")
}

fn as_user(program: impl AsRef<std::ffi::OsStr>, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        // This also gives up root's other groups.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"))
}
