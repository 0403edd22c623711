//! The mail server that a URL names, and connecting to it.
//!
//! - `smtps://user:password@host:465`: TLS from the first byte.
//! - `smtp://user:password@host:587?tls=required`: STARTTLS; a server that does not offer it gets
//!   neither password nor mail.
//! - `smtp://host:25`: no TLS, ever. For a relay on the same machine or network.
//!
//! There is no "TLS if offered": whoever can listen can also take the offer away. User and password
//! are percent-encoded. `ca=/path.pem` trusts the certificates in that file besides the public
//! ones; `ehlo=name` is what the server is greeted with, else the machine's host name.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::Url;

use super::answer::Step;
use crate::email::{MailError, MailSetupError};

/// Ports by convention (RFC 5321 §4.5.4.2, RFC 6409 §3.1, RFC 8314 §7.3).
const SMTP_PORT: u16 = 25;
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

/// How long one of a name's addresses may take to answer: one that is dead leaves time for the next.
const CONNECT_LONGEST: Duration = Duration::from_secs(10);

enum Security {
    None,
    StartTls(TlsParameters),
    Implicit(TlsParameters),
}

/// Where mail goes, and how.
pub(super) struct Relay {
    host: String,
    port: u16,
    security: Security,
    login: Option<Credentials>,
    hello: ClientId,
}

impl Relay {
    pub(super) fn parse(text: &str) -> Result<Self, MailSetupError> {
        let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "smtp" | "smtps") {
            return Err(wrong("must start with smtp:// or smtps://"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        if !matches!(url.path(), "" | "/") {
            return Err(wrong("must not have a path"));
        }
        let options = Options::parse(&url)?;
        let (security, default_port) = match (url.scheme(), options.tls.as_deref()) {
            ("smtp", None) if options.ca.is_some() => return Err(wrong("has `ca` and no TLS to use it for")),
            ("smtp", None) => (Security::None, SMTP_PORT),
            ("smtp", Some("required")) => (Security::StartTls(tls(&host, &options)?), SUBMISSION_PORT),
            (_, None | Some("required")) => (Security::Implicit(tls(&host, &options)?), SUBMISSIONS_PORT),
            (_, Some(_)) => return Err(wrong("has a `tls` other than `required`")),
        };
        Ok(Self {
            port: url.port().unwrap_or(default_port),
            login: login(&url)?,
            hello: options.ehlo.map_or_else(ClientId::default, ClientId::Domain),
            host,
            security,
        })
    }

    /// A password over a network without TLS; within the machine nobody listens.
    pub(super) fn sends_password_in_the_clear(&self) -> bool {
        let local = self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.login.is_some() && matches!(self.security, Security::None) && !local
    }

    /// Connects, secures and logs in.
    pub(super) async fn connect(&self, deadline: Duration) -> Result<AsyncSmtpConnection, MailError> {
        let implicit = match &self.security {
            Security::Implicit(parameters) => Some(parameters.clone()),
            Security::None | Security::StartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let patience = Some(deadline.min(CONNECT_LONGEST));
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, patience, &self.hello, implicit, None)
                .await
                .map_err(|error| Step::Connect.failed(&error))?;
        if let Security::StartTls(parameters) = &self.security {
            connection
                .starttls(parameters.clone(), &self.hello)
                .await
                .map_err(|error| Step::StartTls.failed(&error))?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await.map_err(|error| Step::Login.failed(&error))?;
        }
        Ok(connection)
    }
}

/// What may stand behind the `?`.
#[derive(Default)]
struct Options {
    tls: Option<String>,
    ca: Option<String>,
    ehlo: Option<String>,
}

impl Options {
    fn parse(url: &Url) -> Result<Self, MailSetupError> {
        let mut options = Self::default();
        for (name, value) in url.query_pairs() {
            let place = match name.as_ref() {
                "tls" => &mut options.tls,
                "ca" => &mut options.ca,
                "ehlo" => &mut options.ehlo,
                _ => return Err(wrong("has an option other than `tls`, `ca` and `ehlo`")),
            };
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(wrong("has an option without a usable value"));
            }
            *place = Some(value.into_owned());
        }
        Ok(options)
    }
}

fn tls(host: &str, options: &Options) -> Result<TlsParameters, MailSetupError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &options.ca {
        let pem = fs::read(path).map_err(|error| MailSetupError::Certificate(error.into()))?;
        if !pem.windows(BEGIN_CERTIFICATE.len()).any(|window| window == BEGIN_CERTIFICATE) {
            return Err(MailSetupError::Certificate("it holds no certificate".into()));
        }
        let root = Certificate::from_pem(&pem).map_err(|error| MailSetupError::Certificate(error.into()))?;
        builder = builder.add_root_certificate(root);
    }
    builder.build().map_err(|error| MailSetupError::Certificate(error.into()))
}

