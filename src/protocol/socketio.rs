//! Socket.IO protocol 5: its packets, in Engine.IO messages. Read by socketioxide's parser, which is fuzzed and has met
//! many clients; written here, because what is said to many is encoded once and shared as bytes.

mod strict;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use socketioxide_core::packet::{Packet as Parsed, PacketData};
use socketioxide_core::parser::{Parse as _, ParseConfig, ParseError, ParserState};
use socketioxide_core::{Str, Value};
use socketioxide_parser_common::CommonParser;

use super::json;

/// The most attachments that one event may have, as many as the reference parser's default.
const ATTACHMENTS_MAX: usize = 10;
/// How long the attachments of one event may take.
const ATTACHMENTS_TIME: Duration = Duration::from_mins(1);
/// Names that clients may not use for events.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A packet from a client. A namespace is without its query.
#[derive(Debug)]
pub enum Packet {
    /// What the client says of itself is a JSON object, if anything.
    Connect {
        namespace: String,
        auth: Option<Box<RawValue>>,
    },
    Disconnect {
        namespace: String,
    },
    Event {
        namespace: String,
        name: String,
        /// As JSON, with placeholders for attachments.
        arguments: Vec<Box<RawValue>>,
        attachments: Vec<Bytes>,
        /// Where an ack is waited for.
        id: Option<u64>,
    },
    /// What an ack carries nobody reads.
    Ack {
        namespace: String,
        id: u64,
    },
}

/// Not a packet, or not in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads the packets of one connection; remembers one whose attachments are still to come.
#[derive(Debug)]
pub struct Decoder {
    /// The largest event with its attachments, in bytes.
    most: usize,
    pending: Option<Box<Pending>>,
}

#[derive(Debug)]
struct Pending {
    state: ParserState,
    /// How many bytes it has so far.
    bytes: usize,
}

impl Decoder {
    pub fn new(most: usize) -> Self {
        Self { most, pending: None }
    }

    fn config(&self) -> ParseConfig {
        ParseConfig {
            max_incoming_binary_buf_size: self.most,
            max_incoming_binaries: ATTACHMENTS_MAX,
            packet_completion_timeout: ATTACHMENTS_TIME,
        }
    }

    /// Takes a text message; answers a packet, unless its attachments are still to come.
    pub fn text(&mut self, text: &ByteString) -> Result<Option<Packet>, Malformed> {
        if self.pending.is_some() || text.len() > self.most {
            return Err(Malformed);
        }
        let state = ParserState::default();
        strict::head(text)?;
        match CommonParser.decode_str(&self.config(), &state, Str::from(text.to_string())) {
            Ok(packet) => understand(packet).map(Some),
            Err(ParseError::NeedsMoreBinaryData) => {
                self.pending = Some(Box::new(Pending { state, bytes: text.len() }));
                Ok(None)
            }
            Err(_) => Err(Malformed),
        }
    }

    /// Takes a binary message: an attachment of the event before it.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, Malformed> {
        let config = self.config();
        let Some(pending) = &mut self.pending else { return Err(Malformed) };
        pending.bytes = pending.bytes.saturating_add(bytes.len());
        let decoded = match CommonParser.decode_bin(&config, &pending.state, bytes) {
            _ if pending.bytes > self.most => Err(Malformed),
            Ok(packet) => understand(packet).map(Some),
            Err(ParseError::NeedsMoreBinaryData) => return Ok(None),
            Err(_) => Err(Malformed),
        };
        self.pending = None;
        decoded
    }
}

fn understand(packet: Parsed) -> Result<Packet, Malformed> {
    let namespace = packet.ns.split('?').next().unwrap_or_default().to_owned();
    match packet.inner {
        PacketData::Connect(auth) => Ok(Packet::Connect { namespace, auth: auth.map(object).transpose()? }),
        PacketData::Disconnect => Ok(Packet::Disconnect { namespace }),
        PacketData::Event(value, id) | PacketData::BinaryEvent(value, id) => event(namespace, value, id),
        PacketData::EventAck(value, id) | PacketData::BinaryAck(value, id) => {
            let (text, attachments) = parts(value)?;
            strict::placeholders(&text, attachments.len())?;
            // Nobody reads what it carries, but a list it must be.
            let _: Vec<IgnoredAny> = serde_json::from_str(&text).map_err(|_| Malformed)?;
            Ok(Packet::Ack { namespace, id: u64::try_from(id).map_err(|_| Malformed)? })
        }
        PacketData::ConnectError(_) => Err(Malformed),
    }
}

