//! Long inboxes read or deleted at a go: worked off in steps, between which others have their turn, and told
//! once, at the end.

use actix::MailboxError;
use bellhop::actors::persistence::{Delete, Deleted, Flush, Greet, MarkRead, Read, WriteError};
use bellhop::domain::{InboxState, Profile, Selection};
use futures_util::future::{Either, join, select};

use super::bench::{Bench, on_bench};
use super::pushes::next_parcels;
use crate::support::both::on_both_stores;
use crate::support::deadline::soon;
use crate::support::store::{device, user};

/// More than three steps.
const COUNT: usize = 3_500;

fn read() -> MarkRead {
    MarkRead { device: device("host", "phone"), selection: Selection::All, asker: None }
}

fn delete() -> Delete {
    Delete { device: device("host", "phone"), selection: Selection::All }
}

type Sent<T> = Result<Result<T, WriteError>, MailboxError>;

/// Greets somebody else while `work` is under way, and asserts that this comes first.
async fn greet_beside<T>(bench: &Bench, work: impl Future<Output = Sent<T>>) -> T {
    let profile = Profile {
        user: user("other"),
        email: None,
        name: None,
        locale: None,
        time_zone: None,
        roles: Vec::new(),
    };
    let greet = bench.persistence.send(Greet { profile });
    match soon("one of the two", select(Box::pin(work), Box::pin(greet))).await {
        Either::Right((greeted, work)) => {
            assert_eq!(greeted.unwrap(), Ok(InboxState::default()));
            soon("the work's end", work).await.unwrap().unwrap()
        }
        Either::Left(_) => panic!("who greets waited for all of it"),
    }
}

on_both_stores! {
    fn who_reads_a_long_inbox_holds_nobody_up(store) {
        on_bench(store, async |mut bench| {
            bench.store.fill("host", COUNT);
            bench.connect("host", 0).await;
            let read: Read = greet_beside(&bench, bench.persistence.send(read())).await;
            assert_eq!((read.ids.len(), read.up_to, read.unread, read.seq), (1_000, Some(3_500), 0, 3_500));
            let told = next_parcels(&mut bench).await;
            assert_eq!(told.len(), 2, "once: what was read, and the count");
            assert!(told[0].text.contains(r#""event":"notificationRead""#), "{}", told[0].text);
            assert_eq!(bench.store.deliveries("confirmed"), 3_500);
            bench.store.assert_counters();
        });
    }

    fn who_deletes_a_long_inbox_holds_nobody_up(store) {
        on_bench(store, async |mut bench| {
            bench.store.fill("host", COUNT);
            bench.connect("host", 0).await;
            let deleted: Deleted = greet_beside(&bench, bench.persistence.send(delete())).await;
            let Deleted { ids, up_to, unread, total, seq } = deleted;
            assert_eq!((ids.len(), up_to, unread, total, seq), (1_000, Some(3_500), 0, 0, 3_500));
            let told = next_parcels(&mut bench).await;
            assert_eq!(told.len(), 2, "once: what was deleted, and the count");
            assert!(told[0].text.contains(r#""event":"notificationDeleted""#), "{}", told[0].text);
            bench.store.assert_counters();
        });
    }

    fn what_is_under_way_is_finished_before_the_end(store) {
        on_bench(store, async |bench| {
            bench.store.fill("host", COUNT);
            let flushed = async {
                soon("the flush", bench.persistence.send(Flush)).await.unwrap();
                assert_eq!(bench.store.number("SELECT COUNT(*) FROM notifications"), 0);
            };
            let (deleted, ()) = join(bench.persistence.send(delete()), flushed).await;
            assert_eq!(deleted.unwrap().unwrap().total, 0);
        });
    }
}
