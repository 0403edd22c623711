//! A front end as its users have it: a script of `tests/clients` with the official socket.io-client, run by
//! Node. It reports what it sees as lines, and obeys. Everything that is waited for has a deadline.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::deadline::{SOON, soon};

/// Which of the official clients runs a script, and over which transports.
#[derive(Debug, Clone)]
pub struct Client {
    version: u8,
    /// Null for those that the script writes, or that are the client's own.
    transports: Value,
}

impl Client {
    /// The client of this major version, with the transports that the script writes.
    pub fn new(version: u8) -> Self {
        Self { version, transports: Value::Null }
    }

    /// The same over these transports, tried in this order.
    pub fn over(self, transports: &[&str]) -> Self {
        Self { transports: json!(transports), ..self }
    }

    /// The same over the script's transports in the opposite order.
    pub fn reversed(self) -> Self {
        Self { transports: json!("reversed"), ..self }
    }

    /// Whether it understands connection state recovery, which came with version 4.6.
    pub fn recovers(&self) -> bool {
        self.version >= 4
    }

    /// Whether it begins by polling and goes on over WebSocket, with a script that leaves it to the client.
    pub fn upgrades(&self) -> bool {
        self.transports.is_null()
    }

    /// Starts a script with these settings, which it reads by their names.
    pub fn run(&self, script: &str, settings: &Value) -> NodeClient {
        let mut settings = settings.clone();
        settings["version"] = json!(self.version);
        settings["transports"] = self.transports.clone();
        NodeClient::start(script, &settings)
    }
}

/// What a script said: the name of what it saw, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub saw: String,
    pub data: Value,
}

/// A running script, which is killed when this is dropped.
#[derive(Debug)]
pub struct NodeClient {
    /// First to be killed, then the rest is dropped.
    child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    errors: JoinHandle<String>,
    /// Lines that came while another was waited for, in order.
    seen: VecDeque<Line>,
}

impl NodeClient {
    fn start(script: &str, settings: &Value) -> Self {
        let folder = folder();
        assert!(
            folder.join("node_modules/socket.io-client-v4").exists(),
            "the clients are not installed: run scripts/test, or `npm ci --ignore-scripts` in tests/clients"
        );
        let mut child = Command::new("node")
            .arg(folder.join(script))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node is installed");
        let mut stderr = child.stderr.take().unwrap();
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.expect("errors are text");
            text
        });
        Self {
            commands: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            errors,
            seen: VecDeque::new(),
        }
    }

    /// Waits for a line of this name; answers its data. Others that come before it are kept for later.
    pub async fn await_line(&mut self, saw: &str) -> Value {
        self.await_where(format!("the line {saw:?}"), |line| line.saw == saw).await.data
    }

    /// Waits for an event of this name from the server; answers its data.
    pub async fn await_event(&mut self, name: &str) -> Value {
        let is_it = |line: &Line| line.saw == "event" && line.data["name"] == name;
        self.await_where(format!("the event {name:?}"), is_it).await.data["args"][0].take()
    }

    async fn await_where(&mut self, what: String, is_it: impl Fn(&Line) -> bool) -> Line {
        if let Some(at) = self.seen.iter().position(&is_it) {
            return self.seen.remove(at).expect("it was just found");
        }
        let search = async {
            while let Some(line) = receive(&mut self.lines).await {
                if is_it(&line) {
                    return Some(line);
                }
                self.seen.push_back(line);
            }
            None
        };
        let ended = timeout(SOON, search).await;
        if let Ok(Some(line)) = ended {
            return line;
        }
        let how = if ended.is_ok() { "when the script ended" } else { "in time" };
        panic!("{what} did not come {how}; the script said {}", told(&self.seen));
    }

    /// Gives a command, `{"do": …}`.
    pub async fn tell(&mut self, command: &Value) {
        let line = format!("{command}\n");
        soon("room for a command", self.commands.write_all(line.as_bytes())).await.expect("the script runs");
    }

    /// Has it do what needs no arguments.
    pub async fn tell_to(&mut self, verb: &str) {
        self.tell(&json!({"do": verb})).await;
    }

    /// Has its socket send an event.
    pub async fn emit(&mut self, event: &str, data: Value) {
        self.tell(&json!({"do": "emit", "event": event, "args": [data]})).await;
    }

    /// The same with a callback; answers what that was called with.
    pub async fn ask(&mut self, event: &str, data: Value) -> Value {
        self.tell(&json!({"do": "emit", "event": event, "args": [data], "ack": true})).await;
        let mut answer = self.await_line("ack").await;
        assert_eq!(answer.as_array().map(Vec::len), Some(1), "{answer}");
        answer[0].take()
    }

    /// Everything that it had said before the server answered a question of now.
    pub async fn lines_so_far(&mut self) -> Vec<Line> {
        self.ask("ping", json!({"mark": true})).await;
        self.take_seen()
    }

    /// The lines that came while another was waited for.
    pub fn take_seen(&mut self) -> Vec<Line> {
        self.seen.drain(..).collect()
    }

    /// Waits until the server has ended its socket, and until the script, which must not open it again, has
    /// ended by itself. Answers what it said before and after the end of the socket.
    pub async fn await_expulsion(mut self) -> (Vec<Line>, Vec<Line>) {
        assert_eq!(self.await_line("disconnect").await, "io server disconnect");
        let before = self.take_seen();
        (before, self.finish().await)
    }

    /// Gives the command with which its user leaves; asserts that it does, and ends by itself.
    pub async fn leave(mut self, verb: &str) {
        self.take_seen();
        self.tell_to(verb).await;
        assert_eq!(self.await_line("disconnect").await, "io client disconnect");
        self.finish().await;
    }

    /// Waits until the script has ended by itself, which it does once nothing is open and nothing is planned,
    /// coming back included. Asserts that it complained of nothing; answers what it said unasked.
    pub async fn finish(self) -> Vec<Line> {
        let Self { mut child, commands, mut lines, errors, mut seen } = self;
        drop(commands);
        let rest = async {
            while let Some(line) = receive(&mut lines).await {
                seen.push_back(line);
            }
            (child.wait().await.unwrap(), errors.await.unwrap())
        };
        let Ok((status, errors)) = timeout(SOON, rest).await else {
            panic!("the script goes on; it said {}", told(&seen));
        };
        assert!(status.success() && errors.is_empty(), "{status}: {errors}");
        seen.into()
    }
}

