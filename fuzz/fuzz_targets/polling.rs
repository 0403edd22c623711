//! Any bytes as the body of a long-polling request, on through the Socket.IO decoder; and any bytes as the
//! frames of which the answer to a poll is made. What is read and written again must read the same.

#![no_main]

use bellhop::protocol::engineio::{self, Packet};
use bellhop::protocol::frame;
use bellhop::protocol::socketio::Decoder;
use bytes::Bytes;
use bytestring::ByteString;
use libfuzzer_sys::fuzz_target;

const MOST: usize = 4_096;

fuzz_target!(|bytes: &[u8]| {
    answer(bytes);
    if let Ok(body) = std::str::from_utf8(bytes) {
        request(&ByteString::from(body));
    }
});

/// Whatever the frames are, the body made of them stays in proportion, and reads as packets.
fn answer(frames: &[u8]) {
    let body = engineio::polling_body(frames);
    // At worst each byte is no text, and becomes the three of a replacement character.
    assert!(body.payload.len() <= 3 * frames.len());
    assert!(body.pings.iter().map(Vec::len).sum::<usize>() <= frames.len());
}

fn request(body: &ByteString) {
    let packets: Vec<_> = engineio::payload(body).collect();
    assert_eq!(packets.len(), 1 + body.matches('\x1e').count());
    let mut decoder = Decoder::new(MOST);
    let mut frames = Vec::new();
    let mut read = Vec::new();
    for packet in packets {
        let Ok(packet) = packet else { break };
        let understood = match &packet {
            Packet::Message(text) => decoder.text(text).map(drop),
            Packet::Binary(bytes) => decoder.binary(bytes.clone()).map(drop),
            _ => Ok(()),
        };
        frames.extend_from_slice(&written(&packet));
        read.push(packet);
        if understood.is_err() {
            break;
        }
    }
    if read.is_empty() {
        return;
    }
    let again = ByteString::from(engineio::polling_body(&frames).payload);
    let again: Result<Vec<_>, _> = engineio::payload(&again).collect();
    assert_eq!(again.as_deref(), Ok(read.as_slice()));
}

/// The frame of which a body's packet is made.
fn written(packet: &Packet) -> Bytes {
    match packet {
        Packet::Close => frame::text("1"),
        Packet::Ping => frame::text("2"),
        Packet::Probe => frame::text("2probe"),
        Packet::Pong => frame::text("3"),
        Packet::Message(text) => frame::text(&format!("4{text}")),
        Packet::Upgrade => frame::text("5"),
        Packet::Noop => frame::text("6"),
        Packet::Binary(bytes) => frame::binary(bytes),
    }
}
