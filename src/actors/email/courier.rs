//! What the e-mail actor does with one mail: claims it in the database, writes and sends it, records
//! how that ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::choices::Choices;
use super::surplus;
use crate::config::MailSettings;
use crate::domain::backoff;
use crate::domain::request_id::shown;
use crate::domain::{Clock, Notification, NotificationId, Recipient, Timestamp, UserId};
use crate::email::{Composer, MailError, Mailer};
use crate::storage::deliveries::{self, Claimed, Ending};
use crate::storage::{AnyConnection, Pool, StorageError, notifications, outgoing, recipients};
use crate::telemetry::Metrics;

/// The first pause before recording an ending is tried again, which doubles, and the longest.
const RECORD_PAUSE_FIRST: Duration = Duration::from_millis(250);
const RECORD_PAUSE_LONGEST: Duration = Duration::from_secs(4);

/// By how much the clocks of instances may differ before a deadline of another is taken for a mistake.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_mins(1);

/// Sends mails one by one; shared by those under way.
#[derive(Debug)]
pub struct Courier {
    pub pool: Pool,
    pub mailer: Arc<dyn Mailer>,
    pub composer: Composer,
    /// Where readers choose what comes by mail.
    pub choices: Choices,
    pub settings: MailSettings,
    /// How many deliveries are claimed at once.
    pub portion: u32,
    /// The longest that a device has to confirm, which no deadline that is set for one lies beyond.
    pub longest_escalation: Duration,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub health: MailHealth,
    /// Whether the broker is told what was mailed.
    pub tells: bool,
}

/// Whether mail goes out; shared with whoever reports readiness.
#[derive(Debug, Clone, Default)]
pub struct MailHealth(Arc<AtomicU32>);

/// So many mails in a row that a server did not take for now are more than one recipient's trouble.
const FAILURES_MAX: u32 = 5;

