//! Engine.IO protocol 4: its packets, as messages of a WebSocket and as bodies of long-polling. A packet's tag is one
//! character, so this is written here; the crates that read them as well take more than the protocol allows and copy
//! what they read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::json;

/// What stands between the packets of a body.
const SEPARATOR: char = '\x1e';

/// Packets that the server writes whole.
pub const CLOSE: &str = "1";
pub const PING: &str = "2";
pub const PROBE_ANSWER: &str = "3probe";
pub const NOOP: &str = "6";

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Close,
    Ping,
    /// The ping with which a WebSocket asks to take a polled connection over.
    Probe,
    Pong,
    Message(ByteString),
    Upgrade,
    Noop,
    /// Only in bodies: a WebSocket has binary messages of its own.
    Binary(Bytes),
}

/// Not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads the one packet of a text message.
pub fn parse(text: &ByteString) -> Result<Packet, Malformed> {
    let (tag, data) = text.split_at_checked(1).ok_or(Malformed)?;
    match (tag, data) {
        ("1", "") => Ok(Packet::Close),
        ("2", "") => Ok(Packet::Ping),
        ("2", "probe") => Ok(Packet::Probe),
        ("3", "") => Ok(Packet::Pong),
        ("4", data) => Ok(Packet::Message(text.slice_ref(data))),
        ("5", "") => Ok(Packet::Upgrade),
        ("6", "") => Ok(Packet::Noop),
        _ => Err(Malformed),
    }
}

/// Reads the packets of a body, in their order.
pub fn payload(body: &ByteString) -> impl Iterator<Item = Result<Packet, Malformed>> {
    body.split(SEPARATOR).map(|packet| match packet.strip_prefix('b') {
        Some(encoded) => {
            STANDARD.decode(encoded).map(|bytes| Packet::Binary(bytes.into())).map_err(|_| Malformed)
        }
        None => parse(&body.slice_ref(packet)),
    })
}

/// What a connection is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    pub sid: &'a str,
    /// Whether it may be taken over by a WebSocket.
    pub can_upgrade: bool,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// In bytes.
    pub max_payload: usize,
}

impl Open<'_> {
    pub fn text(&self) -> String {
        let upgrades: &[&str] = if self.can_upgrade { &["websocket"] } else { &[] };
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let handshake = json!({
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": milliseconds(self.ping_interval),
            "pingTimeout": milliseconds(self.ping_timeout),
            "maxPayload": self.max_payload,
        });
        format!("0{handshake}")
    }
}

/// What WebSocket frames of the server are for a client that polls.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PollingBody {
    /// Packets; empty when the frames had nothing for the client to read.
    pub payload: String,
    /// What the pings carried: they are not written, but the next poll says as much as a pong.
    pub pings: Vec<Vec<u8>>,
    /// Whether a close frame, which is packet `1` here, was among them.
    pub close: bool,
}

/// Makes a body of whole frames as `frame.rs` writes them.
pub fn polling_body(frames: &[u8]) -> PollingBody {
    let mut body = PollingBody::default();
    let mut rest = frames;
    while let Some((opcode, payload, after)) = super::frame::split(rest) {
        rest = after;
        match opcode {
            super::frame::TEXT => body.add(&String::from_utf8_lossy(payload)),
            super::frame::BINARY => body.add(&format!("b{}", STANDARD.encode(payload))),
            super::frame::PING => body.pings.push(payload.to_vec()),
            super::frame::CLOSE => {
                body.add(CLOSE);
                body.close = true;
            }
            _ => {}
        }
    }
    body
}

impl PollingBody {
    fn add(&mut self, packet: &str) {
        join(&mut self.payload, packet);
    }
}

/// Adds packets to those of a body.
pub fn join(body: &mut String, packets: &str) {
    if !body.is_empty() && !packets.is_empty() {
        body.push(SEPARATOR);
    }
    body.push_str(packets);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame;
    use super::*;

    fn read(body: &'static str) -> Vec<Result<Packet, Malformed>> {
        payload(&ByteString::from_static(body)).collect()
    }

    #[test]
    fn every_packet_of_a_client_is_read() {
        assert_eq!(
            read("4hello\x1ebAQIDBA==\x1e2probe\x1e2\x1e3\x1e5\x1e6\x1e1\x1e4"),
            [
                Ok(Packet::Message("hello".into())),
                Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))),
                Ok(Packet::Probe),
                Ok(Packet::Ping),
                Ok(Packet::Pong),
                Ok(Packet::Upgrade),
                Ok(Packet::Noop),
                Ok(Packet::Close),
                Ok(Packet::Message("".into())),
            ]
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for body in ["", "\x1e", "abc", "0{}", "1x", "3probe", "5x", "7", "b!", "bA", "é", "-"] {
            assert!(read(body).iter().any(Result::is_err), "{body:?}");
        }
        assert_eq!(parse(&"bAQ==".into()), Err(Malformed), "not in a WebSocket's messages");
    }

    #[test]
    fn a_body_is_made_of_frames_and_remembers_their_pings() {
        let frames = [
            frame::text("42[\"a\"]"),
            frame::ping(b"7"),
            frame::binary(&[1, 2, 3, 4]),
            frame::pong(b"x"),
            frame::close(1012, "server_restart"),
        ];
        assert_eq!(
            polling_body(&frames.concat()),
            PollingBody {
                payload: "42[\"a\"]\x1ebAQIDBA==\x1e1".to_owned(),
                pings: vec![b"7".to_vec()],
                close: true
            }
        );
        assert_eq!(polling_body(&frame::ping(b"7")).payload, "");
    }

    #[test]
    fn the_handshake_has_the_keys_that_clients_read() {
        let (ping_interval, ping_timeout) = (Duration::from_secs(25), Duration::from_secs(20));
        let open = Open { sid: "abc", can_upgrade: true, ping_interval, ping_timeout, max_payload: 65_536 };
        let text = open.text();
        let value: serde_json::Value =
            serde_json::from_str(text.strip_prefix('0').expect("tag")).expect("JSON");
        assert_eq!(
            value,
            json!({"sid": "abc", "upgrades": ["websocket"], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 65_536})
        );
    }

    proptest! {
        #[test]
        fn a_body_reads_back_packet_by_packet(
            packets in prop::collection::vec(prop_oneof![
                "[^\x1e]{0,20}".prop_map(|text| Packet::Message(text.into())),
                prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Packet::Binary(bytes.into())),
            ], 1..8),
        ) {
            let frames = packets.iter().map(|packet| match packet {
                Packet::Message(text) => frame::text(&format!("4{text}")),
                Packet::Binary(bytes) => frame::binary(bytes),
                other => panic!("{other:?} is not made here"),
            });
            let body = polling_body(&frames.collect::<Vec<_>>().concat());
            let read: Result<Vec<_>, _> = payload(&body.payload.into()).collect();
            prop_assert_eq!(read, Ok(packets));
        }
    }
}
