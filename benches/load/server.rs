//! The server under load: started with a configuration of its own, over a database of its own, and
//! waited for until it is ready.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
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
}

impl Server {
    /// Starts `program` in `directory`, where its mail and its log go.
    pub(crate) fn start(program: &Path, database: &str, directory: &Path) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = if program == Path::new(STAND_IN) {
            let mut command = Command::new(env::current_exe()?);
            command.arg(STAND_IN);
            command
        } else {
            Command::new(std::path::absolute(program)?)
        };
        // Nothing of the caller's environment: a run must not write to somebody's mail server.
        command
            .env_clear()
            .current_dir(directory)
            .env("BELLHOP_MODE", "production")
            .env("BELLHOP__SERVER__HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("DATABASE_URL", database)
            .env("JWT_SECRET", token::SECRET)
            .env("API_RATE_LIMIT_PER_MINUTE", "0")
            .env("LOG_LEVEL", "warn");
        let process = Process::start("the server", command, &directory.join("server.log"), false)?;
        let mut server = Self { process, address };
        let deadline = Deadline::after(START_TIMEOUT);
        while !server.is_ready() {
            server.process.check()?;
            deadline
                .check(|| format!("the server to be ready; it said:\n{}", server.process.last_words()))?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let request = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
        TcpStream::connect(self.address).is_ok_and(|mut stream| {
            http::exchange(&mut stream, request).is_ok_and(|(status, _)| status == 200)
        })
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

/// A port that nothing listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
