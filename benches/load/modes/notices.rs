//! A service that tells every host something, over and over: `POST /notifications` with as many `userIds`
//! as a request may name.

use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Deadline;
use crate::{http, server, token};

/// The type of what is said, which is the event's name at the device.
pub(super) const KIND: &[u8] = b"review.created";
/// What one request may name (`limits.recipients_per_request`).
const RECIPIENTS_MAX: usize = 1000;
const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub(super) struct Notices {
    address: SocketAddr,
    /// Ready-made; all together name every host once.
    requests: Vec<Vec<u8>>,
}

impl Notices {
    pub(super) fn new(address: SocketAddr, hosts: &[String]) -> Result<Self> {
        let service = token::mint("load-service", "SERVICE")?;
        // Each request names hosts from everywhere, so that while they come back in their order it meets
        // some that are back, some that are just coming and some that are still away.
        let count = hosts.len().div_ceil(RECIPIENTS_MAX);
        let requests = (0..count).map(|request| {
            let named = hosts.iter().skip(request).step_by(count);
            let named = named.map(|host| format!("{host:?}")).collect::<Vec<_>>().join(",");
            let body = format!(
                r#"{{"type":"review.created","title":"A new review","message":"Sea View has five stars from a guest of last week","userIds":[{named}]}}"#
            );
            http::post("/notifications", &service, &body)
        });
        Ok(Self { address, requests: requests.collect() })
    }

    /// Tells everybody that many times, and returns when all of it is durable.
    pub(super) fn publish(&self, times: usize) -> Result<()> {
        if times == 0 {
            return Ok(());
        }
        let mut stream = TcpStream::connect(self.address).context("connecting a service")?;
        for request in std::iter::repeat_n(&self.requests, times).flatten() {
            let (status, body) = http::exchange(&mut stream, request)?;
            http::Answer { status, body: &body }.expect(201)?;
        }
        Ok(())
    }

    /// The same from a thread of its own, as soon as the server is ready.
    pub(super) fn publish_meanwhile(&self, times: usize, deadline: Deadline) -> Publishing {
        let notices = self.clone();
        Publishing(Some(thread::spawn(move || {
            while !server::is_ready(notices.address) {
                deadline.check(|| "the server to be ready for a service".to_owned())?;
                thread::sleep(POLL_INTERVAL);
            }
            notices.publish(times)
        })))
    }
}

/// What goes on in a thread of its own.
#[derive(Debug)]
pub(super) struct Publishing(Option<JoinHandle<Result<()>>>);

impl Publishing {
    /// Fails as soon as publishing has.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.0.take_if(|thread| thread.is_finished()) {
            Some(thread) => thread.join().ok().context("the service panicked")?.context("publishing"),
            None => Ok(()),
        }
    }
}