/// Text and attachments of a value.
fn parts(value: Value) -> Result<(Str, Vec<Bytes>), Malformed> {
    match value {
        Value::Str(text, attachments) => Ok((text, attachments.unwrap_or_default().into())),
        Value::Bytes(_) => Err(Malformed),
    }
}

fn object(value: Value) -> Result<Box<RawValue>, Malformed> {
    let (text, _) = parts(value)?;
    let raw: Box<RawValue> = serde_json::from_str(&text).map_err(|_| Malformed)?;
    if raw.get().starts_with('{') { Ok(raw) } else { Err(Malformed) }
}

fn event(namespace: String, value: Value, id: Option<i64>) -> Result<Packet, Malformed> {
    let (text, attachments) = parts(value)?;
    strict::placeholders(&text, attachments.len())?;
    let mut arguments: Vec<Box<RawValue>> = serde_json::from_str(&text).map_err(|_| Malformed)?;
    if arguments.is_empty() {
        return Err(Malformed);
    }
    let name: String = serde_json::from_str(arguments.remove(0).get()).map_err(|_| Malformed)?;
    if RESERVED.contains(&name.as_str()) {
        return Err(Malformed);
    }
    let id = id.map(u64::try_from).transpose().map_err(|_| Malformed)?;
    Ok(Packet::Event { namespace, name, arguments, attachments, id })
}

/// The head of a packet: its type, how many attachments follow where any may, its namespace and its id.
pub(super) fn head(kind: char, attachments: usize, namespace: &str, id: Option<u64>) -> String {
    let mut head = String::with_capacity(namespace.len() + 32);
    head.push('4');
    head.push(kind);
    // Writing to a string does not fail.
    if attachments > 0 {
        let _ = write!(head, "{attachments}-");
    }
    if namespace != "/" {
        head.push_str(namespace);
        head.push(',');
    }
    if let Some(id) = id {
        let _ = write!(head, "{id}");
    }
    head
}

/// A namespace is joined. `pid` is what the client shows when it comes back.
pub fn connect(namespace: &str, sid: &str, pid: Option<&str>) -> String {
    let mut packet = head('0', 0, namespace, None);
    packet.extend(["{\"sid\":", &json::data(sid)]);
    if let Some(pid) = pid {
        packet.extend([",\"pid\":", &json::data(pid)]);
    }
    packet.push('}');
    packet
}

/// A namespace is not joined. `data` is JSON.
pub fn connect_error(namespace: &str, message: &str, data: Option<&str>) -> String {
    let mut packet = head('4', 0, namespace, None);
    packet.extend(["{\"message\":", &json::data(message)]);
    if let Some(data) = data {
        packet.extend([",\"data\":", data]);
    }
    packet.push('}');
    packet
}

/// The client is out of a namespace, and is not to come back by itself.
pub fn disconnect(namespace: &str) -> String {
    head('1', 0, namespace, None)
}

/// An event. Its arguments are JSON, with placeholders for as many attachments as follow.
pub fn event_with(namespace: &str, name: &str, arguments: &[&str], attachments: usize) -> String {
    let mut packet = head(if attachments > 0 { '5' } else { '2' }, attachments, namespace, None);
    packet.extend(["[", &json::data(name)]);
    packet.extend(arguments.iter().flat_map(|argument| [",", argument]));
    packet.push(']');
    packet
}

/// The answer to an event that asked for one, as [`event_with`].
pub fn ack(namespace: &str, id: u64, arguments: &[&str], attachments: usize) -> String {
    let mut packet = head(if attachments > 0 { '6' } else { '3' }, attachments, namespace, Some(id));
    packet.extend(["[", &arguments.join(","), "]"]);
    packet
}

#[cfg(test)]
mod tests;
