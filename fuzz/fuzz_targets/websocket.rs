//! Any bytes as what a client sends over a WebSocket, through everything that reads frames. The first byte says
//! how the rest is cut into reads. However it is cut, the same messages are heard; what is heard and sent
//! again is heard the same; and no more waits than one frame may have and one read may bring.

#![no_main]

use bellhop::transports::websocket::fuzzing::{Heard, hear};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// The largest message. Small, so that messages that are too large are found.
const MOST: usize = 300;
/// RFC 6455 §5.2: two bytes, a length of eight, a mask of four.
const HEAD_MAX: usize = 14;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let heard = listen(bytes, usize::from(*size) + 1);
    assert_eq!(heard, listen(bytes, bytes.len().max(1)), "the cuts make a difference");
    let again: Vec<u8> = heard.iter().flat_map(sent).collect();
    assert_eq!(heard, listen(&again, usize::from(*size) + 1), "it is not heard the same again");
});

/// Hears `bytes` in reads of `size`.
fn listen(bytes: &[u8], size: usize) -> Vec<Heard> {
    let chunks = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let (heard, waited) = hear(chunks, MOST);
    assert!(waited <= MOST + HEAD_MAX + size, "{waited} bytes waited");
    for heard in &heard {
        let (Heard::Text(payload) | Heard::Binary(payload) | Heard::Ping(payload) | Heard::Pong(payload)) =
            heard;
        assert!(payload.len() <= MOST);
    }
    heard
}

/// The frame of a message as a client sends it, under a mask that changes it.
fn sent(heard: &Heard) -> Vec<u8> {
    const MASK: [u8; 4] = [0x81, 0x00, 0xFF, 0x5A];
    let (opcode, payload) = match heard {
        Heard::Text(payload) => (0x1, payload),
        Heard::Binary(payload) => (0x2, payload),
        Heard::Ping(payload) => (0x9, payload),
        Heard::Pong(payload) => (0xA, payload),
    };
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("not longer than MOST").to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
