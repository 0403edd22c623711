//! Any run of text and binary messages through the Socket.IO decoder of one connection. Messages are parted by
//! 0xFF, which no text has; one that begins with 0x00 is binary. What is understood and written again must
//! be understood the same, and what waits for its attachments must not take more memory than it may.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use bellhop::protocol::socketio::{self, Decoder, Malformed, Packet};
use bytes::Bytes;
use bytestring::ByteString;
use libfuzzer_sys::fuzz_target;

/// The largest event with its attachments.
const MOST: usize = 1_024;
const ATTACHMENTS_MAX: usize = 10;
/// What bookkeeping may come on top of the bytes that a decoder holds.
const OVERHEAD: usize = 2_048;

/// How many bytes are allocated.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// Passes everything on to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(MOST);
    // What was given since the last whole packet: the event, then its attachments.
    let (mut given, mut messages) = (0, 0);
    let before = HELD.load(Ordering::Relaxed);
    for message in bytes.split(|byte| *byte == 0xFF) {
        given += message.len();
        messages += 1;
        match take(&mut decoder, message) {
            Err(Malformed) => break,
            Ok(Some(packet)) => {
                reads_again(&packet);
                (given, messages) = (0, 0);
            }
            Ok(None) => {
                // The mark of a binary message is none of its bytes.
                assert!(given - (messages - 1) <= MOST, "{given} bytes wait");
                assert!(messages <= ATTACHMENTS_MAX, "{messages} messages wait");
                let held = HELD.load(Ordering::Relaxed).saturating_sub(before);
                assert!(held <= MOST + OVERHEAD, "{held} bytes are held");
            }
        }
    }
});

fn take(decoder: &mut Decoder, message: &[u8]) -> Result<Option<Packet>, Malformed> {
    match message.split_first() {
        Some((0, attachment)) => decoder.binary(Bytes::copy_from_slice(attachment)),
        _ => match std::str::from_utf8(message) {
            Ok(text) => decoder.text(&ByteString::from(text)),
            Err(_) => Err(Malformed),
        },
    }
}

/// Reads what our own encoder writes, without the Engine.IO tag.
fn read(packet: &str, attachments: &[Bytes]) -> Packet {
    let text = ByteString::from(packet.strip_prefix('4').expect("a message"));
    // A name takes more room where it has to be escaped.
    let mut decoder = Decoder::new(8 * MOST);
    let mut read = decoder.text(&text).expect("what we write is a packet");
    for attachment in attachments {
        assert!(read.is_none(), "all attachments are waited for");
        read = decoder.binary(attachment.clone()).expect("an attachment in its place");
    }
    read.expect("it is whole")
}

fn reads_again(packet: &Packet) {
    match packet {
        Packet::Connect { namespace, auth } => {
            assert!(auth.as_ref().is_none_or(|auth| auth.get().starts_with('{')));
            let said = socketio::connect(namespace, "sid", Some("pid"));
            assert!(
                matches!(read(&said, &[]), Packet::Connect { namespace: again, .. } if again == *namespace)
            );
        }
        Packet::Disconnect { namespace } => {
            let said = socketio::disconnect(namespace);
            assert!(
                matches!(read(&said, &[]), Packet::Disconnect { namespace: again } if again == *namespace)
            );
        }
        Packet::Ack { namespace, id } => {
            let said = socketio::ack(namespace, *id, &["{}"], 0);
            let again = read(&said, &[]);
            assert!(
                matches!(&again, Packet::Ack { namespace: n, id: i } if n == namespace && i == id),
                "{again:?}"
            );
        }
        Packet::Event { namespace, name, arguments, attachments, .. } => {
            let spelt: Vec<&str> = arguments.iter().map(|argument| argument.get()).collect();
            let said = socketio::event_with(namespace, name, &spelt, attachments.len());
            let Packet::Event { namespace: n, name: e, arguments, attachments: a, id } =
                read(&said, attachments)
            else {
                panic!("an event is an event");
            };
            let again: Vec<&str> = arguments.iter().map(|argument| argument.get()).collect();
            assert_eq!((&n, &e, again, &a, id), (namespace, name, spelt, attachments, None));
        }
    }
}
