//! What is to be kept in Redis of who is online, until it is there: of each user only the last, so that it is
//! bounded by who there is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::bus::presence::{Figures, Person, PresenceNews};
use crate::domain::UserId;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    news: Mutex<News>,
    is_filled: Notify,
}

#[derive(Debug, Default)]
struct News {
    figures: Figures,
    people: HashMap<UserId, Option<Person>>,
}

impl Shelf {
    pub(super) fn put(&self, PresenceNews { figures, people }: PresenceNews) {
        let mut news = self.news();
        news.figures = figures;
        news.people.extend(people);
        drop(news);
        self.is_filled.notify_one();
    }

    /// The figures that were said last.
    pub(super) fn figures(&self) -> Figures {
        self.news().figures.clone()
    }

    /// Takes so many at most.
    pub(super) fn take(&self, most: usize) -> Vec<(UserId, Option<Person>)> {
        let mut news = self.news();
        let users: Vec<UserId> = news.people.keys().take(most).cloned().collect();
        let taken: Vec<_> = users.iter().filter_map(|user| news.people.remove_entry(user)).collect();
        if news.people.is_empty() {
            news.people.shrink_to_fit();
        }
        taken
    }

    /// Ready when something may have been put there.
    pub(super) async fn filled(&self) {
        self.is_filled.notified().await;
    }

    /// Nothing of it is of use any more: everything will be said again.
    pub(super) fn clear(&self) {
        self.news().people.clear();
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
