//! One connection of the sink: commands in, answers out, one by one in order, which is all that
//! PIPELINING (RFC 2920) asks of a server.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::mail::ReceivedMail;
use super::{Behaviour, Security, Shared};

/// The longest line and the largest mail that the sink reads.
const LINE_MAX: u64 = 8 * 1024;
const MAIL_MAX: usize = 4 * 1024 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    pub(super) security: Security,
    pub(super) login: Option<(String, String)>,
    pub(super) acceptor: Option<TlsAcceptor>,
}

struct Connection<'a> {
    server: &'a Server,
    stream: BufReader<Box<dyn Stream>>,
    encrypted: bool,
    logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
    /// The recipient that was named last in this mail, accepted or not.
    named: Option<String>,
}

/// Whether a connection goes on.
enum Next {
    Continue,
    StartTls,
    Close,
}

impl Server {
    pub(super) async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        if self.behaviour(None) == Behaviour::CloseOnConnect {
            return Ok(());
        }
        let encrypted = self.security == Security::Implicit;
        let stream: Box<dyn Stream> = match &self.acceptor {
            Some(acceptor) if encrypted => Box::new(acceptor.accept(stream).await?),
            _ => Box::new(stream),
        };
        let mut connection = Connection::new(self, stream, encrypted);
        connection.answer("220 sink.test ESMTP").await?;
        loop {
            match connection.next_command().await? {
                Next::Continue => {}
                Next::Close => return Ok(()),
                Next::StartTls => {
                    let Some(acceptor) = &self.acceptor else { return Ok(()) };
                    // What a client sent ahead of the handshake is dropped (RFC 3207 §4.2).
                    let stream = acceptor.accept(connection.stream.into_inner()).await?;
                    connection = Connection::new(self, Box::new(stream), true);
                }
            }
        }
    }

    fn behaviour(&self, recipient: Option<&str>) -> Behaviour {
        let exceptions = self.shared.exceptions.lock().unwrap();
        let exception = recipient.and_then(|address| exceptions.get(address));
        exception.unwrap_or(&self.shared.behaviour.lock().unwrap()).clone()
    }
}

impl<'a> Connection<'a> {
    fn new(server: &'a Server, stream: Box<dyn Stream>, encrypted: bool) -> Self {
        let stream = BufReader::new(stream);
        Self { server, stream, encrypted, logged_in: false, from: None, to: Vec::new(), named: None }
    }

    fn behaviour(&self) -> Behaviour {
        self.server.behaviour(self.named.as_deref())
    }

    async fn next_command(&mut self) -> io::Result<Next> {
        let Some(line) = self.read_line().await? else { return Ok(Next::Close) };
        let behaviour = self.behaviour();
        if behaviour == Behaviour::CloseOnConnect {
            return Ok(Next::Close);
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let makes_mail = matches!(&*verb.to_ascii_uppercase(), "MAIL" | "RCPT" | "DATA");
        if makes_mail && behaviour == Behaviour::Busy {
            self.answer("421 4.3.2 too busy, try later").await?;
            return Ok(Next::Close);
        }
        match &*verb.to_ascii_uppercase() {
            "EHLO" => self.greet(true).await?,
            "HELO" => self.greet(false).await?,
            "STARTTLS" if self.server.security == Security::StartTls && !self.encrypted => {
                self.answer("220 2.0.0 go ahead").await?;
                return Ok(Next::StartTls);
            }
            "AUTH" if self.server.login.is_some() => return self.authenticate(rest).await,
            "MAIL" => self.sender(rest, &behaviour).await?,
            "RCPT" => self.recipient(rest).await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.forget();
                self.answer("250 2.0.0 forgotten").await?;
            }
            "NOOP" => self.answer("250 2.0.0 still here").await?,
            "QUIT" => {
                self.answer("221 2.0.0 bye").await?;
                return Ok(Next::Close);
            }
            _ => self.answer("502 5.5.1 unknown command").await?,
        }
        Ok(Next::Continue)
    }

    async fn greet(&mut self, extended: bool) -> io::Result<()> {
        self.forget();
        if !extended {
            return self.answer("250 sink.test").await;
        }
        let mut lines = vec!["sink.test", "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        if self.server.security == Security::StartTls && !self.encrypted {
            lines.push("STARTTLS");
        }
        if self.server.login.is_some() && (self.encrypted || self.server.security == Security::Plain) {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.push("SIZE 4194304");
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| format!("250{}{line}", if i == last { ' ' } else { '-' }))
            .collect();
        self.answer(&text.join("\r\n")).await
    }

