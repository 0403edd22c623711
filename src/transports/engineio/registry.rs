//! Connections that are or were polled, by their sid: each request of a client may come to another thread than
//! the one where its connection lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;

use super::Speaker;
use super::home::Home;

/// See the module's documentation. Clones share one registry.
#[derive(Debug)]
pub struct Registry<S: Speaker>(Arc<Inner<S>>);

#[derive(Debug)]
struct Inner<S: Speaker> {
    homes: Mutex<HashMap<Box<str>, Addr<Home<S>>>>,
    most: usize,
}

impl<S: Speaker> Registry<S> {
    /// For at most so many connections.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { homes: Mutex::default(), most }))
    }

    /// Whether another connection may open.
    pub(super) fn has_room(&self) -> bool {
        self.homes().len() < self.0.most
    }

    pub(super) fn add(&self, sid: &str, home: Addr<Home<S>>) {
        self.homes().insert(sid.into(), home);
    }

    pub(super) fn find(&self, sid: &str) -> Option<Addr<Home<S>>> {
        self.homes().get(sid).cloned()
    }

    pub(super) fn remove(&self, sid: &str) {
        self.homes().remove(sid);
    }

    fn homes(&self) -> MutexGuard<'_, HashMap<Box<str>, Addr<Home<S>>>> {
        self.0.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Speaker> Clone for Registry<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
