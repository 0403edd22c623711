//! What a failed step of an SMTP conversation means: try again, or never again.

use std::error::Error as _;
use std::fmt;
use std::io;

use lettre::transport::smtp::Error;

use crate::email::MailError;

/// Codes that are permanent by number and yet concern the login, not the mail: 530 authentication
/// required, 534 too weak, 535 refused, 538 encryption required (RFC 4954 §6).
const ABOUT_THE_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// The steps of a conversation, named as a log should name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Name resolution, TCP, TLS where it comes first, greeting, EHLO.
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    Content,
}

impl Step {
    /// Classifies an error of this step. Only a 5xx answer about this very mail is permanent: up to
    /// `MAIL FROM` everything said concerns the connection, the login or the sender, hence every
    /// mail, and must not turn a wrong setting into a queue of mails given up.
    pub(super) fn failed(self, error: &Error) -> MailError {
        let Some(code) = error.status().map(u16::from) else {
            return MailError::Temporary(format!("{self}: {}", cause(error)));
        };
        let text = match enhanced_code(error) {
            Some(enhanced) => format!("{self}: the mail server answered {code} {enhanced}"),
            None => format!("{self}: the mail server answered {code}"),
        };
        let about_this_mail = matches!(self, Self::Recipient | Self::Data | Self::Content);
        if error.is_permanent() && about_this_mail && !ABOUT_THE_LOGIN.contains(&code) {
            MailError::Permanent(text)
        } else {
            MailError::Temporary(text)
        }
    }
}

/// The enhanced status code (RFC 3463) that starts the answer's text. The rest of that text often
/// repeats the address, so it is left out.
fn enhanced_code(error: &Error) -> Option<String> {
    let text = error.source()?.to_string();
    let first = text.split_whitespace().next()?;
    let parts: Vec<&str> = first.split('.').collect();
    let fits = parts.len() == 3
        && parts.iter().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    fits.then(|| first.to_owned())
}

/// Why there was no answer at all, without anything that a server may have said.
fn cause(error: &Error) -> String {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io_error) = inner.downcast_ref::<io::Error>() {
            // Written by the system, the resolver or the TLS library, never by the server.
            return io_error.to_string();
        }
        source = inner.source();
    }
    if error.is_tls() {
        "TLS failed".to_owned()
    } else if error.is_response() {
        "the mail server hung up or did not speak SMTP".to_owned()
    } else {
        "the mail server does not offer what is needed".to_owned()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "end of the mail",
        })
    }
}
