//! Offsets: what is written reads back, what does not fit says so, and nothing else is an offset.

use proptest::prelude::*;

use super::*;
use crate::domain::{Role, UserId};

const BOOKING: &str = "booking:0198a6a3-5c1e-7b60-9d27-3f0a51c6e8b4";

fn room(name: &str) -> Room {
    Room::parse(name).expect(name)
}

fn offset(seq: i64, rooms: &[&str]) -> Offset {
    Offset { seq, rooms: Rooms::All(rooms.iter().map(|name| room(name)).collect()) }
}

/// So many rooms whose names have so many bytes each.
fn rooms(count: usize, bytes: usize) -> Rooms {
    let width = bytes - "listing:".len();
    Rooms::All((0..count).map(|number| room(&format!("listing:{number:0>width$}"))).collect())
}

#[test]
fn an_offset_is_the_seq_and_the_rooms_that_were_joined() {
    for (offset, text) in [
        (offset(0, &[]), "0"),
        (offset(42, &[]), "42"),
        (offset(i64::MAX, &[]), "9223372036854775807"),
        (offset(42, &[BOOKING]), "42 booking:0198a6a3-5c1e-7b60-9d27-3f0a51c6e8b4"),
        (offset(7, &["listing:sea-view", "host-9", "role:host"]), "7 listing:sea-view user:9 role:HOST"),
        (offset(7, &["listing:Zürich,*%20\"☾"]), "7 listing:Zürich,*%20\"☾"),
        (Offset { seq: 42, rooms: Rooms::TooMany }, "42 *"),
    ] {
        assert_eq!(offset.to_string(), text);
        assert_eq!(Offset::parse(text).as_ref(), Some(&offset), "{text}");
    }
}

#[test]
fn what_follows_the_seq_can_be_kept() {
    for rooms in [rooms(0, 20), rooms(3, 20), Rooms::TooMany] {
        let kept = rooms.to_string();
        assert_eq!(Offset::parse(&format!("8{kept}")), Some(Offset { seq: 8, rooms }));
    }
}

#[test]
fn rooms_that_do_not_fit_are_not_told_at_all() {
    // 15 names of 66 bytes, a space before each, are all but the seq's 19.
    let full = Offset { seq: i64::MAX, rooms: rooms(15, 66) };
    assert_eq!(full.to_string().len(), OFFSET_BYTES_MAX);
    assert_eq!(Offset::parse(&full.to_string()), Some(full));
    for rooms in [rooms(15, 67), rooms(16, 66), rooms(100, 160)] {
        assert_eq!(Offset { seq: 1, rooms }.to_string(), "1 *", "whatever the seq");
    }
}

#[test]
fn rooms_whose_names_do_not_read_back_are_not_told_at_all() {
    for odd in [
        Room::Role(Role::new("front desk")),
        Room::Session("a user:7".to_owned()),
        Room::Session(String::new()),
        Room::Other("user:7".to_owned()),
        Room::Other("*".to_owned()),
        Room::User(UserId::from_stored("x".repeat(500))),
        // In capitals it is longer than a name may be.
        Room::Role(Role::new(&"ß".repeat(150))),
    ] {
        let rooms = Rooms::All(vec![room("listing:1"), odd.clone()]);
        assert_eq!(Offset { seq: 3, rooms }.to_string(), "3 *", "{odd:?}");
    }
}

#[test]
fn nothing_else_is_an_offset() {
    let long = format!("1 {}", vec!["listing:1"; 110].join(" "));
    assert!(long.len() > OFFSET_BYTES_MAX);
    for text in [
        "",
        " ",
        "*",
        "-1",
        "+1",
        "01",
        "00",
        "1.0",
        "1e3",
        "٣",
        "9223372036854775808",
        "99999999999999999999",
        " 1",
        "1 ",
        "1\n",
        "1\tlisting:1",
        "1  listing:1",
        "1 listing:1 ",
        "1,listing:1",
        "listing:1",
        "1 *,",
        "1 * *",
        "1 * listing:1",
        "1 listing:1 *",
        "1 listing",
        "1 :",
        "1 user:",
        "1 listing:a\u{a0}b",
        "null",
        "{\"seq\":1}",
        &long,
        &"1".repeat(1_000_000),
    ] {
        assert_eq!(Offset::parse(text), None, "{text:.100}");
    }
}

fn any_room() -> impl Strategy<Value = Room> {
    prop_oneof![
        "[!-~é☾]{0,40}".prop_map(|id| Room::User(UserId::from_stored(id))),
        "\\PC{0,40}".prop_map(|name| Room::Role(Role::new(&name))),
        "\\PC{0,40}".prop_map(Room::Session),
        "[a-z-]{0,8}:\\PC{0,200}".prop_map(Room::Other),
        "[a-z-]{1,8}:[!-~é☾]{1,40}".prop_filter_map("a room", |name| Room::parse(&name).ok()),
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_or_says_that_it_is_not_all(
        seq in 0..=i64::MAX, rooms in prop::collection::vec(any_room(), 0..40),
    ) {
        let offset = Offset { seq, rooms: Rooms::All(rooms) };
        let text = offset.to_string();
        prop_assert!(text.len() <= OFFSET_BYTES_MAX);
        let read = Offset::parse(&text);
        let not_all = Offset { seq, rooms: Rooms::TooMany };
        prop_assert!(read == Some(not_all) || read == Some(offset), "{}", text);
    }

    #[test]
    fn rooms_that_clients_can_name_read_back(
        seq in 0..=i64::MAX, names in prop::collection::vec("[a-z-]{1,8}:[!-~é☾]{1,40}", 0..8),
    ) {
        let rooms = names.iter().filter_map(|name| Room::parse(name).ok()).collect();
        let offset = Offset { seq, rooms: Rooms::All(rooms) };
        prop_assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
    }

    #[test]
    fn any_text_is_an_offset_or_none(text in "\\PC{0,80}|[0-9]{1,20}( [a-z]{1,4}:[^ ]{1,9}){0,3}") {
        if let Some(offset) = Offset::parse(&text) {
            prop_assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        }
    }
}
