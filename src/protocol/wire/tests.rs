use super::*;

fn main() -> Spelling {
    let names = ["notification", "notification:new", "booking.created=new_booking"].map(str::to_owned);
    Spelling::new(Namespace::Main, Names::parse(&names), false)
}

fn notifications(acks: bool) -> Spelling {
    let names = ["{type}", "notification"].map(str::to_owned);
    Spelling::new(Namespace::Notifications, Names::parse(&names), acks)
}

fn said(kind: &'static str) -> Said {
    Said { name: kind.into(), data: "{}".into(), subject: Subject::Notification(Some(7)) }
}

/// The texts of a run of short frames.
fn texts(frames: &Bytes) -> Vec<String> {
    let mut rest = &frames[..];
    let mut found = Vec::new();
    while let [0x81, length, tail @ ..] = rest {
        let (text, after) = tail.split_at(usize::from(*length));
        found.push(String::from_utf8(text.to_vec()).expect("text"));
        rest = after;
    }
    found
}

fn spoken(spelling: Spelling, said: &Said) -> Vec<String> {
    texts(&Wire::SocketIo(Arc::new(spelling)).frames(std::slice::from_ref(said), ""))
}

#[test]
fn a_namespace_says_a_notification_under_its_names_and_the_last_carries_the_offset() {
    assert_eq!(
        spoken(main(), &said("booking.created")),
        [r#"42["notification",{}]"#, r#"42["notification:new",{}]"#, r#"42["new_booking",{},"7"]"#]
    );
    assert_eq!(
        spoken(notifications(false), &said("LIKE")),
        [r#"42/ws/notifications,["LIKE",{}]"#, r#"42/ws/notifications,["notification",{},"7"]"#]
    );
    assert_eq!(
        spoken(notifications(true), &said("LIKE")),
        [r#"42/ws/notifications,7["LIKE",{}]"#, r#"42/ws/notifications,7["notification",{}]"#]
    );
    assert_eq!(
        spoken(notifications(false), &said("notification")),
        [r#"42/ws/notifications,["notification",{},"7"]"#]
    );
}

#[test]
fn a_client_may_ask_for_certain_names_and_for_types_by_name() {
    let wanted = |names: &[&str]| main().narrowed(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(spoken(wanted(&["new_booking"]), &said("booking.created")), [r#"42["new_booking",{},"7"]"#]);
    assert_eq!(spoken(wanted(&["LIKE"]), &said("LIKE")), [r#"42["LIKE",{},"7"]"#]);
    assert_eq!(spoken(wanted(&["new_booking"]), &said("LIKE")), [""; 0]);
    assert!(!Wire::SocketIo(Arc::new(wanted(&["new_booking"]))).says(&said("LIKE")));
    let bookings = Names::parse(&["booking.created=new_booking".to_owned()]);
    let bookings = Wire::SocketIo(Arc::new(Spelling::new(Namespace::Main, bookings, false)));
    assert!(bookings.says(&said("booking.created")) && !bookings.says(&said("LIKE")), "no name for it");
}

#[test]
fn those_who_are_spoken_to_alike_share_the_bytes() {
    let message = Message::new(vec![said("LIKE")]);
    let (one, other) = (Wire::SocketIo(Arc::new(main())), Wire::SocketIo(Arc::new(main())));
    assert_eq!(message.frames(&one, "").as_ptr(), message.frames(&other, "").as_ptr());
    let acks = Wire::SocketIo(Arc::new(notifications(true)));
    assert_ne!(message.frames(&one, ""), message.frames(&acks, ""));
    assert_ne!(message.frames(&one, ""), message.frames(&one, "+booking:1"));
}

#[test]
fn those_who_asked_for_the_same_names_share_the_bytes_as_far_as_they_are_few() {
    let message = Message::new(vec![said("LIKE")]);
    let narrowed = || Wire::SocketIo(Arc::new(main().narrowed(vec!["LIKE".to_owned()])));
    let (one, like_one) = (narrowed(), narrowed());
    let first = message.frames(&one, "");
    assert_eq!(first.as_ptr(), message.frames(&one.clone(), "").as_ptr());
    assert_eq!(first, message.frames(&like_one, ""), "the same words, whoever made them");
    let others: Vec<Wire> = (0..2 * NARROWED_MAX).map(|_| narrowed()).collect();
    assert!(others.iter().all(|other| message.frames(other, "") == first));
}

#[test]
fn only_who_is_not_to_come_back_is_disconnected() {
    let wire = Wire::SocketIo(Arc::new(notifications(false)));
    let goodbye = wire.goodbye(CloseReason::TtlElapsed, "7").expect("a packet");
    assert_eq!(texts(&goodbye), ["41/ws/notifications,"]);
    assert_eq!(wire.goodbye(CloseReason::ServerRestart, "7"), None);
}
