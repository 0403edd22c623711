//! The real binary as a child process, for what only a process shows: that it starts from the command
//! line, that it stops on SIGTERM, and what is left after it was killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::deadline::{wait_until, wait_until_async};
use super::port::free_port;

/// How often another port is tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;

/// What a bellhop process runs with; starts as many as are asked for, one after the other.
#[derive(Debug, Clone)]
pub struct ProcessBuilder {
    /// A program that is to run it, with its arguments; empty for none.
    runner: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl ProcessBuilder {
    /// `bellhop` with these arguments and no environment but `PATH`.
    pub fn new(arguments: &[&str]) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            runner: Vec::new(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![("PATH".to_owned(), path)],
        }
    }

    /// Sets a variable of its environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has it run by another program, which must become it in the end (`exec`).
    pub fn run_by(mut self, runner: &[&str]) -> Self {
        self.runner = runner.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it in an empty folder of its own, without waiting for anything.
    pub fn spawn(self) -> Process {
        let folder = tempfile::Builder::new().prefix("bellhop-process-").tempdir().unwrap();
        let mut process =
            Process { builder: self, folder, port: None, running: None, output: Output::default() };
        process.spawn();
        process
    }

    /// Starts the server on a free port and waits until it says that it is ready.
    pub async fn serve(mut self) -> Process {
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            let mut process = self.with("PORT", &port.to_string()).spawn();
            process.port = Some(port);
            if process.is_ready_or_ended().await {
                return process;
            }
            let taken = process.output().contains("in use");
            assert!(taken, "bellhop ended instead of becoming ready:\n{}", process.output());
            self = process.builder.clone();
        }
        panic!("no port is free for long enough");
    }
}

/// A bellhop process, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    builder: ProcessBuilder,
    /// Its working folder: `data/` lies here.
    folder: TempDir,
    port: Option<u16>,
    running: Option<Child>,
    output: Output,
}

impl Process {
    /// The URL of a path on the server.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port.expect("the process serves"))
    }

    /// The address it listens on; the first, where there are several.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.expect("the process serves")).into()
    }

    /// The processor time it has used in all.
    pub fn cpu_time(&self) -> Duration {
        /// Linux counts in hundredths of a second, whatever the machine.
        const TICK: Duration = Duration::from_millis(10);
        let stat = self.proc_file("stat");
        // The name in brackets may hold spaces; the times of user and system are the 12th and 13th after it.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| TICK * ticks.parse::<u32>().unwrap()).sum()
    }

    /// The memory it holds now, in bytes.
    pub fn resident_bytes(&self) -> usize {
        let status = self.proc_file("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// What it has open, by name, and how often: connections are `socket`, the database's file its path.
    pub fn open_files(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap() {
            // One that was closed meanwhile has no name any more.
            let Ok(name) = fs::read_link(entry.unwrap().path()) else { continue };
            let name = name.to_string_lossy();
            *names.entry(name.split(":[").next().unwrap_or(&name).to_owned()).or_default() += 1;
        }
        names
    }

    /// How many connections to its port are open at its end.
    pub fn connections(&self) -> usize {
        /// As `/proc/net/tcp` writes it.
        const ESTABLISHED: &str = "01";
        let port = format!(":{:04X}", self.port.expect("the process serves"));
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let is_ours = |line: &&str| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            local.ends_with(&port) && state == ESTABLISHED
        };
        table.lines().filter(is_ours).count()
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.id())).unwrap()
    }

    /// What the operating system calls it, in this life.
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("the process runs").id()
    }

    /// Its working folder, which outlives restarts.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What it has written so far, to standard output and standard error, of all its lives.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until it has written `text`.
    pub fn wait_for_output(&self, text: &str) {
        wait_until(format_args!("{text:?} in the output"), || self.output().contains(text).then_some(()));
    }

    /// Ends it like a power cut: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.running.as_ref().expect("the process runs");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.running.take().expect("the process runs");
        wait_until("bellhop ends", || child.try_wait().unwrap())
    }

    /// Starts it again with the same settings, in the same folder, on the same port, until it is ready.
    pub async fn restart(&mut self) {
        self.launch();
        assert!(self.is_ready_or_ended().await, "bellhop does not start again:\n{}", self.output());
    }

    /// The same without waiting until it is ready.
    pub fn launch(&mut self) {
        self.kill();
        self.spawn();
    }

    fn spawn(&mut self) {
        let words = self.builder.runner.iter().map(String::as_str);
        let mut words = words.chain([env!("CARGO_BIN_EXE_bellhop")]);
        let mut child = Command::new(words.next().expect("there is one at least"))
            .args(words)
            .args(&self.builder.arguments)
            .env_clear()
            .envs(self.builder.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.output.follow(child.stdout.take().unwrap());
        self.output.follow(child.stderr.take().unwrap());
        self.running = Some(child);
    }

    /// True once it answers `/ready` with 200, false when it has ended.
    async fn is_ready_or_ended(&mut self) -> bool {
        let client = reqwest::Client::new();
        let url = self.url("/ready");
        let child = self.running.as_mut().expect("the process runs");
        wait_until_async("bellhop is ready", async || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(true)
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("what bellhop wrote:\n{}", self.output());
        }
    }
}

/// Lines gathered by threads that read a child's pipes, so that it never blocks on a full one.
#[derive(Debug, Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Output {
    fn follow(&self, pipe: impl Read + Send + 'static) {
        let text = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
            }
        });
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