/// The next line; None at the end.
async fn receive(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Line> {
    let text = lines.next_line().await.expect("the script writes text")?;
    let mut line: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let saw = line["saw"].as_str().unwrap_or_else(|| panic!("what was seen? {text}")).to_owned();
    assert_ne!(saw, "unhandled", "{}", line["data"].as_str().unwrap_or_default());
    Some(Line { saw, data: line["data"].take() })
}

/// Lines as a failing test shows them: one below the other, each as far as it is of interest.
fn told(lines: &VecDeque<Line>) -> String {
    const WIDTH: usize = 160;
    let shown = lines.iter().map(|line| format!("\n  {} {}", line.saw, line.data));
    shown.map(|text| text.chars().take(WIDTH).collect::<String>()).collect()
}

/// The events of this name among lines, each with its data.
pub fn events<'a>(lines: &'a [Line], name: &str) -> Vec<&'a Value> {
    let named = lines.iter().filter(|line| line.saw == "event" && line.data["name"] == name);
    named.map(|line| &line.data["args"][0]).collect()
}

/// How often something was seen.
pub fn count(lines: &[Line], saw: &str) -> usize {
    lines.iter().filter(|line| line.saw == saw).count()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Makes eight tests of each body: both clients, each with the transports that the script writes, with
/// those in the opposite order, and with each alone.
macro_rules! with_every_client {
    ($($(#[$attribute:meta])* async fn $name:ident($client:pat_param) $body:block)*) => {
        $(
            async fn $name($client: $crate::support::node::Client) $body

            mod $name {
                mod v4 {
                    $crate::support::node::with_every_transport! { 4, super::super::$name, $(#[$attribute])* }
                }
                mod v3 {
                    $crate::support::node::with_every_transport! { 3, super::super::$name, $(#[$attribute])* }
                }
            }
        )*
    };
}

/// Four tests of one body with one client.
macro_rules! with_every_transport {
    ($version:literal, $body:path, $(#[$attribute:meta])*) => {
        use $crate::support::node::Client;

        $(#[$attribute])*
        #[tokio::test]
        async fn as_written() {
            $body(Client::new($version)).await;
        }

        $(#[$attribute])*
        #[tokio::test]
        async fn reversed() {
            $body(Client::new($version).reversed()).await;
        }

        $(#[$attribute])*
        #[tokio::test]
        async fn websocket() {
            $body(Client::new($version).over(&["websocket"])).await;
        }

        $(#[$attribute])*
        #[tokio::test]
        async fn polling() {
            $body(Client::new($version).over(&["polling"])).await;
        }
    };
}

/// Makes two tests of each body: both clients, with the transports that the script writes.
macro_rules! with_both_clients {
    ($($(#[$attribute:meta])* async fn $name:ident($client:pat_param) $body:block)*) => {
        $(
            async fn $name($client: $crate::support::node::Client) $body

            mod $name {
                use $crate::support::node::Client;

                $(#[$attribute])*
                #[tokio::test]
                async fn v4() {
                    super::$name(Client::new(4)).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn v3() {
                    super::$name(Client::new(3)).await;
                }
            }
        )*
    };
}

pub(crate) use with_both_clients;
pub(crate) use with_every_client;
pub(crate) use with_every_transport;
