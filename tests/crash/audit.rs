//! The end of the account: what the database says, what was promised and what really arrived must be one
//! story. Reads the tables beside the server.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};

use super::ledger::{Account, Hole, Ledger, Receipt};
use crate::support::records::{rows, texts};

/// The most of one kind that is written out.
const SHOWN: usize = 20;

/// A notification and what became of it.
#[derive(Debug, Clone, QueryableByName)]
#[expect(dead_code, reason = "some of it is only shown when something is wrong")]
pub(super) struct Record {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) host: String,
    #[diesel(sql_type = BigInt)]
    pub(super) seq: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) booking: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) state: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub(super) attempts: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) escalate_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) error: Option<String>,
}

/// All notifications, each inbox in order.
pub(super) fn records(url: &str) -> Vec<Record> {
    let sql = "SELECT n.id, n.user_id AS host, n.seq, n.booking_id AS booking, \
               d.state, d.attempts, d.escalate_at, d.error \
               FROM notifications n LEFT JOIN deliveries d ON d.notification_id = n.id \
               ORDER BY n.user_id, n.seq";
    rows(url, sql)
}

/// How many deliveries have not ended.
pub(super) fn count_pending(url: &str) -> usize {
    let sql = "SELECT CAST(COUNT(*) AS TEXT) AS value FROM deliveries WHERE state = 'pending'";
    texts(url, sql)[0].parse().unwrap()
}

/// A booking with what its host was told, by its listing.
#[derive(Debug, QueryableByName)]
struct Made {
    #[diesel(sql_type = Text)]
    listing: String,
    #[diesel(sql_type = Text)]
    booking: String,
    #[diesel(sql_type = Text)]
    notification: String,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Puts a name to what was published: what the database made of it is promised from then on. Answers what is not made.
pub(super) fn adopt(ledger: &mut Ledger, url: &str) -> Vec<String> {
    let mut published = ledger.publications();
    if published.is_empty() {
        return Vec::new();
    }
    let sql = "SELECT b.listing_id AS listing, b.id AS booking, n.id AS notification, n.user_id AS host, n.seq \
               FROM bookings b JOIN notifications n ON n.booking_id = b.id \
               WHERE b.listing_id LIKE 'published-%' AND n.kind = 'booking.created'";
    for made in rows::<Made>(url, sql) {
        let Made { listing, booking, notification, host, seq } = made;
        let Some(wanted) = published.remove(&listing) else { continue };
        if wanted != host {
            ledger.wrong(format_args!("{listing} was for {wanted} and went to {host}"));
        }
        ledger.promised(&host, &Receipt { booking, notification, seq });
    }
    published.into_keys().collect()
}

/// Requests that made more than one booking, by their listing.
pub(super) fn doubled_requests(url: &str) -> Vec<String> {
    texts(url, "SELECT listing_id AS value FROM bookings GROUP BY listing_id HAVING COUNT(*) > 1")
}

/// Bookings that their hosts were told of as new more than once.
pub(super) fn doubled_bookings(url: &str) -> Vec<String> {
    let sql = "SELECT booking_id AS value FROM notifications \
               WHERE booking_id IS NOT NULL AND kind = 'booking.created' \
               GROUP BY booking_id HAVING COUNT(*) > 1";
    texts(url, sql)
}

/// Everything that must not be and is, a sentence each.
pub(super) fn findings(ledger: &mut Ledger, records: &[Record], address: fn(&str) -> String) -> Vec<String> {
    for record in records {
        ledger.tell(&record.id, &record.host, record.seq);
    }
    let by_id: BTreeMap<&str, &Record> = records.iter().map(|record| (record.id.as_str(), record)).collect();
    let mut found = Findings(ledger.wrongs());
    let lost = ledger.lost().into_iter();
    found.note("LOST", lost.map(|id| format!("{id}, {:?}", by_id.get(id))));
    let told = ledger.accounts().iter().filter(|(id, _)| !by_id.contains_key(id.as_str()));
    found.note("not in the database", told.map(|(id, account)| format!("{id}, {account:?}")));
    let accounts = ledger.accounts();
    let disagreeing = records.iter().filter_map(|record| {
        let account = accounts.get(&record.id)?;
        disagreement(record, account, address).map(|why| format!("{why}: {record:?}, {account:?}"))
    });
    found.note("the database says otherwise", disagreeing);
    found.note("an inbox has a hole", broken_inboxes(records).into_iter());
    found.note("not told", ledger.holes().iter().map(|hole| not_told(hole, records)));
    found.0
}

/// Why a record and what really happened cannot both be.
fn disagreement(record: &Record, account: &Account, address: fn(&str) -> String) -> Option<&'static str> {
    let own = address(&record.host);
    if account.mailed_to.iter().any(|to| *to != own) {
        return Some("mailed to somebody else");
    }
    if account.promised.is_some() && account.promised != record.booking {
        return Some("the answer named another booking");
    }
    match record.state.as_deref() {
        Some("confirmed") if account.devices.is_empty() => Some("no device has it"),
        Some("emailed") if account.mailed_to.is_empty() => Some("the mail server has no mail"),
        Some("confirmed" | "emailed") => None,
        Some("pending") => Some("nobody has seen to it"),
        _ => Some("this host has an address and refuses nothing"),
    }
}

