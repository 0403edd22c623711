//! A notification becomes a mail: subject, text part, HTML part and headers. Called by the e-mail
//! actor. It decides words, not transport: encoding and addresses are `message`'s, sending a mailer's.

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use url::Url;

use super::booking::{BookingFacts, Wording};
use super::message::{one_line, parse_from};
use super::{Addressee, Mail, MailError, MailSetupError};
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX};
use crate::domain::{Category, Notification, Recipient};

const TEXT: &str = "notification.txt";
const HTML: &str = "notification.html";

/// The most characters of a recipient's name in the greeting.
const GREETING_NAME_MAX: usize = 80;

/// Writes mails. Made once: it holds the compiled templates.
#[derive(Debug)]
pub struct Composer {
    templates: Environment<'static>,
    /// Where the mail's button leads; no button without it.
    link: Option<Url>,
    /// The right side of a Message-ID.
    host: String,
}

/// Where a mail's reader chooses what comes by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLinks {
    /// A page.
    pub preferences: Url,
    /// Where a POST ends mail of this category (RFC 8058).
    pub unsubscribe: Url,
}

/// What the templates are given. Every text is one line, apart from the paragraphs.
#[derive(Serialize)]
struct Letter {
    subject: String,
    greeting: String,
    title: String,
    paragraphs: Vec<String>,
    hint: Option<&'static str>,
    rows: Vec<Row>,
    link: Option<String>,
    button: &'static str,
    preferences: Option<String>,
    accent: &'static str,
}

#[derive(Serialize)]
struct Row {
    label: &'static str,
    /// The label with its colon, as wide as the widest: the text part has no table.
    column: String,
    value: String,
}

impl Composer {
    /// `public_url` is how people reach the front end, or empty; `from` is the sender's address,
    /// whose domain names the Message-IDs where there is no public URL.
    pub fn new(public_url: &str, from: &str) -> Result<Self, MailSetupError> {
        let link = match public_url.trim() {
            "" => None,
            text => Some(web_address(text).ok_or(MailSetupError::PublicUrl)?),
        };
        let host = match link.as_ref().and_then(Url::host_str) {
            Some(host) => host.to_owned(),
            None => parse_from(from)?.email.domain().to_owned(),
        };
        let mut templates = Environment::new();
        let lines = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        templates.set_syntax(lines.map_err(MailSetupError::Template)?);
        templates.add_filter("href", href);
        for (name, source) in [
            (TEXT, include_str!("templates/notification.txt")),
            (HTML, include_str!("templates/notification.html")),
        ] {
            templates.add_template(name, source).map_err(MailSetupError::Template)?;
        }
        Ok(Self { templates, link, host })
    }

    /// The mail that tells `recipient` of `notification`; permanent where there is no address.
    /// It depends on nothing but its arguments, so every attempt writes the same mail.
    pub fn compose(
        &self,
        notification: &Notification,
        recipient: &Recipient,
        links: Option<&MailLinks>,
    ) -> Result<Mail, MailError> {
        let address = recipient
            .address()
            .map(ToOwned::to_owned)
            .ok_or_else(|| MailError::Permanent("the recipient has no address".to_owned()))?;
        let letter = self.letter(notification, recipient, links);
        let mut headers = vec![
            // RFC 3834 §5: keeps holiday answers away.
            ("Auto-Submitted".to_owned(), "auto-generated".to_owned()),
        ];
        // RFC 8058 §3.1 asks for HTTPS: a program that fetches this must be sure whom it asks.
        if let Some(url) = links.map(|links| &links.unsubscribe).filter(|url| url.scheme() == "https") {
            headers.push(("List-Unsubscribe".to_owned(), format!("<{url}>")));
            headers.push(("List-Unsubscribe-Post".to_owned(), "List-Unsubscribe=One-Click".to_owned()));
        }
        Ok(Mail {
            message_id: format!("<{}@{}>", notification.id, self.host),
            to: Addressee { address, name: recipient.name.clone() },
            date: notification.created_at,
            text: self.render(TEXT, &letter)?,
            html: self.render(HTML, &letter)?,
            subject: letter.subject,
            headers,
        })
    }

    fn letter(&self, notification: &Notification, to: &Recipient, links: Option<&MailLinks>) -> Letter {
        let content = &notification.content;
        let wording = Wording::of(&notification.kind);
        let is_booking =
            notification.category == Category::BOOKINGS || notification.kind.starts_with("booking.");
        let facts = if is_booking { BookingFacts::of(content) } else { BookingFacts::default() };
        let title = one_line(&content.title, TITLE_MAX);
        let title = if title.is_empty() { wording.title.to_owned() } else { title };

        let mut rows = facts.rows();
        let actor = content.actor_name.as_deref().map(|name| one_line(name, ACTOR_TEXT_MAX));
        if let (Some(label), Some(name)) = (wording.actor, actor.filter(|name| !name.is_empty())) {
            rows.push((label, name));
        }
        if let Some(id) = &facts.id {
            rows.push(("Booking", id.clone()));
        }
        let name = to.name.as_deref().map(|name| one_line(name, GREETING_NAME_MAX));
        Letter {
            subject: facts.subject(&title),
            greeting: match name.filter(|name| !name.is_empty()) {
                Some(name) => format!("Hello {name},"),
                None => "Hello,".to_owned(),
            },
            title,
            paragraphs: paragraphs(&content.message),
            hint: wording.hint,
            rows: in_columns(rows),
            link: self.link.as_ref().map(Url::to_string),
            button: if facts.id.is_some() { "See the booking" } else { "See it online" },
            preferences: links.map(|links| links.preferences.to_string()),
            accent: wording.accent,
        }
    }

    fn render(&self, template: &str, letter: &Letter) -> Result<String, MailError> {
        self.templates
            .get_template(template)
            .and_then(|template| template.render(Serde(letter)))
            .map_err(|error| MailError::Permanent(format!("the mail template failed: {}", error.kind())))
    }
}

fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// The filter `href`: an address that was parsed keeps `<` and `>` percent-encoded, so only `&` and
/// quotes are left to escape; the template engine's own escaping would also rewrite every `/`.
#[expect(clippy::needless_pass_by_value, reason = "the template engine passes values")]
fn href(address: String) -> Value {
    Value::from_safe_string(address.replace('&', "&amp;").replace('\'', "&#39;").replace('"', "&quot;"))
}

fn paragraphs(message: &str) -> Vec<String> {
    message.lines().map(|line| one_line(line, MESSAGE_MAX)).filter(|line| !line.is_empty()).collect()
}

fn in_columns(rows: Vec<(&'static str, String)>) -> Vec<Row> {
    let width = rows.iter().map(|(label, _)| label.len() + 1).max().unwrap_or(0);
    rows.into_iter()
        .map(|(label, value)| Row { label, column: format!("{:width$}", format!("{label}:")), value })
        .collect()
}

#[cfg(test)]
mod tests;
