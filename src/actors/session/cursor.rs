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
    /// Nothing yet, and what comes waits for the session to be greeted: the client takes the newest seq that it
    /// saw for its place, so that none may come before an older one.
    Waiting,
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

    /// The same for a connection that is given nothing before it is greeted, if the client says nothing.
    pub(super) fn in_order(since: Option<i64>) -> Self {
        match since {
            None => Self { start: Start::Waiting, ..Self::default() },
            Some(_) => Self::new(since),
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

    /// Where a client that comes back may go on without a hole: what was given above a stretch that is still being
    /// read does not count.
    pub(super) fn place(&self) -> i64 {
        self.below.map_or(self.high, |below| below.at)
    }

    /// Everything at or below this was there before the connection.
    pub(super) fn low(&self) -> i64 {
        self.low
    }

    /// A notification was published.
    pub(super) fn arrived(&mut self, seq: i64) -> Arrival {
        if self.is_behind() || self.start == Start::Waiting {
            self.wanted = self.wanted.max(seq);
            return Arrival::Later;
        }
        let begins = match self.start {
            Start::Unknown | Start::Waiting => true,
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

    /// The inbox stands at `last_seq`, whether or not that was published.
    pub(super) fn stands_at(&mut self, last_seq: i64) {
        if last_seq <= self.high.max(self.wanted) {
            return;
        }
        self.wanted = last_seq;
        // Who was not greeted is given what is missing when they are.
        let is_greeted = matches!(self.start, Start::Greeted | Start::Settled);
        if is_greeted && !self.is_behind() {
            (self.start, self.above) = (Start::Settled, true);
        }
    }

    /// The inbox stood at `last_seq` when the session was greeted.
    pub(super) fn greeted(&mut self, last_seq: i64) -> Option<Gap> {
        if self.above {
            return self.claimed(last_seq);
        }
        if matches!(self.start, Start::Unknown | Start::Waiting) {
            (self.low, self.high, self.start) = (last_seq, last_seq, Start::Greeted);
            self.above = self.wanted > last_seq;
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
mod tests;
