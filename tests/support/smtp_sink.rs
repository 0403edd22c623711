//! A mail server for tests: it speaks enough SMTP (RFC 5321) for any client, with STARTTLS, implicit
//! TLS and AUTH, keeps what it accepts, and misbehaves on demand while it runs. Tests of the mailer
//! and of the whole server use it. It relays nothing.

mod conversation;
mod mail;
mod tls;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use mail::ReceivedMail;

/// How connections are secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Plain,
    /// Offers STARTTLS and takes no mail without it.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// What a sink is started with.
#[derive(Debug, Clone, Default)]
pub struct SinkOptions {
    pub security: Security,
    /// User and password that `AUTH` must give before any mail is taken.
    pub login: Option<(String, String)>,
}

/// How the sink treats what comes next. It can be changed at any time with [`SmtpSink::set`], and for
/// one recipient with [`SmtpSink::set_for`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Accept,
    /// Every answer comes this late, the greeting too.
    Slow(Duration),
    /// Hangs up on whoever connects, and before the next command of whoever is connected.
    CloseOnConnect,
    /// Reads the whole mail and hangs up instead of answering. A `recorded` mail was accepted all
    /// the same: the client cannot know, and the copy that it sends later is a duplicate.
    CloseAfterData { recorded: bool },
    /// 451 to each recipient the first time, then accepts.
    Greylist,
    /// 550 to this recipient, accepts others.
    RejectRecipient(String),
    /// 550 to every sender.
    RejectSender,
    /// 554 at the end of every mail.
    RejectContent,
    /// 421 to every command that would make a mail.
    Busy,
}

/// A running sink. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    options: SinkOptions,
    shared: Arc<Shared>,
    certificates: Option<tls::Certificates>,
    task: JoinHandle<()>,
}

/// What the connections share with the handle.
#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    /// By address, instead of the one above.
    exceptions: Mutex<HashMap<String, Behaviour>>,
    greylisted: Mutex<HashSet<String>>,
    mails: watch::Sender<Vec<ReceivedMail>>,
    connections: watch::Sender<usize>,
}

impl SmtpSink {
    /// A sink that takes every mail, without TLS and without a login.
    pub async fn start() -> Self {
        Self::start_with(SinkOptions::default()).await
    }

    pub async fn start_with(options: SinkOptions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let certificates = (options.security != Security::Plain).then(tls::Certificates::generate);
        let shared = Arc::new(Shared {
            behaviour: Mutex::default(),
            exceptions: Mutex::default(),
            greylisted: Mutex::default(),
            mails: watch::Sender::new(Vec::new()),
            connections: watch::Sender::new(0),
        });
        let server = conversation::Server {
            shared: shared.clone(),
            security: options.security,
            login: options.login.clone(),
            acceptor: certificates.as_ref().map(tls::Certificates::acceptor),
        };
        let task = tokio::spawn(accept_all(listener, server));
        Self { address, options, shared, certificates, task }
    }

    /// The URL that `SMTP_URL` wants, with login and certificate.
    pub fn url(&self) -> String {
        self.url_with_login(self.options.login.as_ref().map(|(user, password)| (&**user, &**password)))
    }

    /// The same with another login, or none. User and password must need no percent-encoding
    /// other than `@`, `:` and `/`.
    pub fn url_with_login(&self, login: Option<(&str, &str)>) -> String {
        let encode = |text: &str| text.replace('@', "%40").replace(':', "%3A").replace('/', "%2F");
        let login = match login {
            Some((user, password)) => format!("{}:{}@", encode(user), encode(password)),
            None => String::new(),
        };
        let (scheme, query) = match (self.options.security, self.ca_file()) {
            (Security::StartTls, Some(ca)) => ("smtp", format!("?tls=required&ca={}", ca.display())),
            (Security::Implicit, Some(ca)) => ("smtps", format!("?ca={}", ca.display())),
            _ => ("smtp", String::new()),
        };
        format!("{scheme}://{login}{}{query}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the throw-away authority that signed this sink's.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(tls::Certificates::ca_file)
    }

    pub fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Sets how mails to one address are treated, from the moment that a client names it.
    pub fn set_for(&self, address: &str, behaviour: Behaviour) {
        self.shared.exceptions.lock().unwrap().insert(address.to_owned(), behaviour);
    }

    /// Every mail accepted so far, in order.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.shared.mails.borrow().clone()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// The mails accepted since they were last taken, for tests with more of them than should be kept.
    pub fn take_mails(&self) -> Vec<ReceivedMail> {
        let mut taken = Vec::new();
        self.shared.mails.send_modify(|mails| taken = std::mem::take(mails));
        taken
    }

    /// Forgets the mails accepted so far.
    pub fn clear(&self) {
        self.shared.mails.send_replace(Vec::new());
    }

    /// The mails, as soon as there are `count`; fails the test after `deadline`.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Vec<ReceivedMail> {
        let mut mails = self.shared.mails.subscribe();
        let enough = mails.wait_for(|mails| mails.len() >= count);
        let Ok(mails) = tokio::time::timeout(deadline, enough).await else {
            panic!("{} of {count} mails came within {deadline:?}", self.mails().len());
        };
        mails.expect("the sink lives").clone()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        // The connections' tasks belong to this one and end with it.
        self.task.abort();
    }
}

async fn accept_all(listener: TcpListener, server: conversation::Server) {
    let server = Arc::new(server);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    server.shared.connections.send_modify(|count| *count += 1);
                    let server = server.clone();
                    // A client that hangs up is no fault of the sink.
                    connections.spawn(async move { drop(server.serve(stream).await) });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
