//! Mail by SMTP (RFC 5321). The conversation is held here step by step, because what an error means
//! depends on the step: a refused recipient concerns one mail for ever, a refused password or sender
//! concerns every mail until somebody repairs the settings.
//!
//! The library's own pool is not used: a conversation that is cut off by a deadline would go back to
//! it half finished, and the next mail would be written into the middle of this one.

mod answer;
mod pool;
mod relay;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailParameter};
use tokio::time::timeout;

use self::answer::Step;
use self::pool::Pool;
use self::relay::Relay;
use super::{Mail, MailError, MailSetupError, Mailer, Sending, message};
use crate::config::MailSettings;

/// Sends through one mail server, over at most `concurrency` connections.
pub(super) struct SmtpMailer {
    relay: Relay,
    from: Mailbox,
    pool: Arc<Pool>,
    /// For everything that one mail takes: waiting for a connection, connecting, the conversation.
    deadline: Duration,
}

impl SmtpMailer {
    pub(super) fn open(settings: &MailSettings) -> Result<Self, MailSetupError> {
        let relay = Relay::parse(settings.smtp_url.reveal())?;
        if relay.sends_password_in_the_clear() {
            log::warn!("the SMTP password travels unencrypted: use smtps:// or ?tls=required");
        }
        Ok(Self {
            relay,
            from: message::parse_from(&settings.from)?,
            pool: Arc::new(Pool::new(settings.concurrency)),
            deadline: Duration::from_millis(settings.timeout_ms),
        })
    }

    async fn attempt(&self, mail: &Mail) -> Result<(), MailError> {
        let message = message::build(&self.from, mail)?;
        let _slot = self.pool.slot().await;
        let mut connection = match self.pool.take().await {
            Some(connection) => connection,
            None => self.relay.connect(self.deadline).await?,
        };
        match converse(&mut connection, &message).await {
            Ok(()) => {
                self.pool.put_back(connection);
                Ok(())
            }
            Err(error) => {
                pool::say_goodbye(connection);
                Err(error)
            }
        }
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            // Past the deadline the conversation is dropped, and its connection with it.
            timeout(self.deadline, self.attempt(mail)).await.unwrap_or_else(|_| {
                let waited = self.deadline.as_millis();
                Err(MailError::Temporary(format!("the mail server took longer than {waited} ms")))
            })
        })
    }
}

/// One mail, from `MAIL FROM` to the answer that makes the server responsible (RFC 5321 §4.2.5).
async fn converse(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), MailError> {
    let mut options = Vec::new();
    if message::needs_smtp_utf8(message) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(MailError::Permanent(
                "the mail server has no SMTPUTF8, the address needs it".to_owned(),
            ));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    let envelope = message.envelope();
    let sender = MailFrom::new(envelope.from().cloned(), options);
    connection.command(sender).await.map_err(|error| Step::Sender.failed(&error))?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(recipient).await.map_err(|error| Step::Recipient.failed(&error))?;
    }
    connection.command(Data).await.map_err(|error| Step::Data.failed(&error))?;
    let formatted = message.formatted();
    let sent = match std::str::from_utf8(&formatted) {
        Ok(text) => connection.command(Content(text)).await,
        Err(_) => connection.message(&formatted).await,
    };
    sent.map_err(|error| Step::Content.failed(&error))?;
    Ok(())
}

/// A mail as it goes out after `DATA`: a line that begins with a dot gets another one, and a lone dot
/// ends it (RFC 5321 §4.5.2). The library writes that end by itself, and the kernel then keeps it back
/// until the server has acknowledged the rest: 40 ms for every mail (Nagle's algorithm and delayed
/// acknowledgements). In one piece nothing waits.
struct Content<'a>(&'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with('.') {
            f.write_str(".")?;
        }
        f.write_str(&self.0.replace("\r\n.", "\r\n.."))?;
        f.write_str(if self.0.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" })
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("relay", &self.relay).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn dots_that_begin_a_line_are_doubled_and_a_lone_one_ends_the_mail() {
        for (mail, wanted) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n.b\r\nc.\r\n..\r\n", "..\r\n..b\r\nc.\r\n...\r\n.\r\n"),
        ] {
            assert_eq!(Content(mail).to_string(), wanted);
        }
    }
}
