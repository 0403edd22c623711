//! A throw-away PostgreSQL cluster: made with `initdb` in a directory of its own, durable as by
//! default, stopped and removed when dropped. PostgreSQL refuses to run as root, so for root the
//! files and the process belong to `postgres`, or to `nobody` where there is no such user.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::{Context, Result, ensure};
use diesel::{Connection, PgConnection};
use tempfile::TempDir;

use crate::child::Process;
use crate::clock::Deadline;
use crate::server::free_port;

const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Cluster {
    process: Process,
    port: u16,
    binaries: PathBuf,
    owner: Option<(u32, u32)>,
    // Dropped last, when nothing uses the files any more.
    directory: TempDir,
}

impl Cluster {
    pub(crate) fn start(within: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bellhop-postgres-").tempdir_in(within)?;
        let binaries = binaries()?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group))?;
        }
        let data = directory.path().join("data");
        let made = as_owner(&binaries.join("initdb"), owner, directory.path())
            .args(["--username=bellhop", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .context("running initdb")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

        let port = free_port()?;
        let mut command = as_owner(&binaries.join("postgres"), owner, directory.path());
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).arg("-k").arg(directory.path());
        command.arg("-D").arg(&data);
        let log = directory.path().join("log");
        let process = Process::start("PostgreSQL", command, &log, false)?;
        let mut cluster = Self { process, port, binaries, owner, directory };
        let deadline = Deadline::after(START_TIMEOUT);
        while PgConnection::establish(&cluster.url()).is_err() {
            cluster.process.check()?;
            deadline.check(|| "PostgreSQL to accept connections".to_owned())?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://bellhop@127.0.0.1:{}/postgres", self.port)
    }

    /// The postmaster, whose children do the work.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asks first, so that shared memory is given back; `process` is killed if that was in vain.
        let _ = as_owner(&self.binaries.join("pg_ctl"), self.owner, self.directory.path())
            .args(["stop", "-m", "immediate", "-t", "20", "-s", "-D"])
            .arg(self.directory.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn as_owner(program: &Path, owner: Option<(u32, u32)>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_remove("PGDATA").env("LC_ALL", "C");
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// Where `initdb` and `postgres` are: on the path, or where Debian keeps them, the newest first.
fn binaries() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    packaged.sort();
    env::split_paths(&path)
        .chain(packaged.into_iter().rev())
        .find(|directory| directory.join("initdb").exists() && directory.join("postgres").exists())
        .context("no initdb and postgres on the path or under /usr/lib/postgresql")
}

/// Whom the cluster belongs to, when that cannot be whoever runs this program.
fn owner() -> Result<Option<(u32, u32)>> {
    if runs_as_root()? {
        let accounts = fs::read_to_string("/etc/passwd")?;
        let ids = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        return ids("postgres").or_else(|| ids("nobody")).map(Some).context("no user to run PostgreSQL as");
    }
    Ok(None)
}

/// The owner of this process's own entry is its effective user.
fn runs_as_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}