/// How a certificate starts in a PEM file (RFC 7468 §5.1); without one the library trusts nobody new
/// and says nothing.
const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn login(url: &Url) -> Result<Option<Credentials>, MailSetupError> {
    if url.username().is_empty() {
        return Ok(None);
    }
    let password = url.password().ok_or_else(|| wrong("has a user and no password"))?;
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| wrong("has a user or a password that is not UTF-8"))
    };
    Ok(Some(Credentials::new(decode(url.username())?, decode(password)?)))
}

fn wrong(what: &str) -> MailSetupError {
    MailSetupError::Url(what.to_owned())
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let security = match self.security {
            Security::None => "none",
            Security::StartTls(_) => "STARTTLS",
            Security::Implicit(_) => "TLS",
        };
        f.debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &security)
            .field("logs_in", &self.login.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Relay;

    /// What a URL amounts to, or why it is refused.
    fn parsed(url: &str) -> String {
        match Relay::parse(url) {
            Ok(relay) => format!("{relay:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn urls_choose_port_and_security() {
        let relay = |rest: &str| format!("Relay {{ host: \"mail.example\", {rest}, .. }}");
        for (url, wanted) in [
            ("smtp://mail.example", "port: 25, security: \"none\", logs_in: false"),
            ("smtp://mail.example:1025/", "port: 1025, security: \"none\", logs_in: false"),
            ("smtp://u:p@mail.example?tls=required", "port: 587, security: \"STARTTLS\", logs_in: true"),
            ("smtps://u:p%40@mail.example?ehlo=me.example", "port: 465, security: \"TLS\", logs_in: true"),
        ] {
            assert_eq!(parsed(url), relay(wanted), "{url}");
        }
        assert!(parsed("smtp://[::1]:25").contains("host: \"::1\""));
    }

    #[test]
    fn urls_that_could_mean_less_safety_than_asked_for_are_refused() {
        for (url, wanted) in [
            ("mail.example:25", "mail.smtp_url must start with smtp:// or smtps://"),
            ("smtp://mail.example?tls=opportunistic", "mail.smtp_url has a `tls` other than `required`"),
            (
                "smtp://mail.example?tsl=required",
                "mail.smtp_url has an option other than `tls`, `ca` and `ehlo`",
            ),
            ("smtp://mail.example?ca=/ca.pem", "mail.smtp_url has `ca` and no TLS to use it for"),
            ("smtp://user@mail.example", "mail.smtp_url has a user and no password"),
            ("smtp://u:%ff@mail.example", "mail.smtp_url has a user or a password that is not UTF-8"),
            ("smtp://mail.example/path", "mail.smtp_url must not have a path"),
            ("smtp://mail.example?ehlo=a%0d%0ab", "mail.smtp_url has an option without a usable value"),
            (
                "smtps://mail.example?ca=/nowhere/ca.pem",
                "mail.smtp_url: the certificate file given by `ca` cannot be used",
            ),
        ] {
            assert_eq!(parsed(url), wanted, "{url}");
        }
    }

    #[test]
    fn only_a_password_that_leaves_the_machine_in_the_clear_is_warned_of() {
        for (url, wanted) in [
            ("smtp://u:p@mail.example", true),
            ("smtp://u:p@localhost", false),
            ("smtp://u:p@127.0.0.1", false),
            ("smtp://mail.example", false),
            ("smtps://u:p@mail.example", false),
        ] {
            assert_eq!(Relay::parse(url).unwrap().sends_password_in_the_clear(), wanted, "{url}");
        }
    }
}
