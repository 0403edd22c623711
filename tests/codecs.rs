//! Properties of the pure codecs: whatever comes in is understood or refused, and what goes out is what a
//! client's decoder gets back.

use bellhop::domain::Room;
use bellhop::protocol::events::{ClientEvent, IDS_MAX};
use bellhop::protocol::frame;
use bellhop::protocol::json::{self, ClientFrame, ID_MAX};
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

/// A frame as a client reads it (RFC 6455 §5.2): opcode and payload, and what follows. Only what a server
/// may send: final, unmasked, no extension.
fn decode(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let plain = first & 0xF0 == 0x80 && second & 0x80 == 0;
    let (length, rest) = match second & 0x7F {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = u64::from(u16::from_be_bytes(*length));
            // The shortest form is required.
            (Some(length).filter(|length| *length > 125)?, rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (Some(u64::from_be_bytes(*length)).filter(|length| *length > 65_535)?, rest)
        }
        short => (u64::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    plain.then_some((first & 0x0F, payload, rest))
}

/// Decodes a run of frames.
fn decode_all(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (opcode, payload, rest) = decode(bytes)?;
        frames.push((opcode, payload.to_vec()));
        bytes = rest;
    }
    Some(frames)
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Keys that are known somewhere, and others.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "event",
            "data",
            "id",
            "ids",
            "upTo",
            "all",
            "notificationId",
            "userId",
            "userIds",
            "room",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

fn any_event_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "ping",
            "subscribe",
            "unsubscribe",
            "joinRoom",
            "leaveRoom",
            "getPresence",
            "markNotificationRead",
        ])
        .prop_map(str::to_owned),
        ".{0,20}",
    ]
}

proptest! {
    #[test]
    fn text_frames_decode_to_their_texts(texts in prop::collection::vec(".{0,300}", 0..5)) {
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let wanted: Vec<(u8, Vec<u8>)> = texts.iter().map(|text| (1, text.as_bytes().to_vec())).collect();
        let mut frames = BytesMut::new();
        for text in &borrowed {
            frame::put_text(&mut frames, text);
        }
        prop_assert_eq!(decode_all(&frames), Some(wanted));
    }

    #[test]
    fn lengths_around_the_borders_of_the_forms_decode(
        length in prop_oneof![0_usize..300, 65_500_usize..65_600, 100_000_usize..100_010],
    ) {
        let text = "x".repeat(length);
        let frame = frame::text(&text);
        let (opcode, payload, rest) = decode(&frame).expect("a frame");
        prop_assert_eq!((opcode, payload.len(), rest.len()), (1, length, 0));
    }

    #[test]
    fn control_frames_decode_and_never_exceed_their_limit(
        payload in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        for (frame, wanted) in [(frame::ping(&payload), 9), (frame::pong(&payload), 10)] {
            let (opcode, decoded, rest) = decode(&frame).expect("a frame");
            prop_assert_eq!((opcode, rest.len()), (wanted, 0));
            prop_assert_eq!(decoded, &payload[..payload.len().min(frame::CONTROL_MAX)]);
        }
    }

    #[test]
    fn close_frames_carry_their_code_and_valid_text(code in 1000_u16..5000, reason in ".{0,200}") {
        let frame = frame::close(code, &reason);
        let (opcode, payload, _) = decode(&frame).expect("a frame");
        prop_assert_eq!(opcode, 8);
        prop_assert_eq!(&payload[..2], &code.to_be_bytes()[..]);
        // §5.5.1: the reason is UTF-8; a client fails the connection over half a character.
        let text = std::str::from_utf8(&payload[2..]);
        prop_assert!(text.is_ok_and(|text| reason.starts_with(text)), "{text:?}");
    }

    #[test]
    fn any_text_is_a_frame_or_is_refused(text in ".{0,200}") {
        drop(ClientFrame::parse(&text));
    }

    #[test]
    fn any_json_is_a_frame_or_is_refused(value in any_json()) {
        let text = value.to_string();
        if let Some(frame) = ClientFrame::parse(&text) {
            prop_assert_eq!(Some(&*frame.event), value["event"].as_str());
            prop_assert!(frame.id.is_none_or(|id| id.get().len() <= ID_MAX));
        }
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written(
        event in ".{0,20}",
        data in any_json(),
        id in prop_oneof![any::<i64>().prop_map(Value::from), "[a-z]{0,20}".prop_map(Value::from)],
    ) {
        let text = serde_json::json!({"event": event, "data": data, "id": id}).to_string();
        let frame = ClientFrame::parse(&text).expect("a frame");
        prop_assert_eq!(&*frame.event, &event);
        prop_assert_eq!(frame.id.map(|id| id.get().to_owned()), Some(id.to_string()));
        if !data.is_null() {
            prop_assert_eq!(frame.data.map(|data| data.get().to_owned()), Some(data.to_string()));
        }
    }

    #[test]
    fn any_event_is_understood_or_refused_with_a_stable_code(name in any_event_name(), data in any_json()) {
        match ClientEvent::parse(&name, Some(&data.to_string())) {
            Ok(ClientEvent::GetPresence(users)) => prop_assert!(users.len() <= IDS_MAX),
            Ok(_) => {}
            Err(refusal) => prop_assert!(["bad_data", "unknown_event"].contains(&refusal.code)),
        }
    }

    #[test]
    fn any_text_is_data_or_is_refused(name in any_event_name(), data in ".{0,100}") {
        drop(ClientEvent::parse(&name, Some(&data)));
        drop(ClientEvent::parse(&name, None));
    }

    #[test]
    fn what_the_server_says_is_json_with_its_event_and_data(name in ".{0,20}", data in any_json()) {
        let said: Value = serde_json::from_str(&json::answer(None, &name, &data)).expect("JSON");
        prop_assert_eq!(&said["event"], &name);
        prop_assert_eq!(&said["data"].to_string(), &data.to_string());
    }

    #[test]
    fn any_text_is_a_room_or_is_refused(
        name in prop_oneof![".{0,40}", "(host|user|role|session|booking)[-_:].{0,20}"],
    ) {
        drop(Room::parse(&name));
    }
}
