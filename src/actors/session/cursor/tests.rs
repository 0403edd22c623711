//! What a cursor promises: everything once, in order, or said to be gone; by example and for any order of
//! what may happen to a connection.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What a connection was given, in order, and told to be gone.
#[derive(Debug, Default)]
struct Client {
    given: Vec<i64>,
    gone: BTreeSet<i64>,
}

impl Client {
    fn hear(&mut self, gap: Option<Gap>) {
        if let Some(Gap { after, oldest }) = gap {
            self.gone.extend(after + 1..oldest);
        }
    }
}

/// What the database answers to a range.
#[derive(Debug)]
struct Page {
    range: Range,
    rows: Vec<i64>,
    is_last: bool,
}

/// Reads one page as the replay does, from an inbox that keeps `kept`.
fn read_page(cursor: &Cursor, kept: &BTreeSet<i64>, size: usize) -> Option<Page> {
    let range = cursor.next()?;
    let last = range.up_to.unwrap_or(i64::MAX);
    let rows: Vec<i64> =
        kept.range(range.after + 1..).copied().filter(|seq| *seq <= last).take(size).collect();
    let is_last = rows.len() < size;
    Some(Page { range, rows, is_last })
}

fn give_page(cursor: &mut Cursor, page: &Page, client: &mut Client) {
    for seq in &page.rows {
        client.hear(cursor.give(*seq));
        client.given.push(*seq);
    }
    if page.is_last {
        client.hear(cursor.end_of(page.range));
    }
}

fn catch_up(cursor: &mut Cursor, kept: &BTreeSet<i64>, client: &mut Client) {
    for _ in 0..1_000 {
        let Some(page) = read_page(cursor, kept, 3) else { return };
        give_page(cursor, &page, client);
    }
    panic!("the replay does not end: {cursor:?}");
}

#[derive(Debug, Clone)]
enum Step {
    /// A booking is committed; its publication is on its way.
    Commit,
    /// A publication arrives, or is lost on its way: the oldest, or one behind it, that of another instance.
    Arrive {
        lost: bool,
        behind: usize,
    },
    /// It is looked in the database how far the inbox stands.
    Stand,
    /// The database is asked for a page, and later answers.
    Read,
    Give,
    Trim(i64),
    Resume(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Commit),
        4 => (prop::bool::weighted(0.1), prop_oneof![3 => Just(0), 1 => 1..3_usize])
            .prop_map(|(lost, behind)| Step::Arrive { lost, behind }),
        1 => Just(Step::Stand),
        3 => Just(Step::Read),
        3 => Just(Step::Give),
        1 => (0..20_i64).prop_map(Step::Trim),
        1 => (0..20_i64).prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn everything_comes_once_or_is_said_to_be_gone(
        before in 0..6_i64,
        since in prop::option::of(0..6_i64),
        held in 0..3_usize,
        steps in steps(),
    ) {
        let mut kept: BTreeSet<i64> = (1..=before).collect();
        let mut last = before;
        let since = since.map(|since| since.min(before));
        let mut cursor = Cursor::new(since);
        let mut client = Client::default();
        let mut on_the_way = std::collections::VecDeque::new();
        let mut floor = since.unwrap_or(before);
        let mut reading = None;
        // What the client says that it has, before it was given anything.
        let mut has = 0;
        for _ in 0..held {
            last += 1;
            kept.insert(last);
            prop_assert!(matches!(cursor.arrived(last), Arrival::Next | Arrival::Later));
            if !cursor.is_behind() { client.given.push(last); }
        }
        client.hear(cursor.greeted(last));
        for step in steps {
            match step {
                Step::Commit => { last += 1; kept.insert(last); on_the_way.push_back(last); }
                Step::Stand => cursor.stands_at(last),
                Step::Arrive { lost, behind } => {
                    let arrives = on_the_way.remove(behind.min(on_the_way.len().saturating_sub(1)));
                    let Some(seq) = arrives.filter(|_| !lost) else { continue };
                    if cursor.arrived(seq) == Arrival::Next { client.given.push(seq); }
                }
                Step::Read => reading = reading.or_else(|| read_page(&cursor, &kept, 2)),
                Step::Give => {
                    if let Some(page) = reading.take() { give_page(&mut cursor, &page, &mut client); }
                }
                Step::Trim(seq) => kept.retain(|kept| *kept > seq || *kept > before),
                // One stretch at a time is asked for, and not while a page is read.
                Step::Resume(_) if cursor.below.is_some() || reading.is_some() => {}
                Step::Resume(seq) => {
                    let seq = seq.min(last);
                    floor = floor.min(seq);
                    if client.given.is_empty() { has = has.max(seq); }
                    client.hear(cursor.resume(seq, last));
                }
            }
        }
        // One more arrives after all the others; then the replay runs to its end.
        last += 1;
        kept.insert(last);
        if cursor.arrived(last) == Arrival::Next { client.given.push(last); }
        if let Some(page) = reading.take() { give_page(&mut cursor, &page, &mut client); }
        catch_up(&mut cursor, &kept, &mut client);
        let given: BTreeSet<i64> = client.given.iter().copied().collect();
        prop_assert_eq!(given.len(), client.given.len(), "none twice: {:?}", client.given);
        for seq in floor + 1..=last {
            let known = seq <= has || given.contains(&seq) || client.gone.contains(&seq);
            prop_assert!(known, "{} of {:?}", seq, client);
        }
        prop_assert!(!cursor.is_behind());
    }
}

