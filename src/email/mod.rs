//! E-mail: a notification becomes a `Mail` (`compose`), and a `Mailer` sends it by SMTP, writes
//! it to a file, or keeps it for a test. The e-mail actor calls both; it also owns the queue, the
//! leases and the retries, so that a mailer sends once and says whether trying again makes sense.
//! Only this module knows the mail library.

mod booking;
pub mod compose;
mod file;
pub mod memory;
mod message;
pub mod recent;
mod smtp;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::MailSettings;
use crate::domain::Timestamp;

pub use compose::{Composer, MailLinks};
pub use memory::MemoryMailer;
pub use recent::RecentMails;

/// What a `Mailer` answers with: a future, boxed so that the trait can be an object.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// A way to send mail.
pub trait Mailer: fmt::Debug + Send + Sync {
    /// Hands one mail on. `Ok` means that somebody else is responsible for it now. After an error
    /// the mail may have gone out all the same (the answer was lost); the Message-ID stays the same
    /// over all attempts, so that a mail server or a reader can drop the second copy.
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a>;
}

/// One mail to one person, not yet in the form that travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// With its angle brackets; the same for every attempt and every copy (RFC 5322 §3.6.4).
    pub message_id: String,
    pub to: Addressee,
    /// What the mail's `Date` says; fixed, so that a repeated attempt has the same bytes.
    pub date: Timestamp,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// Further headers by name. Values may be any text; line breaks in them become spaces.
    pub headers: Vec<(String, String)>,
}

/// Whom a mail is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Addressee {
    pub address: String,
    pub name: Option<String>,
}

/// Why a mail was not sent. The text is for logs and the delivery's record: it contains no address
/// and nothing that the mail or the server said, apart from status codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Worth another attempt later: network, a slow or busy server, greylisting, a wrong password.
    #[error("{0}")]
    Temporary(String),
    /// The same mail would be refused again: an address that cannot exist or that the server refuses.
    #[error("{0}")]
    Permanent(String),
}

impl MailError {
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent(_))
    }
}

/// Why mail cannot be set up. The texts never repeat the URL, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    #[error("mail.smtp_url {0}")]
    Url(String),
    #[error("mail.smtp_url: the certificate file given by `ca` cannot be used")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("mail.from must be an address or `Name <address>`")]
    From,
    #[error("the public URL must start with http:// or https://")]
    PublicUrl,
    #[error("mail.outbox cannot be created")]
    Outbox(#[source] std::io::Error),
    #[error("a mail template is broken")]
    Template(#[source] minijinja::Error),
}

/// Opens what the settings ask for: SMTP where there is a URL, else files in the outbox.
/// No connection is made yet: a mail server that is down must not keep bookings out.
pub fn open(settings: &MailSettings) -> Result<Arc<dyn Mailer>, MailSetupError> {
    if settings.smtp_url.is_empty() {
        Ok(Arc::new(file::FileMailer::open(settings)?))
    } else {
        Ok(Arc::new(smtp::SmtpMailer::open(settings)?))
    }
}

/// A mail is somebody's letter: what is debugged must not end up in a log with address and text.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addressee").finish_non_exhaustive()
    }
}
