//! A mail that the sink accepted, and reading it as a mail client would: unfolded headers, encoded
//! words (RFC 2047), parts by their type, quoted-printable and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Envelope and bytes, without the dots that SMTP stuffs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    pub from: String,
    pub to: Vec<String>,
    pub raw: Vec<u8>,
}

impl ReceivedMail {
    /// Reads an `.eml` file's bytes; the envelope stays empty.
    pub fn from_raw(raw: Vec<u8>) -> Self {
        Self { from: String::new(), to: Vec::new(), raw }
    }

    /// With its angle brackets.
    pub fn message_id(&self) -> String {
        self.header("Message-ID").unwrap_or_default()
    }

    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// A header's value, unfolded and decoded; the first one of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        header(self.split().0, name).map(|value| decode_words(&value))
    }

    /// Every header's name, in order.
    pub fn header_names(&self) -> Vec<String> {
        headers(self.split().0).into_iter().map(|(name, _)| name).collect()
    }

    /// The text part, decoded, with plain line feeds.
    pub fn text(&self) -> String {
        self.part("text/plain")
    }

    pub fn html(&self) -> String {
        self.part("text/html")
    }

    fn part(&self, media_type: &str) -> String {
        let raw = String::from_utf8_lossy(&self.raw).into_owned();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((&raw, ""));
        find_part(head, body, media_type).unwrap_or_default().replace("\r\n", "\n")
    }

    fn split(&self) -> (&str, &str) {
        let raw = std::str::from_utf8(&self.raw).unwrap_or("");
        raw.split_once("\r\n\r\n").unwrap_or((raw, ""))
    }
}

fn find_part(head: &str, body: &str, media_type: &str) -> Option<String> {
    let content_type = header(head, "Content-Type").unwrap_or_else(|| "text/plain".to_owned());
    if let Some((_, after)) = content_type.split_once("boundary=") {
        let boundary = after.trim_start_matches('"').split(['"', ';']).next().unwrap_or("");
        let delimiter = format!("--{boundary}");
        return body.split(&delimiter).skip(1).find_map(|part| {
            let (head, body) = part.trim_start_matches("\r\n").split_once("\r\n\r\n")?;
            find_part(head, body.strip_suffix("\r\n").unwrap_or(body), media_type)
        });
    }
    if !content_type.to_ascii_lowercase().starts_with(media_type) {
        return None;
    }
    let encoding = header(head, "Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "quoted-printable" => decode_quoted_printable(body),
        "base64" => BASE64.decode(body.split_whitespace().collect::<String>()).unwrap_or_default(),
        _ => body.as_bytes().to_vec(),
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn headers(head: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim_start().to_owned()));
        }
    }
    headers
}

fn header(head: &str, name: &str) -> Option<String> {
    headers(head).into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn decode_quoted_printable(body: &str) -> Vec<u8> {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| first == b'=').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

/// Decodes `=?charset?b|q?text?=`; white space between two encoded words is not text (RFC 2047 §6.2).
fn decode_words(value: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, tail)) = rest.split_once("=?") {
        let mut fields = tail.splitn(3, '?');
        let (Some(_charset), Some(encoding), Some(tail)) = (fields.next(), fields.next(), fields.next())
        else {
            break;
        };
        let Some((text, tail)) = tail.split_once("?=") else { break };
        if !(after_word && before.trim().is_empty()) {
            decoded.extend_from_slice(before.as_bytes());
        }
        if encoding.eq_ignore_ascii_case("b") {
            decoded.extend(BASE64.decode(text).unwrap_or_default());
        } else {
            decoded.extend(decode_quoted_printable(&text.replace('_', " ")));
        }
        (rest, after_word) = (tail, true);
    }
    decoded.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&decoded).into_owned()
}
