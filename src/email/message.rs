//! From a [`Mail`] to the bytes that travel (RFC 5322, MIME). Both the SMTP and the file mailer use
//! it, so a file shows exactly what would be sent. Wording belongs to `compose`.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use super::{Mail, MailError, MailSetupError};

/// The parts' boundary. Both parts are quoted-printable, in which no line can contain `=_`
/// (RFC 2045 §6.7), so a fixed one is safe, and the same mail always has the same bytes.
const BOUNDARY: &str = "=_bellhop_alternative";

/// The most characters of a display name; longer ones are cut rather than refused.
const NAME_MAX: usize = 200;
/// The most characters of any other header's value, well under the 998 of a line (RFC 5322 §2.1.1).
const HEADER_MAX: usize = 900;

/// Puts a mail together. Fails only where the mail itself can never be sent.
pub(super) fn build(from: &Mailbox, mail: &Mail) -> Result<Message, MailError> {
    let address = parse_address(&mail.to.address)
        .ok_or_else(|| MailError::Permanent("the recipient's address is not one".to_owned()))?;
    let name = mail.to.name.as_deref().map(|name| one_line(name, NAME_MAX)).filter(|name| !name.is_empty());
    let micros = u64::try_from(mail.date.as_micros()).unwrap_or(0);
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(name, address))
        .subject(one_line(&mail.subject, HEADER_MAX))
        .message_id(Some(one_line(&mail.message_id, HEADER_MAX)))
        .date(UNIX_EPOCH + Duration::from_micros(micros));
    for (name, value) in &mail.headers {
        let name = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| MailError::Permanent("a header's name is not one".to_owned()))?;
        builder = builder.raw_header(HeaderValue::new(name, one_line(value, HEADER_MAX)));
    }
    let parts = MultiPart::alternative()
        .boundary(BOUNDARY)
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    builder.multipart(parts).map_err(|_| MailError::Permanent("the mail cannot be put together".to_owned()))
}

fn part(content_type: ContentType, body: &str) -> SinglePart {
    SinglePart::builder()
        .header(content_type)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(body.to_owned())
}

/// The sender as the settings spell it: `address` or `Name <address>`.
pub(super) fn parse_from(text: &str) -> Result<Mailbox, MailSetupError> {
    let (name, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (one_line(name.trim().trim_matches('"'), NAME_MAX), address),
        None => (String::new(), text),
    };
    let address = parse_address(address.trim()).ok_or(MailSetupError::From)?;
    Ok(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// An address whose domain is in ASCII: `müller.example` travels as `xn--mller-kva.example`, which
/// every server understands, and only a name before the `@` in other scripts needs SMTPUTF8.
fn parse_address(text: &str) -> Option<Address> {
    let (local, domain) = text.rsplit_once('@')?;
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => ascii,
        _ => domain.to_owned(),
    };
    Address::new(local, domain).ok()
}

/// Text for a place that has one line: a header, a table's cell. Line breaks and other control
/// characters become spaces; marks that reverse the reading direction go, since they can make one
/// name look like another; what is too long is cut.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(4 * max));
    let mut length = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if turns_direction(c) || (c == ' ' && (line.is_empty() || line.ends_with(' '))) {
            continue;
        }
        if length == max {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        line.push(c);
        length += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

/// Unicode's embedding, override and isolate marks (UAX #9 §2).
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a message's sender or recipient needs a server that speaks SMTPUTF8 (RFC 6531).
pub(super) fn needs_smtp_utf8(message: &Message) -> bool {
    message
        .envelope()
        .to()
        .iter()
        .chain(message.envelope().from())
        .any(|a| !AsRef::<str>::as_ref(a).is_ascii())
}

#[cfg(test)]
mod tests {
    use super::{one_line, parse_address, parse_from};

    #[test]
    fn one_line_has_no_breaks_no_turning_marks_and_a_bound() {
        for (text, wanted) in [
            ("  plain  text ", "plain text"),
            ("a\r\n\u{2028}\u{85}\0b", "a b"),
            ("\u{202e}evil\u{2066}\u{202c}", "evil"),
            ("12345", "12345"),
            ("123456", "12345…"),
            ("1234 6", "1234…"),
            ("日本語日本語", "日本語日本…"),
            ("", ""),
            ("\n", ""),
        ] {
            assert_eq!(
                one_line(text, if text.starts_with(['1', '日']) { 5 } else { 50 }),
                wanted,
                "{text:?}"
            );
        }
    }

    #[test]
    fn domains_of_other_scripts_become_ascii_and_nonsense_is_no_address() {
        let address = |text| parse_address(text).map(|address| address.to_string());
        assert_eq!(address("host@Bücher.example").unwrap(), "host@xn--bcher-kva.example");
        assert_eq!(address("host@[127.0.0.1]").unwrap(), "host@[127.0.0.1]");
        for text in
            ["", "@", "host", "host@", "@example.org", "a b@example.org", "host@exa mple.org", "a@b\n"]
        {
            assert_eq!(address(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sender_may_have_a_name() {
        let from = |text| parse_from(text).map(|from| (from.name, from.email.to_string())).ok();
        let address = || "b@mail.example".to_owned();
        assert_eq!(from("b@mail.example"), Some((None, address())));
        assert_eq!(from(" <b@mail.example> "), Some((None, address())));
        assert_eq!(from("\"Büro, Nord\" <b@mail.example>"), Some((Some("Büro, Nord".to_owned()), address())));
    }
}
