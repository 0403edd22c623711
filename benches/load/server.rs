//! The server under load: started with a configuration of its own, over a database of its own, and
//! waited for until it is ready.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::child::Process;
use crate::clock::Deadline;
use crate::{http, token};

const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Enough for ten thousand connections at both ends and then some.
const OPEN_FILES: u64 = 60_000;

/// In place of a server's path: the stand-in that is part of this program.
pub(crate) const STAND_IN: &str = "stand-in";

#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
    launch: Launch,
}

/// A setting by its name in the environment.
pub(crate) type Setting<'a> = (&'a str, &'a str);

/// How the server is started, and started again.
#[derive(Debug)]
struct Launch {
    program: PathBuf,
    database: String,
    /// Where its mail and its log go.
    directory: PathBuf,
    settings: Vec<(String, String)>,
}

impl Server {
    /// Starts `program` in `directory`, where its mail and its log go, and waits until it is ready.
    pub(crate) fn start(
        program: &Path,
        database: &str,
        directory: &Path,
        settings: &[Setting<'_>],
    ) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let launch = Launch {
            program: program.to_owned(),
            database: database.to_owned(),
            directory: directory.to_owned(),
            settings: settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let mut server = Self { process: launch.start(address)?, address, launch };
        let deadline = Deadline::after(START_TIMEOUT);
        while !is_ready(address) {
            server.process.check()?;
            deadline
                .check(|| format!("the server to be ready; it said:\n{}", server.process.last_words()))?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(server)
    }

    /// Kills the server, which hears nothing of it (SIGKILL), and starts it again where it was. It is
    /// not waited for.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.process.end();
        self.process = self.launch.start(self.address)?;
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Adds what the server last wrote to an error, which often says why.
    pub(crate) fn explain<T>(&mut self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let words =
                self.process.check().map_or_else(|ended| ended.to_string(), |()| self.process.last_words());
            if words.is_empty() { error } else { error.context(format!("the server said:\n{words}")) }
        })
    }
}

impl Launch {
    fn start(&self, address: SocketAddr) -> Result<Process> {
        let mut command = if self.program == Path::new(STAND_IN) {
            let mut command = Command::new(env::current_exe()?);
            command.arg(STAND_IN);
            command
        } else {
            Command::new(std::path::absolute(&self.program)?)
        };
        // Nothing of the caller's environment: a run must not write to somebody's mail server.
        command
            .env_clear()
            .current_dir(&self.directory)
            .env("BELLHOP_MODE", "production")
            .env("BELLHOP__SERVER__HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("DATABASE_URL", &self.database)
            .env("JWT_SECRET", token::SECRET)
            // A run is one address, and asks for more than anybody would.
            .env("API_RATE_LIMIT_PER_MINUTE", "0")
            .env("BELLHOP__LIMITS__CONNECTIONS", "1000000")
            .env("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "0")
            .env("BELLHOP__LIMITS__HANDSHAKES_PER_MINUTE", "0")
            .env("LOG_LEVEL", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        Process::start("the server", command, &self.directory.join("server.log"), false)
    }
}

pub(crate) fn is_ready(address: SocketAddr) -> bool {
    let request = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
    TcpStream::connect(address)
        .is_ok_and(|mut stream| http::exchange(&mut stream, request).is_ok_and(|(status, _)| status == 200))
}

/// A port that nothing listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// How many files this process may have open.
pub(crate) fn file_limit() -> Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Lets this process, and those it starts, have as many connections as a run needs.
pub(crate) fn raise_file_limit() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < OPEN_FILES {
        // Only root may go beyond the hard limit; anybody may go up to it.
        setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, hard.max(OPEN_FILES))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))?;
    }
    Ok(())
}
