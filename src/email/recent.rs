//! The last mails that went out, for the page that shows what bellhop does: in development mode, where they are
//! nobody's secret.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Mail, Mailer, Sending};

/// How many are remembered.
const REMEMBERED: usize = 20;

/// See the module's documentation; its clones are one memory.
#[derive(Debug, Clone, Default)]
pub struct RecentMails(Arc<Mutex<VecDeque<Mail>>>);

impl RecentMails {
    /// Has whatever goes out by `mailer` be remembered.
    pub fn of(&self, mailer: Arc<dyn Mailer>) -> Arc<dyn Mailer> {
        Arc::new(Remembering { mailer, recent: self.clone() })
    }

    /// The newest first.
    pub fn list(&self) -> Vec<Mail> {
        self.lock().iter().cloned().collect()
    }

    fn remember(&self, mail: &Mail) {
        let mut mails = self.lock();
        // A repeated attempt is the same mail.
        mails.retain(|known| known.message_id != mail.message_id);
        mails.push_front(mail.clone());
        mails.truncate(REMEMBERED);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Remembering {
    mailer: Arc<dyn Mailer>,
    recent: RecentMails,
}

impl Mailer for Remembering {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            self.mailer.send(mail).await?;
            self.recent.remember(mail);
            Ok(())
        })
    }
}
