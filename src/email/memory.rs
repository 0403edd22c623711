//! A mailer for tests: it keeps what it is given, and fails when told to.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Mail, MailError, Mailer, Sending};

/// Remembers every mail that it did not refuse.
#[derive(Debug, Default)]
pub struct MemoryMailer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Mail>,
    /// How the next attempts fail, the nearest first.
    next: VecDeque<MailError>,
    /// How every attempt fails when `next` is empty.
    always: Option<MailError>,
    attempts: usize,
}

impl MemoryMailer {
    pub fn new() -> Self {
        Self::default()
    }

    /// The mails that were sent, in order.
    pub fn sent(&self) -> Vec<Mail> {
        self.lock().sent.clone()
    }

    /// How often sending was tried, with success or without.
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// The next attempt fails; several calls add up.
    pub fn fail_next(&self, error: MailError) {
        self.lock().next.push_back(error);
    }

    /// Every attempt fails from now on, or with `None` none does.
    pub fn fail_always(&self, error: Option<MailError>) {
        self.lock().always = error;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, mail: &Mail) -> Result<(), MailError> {
        let mut state = self.lock();
        state.attempts += 1;
        if let Some(error) = state.next.pop_front().or_else(|| state.always.clone()) {
            return Err(error);
        }
        state.sent.push(mail.clone());
        Ok(())
    }
}

impl Mailer for MemoryMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move { self.take(mail) })
    }
}
