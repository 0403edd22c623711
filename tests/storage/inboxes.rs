//! Reading inboxes: pages by keyset, marks of what was read, and the count that goes with them.

use bellhop::domain::{InboxState, NotificationId, Selection};
use bellhop::storage::inboxes;
use bellhop::storage::notifications::{Filter, Position, find_all, page};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore, booked, draft, note, user};

fn seqs(store: &TestStore, filter: &Filter, position: Position, limit: i64, skip: i64) -> Vec<i64> {
    let page = page(&mut store.connection(), &user("host"), filter, position, limit, skip).unwrap();
    page.into_iter().map(|notification| notification.seq).collect()
}

/// Marks; answers how many changed and what is unread then.
fn read(store: &TestStore, of: &str, selection: &Selection) -> (usize, i64) {
    let (ids, standing) = store.read(of, selection);
    (ids.len(), standing.inbox.unread)
}

on_both_stores! {
    fn pages_go_either_way_from_a_seq_and_skip_nothing(store) {
        store.append(&[note(&["host"; 10]), note(&["somebody-else"])]);
        let all = Filter::default();
        assert_eq!(seqs(&store, &all, Position::Before(i64::MAX), 4, 0), [10, 9, 8, 7]);
        assert_eq!(seqs(&store, &all, Position::Before(7), 4, 0), [6, 5, 4, 3]);
        assert_eq!(seqs(&store, &all, Position::Before(3), 4, 0), [2, 1]);
        assert_eq!(seqs(&store, &all, Position::Before(1), 4, 0), [0; 0]);
        assert_eq!(seqs(&store, &all, Position::After(0), 4, 0), [1, 2, 3, 4]);
        assert_eq!(seqs(&store, &all, Position::After(8), 4, 0), [9, 10]);
        assert_eq!(seqs(&store, &all, Position::After(0), 3, 4), [5, 6, 7], "skipping, for page numbers");
    }

    fn pages_are_filtered_by_what_is_unread_category_and_type(store) {
        store.append(&[note(&["host"]), booked("guest", "host"), note(&["host"])]);
        read(&store, "host", &Selection::UpTo(1));
        let newest = Position::Before(i64::MAX);
        let of = |unread, category: Option<&str>, kind: Option<&str>| Filter {
            unread,
            category: category.map(str::to_owned),
            kind: kind.map(str::to_owned),
        };
        assert_eq!(seqs(&store, &of(true, None, None), newest, 9, 0), [3, 2]);
        assert_eq!(seqs(&store, &of(false, Some("bookings"), None), newest, 9, 0), [2]);
        assert_eq!(seqs(&store, &of(true, Some("system"), Some("system.note")), newest, 9, 0), [3]);
        assert_eq!(seqs(&store, &of(false, None, Some("no.such.type")), newest, 9, 0), [0; 0]);
    }

    fn what_is_found_by_id_leaves_out_what_does_not_exist(store) {
        let stamped = store.append(&[note(&["a", "b"])]);
        let unknown = draft("a").id;
        let ids: Vec<NotificationId> =
            stamped.iter().map(|one| one.notification.id).chain([unknown]).collect();
        assert_eq!(find_all(&mut store.connection(), &ids).unwrap().len(), 2);
        assert!(find_all(&mut store.connection(), &[]).unwrap().is_empty());
    }

    fn marks_count_what_changed_and_nothing_twice(store) {
        let stamped = store.append(&[note(&["host"; 5])]);
        let id = |at: usize| stamped[at].notification.id;
        assert_eq!(read(&store, "host", &Selection::Ids(vec![id(0), id(4)])), (2, 3));
        assert_eq!(read(&store, "host", &Selection::Ids(vec![id(0), draft("host").id])), (0, 3));
        assert_eq!(read(&store, "host", &Selection::UpTo(3)), (2, 1));
        assert_eq!(read(&store, "host", &Selection::UpTo(0)), (0, 1));
        assert_eq!(read(&store, "host", &Selection::All), (1, 0));
        assert_eq!(read(&store, "host", &Selection::All), (0, 0));
        let first = find_all(&mut store.connection(), &[id(0)]).unwrap();
        assert_eq!(first[0].read_at, Some(NOW));
    }

    fn nobody_marks_what_is_anothers(store) {
        let stamped = store.append(&[note(&["host"])]);
        let ids = Selection::Ids(vec![stamped[0].notification.id]);
        assert_eq!(read(&store, "thief", &ids), (0, 0));
        assert_eq!(read(&store, "thief", &Selection::All), (0, 0));
        assert_eq!(inboxes::state(&mut store.connection(), &user("host")).unwrap().unread, 1);
        assert_eq!(inboxes::state(&mut store.connection(), &user("thief")).unwrap(), InboxState::default());
    }

    fn marks_and_arrivals_at_once_end_with_the_right_count(store) {
        const ROUNDS: usize = 60;
        std::thread::scope(|scope| {
            scope.spawn(|| (0..ROUNDS).for_each(|_| drop(store.append(&[note(&["host", "host"])]))));
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    read(&store, "host", &Selection::All);
                }
            });
            (0..ROUNDS).for_each(|round| {
                read(&store, "host", &Selection::UpTo(i64::try_from(round).unwrap()));
            });
        });
        let state = inboxes::state(&mut store.connection(), &user("host")).unwrap();
        assert_eq!(usize::try_from(state.last_seq), Ok(ROUNDS * 2));
        assert_eq!(state.unread, store.number("SELECT COUNT(*) FROM notifications WHERE read_at IS NULL"));
    }

    fn the_states_of_many_inboxes_leave_out_the_unwritten(store) {
        store.append(&[note(&["a", "b", "b"])]);
        let mut states = inboxes::states(&mut store.connection(), &["a", "b", "nobody"]).unwrap();
        states.sort_by(|one, other| one.0.cmp(&other.0));
        let found: Vec<(&str, i64)> =
            states.iter().map(|(user, state)| (user.as_str(), state.unread)).collect();
        assert_eq!(found, [("a", 1), ("b", 2)]);
    }

    fn an_inbox_of_any_length_can_be_marked_as_read(store) {
        const COUNT: usize = 20_500;
        store.fill("host", COUNT);
        assert_eq!(read(&store, "host", &Selection::All), (COUNT, 0));
        store.assert_counters();
        assert_eq!(store.number("SELECT COUNT(*) FROM receipts"), i64::try_from(COUNT).unwrap());
        assert_eq!(store.deliveries("pending"), 0);
    }
}