#[test]
fn what_was_published_just_before_the_greeting_is_given_once() {
    let mut cursor = Cursor::new(None);
    assert_eq!(cursor.greeted(42), None);
    assert_eq!(
        [41, 42, 43, 43].map(|seq| cursor.arrived(seq)),
        [Arrival::Next, Arrival::Next, Arrival::Next, Arrival::Known]
    );
}

#[test]
fn a_hole_starts_a_replay_and_what_comes_meanwhile_waits_for_it() {
    let mut cursor = Cursor::new(None);
    cursor.greeted(5);
    assert_eq!(cursor.arrived(8), Arrival::Missing);
    assert_eq!(cursor.arrived(9), Arrival::Later);
    let range = cursor.next().expect("a replay");
    assert_eq!((range.after, range.up_to), (5, None));
    for seq in 6..=9 {
        assert_eq!(cursor.give(seq), None);
    }
    assert_eq!(cursor.end_of(range), None);
    assert_eq!((cursor.is_behind(), cursor.arrived(10)), (false, Arrival::Next));
}

#[test]
fn what_was_never_published_is_read_when_it_is_known_to_be_there() {
    let mut cursor = Cursor::new(None);
    cursor.greeted(5);
    cursor.stands_at(5);
    assert!(!cursor.is_behind());
    cursor.stands_at(7);
    let range = cursor.next().expect("a replay");
    assert_eq!((range.after, cursor.arrived(6)), (5, Arrival::Later));
    assert_eq!((cursor.give(6), cursor.give(7), cursor.end_of(range)), (None, None, None));
    assert_eq!((cursor.arrived(7), cursor.arrived(8)), (Arrival::Known, Arrival::Next));
    // Before it is greeted, it is greeted with what there is by then.
    let mut held = Cursor::new(None);
    held.stands_at(7);
    assert!(!held.is_behind());
    held.greeted(5);
    assert_eq!(held.next().map(|range| range.after), Some(5));
}

#[test]
fn who_has_all_there_is_needs_no_reading() {
    let mut cursor = Cursor::new(Some(7));
    assert_eq!((cursor.greeted(7), cursor.is_behind()), (None, false));
    assert_eq!(cursor.arrived(8), Arrival::Next);
}

#[test]
fn who_has_more_than_there_is_is_told_where_the_inbox_goes_on() {
    let mut cursor = Cursor::new(Some(500));
    assert_eq!(cursor.greeted(40), Some(Gap { after: 500, oldest: 41 }));
    assert_eq!(cursor.arrived(41), Arrival::Next);
    assert_eq!(cursor.resume(500, 41), Some(Gap { after: 500, oldest: 42 }));
    assert_eq!(cursor.arrived(42), Arrival::Next);
}

#[test]
fn a_history_that_was_trimmed_to_its_end_is_a_gap_up_to_there() {
    let mut cursor = Cursor::new(Some(3));
    cursor.greeted(9);
    let range = cursor.next().expect("a replay");
    assert_eq!(cursor.end_of(range), Some(Gap { after: 3, oldest: 10 }));
    assert_eq!(cursor.arrived(10), Arrival::Next);
}

#[test]
fn what_was_pushed_before_resume_does_not_come_again() {
    let mut cursor = Cursor::new(None);
    cursor.greeted(42);
    assert_eq!(cursor.arrived(43), Arrival::Next);
    assert_eq!(cursor.resume(40, 43), None);
    let range = cursor.next().expect("a replay");
    assert_eq!((range.after, range.up_to), (40, Some(42)));
    assert_eq!((cursor.give(41), cursor.give(42), cursor.end_of(range)), (None, None, None));
    assert_eq!((cursor.next(), cursor.arrived(44)), (None, Arrival::Next));
}
