//! `[mail]`: where e-mail goes.

use serde::{Deserialize, Serialize};

use super::secret_url::SecretUrl;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtp://`, `smtp://…?tls=required` (STARTTLS), `smtps://` with user and password in the URL
    /// (`SMTP_URL`); empty means files in `outbox`. User and password are percent-encoded; options:
    /// `ca=/path.pem` trusts a private authority besides the public ones, `ehlo=name` is how the server
    /// is greeted. Plain `smtp://` never uses TLS. Defaults to empty.
    pub smtp_url: SecretUrl,
    /// The sender (`MAIL_FROM`), an address or `Name <address>`. Defaults to `Bellhop <bellhop@localhost>`.
    pub from: String,
    /// The folder that `.eml` files go to when there is no SMTP server. Defaults to `data/outbox`.
    pub outbox: String,
    /// Mails under way at once, which is also the size of the SMTP pool. Defaults to 4.
    pub concurrency: usize,
    /// How long one SMTP conversation may take, in milliseconds. Defaults to 30000.
    pub timeout_ms: u64,
    /// How long a claimed mail belongs to its instance, in milliseconds; must be longer than
    /// `timeout_ms`. Defaults to 120000.
    pub lease_ms: u64,
    /// The first pause before a retry, in milliseconds; it doubles each time, with jitter. Defaults to 5000.
    pub retry_first_ms: u64,
    /// The longest pause between retries, in milliseconds. Defaults to 3600000.
    pub retry_longest_ms: u64,
    /// How long a mail is tried before it has failed, in milliseconds. Defaults to 86400000 (a day).
    pub give_up_after_ms: u64,
}
