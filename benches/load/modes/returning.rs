//! The hosts that were cut off and come back: dials them at a bounded pace, tries again whom the server
//! turns away, and checks what each is told: every `seq` from where it stopped, once, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::notices::KIND;
use crate::clock;
use crate::crowd::{Audience, CONNECTING_MAX, Crowd};
use crate::door::Entry;
use crate::report::Latencies;
use crate::scan::{after, event, number};
use crate::websocket::Lost;

/// How long a host waits that was turned away.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Away,
    /// Connected, and not greeted yet.
    Asking,
    /// Greeted, and being told what it missed.
    Catching,
    Back,
}

#[derive(Debug)]
struct Host {
    /// The `token` of its query.
    access: String,
    place: Place,
    /// The last `seq` that it got.
    last: u64,
    /// The `seq` that it said it has, and the one that it must have been told before it is back.
    since: u64,
    owed: u64,
    /// When it first tried to come back.
    tried_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Returning {
    hosts: Vec<Host>,
    /// Who is to connect, not before that time.
    queue: VecDeque<(Instant, usize)>,
    /// Handshakes under way.
    asking: usize,
    pub(super) back: usize,
    /// The sum of all hosts' last `seq`s.
    pub(super) reached: u64,
    /// From a host's first try until it was told that nothing is missing.
    pub(super) returns: Latencies,
    pub(super) retries: usize,
    pub(super) gaps: u64,
    pub(super) missed: u64,
    pub(super) twice: u64,
}

impl Returning {
    /// Hosts that are connected and have got nothing yet.
    pub(super) fn new(tokens: &[String]) -> Self {
        let host = |access: &String| Host {
            access: access.clone(),
            place: Place::Back,
            last: 0,
            since: 0,
            owed: 0,
            tried_at: None,
        };
        Self {
            hosts: tokens.iter().map(host).collect(),
            queue: VecDeque::new(),
            asking: 0,
            back: tokens.len(),
            reached: 0,
            returns: Latencies::with_capacity(tokens.len()),
            retries: 0,
            gaps: 0,
            missed: 0,
            twice: 0,
        }
    }

    /// Everybody is cut off and wants to come back; by then `missed` more were published to each.
    pub(super) fn cut(&mut self, crowd: &mut Crowd, missed: u64) {
        crowd.cut();
        let now = clock::now();
        for (index, host) in self.hosts.iter_mut().enumerate() {
            host.place = Place::Away;
            host.owed = host.last + missed;
            self.queue.push_back((now, index));
        }
        self.back = 0;
    }

    /// Dials whom it is time for, as many as may be under way, and turns the loop once.
    pub(super) fn turn(&mut self, crowd: &mut Crowd, address: SocketAddr) -> Result<()> {
        while self.asking < CONNECTING_MAX
            && let Some(&(not_before, index)) = self.queue.front()
            && not_before <= clock::now()
        {
            self.queue.pop_front();
            let host = self.hosts.get_mut(index).context("no such host")?;
            host.tried_at.get_or_insert_with(clock::now);
            host.since = host.last;
            let entry = Entry::raw(&format!("token={}&since={}", host.access, host.last));
            match crowd.connect(index, address, entry) {
                Ok(()) => {
                    host.place = Place::Asking;
                    self.asking += 1;
                }
                // Nobody listens: all wait behind this one.
                Err(error) if error.is::<Lost>() => {
                    self.retries += 1;
                    self.queue.push_front((clock::now() + PAUSE, index));
                }
                Err(error) => return Err(error),
            }
        }
        let wait = if self.queue.is_empty() || self.asking == CONNECTING_MAX { PAUSE } else { PAUSE / 10 };
        crowd.turn_within(wait, self)
    }

    fn arrival(&mut self, device: usize, text: &[u8]) -> Result<()> {
        let seq = after(text, br#""seq":"#).and_then(number).context("a frame without a seq")?;
        let host = self.hosts.get_mut(device).context("a host that is not ours")?;
        if seq <= host.last {
            self.twice += 1;
        } else {
            self.missed += seq - host.last - 1;
            self.reached += seq - host.last;
            host.last = seq;
        }
        Ok(())
    }

    fn resumed(&mut self, device: usize, text: &[u8]) -> Result<()> {
        let from = after(text, br#""from":"#).and_then(number).context("resumed without from")?;
        let to = after(text, br#""to":"#).and_then(number).context("resumed without to")?;
        let host = self.hosts.get_mut(device).context("a host that is not ours")?;
        ensure!(host.place == Place::Catching, "host {device} was resumed where it was {:?}", host.place);
        ensure!(
            from == host.since + 1 && to == host.last && to >= host.owed,
            "host {device} came back with {}, was resumed {from} to {to} when it had {}, {} were published",
            host.since,
            host.last,
            host.owed
        );
        host.place = Place::Back;
        self.back += 1;
        let tried_at = host.tried_at.context("resumed without a try")?;
        self.returns.add(tried_at.elapsed());
        Ok(())
    }
}

impl Audience for Returning {
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()> {
        match event(text) {
            Some(KIND) => self.arrival(device, text)?,
            Some(b"connected") => {
                let host = self.hosts.get_mut(device).context("a host that is not ours")?;
                ensure!(
                    host.place == Place::Asking,
                    "host {device} was greeted where it was {:?}",
                    host.place
                );
                host.place = Place::Catching;
                self.asking -= 1;
            }
            Some(b"resumed") => self.resumed(device, text)?,
            Some(b"gap") => self.gaps += 1,
            Some(b"error") => bail!("host {device} was told {}", String::from_utf8_lossy(text)),
            _ => {}
        }
        Ok(())
    }

    /// Turned away, or cut off before it was back: it tries again from where it is now.
    fn lost(&mut self, device: usize, lost: anyhow::Error) -> Result<()> {
        let host = self.hosts.get_mut(device).context("a host that is not ours")?;
        match host.place {
            Place::Asking => self.asking -= 1,
            Place::Catching => {}
            Place::Away | Place::Back => return Err(lost),
        }
        host.place = Place::Away;
        self.retries += 1;
        self.queue.push_back((clock::now() + PAUSE, device));
        Ok(())
    }
}
