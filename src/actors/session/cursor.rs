//! Where one connection stands in its user's inbox: what it was given without a hole, and what must be
//! read from the database before it is given anything newer. Pure; `replay.rs` does the reading.

/// See the module's documentation. A seq counts as given when the connection was told that nothing is
/// kept under it, too.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Given: every seq above `low` up to and including `high`.
    low: i64,
    high: i64,
    start: Start,
    /// A stretch below `low` that was asked for.
    below: Option<Below>,
    /// Whether everything above `high` must be read.
    above: bool,
    /// The newest seq that is known to exist and was not given.
    wanted: i64,
}

/// How much is known of where the run of given seqs begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing: the first seq is taken as it comes.
    #[default]
    Unknown,
    /// The inbox stood at `high` when the session was greeted. What was published just before may still
    /// be on its way, and is given once.
    Greeted,
    /// There is a run, or the client said what it has.
    Settled,
}

/// Everything above `at` up to `low` is still to be read; then the run begins at `from`.
#[derive(Debug, Clone, Copy)]
struct Below {
    from: i64,
    at: i64,
}

/// What becomes of a notification that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next.
    Next,
    /// It was given before.
    Known,
    /// A replay is under way and will come to it.
    Later,
    /// Older ones have not come: a replay must begin.
    Missing,
}

/// Nothing is kept between these two seqs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(super) struct Gap {
    /// What the connection has.
    pub(super) after: i64,
    /// Where the inbox goes on.
    pub(super) oldest: i64,
}

/// What to read next: seqs above `after`, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: i64,
    /// The last one that is wanted; none for all there are.
    pub(super) up_to: Option<i64>,
    /// What was known to exist when the reading began.
    wanted: i64,
}

impl Cursor {
    /// `since` is the newest seq that the client says it has.
    pub(super) fn new(since: Option<i64>) -> Self {
        match since {
            None => Self::default(),
            Some(seq) => Self { low: seq, high: seq, start: Start::Settled, above: true, ..Self::default() },
        }
    }

    /// Whether a replay is due or under way.
    pub(super) fn is_behind(&self) -> bool {
        self.below.is_some() || self.above
    }

    /// The newest seq that was given.
    pub(super) fn high(&self) -> i64 {
        self.high
    }

    /// Everything at or below this was there before the connection.
    pub(super) fn low(&self) -> i64 {
        self.low
    }

    /// A notification was published.
    pub(super) fn arrived(&mut self, seq: i64) -> Arrival {
        if self.is_behind() {
            self.wanted = self.wanted.max(seq);
            return Arrival::Later;
        }
        let begins = match self.start {
            Start::Unknown => true,
            Start::Greeted => seq <= self.high,
            Start::Settled => false,
        };
        if begins {
            (self.low, self.high, self.start) = (seq - 1, seq, Start::Settled);
            return Arrival::Next;
        }
        if seq <= self.high {
            return Arrival::Known;
        }
        self.start = Start::Settled;
        if seq == self.high + 1 {
            self.high = seq;
            return Arrival::Next;
        }
        (self.wanted, self.above) = (seq, true);
        Arrival::Missing
    }

    /// The inbox stood at `last_seq` when the session was greeted.
    pub(super) fn greeted(&mut self, last_seq: i64) -> Option<Gap> {
        if self.above {
            return self.claimed(last_seq);
        }
        if self.start == Start::Unknown {
            (self.low, self.high, self.start) = (last_seq, last_seq, Start::Greeted);
        } else if self.low > last_seq {
            self.below = Some(Below { from: last_seq, at: last_seq });
        }
        None
    }

    /// The client says that it has everything up to `since`, in an inbox that stands at `last_seq`. Not to be
    /// told while a range is being read: what is read then would count for another.
    pub(super) fn resume(&mut self, since: i64, last_seq: i64) -> Option<Gap> {
        let nothing_given = self.low == self.high;
        self.start = Start::Settled;
        if since < self.low {
            self.below = Some(Below { from: since, at: since });
        } else if nothing_given {
            (self.low, self.high) = (since, since);
        } else if since > last_seq.max(self.wanted).max(self.high) {
            let newest = last_seq.max(self.high);
            return Some(Gap { after: since, oldest: newest + 1 });
        }
        self.claimed(last_seq)
    }

    /// Sees what is missing between what the client says it has and where the inbox stands. A client that
    /// has more than there is remembers another inbox, as after a backup was restored.
    fn claimed(&mut self, last_seq: i64) -> Option<Gap> {
        let mut gap = None;
        if self.high > last_seq.max(self.wanted) && self.low == self.high && self.below.is_none() {
            gap = Some(Gap { after: self.high, oldest: last_seq + 1 });
            (self.low, self.high) = (last_seq, last_seq);
        }
        self.wanted = self.wanted.max(last_seq);
        self.above = self.wanted > self.high;
        gap
    }

    /// What to read next; none when the connection is up to date.
    pub(super) fn next(&self) -> Option<Range> {
        let wanted = self.wanted;
        match self.below {
            Some(below) => Some(Range { after: below.at, up_to: Some(self.low), wanted }),
            None if self.above => Some(Range { after: self.high, up_to: None, wanted }),
            None => None,
        }
    }

    /// The next of a range that was read is given; answers the gap before it.
    pub(super) fn give(&mut self, seq: i64) -> Option<Gap> {
        let at = self.below.map_or(self.high, |below| below.at);
        match &mut self.below {
            Some(below) => below.at = seq,
            None => self.high = seq,
        }
        (seq > at + 1).then_some(Gap { after: at, oldest: seq })
    }

    /// The database has no more of a range; answers the gap at its end.
    pub(super) fn end_of(&mut self, range: Range) -> Option<Gap> {
        if let Some(below) = self.below.take() {
            let gap = Gap { after: below.at, oldest: self.low + 1 };
            let all_given = below.at >= self.low;
            self.low = below.from;
            // What came meanwhile was kept waiting.
            self.above = self.wanted > self.high;
            return (!all_given).then_some(gap);
        }
        let mut gap = None;
        if self.high < range.wanted {
            gap = Some(Gap { after: self.high, oldest: range.wanted + 1 });
            self.high = range.wanted;
        }
        self.above = self.wanted > self.high;
        gap
    }
}

#[cfg(test)]
mod tests {
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
        /// The oldest publication arrives, or is lost on its way.
        Arrive {
            lost: bool,
        },
        /// The database is asked for a page, and later answers.
        Read,
        Give,
        Trim(i64),
        Resume(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Commit),
            4 => prop::bool::weighted(0.1).prop_map(|lost| Step::Arrive { lost }),
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
                    Step::Arrive { lost } => {
                        let Some(seq) = on_the_way.pop_front().filter(|_| !lost) else { continue };
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
}