/// Inboxes that do not count 1, 2, 3 …
fn broken_inboxes(records: &[Record]) -> Vec<String> {
    let mut inboxes: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for record in records {
        inboxes.entry(&record.host).or_default().insert(record.seq);
    }
    let broken = inboxes.into_iter().filter(|(_, seqs)| {
        let count = i64::try_from(seqs.len()).unwrap();
        (seqs.first(), seqs.last()) != (Some(&1), Some(&count))
    });
    broken.map(|(host, seqs)| format!("{host}, {} up to {:?}", seqs.len(), seqs.last())).collect()
}

/// A hole, and what the database says of it.
fn not_told(hole: &Hole, records: &[Record]) -> String {
    let missing = records.iter().filter(|one| one.host == hole.host && hole.seqs.contains(&one.seq));
    format!("{hole:?}: {:?}", missing.collect::<Vec<_>>())
}

struct Findings(Vec<String>);

impl Findings {
    fn note(&mut self, kind: &str, mut all: impl Iterator<Item = String>) {
        self.0.extend(all.by_ref().take(SHOWN).map(|one| format!("{kind}: {one}")));
        let more = all.count();
        if more > 0 {
            self.0.push(format!("{kind}: and {more} more"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: i64, state: &str) -> Record {
        Record {
            id: format!("n{number}"),
            host: "host".to_owned(),
            seq: number,
            booking: Some(format!("b{number}")),
            state: Some(state.to_owned()),
            attempts: Some(0),
            escalate_at: Some(0),
            error: None,
        }
    }

    fn promise(ledger: &mut Ledger, number: i64) {
        let (booking, notification) = (format!("b{number}"), format!("n{number}"));
        ledger.promised("host", &Receipt { booking, notification, seq: number });
    }

    fn address(host: &str) -> String {
        format!("{host}@hosts.example")
    }

    fn findings_of(ledger: &mut Ledger, records: &[Record]) -> Vec<String> {
        findings(ledger, records, address)
    }

    #[test]
    fn one_story_has_no_findings() {
        let mut ledger = Ledger::default();
        promise(&mut ledger, 1);
        promise(&mut ledger, 2);
        ledger.received(0, "host", "n1", 1);
        ledger.mailed("n2", &[address("host")]);
        // Nobody was answered, and the host has it all the same.
        ledger.received(0, "host", "n3", 3);
        let records = [record(1, "confirmed"), record(2, "emailed"), record(3, "confirmed")];
        assert_eq!(findings_of(&mut ledger, &records), Vec::<String>::new());
    }

    #[test]
    fn a_booking_that_was_promised_and_never_made_is_found() {
        let mut ledger = Ledger::default();
        promise(&mut ledger, 1);
        let found = findings_of(&mut ledger, &[]);
        assert!(found.iter().any(|finding| finding.starts_with("LOST: n1")), "{found:?}");
    }

    #[test]
    fn states_that_are_not_true_are_found() {
        for state in ["confirmed", "emailed", "pending", "suppressed", "failed"] {
            // Never answered: what is committed is owed to the host as well.
            let found = findings_of(&mut Ledger::default(), &[record(1, state)]);
            assert_eq!(found.len(), 1, "{state}: {found:?}");
        }
        let mut ledger = Ledger::default();
        promise(&mut ledger, 1);
        ledger.mailed("n1", &["other@hosts.example".to_owned()]);
        assert_eq!(findings_of(&mut ledger, &[record(1, "emailed")]).len(), 1);
    }

    #[test]
    fn holes_in_an_inbox_are_found() {
        let mut ledger = Ledger::default();
        ledger.received(0, "host", "n1", 1);
        ledger.received(0, "host", "n3", 3);
        let found = findings_of(&mut ledger, &[record(1, "confirmed"), record(3, "confirmed")]);
        assert_eq!(found, ["an inbox has a hole: host, 2 up to Some(3)"]);
    }
}
