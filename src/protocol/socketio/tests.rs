use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Option<Packet>, Malformed> {
    Decoder::new(1_000).text(&text.into())
}

fn event_of(packet: Option<Packet>) -> (String, String, Vec<String>, Vec<Bytes>, Option<u64>) {
    match packet {
        Some(Packet::Event { namespace, name, arguments, attachments, id }) => {
            let arguments = arguments.iter().map(|argument| argument.get().to_owned()).collect();
            (namespace, name, arguments, attachments, id)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_joins_and_leaves_namespaces() {
    for (text, wanted) in [
        ("0", r#"("/", None)"#),
        (r#"0{"token":"x"}"#, r#"("/", Some("{\"token\":\"x\"}"))"#),
        ("0/ws/notifications", r#"("/ws/notifications", None)"#),
        (r#"0/ws/notifications?a=1,{"a":1}"#, r#"("/ws/notifications", Some("{\"a\":1}"))"#),
    ] {
        match read(text) {
            Ok(Some(Packet::Connect { namespace, auth })) => {
                let said = (namespace, auth.map(|auth| auth.get().to_owned()));
                assert_eq!(format!("{said:?}"), wanted, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(read("1/a,"), Ok(Some(Packet::Disconnect { namespace })) if namespace == "/a"));
}

#[test]
fn an_event_has_its_name_its_arguments_and_perhaps_an_id() {
    let (namespace, name, arguments, attachments, id) =
        event_of(read(r#"2/a,17["joinRoom",{"room":"x"},2]"#).expect("an event"));
    assert_eq!((namespace.as_str(), name.as_str(), id), ("/a", "joinRoom", Some(17)));
    assert_eq!((arguments, attachments), (vec![r#"{"room":"x"}"#.to_owned(), "2".to_owned()], vec![]));
    assert!(matches!(read("317[]"), Ok(Some(Packet::Ack { id: 17, .. }))));
}

#[test]
fn attachments_follow_their_event_and_nothing_else_does() {
    let text =
        ByteString::from(r#"52-9["ping",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    let mut decoder = Decoder::new(1_000);
    assert!(matches!(decoder.text(&text), Ok(None)));
    assert!(matches!(decoder.binary(Bytes::from_static(&[1])), Ok(None)));
    let (.., attachments, id) = event_of(decoder.binary(Bytes::from_static(&[2])).expect("whole"));
    assert_eq!((attachments, id), (vec![Bytes::from_static(&[1]), Bytes::from_static(&[2])], Some(9)));
    assert!(decoder.binary(Bytes::new()).is_err(), "nobody waits for it");
    assert!(matches!(decoder.text(&text), Ok(None)));
    assert!(decoder.text(&"0".into()).is_err(), "an attachment is due");
}

#[test]
fn an_event_and_its_attachments_are_bounded_together() {
    let mut decoder = Decoder::new(100);
    assert!(matches!(decoder.text(&r#"52-["ping"]"#.into()), Ok(None)));
    assert!(matches!(decoder.binary(Bytes::from_static(&[0; 60])), Ok(None)));
    assert!(decoder.binary(Bytes::from_static(&[0; 60])).is_err());
    assert!(decoder.text(&r#"511-["ping"]"#.into()).is_err(), "too many");
    assert!(decoder.text(&format!(r#"2["{}"]"#, "x".repeat(200)).into()).is_err(), "too long");
}

#[test]
fn what_is_no_packet_is_refused() {
    for text in [
        "",
        "abc",
        "2",
        "2{}",
        "2[]",
        "2[1]",
        r#"2["connect"]"#,
        "0[]",
        "0\"x\"",
        "0{",
        "3[]",
        "4{}",
        "5[]",
        "7",
        r#"5["a"]"#,
        r#"2["a""#,
        "0123",
        "0123{}",
        "0/a,7{}",
        "1garbage",
        "1/a,{}",
        "299999999999999999999[\"a\"]",
        "2/a,99999999999999999999[\"a\"]",
        "2-1[\"a\"]",
        "31{}",
        "31[",
        "31[1]x",
        "60-1{}",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn packets_are_written_as_the_protocol_spells_them() {
    assert_eq!(connect("/", "s", None), r#"40{"sid":"s"}"#);
    assert_eq!(connect("/a", "s", Some("p")), r#"40/a,{"sid":"s","pid":"p"}"#);
    assert_eq!(connect_error("/a", "Invalid namespace", None), r#"44/a,{"message":"Invalid namespace"}"#);
    assert_eq!(
        connect_error("/", "no", Some(r#"{"code":"x"}"#)),
        r#"44{"message":"no","data":{"code":"x"}}"#
    );
    assert_eq!((disconnect("/"), disconnect("/a")), ("41".to_owned(), "41/a,".to_owned()));
    assert_eq!(event_with("/a", "pong", &["1"], 0), r#"42/a,["pong",1]"#);
    assert_eq!(event_with("/", "pong", &["1", "2"], 2), r#"452-["pong",1,2]"#);
    assert_eq!(ack("/", 7, &["{}", "1"], 0), "437[{},1]");
    assert_eq!(ack("/a", 7, &["{}"], 1), "461-/a,7[{}]");
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(messages in prop::collection::vec((any::<bool>(), ".{0,40}"), 0..20)) {
        let mut decoder = Decoder::new(200);
        for (is_text, message) in messages {
            // What it makes of it is not the question.
            let _ = if is_text { decoder.text(&message.into()) } else { decoder.binary(message.into()) };
        }
    }

    #[test]
    fn what_is_written_reads_back(name in "[a-z:.]{1,20}", data in ".{0,40}", namespace in "/[a-z/]{0,10}") {
        prop_assume!(!RESERVED.contains(&name.as_str()));
        let data = json::data(&data);
        let packet = event_with(&namespace, &name, &[&data], 0);
        let text = packet.strip_prefix('4').expect("a message");
        let (read_namespace, read_name, arguments, ..) = event_of(Decoder::new(10_000).text(&text.into()).expect("it reads back"));
        prop_assert_eq!((read_namespace, read_name, arguments), (namespace, name, vec![data]));
    }
}
