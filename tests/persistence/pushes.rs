//! What reaches the hub: only what was committed, in the order of each inbox, and to whom.

use bellhop::actors::hub::{Deliver, SessionRef};
use bellhop::actors::persistence::{Choice, Greet, MarkRead, Pass, SavePreferences};
use bellhop::domain::{InboxState, NotificationId, Preferences, Profile, Role, Room, Selection};
use bellhop::storage::recipients;

use super::bench::{Bench, Seen, answer, on_bench};
use crate::support::both::on_both_stores;
use bellhop::protocol::wire::{Wanted, Wire};

use crate::support::deadline::soon;
use crate::support::store::{device, draft, user};

/// One parcel of a delivery, as a test looks at it.
#[derive(Debug)]
pub(super) struct Parcel {
    to: Vec<SessionRef>,
    except: Option<SessionRef>,
    notification: Option<NotificationId>,
    inbox: Option<InboxState>,
    pub(super) text: String,
}

fn parcels(delivery: Deliver) -> Vec<Parcel> {
    let parcel = |(parcel, to): (std::sync::Arc<bellhop::actors::hub::Parcel>, Vec<SessionRef>)| Parcel {
        to,
        except: parcel.except,
        notification: parcel.notification,
        inbox: parcel.inbox,
        text: String::from_utf8_lossy(&parcel.words.frames(&Wire::Raw(Wanted::default()), "")).into_owned(),
    };
    delivery.batch.into_iter().map(parcel).collect()
}

pub(super) async fn next_parcels(bench: &mut Bench) -> Vec<Parcel> {
    match bench.next().await {
        Seen::Delivered(delivery) => parcels(delivery),
        other @ Seen::Away(_) => panic!("{other:?}"),
    }
}

on_both_stores! {
    fn a_booking_is_pushed_to_every_device_of_its_host_with_the_count(store) {
        on_bench(store, async |mut bench| {
            let devices = [bench.connect("host", 0).await, bench.connect("host", 1).await];
            bench.connect("somebody-else", 2).await;
            let acceptance = answer(bench.book("host")).await.unwrap();
            let pushed = next_parcels(&mut bench).await;
            assert_eq!(pushed.len(), 1);
            assert_eq!(pushed[0].to, devices);
            assert_eq!(pushed[0].notification, Some(acceptance.notifications[0].id));
            assert_eq!(pushed[0].inbox, Some(InboxState { last_seq: 1, unread: 1 }));
            assert!(pushed[0].text.contains(r#""event":"booking.created""#), "{}", pushed[0].text);
            assert!(pushed[0].text.contains(r#""event":"notification:unread_count""#), "{}", pushed[0].text);
        });
    }

    fn what_finds_nobody_is_handed_to_mail(store) {
        on_bench(store, async |mut bench| {
            bench.connect("somebody-else", 0).await;
            let acceptance = answer(bench.book("host")).await.unwrap();
            match bench.next().await {
                Seen::Away(ids) => assert_eq!(ids, [acceptance.notifications[0].id]),
                other @ Seen::Delivered(_) => panic!("{other:?}"),
            }
        });
    }

    fn pushes_come_in_the_order_of_the_inbox(store) {
        on_bench(store, async |mut bench| {
            const COUNT: usize = 300;
            bench.connect("host", 0).await;
            let tasks: Vec<_> = (0..COUNT).map(|_| bench.book("host")).collect();
            let mut seqs = Vec::new();
            while seqs.len() < COUNT {
                seqs.extend(
                    next_parcels(&mut bench).await.into_iter().map(|one| one.inbox.unwrap().last_seq),
                );
            }
            assert_eq!(seqs, (1..=i64::try_from(COUNT).unwrap()).collect::<Vec<_>>());
            for task in tasks {
                answer(task).await.unwrap();
            }
        });
    }

    fn a_mark_is_told_to_the_other_devices_and_confirms(store) {
        on_bench(store, async |mut bench| {
            let asker = bench.connect("host", 0).await;
            bench.connect("host", 1).await;
            for _ in 0..3 {
                answer(bench.book("host")).await.unwrap();
                next_parcels(&mut bench).await;
            }
            let mark = |selection| MarkRead { device: device("host", "phone"), selection, asker: Some(asker) };
            let read = bench.persistence.send(mark(Selection::UpTo(2)));
            let read = soon("an answer", read).await.unwrap().unwrap();
            assert_eq!((read.ids.len(), read.up_to, read.unread, read.seq), (2, Some(2), 1, 3));
            assert_eq!(bench.store.deliveries("confirmed"), 2);
            let told = next_parcels(&mut bench).await;
            assert_eq!(told.len(), 2);
            assert!(told[0].text.contains(r#""event":"notificationRead""#), "{}", told[0].text);
            assert_eq!((told[0].except, told[1].except), (Some(asker), None));
            assert_eq!(told[1].inbox, Some(InboxState { last_seq: 3, unread: 1 }));

            let again = soon("an answer", bench.persistence.send(mark(Selection::UpTo(2)))).await.unwrap();
            assert!(again.unwrap().ids.is_empty());
            answer(bench.book("host")).await.unwrap();
            let next = next_parcels(&mut bench).await;
            assert!(next[0].text.contains("booking.created"), "a mark that changes nothing says nothing");
        });
    }

    fn what_passes_is_pushed_and_not_kept(store) {
        on_bench(store, async |mut bench| {
            bench.connect("host", 0).await;
            let pass = Pass { by: user("backend"), room: Room::User(user("host")), draft: draft("host") };
            soon("an answer", bench.persistence.send(pass)).await.unwrap().unwrap();
            let pushed = next_parcels(&mut bench).await;
            assert!(pushed[0].text.contains(r#""seq":null"#), "{}", pushed[0].text);
            assert_eq!((pushed[0].notification, pushed[0].inbox), (None, None));
            assert_eq!(bench.store.number("SELECT COUNT(*) FROM notifications"), 0);
        });
    }

    fn a_greeting_says_where_the_inbox_stands_and_keeps_what_is_new(store) {
        on_bench(store, async |bench| {
            answer(bench.book("host")).await.unwrap();
            let profile = |email: &str| Profile {
                user: user("host"),
                email: Some(email.to_owned()),
                name: None,
                locale: None,
                time_zone: None,
                roles: vec![Role::new("PROFESSIONAL")],
            };
            let known = || recipients::find(&mut bench.store.connection(), &user("host")).unwrap().unwrap();
            for email in ["first@example.com", "first@example.com", "second@example.com"] {
                let state = bench.persistence.send(Greet { profile: profile(email) });
                let state = soon("an answer", state).await.unwrap();
                assert_eq!(state, Ok(InboxState { last_seq: 1, unread: 1 }));
                assert_eq!(known().email.as_deref(), Some(email));
            }
            let preferences =
                Preferences { email: Some("mine@example.com".to_owned()), ..Preferences::default() };
            let save = SavePreferences { user: user("host"), choice: Choice::Everything(preferences) };
            soon("an answer", bench.persistence.send(save)).await.unwrap().unwrap();
            assert_eq!(known().address(), Some("mine@example.com"));
        });
    }
}
