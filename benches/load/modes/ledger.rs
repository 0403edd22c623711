//! The book kept over one load: every booking that was answered must reach its own host's device,
//! once, with the notification's `seq` that the answer named, and each host's `seq` has no gap.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::report::Latencies;
use crate::scan::{after, number, uuid};

#[derive(Debug, Clone, Copy)]
struct Half {
    /// When the request was due, on the answer's side; when it arrived, on the device's.
    at: Instant,
    host: usize,
    seq: u64,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    Answered(Half),
    Arrived(Half),
    Both,
}

#[derive(Debug)]
pub(super) struct Ledger {
    bookings: HashMap<u128, Seen, BuildHasherDefault<LowBits>>,
    /// The last `seq` of each host; it goes on over all loads.
    last: Vec<u64>,
    pub(super) answered: usize,
    pub(super) matched: usize,
    /// From the request to the 201.
    pub(super) answers: Latencies,
    /// From the request to the host's device.
    pub(super) devices: Latencies,
}

impl Ledger {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            bookings: HashMap::default(),
            last: vec![0; hosts],
            answered: 0,
            matched: 0,
            answers: Latencies::default(),
            devices: Latencies::default(),
        }
    }

    /// Begins a new load of `count` bookings.
    pub(super) fn clear(&mut self, count: usize) {
        self.bookings.clear();
        self.bookings.reserve(count);
        (self.answered, self.matched) = (0, 0);
        self.answers = Latencies::with_capacity(count);
        self.devices = Latencies::with_capacity(count);
    }

    /// A request that was due at `due` was answered 201 with this body.
    pub(super) fn answer(&mut self, due: Instant, now: Instant, host: usize, body: &[u8]) -> Result<()> {
        let id = after(body, br#""booking":{"#).and_then(|booking| after(booking, br#""id":""#));
        let id = id.and_then(uuid).context("an answer without the booking's id")?;
        let seq = after(body, br#""notification":{"#).and_then(|told| after(told, br#""seq":"#));
        let seq = seq.and_then(number).context("an answer without the notification's seq")?;
        self.answered += 1;
        self.answers.add(now - due);
        let half = Half { at: due, host, seq };
        match self.bookings.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(Seen::Answered(half));
            }
            Entry::Occupied(mut entry) => {
                let Seen::Arrived(arrived) = *entry.get() else {
                    anyhow::bail!("two bookings were given the id {id:032x}");
                };
                entry.insert(Seen::Both);
                self.pair(&half, &arrived)?;
            }
        }
        Ok(())
    }

    /// The device of `host` got a `booking.created` frame.
    pub(super) fn arrival(&mut self, now: Instant, host: usize, frame: &[u8]) -> Result<()> {
        let id = after(frame, br#""bookingId":""#).and_then(uuid).context("a frame without a bookingId")?;
        let seq = after(frame, br#""seq":"#).and_then(number).context("a frame without a seq")?;
        let last = self.last.get_mut(host).context("a host that is not ours")?;
        ensure!(seq == *last + 1, "host {host} got seq {seq} after {last}");
        *last = seq;
        let half = Half { at: now, host, seq };
        match self.bookings.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(Seen::Arrived(half));
            }
            Entry::Occupied(mut entry) => {
                let Seen::Answered(answered) = *entry.get() else {
                    anyhow::bail!("booking {id:032x} reached its host twice");
                };
                entry.insert(Seen::Both);
                self.pair(&answered, &half)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, answered: &Half, arrived: &Half) -> Result<()> {
        ensure!(
            answered.host == arrived.host,
            "a booking of host {} reached {}",
            answered.host,
            arrived.host
        );
        ensure!(answered.seq == arrived.seq, "answered as seq {}, sent as {}", answered.seq, arrived.seq);
        self.devices.add(arrived.at - answered.at);
        self.matched += 1;
        Ok(())
    }
}

/// Ids end in random bits, which are as good as a hash of them.
#[derive(Debug, Default)]
struct LowBits(u64);

impl Hasher for LowBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}
