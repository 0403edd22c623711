//! Many devices in one event loop: connecting them at a bounded pace, and turning the loop for
//! whoever measures. Other sources of events, a mode's HTTP connections, take tokens from `OTHERS` on.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};

use crate::clock::Deadline;
use crate::scan;
use crate::websocket::WebSocket;

/// The first token that is not a device's.
pub(crate) const OTHERS: usize = 1 << 32;
/// Handshakes under way at once: enough to keep the server busy, far below its backlog.
const CONNECTING_MAX: usize = 128;
/// How long one turn waits for something to happen before deadlines are looked at again.
const TURN: Duration = Duration::from_millis(200);
const SCRATCH_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN: usize = 1024;

/// Who is told what happens in the loop.
pub(crate) trait Audience {
    /// A device got a text frame.
    fn text(&mut self, device: usize, text: &[u8]) -> Result<()>;

    /// Something that is not a device became readable.
    fn other(&mut self, _index: usize, _scratch: &mut [u8]) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) poll: Poll,
    events: Events,
    devices: Vec<WebSocket>,
    scratch: Vec<u8>,
}

impl Crowd {
    /// Connects one device per token, over the addresses in turn, and waits until each was greeted.
    pub(crate) fn gather(addresses: &[SocketAddr], tokens: &[String], deadline: &Deadline) -> Result<Self> {
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
                let device = WebSocket::connect(address, index, access, crowd.poll.registry(), Token(index))?;
                crowd.devices.push(device);
            }
            crowd.turn(&mut greeted)?;
        }
        Ok(crowd)
    }

    /// Waits for something to happen, briefly, and tells the audience.
    pub(crate) fn turn(&mut self, audience: &mut impl Audience) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            let Token(token) = event.token();
            match self.devices.get_mut(token) {
                Some(device) => device
                    .receive(&mut self.scratch, |text| audience.text(token, text))
                    .with_context(|| format!("device {token}"))?,
                None => audience.other(token.saturating_sub(OTHERS), &mut self.scratch)?,
            }
        }
        Ok(())
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
