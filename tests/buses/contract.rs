//! Words: who hears what is said, and who learns that nobody did.

use std::borrow::Cow;
use std::time::Duration;

use bellhop::bus::Address;
use bellhop::domain::{InboxState, NotificationId, RequestId, Room, UserId};
use bellhop::protocol::letter::{Letter, Word};
use bellhop::protocol::wire::Said;
use serde_json::json;

use super::meeting::{Meeting, Member, on_every_bus, until};
use crate::support::redis::{RedisCluster, RedisServer};

fn host() -> Room {
    Room::User(UserId::from_stored("host-7".to_owned()))
}

fn letter(number: i64) -> Word<'static> {
    let said =
        Said::event("notification:unread_count", json!({"unread": number, "text": "Zimmer »Süd« \0 \n"}));
    Word::Letter(Letter {
        said: Cow::Owned(vec![said]),
        notification: Some(NotificationId::from_uuid(uuid::Uuid::from_u128(7))),
        request: RequestId::parse("a-request"),
        inbox: Some(InboxState { last_seq: number, unread: 1 }),
    })
}

#[tokio::test]
async fn a_room_is_heard_when_its_place_in_the_cluster_has_moved() {
    let cluster = RedisCluster::start_new();
    let meeting = Meeting::at(&cluster.url(), true);
    let (mut a, mut b) = (meeting.join("a").await, meeting.join("b").await);
    b.listen(&host()).await;
    for channel in ["room:user:host-7", "all"] {
        let channel = format!("{}:a-deployment:{channel}", meeting.prefix());
        let is_there = |node: &RedisServer| node.command(&["PUBSUB", "SHARDCHANNELS"]).contains(&channel);
        assert!(cluster.nodes().iter().any(is_there), "{channel}");
        cluster.move_slot_of(&channel);
        until(false, async || a.is_alone_in(&host()).await).await;
        until(true, async || cluster.nodes().iter().any(is_there)).await;
    }
    await_what_is_for_all(&mut a, &b).await;
}

/// Says it again where somebody was on their way to another connection.
async fn await_what_is_for_all(hears: &mut Member, says: &Member) {
    until(true, async || {
        says.say(Address::All, Word::Leaving);
        let next = tokio::time::timeout(Duration::from_secs(1), hears.next_word()).await;
        next.is_ok_and(|(_, word)| word == Word::Leaving)
    })
    .await;
}

#[tokio::test]
async fn a_room_is_heard_when_all_masters_have_given_their_places_away() {
    let cluster = RedisCluster::start_new();
    let meeting = Meeting::at(&cluster.url(), true);
    let (mut a, mut b) = (meeting.join("a").await, meeting.join("b").await);
    b.listen(&host()).await;
    cluster.swap_all();
    until(false, async || a.is_alone_in(&host()).await).await;
    await_what_is_for_all(&mut a, &b).await;
}

on_every_bus! {
    async fn what_is_said_in_a_room_is_heard_there_and_nowhere_else(meeting) {
        let (mut a, mut b, mut c) = (meeting.join("a").await, meeting.join("b").await, meeting.join("c").await);
        a.listen(&host()).await;
        b.listen(&host()).await;
        c.listen(&Room::Other("listing:sea-view".to_owned())).await;
        a.say(Address::Room(host()), letter(1));
        a.say(Address::All, Word::Orders);
        assert_eq!(b.hear(|heard| match heard {
            bellhop::bus::Heard::Word(at @ Address::Room(_), word) => Some((at, word)),
            _ => None,
        }).await, (Address::Room(host()), letter(1)));
        assert_eq!(c.next_word().await, (Address::All, Word::Orders), "it is not in that room");
        // And who says it does not hear it.
        b.say(Address::All, Word::Leaving);
        assert_eq!(a.next_word().await, (Address::All, Word::Leaving));
    }

    async fn what_one_instance_says_in_a_room_is_heard_in_its_order(meeting) {
        let (a, mut b) = (meeting.join("a").await, meeting.join("b").await);
        b.listen(&host()).await;
        for number in 0..500 {
            a.say(Address::Room(host()), letter(number));
        }
        for number in 0..500 {
            assert_eq!(b.next_word().await, (Address::Room(host()), letter(number)));
        }
    }

    async fn who_tells_something_to_nobody_learns_so(meeting) {
        let (mut a, mut b) = (meeting.join("a").await, meeting.join("b").await);
        assert!(a.is_alone_in(&host()).await);
        b.listen(&host()).await;
        assert!(!a.is_alone_in(&host()).await);
        b.bus.cease(&host());
        until(true, async || a.is_alone_in(&host()).await).await;
        // The same room again, and at once.
        b.bus.listen(&host());
        until(false, async || a.is_alone_in(&host()).await).await;
    }

    async fn a_room_of_any_name_is_the_room_that_was_meant(meeting) {
        let (a, mut b) = (meeting.join("a").await, meeting.join("b").await);
        let rooms = [
            Room::Session("a log-in: of two words".to_owned()),
            Room::Other("listing:a:b{c}*?[d]".to_owned()),
            Room::User(UserId::from_stored("auth0|5f7c:é".to_owned())),
            Room::Role(bellhop::domain::Role::new("night-shift")),
        ];
        for room in &rooms {
            b.listen(room).await;
            a.say(Address::Room(room.clone()), letter(1));
            assert_eq!(b.next_word().await, (Address::Room(room.clone()), letter(1)));
        }
    }

    async fn who_has_left_tells_nobody_any_more_and_hears_nothing(meeting) {
        let (mut a, mut b) = (meeting.join("a").await, meeting.join("b").await);
        b.listen(&host()).await;
        assert!(!a.is_alone_in(&host()).await);
        b.bus.leave().await;
        drop(b);
        until(true, async || a.is_alone_in(&host()).await).await;
    }
}