impl MailHealth {
    pub fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= FAILURES_MAX
    }

    /// Notes how a try ended: that a mail was refused for good is an answer, too.
    fn note(&self, answered: bool) {
        if answered {
            self.0.store(0, Ordering::Relaxed);
        } else {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A claimed delivery with what is needed to write the mail.
#[derive(Debug)]
pub(super) struct Letter {
    notification: Notification,
    recipient: Option<Recipient>,
    attempt: i32,
    lease_until: Timestamp,
}

impl Letter {
    pub(super) fn user(&self) -> &UserId {
        &self.notification.user
    }
}

fn request_of(letter: &Letter) -> &str {
    shown(letter.notification.request.as_ref())
}

/// How one try ended.
enum Attempt {
    Over(Ending, Option<String>),
    Again(String),
}

impl Courier {
    /// How many are claimed at once: never more than can be begun while their lease lasts, even if each
    /// takes as long as it may.
    pub(super) fn claim_size(&self) -> usize {
        let rounds =
            usize::try_from(self.settings.lease_ms / self.settings.timeout_ms.max(1)).unwrap_or(usize::MAX);
        let in_time = self.settings.concurrency.saturating_mul(rounds.saturating_sub(1).max(1));
        (self.portion as usize).min(in_time)
    }

    pub(super) async fn claim_handed(&self, ids: Vec<NotificationId>) -> Result<Vec<Letter>, StorageError> {
        let until = self.lease_end();
        let claim = move |connection: &mut AnyConnection| deliveries::claim_new(connection, &ids, until);
        self.claim(until, "away", claim).await
    }

    pub(super) async fn claim_overdue(&self) -> Result<Vec<Letter>, StorageError> {
        let portion = u32::try_from(self.claim_size()).unwrap_or(u32::MAX);
        let (now, until) = (self.clock.now(), self.lease_end());
        let claim =
            move |connection: &mut AnyConnection| deliveries::claim_overdue(connection, now, until, portion);
        self.claim(until, "unconfirmed", claim).await
    }

    /// Makes due what a clock that was ahead put off further than anything is ever put off; to be done
    /// once after a start.
    pub(super) async fn pull_in(&self) -> Result<(), StorageError> {
        let [retry, lease] =
            [self.settings.retry_longest_ms, self.settings.lease_ms].map(Duration::from_millis);
        let longest = self.longest_escalation.max(retry).max(lease).max(surplus::LONGEST);
        let now = self.clock.now();
        let latest = now.plus(longest).plus(CLOCKS_DIFFER_MAX);
        let pulled_in =
            self.blocking(move |pool| pool.write_statement(|c| deliveries::pull_in(c, latest, now))).await?;
        if pulled_in > 0 {
            log::warn!(deliveries = pulled_in; "a clock that was ahead had put deliveries off: they are due now");
        }
        Ok(())
    }

    /// Makes claimed deliveries free again after `pause`, as if they had not been claimed.
    pub(super) async fn release(&self, letters: Vec<Letter>, pause: Duration) -> Result<(), StorageError> {
        let due = self.clock.now().plus(pause);
        // By id, as everybody locks them.
        let mut letters = letters;
        letters.sort_by_key(|letter| letter.notification.id);
        self.blocking(move |pool| {
            pool.write(|connection| {
                letters.iter().try_for_each(|letter| {
                    deliveries::release(connection, letter.notification.id, letter.lease_until, due)
                })
            })
        })
        .await
    }

    /// Whether it waited too long for its place: by the time it was sent, somebody else might send it too.
    pub(super) fn is_late(&self, letter: &Letter) -> bool {
        let timeout = Duration::from_millis(self.settings.timeout_ms);
        self.clock.now().plus(timeout) > letter.lease_until
    }

    fn lease_end(&self) -> Timestamp {
        self.clock.now().plus(Duration::from_millis(self.settings.lease_ms))
    }

    async fn claim(
        &self,
        lease_until: Timestamp,
        cause: &'static str,
        claim: impl FnOnce(&mut AnyConnection) -> Result<Vec<Claimed>, StorageError> + Send + 'static,
    ) -> Result<Vec<Letter>, StorageError> {
        let escalations = self.metrics.escalations(cause);
        self.blocking(move |pool| {
            let claimed = pool.write(claim)?;
            escalations.inc_by(claimed.iter().filter(|claimed| claimed.attempt == 1).count() as u64);
            let ids: Vec<NotificationId> = claimed.iter().map(|claimed| claimed.notification).collect();
            let attempts: HashMap<NotificationId, i32> =
                claimed.into_iter().map(|claimed| (claimed.notification, claimed.attempt)).collect();
            let mut notifications = pool.read(|connection| notifications::find_all(connection, &ids))?;
            notifications.sort_by_key(|notification| notification.id);
            let mut users: Vec<&str> = notifications.iter().map(|one| one.user.as_str()).collect();
            users.sort_unstable();
            users.dedup();
            let people = pool.read(|connection| recipients::find_all(connection, &users))?;
            let people: HashMap<&str, &Recipient> =
                people.iter().map(|person| (person.user.as_str(), person)).collect();
            Ok(notifications
                .into_iter()
                .map(|notification| Letter {
                    recipient: people.get(notification.user.as_str()).map(|person| (*person).clone()),
                    attempt: attempts.get(&notification.id).copied().unwrap_or(1),
                    notification,
                    lease_until,
                })
                .collect())
        })
        .await
    }

    /// Sends one mail and records how that ended.
    pub(super) async fn deliver(&self, letter: Letter) {
        if self.is_late(&letter) {
            self.put_back(letter).await;
            return;
        }
        let (id, until) = (letter.notification.id, letter.lease_until);
        match self
            .blocking(move |pool| pool.read(|connection| deliveries::is_claimed(connection, id, until)))
            .await
        {
            Ok(true) => {}
            // Read, or withdrawn with its booking, while it waited for its place.
            Ok(false) => return,
            Err(error) => {
                log::warn!(notification:% = id, request = request_of(&letter);
                    "a mail waits for the end of its lease: {error}");
                return;
            }
        }
        // Looking may have taken its time, too.
        if self.is_late(&letter) {
            self.put_back(letter).await;
            return;
        }
        let attempt = self.attempt(&letter).await;
        match attempt {
            Attempt::Over(ending, error) => {
                if let Some(error) = &error {
                    log::warn!(notification:% = id, request = request_of(&letter); "no mail: {error}");
                }
                if ending == Ending::Emailed {
                    let took = self.clock.now().since(letter.notification.created_at);
                    self.metrics.created_to_mail().observe(took.as_secs_f64());
                    log::debug!(notification:% = id, request = request_of(&letter), attempt = letter.attempt;
                        "mailed");
                }
                let (now, user) = (self.clock.now(), letter.notification.user);
                let tells = self.tells && ending == Ending::Emailed;
                self.record(id, until, move |connection| {
                    deliveries::finish(connection, id, &user, ending, error.as_deref(), now)?;
                    if tells {
                        outgoing::keep_mailed(connection, &id.to_string(), &user, now)
                    } else {
                        Ok(())
                    }
                })
                .await;
                self.metrics.deliveries_finished(ending.as_str(), "email").inc();
            }
            Attempt::Again(error) => {
                self.metrics.mail_retries().inc();
                let pause = backoff::pause(
                    Duration::from_millis(self.settings.retry_first_ms),
                    Duration::from_millis(self.settings.retry_longest_ms),
                    letter.attempt,
                    rand::random(),
                );
                log::warn!(notification:% = id, request = request_of(&letter), attempt = letter.attempt;
                    "mail will be tried again: {error}");
                let (now, user) = (self.clock.now(), letter.notification.user);
                let at = now.plus(pause);
                let write = move |connection: &mut AnyConnection| {
                    deliveries::retry(connection, id, &user, at, &error, now)
                };
                self.record(id, until, write).await;
            }
        }
    }

    async fn put_back(&self, letter: Letter) {
        let (id, request) = (letter.notification.id, letter.notification.request.clone());
        if let Err(error) = self.release(vec![letter], Duration::ZERO).await {
            log::warn!(notification:% = id, request = shown(request.as_ref());
                "a mail waits for the end of its lease: {error}");
        }
    }

    async fn attempt(&self, letter: &Letter) -> Attempt {
        let suppressed = |why: &str| Attempt::Over(Ending::Suppressed, Some(why.to_owned()));
        let Some(recipient) = &letter.recipient else { return suppressed("no_address") };
        if recipient.address().is_none() {
            return suppressed("no_address");
        }
        if !recipient.preferences.allows_email(&letter.notification.category) {
            return suppressed("not_wanted");
        }
        let links = self.choices.of(&letter.notification);
        let sent = match self.composer.compose(&letter.notification, recipient, links.as_ref()) {
            Ok(mail) => self.mailer.send(&mail).await,
            Err(error) => Err(error),
        };
        self.health.note(!matches!(sent, Err(MailError::Temporary(_))));
        match sent {
            Ok(()) => {
                self.metrics.mail_attempts("sent").inc();
                Attempt::Over(Ending::Emailed, None)
            }
            Err(MailError::Permanent(error)) => {
                self.metrics.mail_attempts("refused").inc();
                Attempt::Over(Ending::Failed, Some(error))
            }
            Err(MailError::Temporary(error)) => {
                self.metrics.mail_attempts("failed").inc();
                let give_up = Duration::from_millis(self.settings.give_up_after_ms);
                if letter.notification.created_at.plus(give_up) < self.clock.now() {
                    Attempt::Over(Ending::Failed, Some(format!("gave up: {error}")))
                } else {
                    Attempt::Again(error)
                }
            }
        }
    }

    /// Writes down what happened, for as long as the lease lasts: a mail that was sent and not recorded is
    /// sent again after that.
    async fn record(
        &self,
        id: NotificationId,
        until: Timestamp,
        write: impl Fn(&mut AnyConnection) -> Result<(), StorageError> + Clone + Send + 'static,
    ) {
        let mut pause = RECORD_PAUSE_FIRST;
        loop {
            let write = write.clone();
            match self.blocking(move |pool| pool.write(write)).await {
                Ok(()) => return,
                Err(error) if self.clock.now().plus(pause) >= until => {
                    log::error!(notification:% = id; "what became of a mail could not be recorded: {error}");
                    return;
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(RECORD_PAUSE_LONGEST);
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pool) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let pool = self.pool.clone();
        let done = tokio::task::spawn_blocking(move || work(&pool)).await;
        done.unwrap_or_else(|_| Err(StorageError::Corrupt("a mail task panicked".to_owned())))
    }
}
