//! A throw-away Redis that keeps nothing, and what has passed through it. Ended when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::child::Process;
use crate::clock::Deadline;
use crate::server::free_port;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that it may say of itself.
const ANSWER_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Redis {
    process: Process,
    address: SocketAddr,
    // Dropped last, when nothing uses the files any more.
    _directory: TempDir,
}

/// What has passed so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) commands: u64,
    pub(crate) bytes: u64,
}

impl Redis {
    pub(crate) fn start(within: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bellhop-redis-").tempdir_in(within)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new("redis-server");
        command.current_dir(directory.path()).args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.args(["--port", &address.port().to_string()]);
        let process = Process::start("Redis", command, &directory.path().join("log"), false)?;
        let mut redis = Self { process, address, _directory: directory };
        let deadline = Deadline::after(START_TIMEOUT);
        while redis.passed().is_err() {
            redis.process.check()?;
            deadline.check(|| "Redis to answer".to_owned())?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What has passed so far, this question included.
    pub(crate) fn passed(&self) -> Result<Passed> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(b"INFO stats\r\n")?;
        let mut answer = BufReader::new(stream);
        let mut head = String::new();
        answer.read_line(&mut head)?;
        let length: usize =
            head.trim().strip_prefix('$').and_then(|text| text.parse().ok()).context("no figures")?;
        let mut text = vec![0; length.min(ANSWER_MAX)];
        answer.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let figure = |name: &str| -> Result<u64> {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.and_then(|value| value.trim().parse().ok()).with_context(|| format!("no {name}"))
        };
        Ok(Passed {
            commands: figure("total_commands_processed")?,
            bytes: figure("total_net_input_bytes")? + figure("total_net_output_bytes")?,
        })
    }
}
