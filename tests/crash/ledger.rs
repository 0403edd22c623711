//! What was promised and what became of it, kept outside of the server: bookings as guests were answered,
//! notifications as devices received them, mails as the mail server took them. What contradicts itself is
//! noted at once; `audit` compares all this with the database at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// The most contradictions that are written down; the rest is counted.
const WRONGS_KEPT: usize = 50;

/// Shared by guests, hosts and the mail server.
pub(super) type SharedLedger = Arc<Mutex<Ledger>>;

/// What a guest was answered with 201.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) booking: String,
    pub(super) notification: String,
    pub(super) seq: i64,
}

/// All that is known of one notification.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Whom it is for and its place in that inbox, as they were first told.
    pub(super) place: Option<(String, i64)>,
    /// The booking that it tells of, where that was answered with 201.
    pub(super) promised: Option<String>,
    /// Which devices of the host received it.
    pub(super) devices: BTreeSet<usize>,
    /// Where mails about it went, one entry for each.
    pub(super) mailed_to: Vec<String>,
}

impl Account {
    fn has_arrived(&self) -> bool {
        !self.devices.is_empty() || !self.mailed_to.is_empty()
    }
}

/// What a device that stayed was not told of, between two notifications that it got.
#[derive(Debug)]
#[expect(dead_code, reason = "some of it is only shown when something is wrong")]
pub(super) struct Hole {
    pub(super) device: usize,
    pub(super) host: String,
    pub(super) seqs: Range<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<String, Account>,
    /// Which notification has a place in an inbox.
    places: HashMap<(String, i64), String>,
    /// Which host a booking was published for whose receipt the broker confirmed, by its listing: nobody was told
    /// which booking that makes.
    published: BTreeMap<String, String>,
    refused: usize,
    device_repeats: usize,
    /// How often a Socket.IO connection was taken up again.
    recoveries: usize,
    holes: Vec<Hole>,
    wrongs: Vec<String>,
    wrongs_left_out: usize,
}

impl Ledger {
    /// A guest was answered 201.
    pub(super) fn promised(&mut self, host: &str, receipt: &Receipt) {
        self.tell(&receipt.notification, host, receipt.seq);
        let account = self.accounts.entry(receipt.notification.clone()).or_default();
        let known = account.promised.get_or_insert_with(|| receipt.booking.clone()).clone();
        if known != receipt.booking {
            self.wrong(format_args!("{} tells of {known} and of {}", receipt.notification, receipt.booking));
        }
    }

    /// The broker has confirmed that it keeps a booking of this listing.
    pub(super) fn published(&mut self, host: &str, listing: &str) {
        self.published.insert(listing.to_owned(), host.to_owned());
    }

    /// The listings of what was published, each with its host.
    pub(super) fn publications(&self) -> BTreeMap<String, String> {
        self.published.clone()
    }

    /// A guest got no answer, or 503: the booking may have been made or not.
    pub(super) fn refused(&mut self) {
        self.refused += 1;
    }

    /// A device of `host` received a notification.
    pub(super) fn received(&mut self, device: usize, host: &str, id: &str, seq: i64) {
        self.tell(id, host, seq);
        let first = self.accounts.entry(id.to_owned()).or_default().devices.insert(device);
        self.device_repeats += usize::from(!first);
    }

    /// A device had its connection of before taken up again.
    pub(super) fn recovered(&mut self) {
        self.recoveries += 1;
    }

    /// A device was told of what comes after these, and not of these.
    pub(super) fn left_out(&mut self, device: usize, host: &str, seqs: Range<i64>) {
        if !seqs.is_empty() {
            self.holes.push(Hole { device, host: host.to_owned(), seqs });
        }
    }

    pub(super) fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The mail server took a mail about a notification.
    pub(super) fn mailed(&mut self, id: &str, to: &[String]) {
        match to {
            [to] => self.accounts.entry(id.to_owned()).or_default().mailed_to.push(to.clone()),
            _ => self.wrong(format_args!("the mail about {id} has {} recipients", to.len())),
        }
    }

    /// Somebody said whom a notification is for and where it stands: always the same, and nothing else there.
    pub(super) fn tell(&mut self, id: &str, host: &str, seq: i64) {
        let place = (host.to_owned(), seq);
        let account = self.accounts.entry(id.to_owned()).or_default();
        let known = account.place.get_or_insert_with(|| place.clone()).clone();
        if known != place {
            self.wrong(format_args!("{id} is both {known:?} and {place:?}"));
        }
        let holder = self.places.entry(place.clone()).or_insert_with(|| id.to_owned()).clone();
        if holder != id {
            self.wrong(format_args!("{place:?} is both {holder} and {id}"));
        }
    }

    /// Notes what must never happen.
    pub(super) fn wrong(&mut self, what: impl fmt::Display) {
        if self.wrongs.len() < WRONGS_KEPT {
            self.wrongs.push(what.to_string());
        } else {
            self.wrongs_left_out += 1;
        }
    }

