//! Many devices in one event loop: connecting them at a bounded pace, and turning the loop for
//! whoever measures. A device may be lost and connect again. Other sources of events, a mode's HTTP connections, take tokens from `OTHERS` on.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};

use crate::clock::Deadline;
use crate::door::{Door, Entrance, Entry};
use crate::scan;
use crate::websocket::{Lost, WebSocket};

/// The first token that is not a device's.
pub(crate) const OTHERS: usize = 1 << 32;
/// Handshakes under way at once: enough to keep the server busy, far below its backlog.
pub(crate) const CONNECTING_MAX: usize = 128;
/// How long one turn waits for something to happen before deadlines are looked at again.
const TURN: Duration = Duration::from_millis(200);
const SCRATCH_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN: usize = 1024;

/// Who is told what happens in the loop.
pub(crate) trait Audience {
    /// A device got a text frame.
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()>;

    /// A device's connection has ended, which is a failure unless somebody expects it.
    fn lost(&mut self, _device: usize, lost: anyhow::Error) -> Result<()> {
        Err(lost)
    }

    /// Something that is not a device became readable.
    fn other(&mut self, _index: usize, _scratch: &mut [u8]) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) poll: Poll,
    events: Events,
    /// Those that are connected, or about to be.
    devices: Vec<Option<WebSocket>>,
    scratch: Vec<u8>,
}

impl Crowd {
    /// Connects one device per token, over the addresses in turn, and waits until each was greeted.
    pub(crate) fn gather(addresses: &[SocketAddr], tokens: &[String], deadline: &Deadline) -> Result<Self> {
        Self::gather_by(Door::Raw, addresses, tokens, deadline)
    }

    pub(crate) fn gather_by(
        door: Door,
        addresses: &[SocketAddr],
        tokens: &[String],
        deadline: &Deadline,
    ) -> Result<Self> {
        let mut entrance = Entrance::new(door);
        let mut crowd = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_TURN),
            devices: Vec::with_capacity(tokens.len()),
            scratch: vec![0; SCRATCH_BYTES],
        };
        let mut greeted = Greeted(0);
        while greeted.0 < tokens.len() {
            deadline.check(|| format!("{} devices to connect; {} have", tokens.len(), greeted.0))?;
            while crowd.devices.len() < tokens.len().min(greeted.0 + CONNECTING_MAX) {
                let index = crowd.devices.len();
                let address = *addresses.get(index % addresses.len()).context("no address to connect to")?;
                let access = tokens.get(index).map_or("", String::as_str);
                crowd.devices.push(None);
                crowd.connect(index, address, entrance.enter(index, address, access)?)?;
            }
            crowd.turn(&mut greeted)?;
        }
        Ok(crowd)
    }

    /// How many devices there are.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Connects a device that is not connected, or not any more.
    pub(crate) fn connect(&mut self, device: usize, address: SocketAddr, entry: Entry) -> Result<()> {
        let socket = WebSocket::connect(address, device, entry, self.poll.registry(), Token(device))?;
        *self.devices.get_mut(device).context("a device that is not ours")? = Some(socket);
        Ok(())
    }

    /// Closes all connections at once, without a word.
    pub(crate) fn cut(&mut self) {
        self.devices.iter_mut().for_each(|device| *device = None);
    }

    /// Has the devices answer no pings from now on.
    pub(crate) fn keep_silent(&mut self) {
        self.devices.iter_mut().flatten().for_each(WebSocket::keep_silent);
    }

    /// Waits for something to happen, briefly, and tells the audience.
    pub(crate) fn turn(&mut self, audience: &mut impl Audience) -> Result<()> {
        self.turn_within(TURN, audience)
    }

    /// Turns once, waiting no longer than that.
    pub(crate) fn turn_within(&mut self, wait: Duration, audience: &mut impl Audience) -> Result<()> {
        self.events_within(wait, audience).map(drop)
    }

    /// Turns until nothing is left that has happened.
    pub(crate) fn catch_up(&mut self, audience: &mut impl Audience) -> Result<()> {
        while self.events_within(Duration::ZERO, audience)? {}
        Ok(())
    }

    /// Turns once; answers whether anything had happened.
    fn events_within(&mut self, wait: Duration, audience: &mut impl Audience) -> Result<bool> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            result => result?,
        }
        for event in &self.events {
            let Token(token) = event.token();
            let Some(place) = self.devices.get_mut(token) else {
                audience.other(token.saturating_sub(OTHERS), &mut self.scratch)?;
                continue;
            };
            // One that was cut may have left an event behind.
            let Some(device) = place else { continue };
            let received = device.receive(&mut self.scratch, |text| audience.text(token, text));
            if let Err(error) = received.with_context(|| format!("device {token}")) {
                if !error.is::<Lost>() {
                    return Err(error);
                }
                *place = None;
                audience.lost(token, error)?;
            }
        }
        Ok(!self.events.is_empty())
    }
}

/// Counts the first frame of each device.
struct Greeted(usize);

impl Audience for Greeted {
    fn text(&mut self, _device: usize, text: &[u8]) -> Result<()> {
        self.0 += usize::from(scan::event(text) == Some(b"connected"));
        Ok(())
    }
}
