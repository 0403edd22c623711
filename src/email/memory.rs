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

#[cfg(test)]
mod tests {
    use super::MemoryMailer;
    use crate::domain::Timestamp;
    use crate::email::{Addressee, Mail, MailError, Mailer};

    #[tokio::test]
    async fn failures_that_were_ordered_come_first_and_then_mails_are_kept() {
        let mailer = MemoryMailer::new();
        let mail = Mail {
            message_id: "<1@mail.example>".to_owned(),
            to: Addressee { address: "host@example.org".to_owned(), name: None },
            date: Timestamp::default(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            headers: Vec::new(),
        };
        mailer.fail_next(MailError::Temporary("busy".to_owned()));
        assert!(mailer.send(&mail).await.is_err());
        assert!(mailer.send(&mail).await.is_ok());
        mailer.fail_always(Some(MailError::Permanent("gone".to_owned())));
        assert!(mailer.send(&mail).await.is_err_and(|error| error.is_permanent()));
        mailer.fail_always(None);
        assert!(mailer.send(&mail).await.is_ok());
        assert_eq!((mailer.sent().len(), mailer.attempts()), (2, 4));
        assert!(!format!("{mailer:?}").contains("example.org"), "a debugged mail names nobody");
    }
}