    /// What must never happen and did.
    pub(super) fn wrongs(&self) -> Vec<String> {
        let left_out = self.wrongs_left_out;
        let more = (left_out > 0).then(|| format!("and {left_out} more of that kind"));
        self.wrongs.iter().cloned().chain(more).collect()
    }

    /// All notifications that anybody ever heard of, by id.
    pub(super) fn accounts(&self) -> &BTreeMap<String, Account> {
        &self.accounts
    }

    /// What was promised and has not arrived anywhere.
    pub(super) fn lost(&self) -> Vec<&str> {
        self.promises().filter(|(_, account)| !account.has_arrived()).map(|(id, _)| id).collect()
    }

    fn promises(&self) -> impl Iterator<Item = (&str, &Account)> {
        let promised = self.accounts.iter().filter(|(_, account)| account.promised.is_some());
        promised.map(|(id, account)| (id.as_str(), account))
    }

    pub(super) fn figures(&self) -> Figures {
        let count = |holds: fn(&Account) -> bool| self.promises().filter(|(_, one)| holds(one)).count();
        let mails = self.accounts.values().map(|account| account.mailed_to.len());
        Figures {
            bookings: count(|_| true),
            published: self.published.len(),
            refused: self.refused,
            confirmed: count(|account| !account.devices.is_empty()),
            mailed: count(|account| !account.mailed_to.is_empty()),
            device_repeats: self.device_repeats,
            recoveries: self.recoveries,
            mail_repeats: mails.map(|mails| mails.saturating_sub(1)).sum(),
            lost: self.lost().len(),
        }
    }
}

/// What is printed at the end: of the bookings that were promised, how many came by which way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) bookings: usize,
    /// Of those, what came over the broker.
    pub(super) published: usize,
    pub(super) refused: usize,
    /// Received by a device.
    pub(super) confirmed: usize,
    /// Taken by the mail server; some were received as well.
    pub(super) mailed: usize,
    /// How often a device got what it had.
    pub(super) device_repeats: usize,
    /// How often a Socket.IO connection was taken up again.
    pub(super) recoveries: usize,
    /// Mails beyond the first about one booking.
    pub(super) mail_repeats: usize,
    pub(super) lost: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bookings, published, refused, confirmed, mailed, .. } = self;
        let Self { device_repeats, recoveries, mail_repeats, lost, .. } = self;
        let repeats = device_repeats + mail_repeats;
        write!(
            f,
            "bookings {bookings}, published {published}, refused {refused}, confirmed {confirmed}, mailed {mailed}, "
        )?;
        write!(f, "repeats {repeats} (device {device_repeats}, mail {mail_repeats}), ")?;
        write!(f, "recovered {recoveries}, lost {lost}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(booking: &str, notification: &str, seq: i64) -> Receipt {
        Receipt { booking: booking.to_owned(), notification: notification.to_owned(), seq }
    }

    fn to(address: &str) -> [String; 1] {
        [address.to_owned()]
    }

    #[test]
    fn what_is_promised_is_lost_until_a_device_or_the_mail_server_has_it() {
        let mut ledger = Ledger::default();
        ledger.promised("host", &receipt("b1", "n1", 1));
        ledger.promised("host", &receipt("b2", "n2", 2));
        ledger.promised("host", &receipt("b3", "n3", 3));
        ledger.received(0, "host", "n1", 1);
        ledger.mailed("n2", &to("host@hosts.example"));
        assert_eq!(ledger.lost(), ["n3"]);
        assert_eq!(ledger.wrongs(), Vec::<String>::new());
    }

    #[test]
    fn what_arrives_before_its_answer_counts_and_what_was_never_answered_is_not_missed() {
        let mut ledger = Ledger::default();
        ledger.received(0, "host", "n1", 1);
        ledger.tell("n2", "host", 2);
        ledger.promised("host", &receipt("b1", "n1", 1));
        ledger.refused();
        let figures = ledger.figures();
        assert_eq!((figures.bookings, figures.refused, figures.confirmed, figures.lost), (1, 1, 1, 0));
    }

    #[test]
    fn copies_are_counted_for_each_device_and_mail() {
        let mut ledger = Ledger::default();
        ledger.promised("host", &receipt("b1", "n1", 1));
        for device in [0, 1, 1] {
            ledger.received(device, "host", "n1", 1);
        }
        for _ in 0..3 {
            ledger.mailed("n1", &to("host@hosts.example"));
        }
        assert_eq!(
            ledger.figures().to_string(),
            "bookings 1, published 0, refused 0, confirmed 1, mailed 1, repeats 3 (device 1, mail 2), recovered 0, lost 0"
        );
    }

    #[test]
    fn contradictions_are_noted() {
        let mut ledger = Ledger::default();
        ledger.promised("host", &receipt("b1", "n1", 1));
        ledger.received(0, "host", "n1", 2);
        ledger.received(0, "host", "n9", 1);
        ledger.received(0, "other", "n1", 1);
        ledger.promised("host", &receipt("b9", "n1", 1));
        ledger.mailed("n1", &[]);
        assert_eq!(ledger.wrongs().len(), 5, "{:?}", ledger.wrongs());
    }
}
