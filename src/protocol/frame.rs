//! WebSocket frames as a server writes them (RFC 6455 §5.2): unmasked and unfragmented. A frame is
//! encoded once and its bytes are shared by every session that gets it.

use bytes::{BufMut, Bytes, BytesMut};

const FIN: u8 = 0x80;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The largest payload of a control frame (RFC 6455 §5.5).
pub const CONTROL_MAX: usize = 125;

/// A text frame.
pub fn text(payload: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    put_text(&mut frame, payload);
    frame.freeze()
}

/// A binary frame.
pub fn binary(payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    put(&mut frame, BINARY, payload);
    frame.freeze()
}

/// A ping that asks the client to prove what it has got so far.
pub fn ping(payload: &[u8]) -> Bytes {
    control(PING, payload)
}

/// The answer to a client's ping.
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// A close frame: a code (RFC 6455 §7.4) and a reason, cut at a character where it is too long: a client
/// fails the connection over half of one.
pub fn close(code: u16, reason: &str) -> Bytes {
    let reason = reason.get(..reason.floor_char_boundary(CONTROL_MAX - 2)).unwrap_or_default();
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    control(CLOSE, &payload)
}

/// Adds a text frame to a run of frames.
pub fn put_text(out: &mut BytesMut, payload: &str) {
    put(out, TEXT, payload.as_bytes());
}

/// The opcode and payload of the first of a run of frames as they are written here, and the rest of the run.
pub(super) fn split(frames: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = frames.split_first()?;
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(*short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((first & !FIN, payload, rest))
}

fn put(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.put_u8(FIN | opcode);
    // §5.2: 7 bits of length, or 126 and 16 bits, or 127 and 64 bits.
    if let Ok(short @ 0..=125) = u8::try_from(payload.len()) {
        out.put_u8(short);
    } else if let Ok(medium) = u16::try_from(payload.len()) {
        out.put_u8(126);
        out.put_u16(medium);
    } else {
        out.put_u8(127);
        out.put_u64(payload.len() as u64);
    }
    out.put_slice(payload);
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    let payload = payload.get(..CONTROL_MAX).unwrap_or(payload);
    let mut frame = BytesMut::with_capacity(2 + payload.len());
    frame.put_u8(FIN | opcode);
    frame.put_u8(u8::try_from(payload.len()).unwrap_or(0));
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(text("hi"), Bytes::from_static(b"\x81\x02hi"));
        assert_eq!(text(&"x".repeat(125))[..2], [0x81, 125]);
        assert_eq!(text(&"x".repeat(126))[..4], [0x81, 126, 0, 126]);
        assert_eq!(text(&"x".repeat(65_535))[..4], [0x81, 126, 0xFF, 0xFF]);
        assert_eq!(text(&"x".repeat(65_536))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_close_frame_carries_its_code_and_reason() {
        assert_eq!(close(1012, "bye"), Bytes::from_static(b"\x88\x05\x03\xF4bye"));
    }

    #[test]
    fn control_frames_never_exceed_their_limit() {
        assert_eq!(ping(&[b'x'; 300]).len(), 2 + CONTROL_MAX);
    }
}