    /// `AUTH PLAIN` (RFC 4616) and `AUTH LOGIN`, with or without an initial response.
    async fn authenticate(&mut self, arguments: &str) -> io::Result<Next> {
        let (mechanism, initial) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let given = match &*mechanism.to_ascii_uppercase() {
            "PLAIN" => {
                let response = self.response(initial, "").await?;
                let mut parts = response.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => (self.response(initial, "Username:").await?, self.response("", "Password:").await?),
            _ => {
                self.answer("504 5.5.4 unknown mechanism").await?;
                return Ok(Next::Continue);
            }
        };
        self.logged_in = self.server.login.as_ref() == Some(&given);
        if self.logged_in {
            self.answer("235 2.7.0 welcome").await?;
        } else {
            self.answer("535 5.7.8 user or password wrong").await?;
        }
        Ok(Next::Continue)
    }

    async fn response(&mut self, initial: &str, challenge: &str) -> io::Result<String> {
        let encoded = if initial.is_empty() {
            self.answer(&format!("334 {}", BASE64.encode(challenge))).await?;
            self.read_line().await?.unwrap_or_default()
        } else {
            initial.as_bytes().to_vec()
        };
        Ok(String::from_utf8_lossy(&BASE64.decode(encoded).unwrap_or_default()).into_owned())
    }

    async fn sender(&mut self, rest: &str, behaviour: &Behaviour) -> io::Result<()> {
        if self.server.security == Security::StartTls && !self.encrypted {
            return self.answer("530 5.7.0 STARTTLS first").await;
        }
        if self.server.login.is_some() && !self.logged_in {
            return self.answer("530 5.7.0 log in first").await;
        }
        let Some(from) = path(rest, "FROM:") else { return self.answer("501 5.5.4 no address").await };
        if *behaviour == Behaviour::RejectSender {
            return self.answer(&format!("550 5.7.1 <{from}> may not send")).await;
        }
        self.forget();
        self.from = Some(from);
        self.answer("250 2.1.0 sender ok").await
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.answer("503 5.5.1 MAIL first").await;
        }
        let Some(to) = path(rest, "TO:") else { return self.answer("501 5.5.4 no address").await };
        self.named = Some(to.clone());
        match self.behaviour() {
            Behaviour::RejectRecipient(refused) if refused == to => {
                return self.answer(&format!("550 5.1.1 <{to}> is unknown here")).await;
            }
            Behaviour::Greylist if self.server.shared.greylisted.lock().unwrap().insert(to.clone()) => {
                return self.answer(&format!("451 4.7.1 <{to}> is greylisted, try later")).await;
            }
            _ => {}
        }
        self.to.push(to);
        self.answer("250 2.1.5 recipient ok").await
    }

    async fn data(&mut self) -> io::Result<Next> {
        let Some(from) = self.from.clone().filter(|_| !self.to.is_empty()) else {
            self.answer("503 5.5.1 RCPT first").await?;
            return Ok(Next::Continue);
        };
        self.answer("354 end with a dot").await?;
        let Some(raw) = self.read_mail().await? else { return Ok(Next::Close) };
        let mail = ReceivedMail { from, to: self.to.clone(), raw };
        let behaviour = self.behaviour();
        self.forget();
        match behaviour {
            Behaviour::CloseAfterData { recorded } => {
                if recorded {
                    self.server.record(mail);
                }
                return Ok(Next::Close);
            }
            Behaviour::RejectContent => self.answer("554 5.6.0 not this mail").await?,
            _ => {
                self.server.record(mail);
                self.answer("250 2.0.0 accepted").await?;
            }
        }
        Ok(Next::Continue)
    }

    /// The lines up to the single dot, without the dots that were stuffed (RFC 5321 §4.5.2).
    async fn read_mail(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut raw = Vec::new();
        loop {
            let Some(line) = self.read_line().await? else { return Ok(None) };
            if line == b"." {
                return Ok(Some(raw));
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            raw.extend_from_slice(b"\r\n");
            if raw.len() > MAIL_MAX {
                return Ok(None);
            }
        }
    }

    /// A line without its end; none where the client is gone.
    async fn read_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    async fn answer(&mut self, text: &str) -> io::Result<()> {
        if let Behaviour::Slow(delay) = self.behaviour() {
            tokio::time::sleep(delay).await;
        }
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    fn forget(&mut self) {
        self.named = None;
        self.from = None;
        self.to.clear();
    }
}

impl Server {
    fn record(&self, mail: ReceivedMail) {
        self.shared.mails.send_modify(|mails| mails.push(mail));
    }
}

/// The address in `FROM:<address> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let (head, tail) = rest.split_at_checked(keyword.len())?;
    let address = tail.trim_start().strip_prefix('<')?.split_once('>')?.0;
    head.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}
