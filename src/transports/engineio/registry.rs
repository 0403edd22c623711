//! Connections by their sid, for requests that name one: each may come to another thread than the one where its
//! connection lives.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;

use super::Speaker;
use super::handshake::Refusal;
use super::home::{Broken, Home};
use crate::domain::CloseReason;

/// See the module's documentation. Clones share one registry.
#[derive(Debug)]
pub struct Registry<S: Speaker>(Arc<Inner<S>>);

#[derive(Debug)]
struct Inner<S: Speaker> {
    known: Mutex<Known<S>>,
    most: usize,
}

struct Known<S: Speaker> {
    /// Those that began with polling.
    polled: HashMap<Box<str>, Polled<S>>,
    /// Those that never were: no other request can be theirs.
    sockets: HashSet<Box<str>>,
}

impl<S: Speaker> fmt::Debug for Known<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the sids, with which anybody could poll.
        f.debug_struct("Known").field("polled", &self.polled.len()).finish_non_exhaustive()
    }
}

/// A connection that is or was polled.
#[derive(Debug)]
pub(super) struct Polled<S: Speaker> {
    pub(super) home: Addr<Home<S>>,
    is_posting: Arc<AtomicBool>,
}

/// A POST that is under way. Where it ends before its body was whole, so does its connection: the client believes
/// that it was said, and what follows would be out of order.
#[derive(Debug)]
pub(super) struct Posting<S: Speaker> {
    polled: Polled<S>,
    /// Why the connection ends, unless the body was whole.
    lacks: Option<CloseReason>,
}

impl<S: Speaker> Registry<S> {
    /// For at most so many connections that are polled.
    pub fn new(most: usize) -> Self {
        let known = Known { polled: HashMap::new(), sockets: HashSet::new() };
        Self(Arc::new(Inner { known: Mutex::new(known), most }))
    }

    /// Whether another connection may open.
    pub(super) fn has_room(&self) -> bool {
        self.known().polled.len() < self.0.most
    }

    pub(super) fn add(&self, sid: &str, home: Addr<Home<S>>) {
        self.known().polled.insert(sid.into(), Polled { home, is_posting: Arc::default() });
    }

    pub(super) fn add_socket(&self, sid: &str) {
        self.known().sockets.insert(sid.into());
    }

    /// The connection that a request belongs to, which may be another transport's.
    pub(super) fn find(&self, sid: &str) -> Result<Polled<S>, Refusal> {
        let known = self.known();
        match known.polled.get(sid) {
            Some(polled) => Ok(polled.clone()),
            None if known.sockets.contains(sid) => Err(Refusal::BadRequest),
            None => Err(Refusal::UnknownSid),
        }
    }

    pub(super) fn remove(&self, sid: &str) -> Option<Addr<Home<S>>> {
        self.known().polled.remove(sid).map(|polled| polled.home)
    }

    pub(super) fn remove_socket(&self, sid: &str) {
        self.known().sockets.remove(sid);
    }

    fn known(&self) -> MutexGuard<'_, Known<S>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Speaker> Clone for Registry<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Speaker> Clone for Polled<S> {
    fn clone(&self) -> Self {
        Self { home: self.home.clone(), is_posting: Arc::clone(&self.is_posting) }
    }
}

impl<S: Speaker> Polled<S> {
    /// Begins a POST. None while there is another, which ends the connection: nobody knows which was said first.
    pub(super) fn begin_post(self) -> Option<Posting<S>> {
        if self.is_posting.swap(true, Ordering::AcqRel) {
            self.home.do_send(Broken(CloseReason::ProtocolError));
            return None;
        }
        Some(Posting { polled: self, lacks: Some(CloseReason::ClientLeft) })
    }
}

impl<S: Speaker> Posting<S> {
    /// The body will not be whole, for this reason.
    pub(super) fn lacks(&mut self, reason: CloseReason) {
        self.lacks = Some(reason);
    }

    /// The body is whole.
    pub(super) fn home(&mut self) -> &Addr<Home<S>> {
        self.lacks = None;
        &self.polled.home
    }
}

impl<S: Speaker> Drop for Posting<S> {
    fn drop(&mut self) {
        if let Some(reason) = self.lacks {
            self.polled.home.do_send(Broken(reason));
        }
        self.polled.is_posting.store(false, Ordering::Release);
    }
}
