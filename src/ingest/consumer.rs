//! Consuming: messages are begun in the order in which they come, and their answers awaited beside each other, as many
//! as the prefetch allows. Where our own trouble keeps one from being done, no more are begun until what is under way
//! is answered and a pause is over; then the first of the queue is tried alone, and the others go on behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::types::ShortString;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Parts;
use super::carry::{self, Done, NotDone, Text};
use super::dead_letters::{DeadLetters, NotKept};
use super::link::{Link, LinkError, Source};
use crate::actors::persistence::WriteError;
use crate::domain::{RequestId, Timestamp};
use crate::requests::Refused;

/// How often a message may fail for no reason that passes while others are done, before it is put aside: then the fault
/// is its own.
const FAILURES_MAX: u32 = 5;
/// How often it is tried to put a message aside before all is begun anew, with the queue that it is to go to.
const LETTER_TRIES: u32 = 3;
/// How often who stands by looks whether it is wanted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What we call ourselves in what we publish: our own events are not taken for others'.
pub(super) const APP_ID: &str = "bellhop";

/// A message that is not acknowledged yet.
#[derive(Debug)]
struct Pending {
    delivery: Delivery,
    request: RequestId,
    since: Timestamp,
    /// See [`Text::in_doubt`].
    in_doubt: bool,
    /// How often it failed for no reason that passes.
    failures: u32,
    /// How often of these others had been done since the time before.
    own_failures: u32,
    /// How many had been done when it failed last.
    done_before: u64,
}

/// What became of what was under way.
enum Step {
    /// It is acknowledged; whether it was done, rather than put aside.
    Settled { done: bool },
    /// It is to be tried again.
    PutBack(Box<Pending>, WriteError),
    /// The connection is gone.
    Broken(LinkError),
}

/// Stands by while another instance consumes, then consumes until told to stop, or until the connection ends, which is
/// the error.
pub(super) async fn consume(
    parts: &Arc<Parts>,
    mut link: Link,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), LinkError> {
    let Some(mut source) = stand_by(parts, &mut link, stop).await? else {
        link.close().await;
        return Ok(());
    };
    log::info!(queue = parts.settings.queue; "messages are taken from the broker");
    parts.metrics.rabbitmq_consuming().set(1);
    let consumed = consume_from(parts, &mut source, &link, stop).await;
    parts.metrics.rabbitmq_consuming().set(0);
    consumed?;
    link.close().await;
    Ok(())
}

/// Waits for its turn; none where it was told to stop before.
async fn stand_by(
    parts: &Parts,
    link: &mut Link,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<Source>, LinkError> {
    let mut is_said = false;
    while !*stop.borrow() {
        if let Some(source) = link.try_to_consume().await? {
            return Ok(Some(source));
        }
        if !is_said {
            is_said = true;
            log::info!(queue = parts.settings.queue; "another instance takes the messages; this one stands by");
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            _ = stop.changed() => break,
        }
    }
    Ok(None)
}

async fn consume_from(
    parts: &Arc<Parts>,
    source: &mut Source,
    link: &Link,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), LinkError> {
    let mut course = Course::new(Arc::clone(parts), link.dead_letters.clone());
    let mut is_stopping = false;
    loop {
        if !is_stopping {
            course.begin_what_may();
        }
        if is_stopping && course.under_way.is_empty() {
            return Ok(());
        }
        let pause = course.pause_until.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            _ = stop.changed(), if !is_stopping => {
                is_stopping = true;
                source.cease().await?;
                // They are somebody else's as soon as the connection is closed.
                course.waiting.clear();
            }
            Some(done) = course.under_way.next(), if !course.under_way.is_empty() => course.note(done)?,
            () = sleep_until(pause), if course.pause_until.is_some() => course.pause_until = None,
            delivered = source.consumer.next(), if !is_stopping => match delivered {
                Some(Ok(delivery)) => course.take(delivery),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(LinkError::Cancelled),
            },
        }
    }
}

/// One connection's messages.
struct Course {
    parts: Arc<Parts>,
    dead_letters: DeadLetters,
    /// By delivery tag, which is the order of the queue.
    waiting: BTreeMap<u64, Pending>,
    under_way: FuturesUnordered<LocalBoxFuture<'static, Step>>,
    /// Set by trouble: nothing is begun before, nor while anything is under way.
    pause_until: Option<Instant>,
    /// Whether nothing was done since the last trouble.
    is_troubled: bool,
    /// Whether one is tried alone.
    is_trying: bool,
    /// How many were done on this connection.
    done: u64,
    /// How many pauses there were in a row.
    pauses: u32,
}

impl Course {
    fn new(parts: Arc<Parts>, dead_letters: DeadLetters) -> Self {
        Self {
            parts,
            dead_letters,
            waiting: BTreeMap::new(),
            under_way: FuturesUnordered::new(),
            pause_until: None,
            is_troubled: false,
            is_trying: false,
            done: 0,
            pauses: 0,
        }
    }

    fn take(&mut self, delivery: Delivery) {
        let id = delivery.properties.message_id().as_ref();
        let request = id.and_then(|id| RequestId::parse(id.as_str()));
        let request = request.unwrap_or_else(|| RequestId::fresh(self.parts.ids.next()));
        let in_doubt = delivery.redelivered;
        let pending = Pending {
            request,
            since: self.parts.clock.now(),
            in_doubt,
            failures: 0,
            own_failures: 0,
            done_before: self.done,
            delivery,
        };
        self.waiting.insert(pending.delivery.delivery_tag, pending);
    }

    fn begin_what_may(&mut self) {
        let held_up = self.pause_until.is_some() || (self.is_troubled && !self.under_way.is_empty());
        if held_up {
            return;
        }
        while let Some(pending) = self.next() {
            let work = see_through(Arc::clone(&self.parts), self.dead_letters.clone(), pending);
            self.under_way.push(work);
            if self.is_troubled {
                self.is_trying = true;
                break;
            }
        }
    }

    /// The first of the queue; of those that failed for no reason that passes, another one than the last time.
    fn next(&mut self) -> Option<Pending> {
        let (&tag, _) = self.waiting.iter().min_by_key(|(tag, pending)| (pending.failures, **tag))?;
        self.waiting.remove(&tag)
    }

    fn note(&mut self, step: Step) -> Result<(), LinkError> {
        if let Step::Settled { done: true } = step {
            self.done += 1;
        }
        match step {
            // Others that were under way beside what failed prove nothing.
            Step::Settled { .. } if self.is_trying => {
                (self.is_troubled, self.is_trying) = (false, false);
                self.pauses = 0;
            }
            Step::Settled { .. } => {}
            Step::PutBack(mut pending, error) => {
                if error == WriteError::Failed && self.is_its_own(&mut pending) {
                    let detail = "it could not be written while others could";
                    let refused = Refused::unprocessable("write_failed", detail);
                    let (parts, letters) = (Arc::clone(&self.parts), self.dead_letters.clone());
                    let aside = async move { put_aside(&parts, &letters, &pending, &refused).await };
                    self.under_way.push(aside.boxed_local());
                    return Ok(());
                }
                self.parts.metrics.ingest_messages("retried").inc();
                self.is_trying = false;
                if self.pause_until.is_none() {
                    self.is_troubled = true;
                    self.pauses = self.pauses.saturating_add(1);
                    self.pause_until = Some(Instant::now() + self.parts.pause(self.pauses));
                    if self.pauses == 1 {
                        log::warn!("messages wait in the queue until they can be done: {error}");
                    }
                }
                self.waiting.insert(pending.delivery.delivery_tag, *pending);
            }
            Step::Broken(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether a failure is the message's own fault by now.
    fn is_its_own(&self, pending: &mut Pending) -> bool {
        pending.failures += 1;
        pending.own_failures += u32::from(pending.failures > 1 && self.done > pending.done_before);
        pending.done_before = self.done;
        pending.own_failures >= FAILURES_MAX
    }
}

/// Does what a message says and acknowledges it, or puts it aside and acknowledges it. It is begun when this returns.
fn see_through(
    parts: Arc<Parts>,
    dead_letters: DeadLetters,
    mut pending: Pending,
) -> LocalBoxFuture<'static, Step> {
    let properties = &pending.delivery.properties;
    let is_ours = properties.app_id().as_ref().is_some_and(|id| id.as_str() == APP_ID)
        && properties.kind().as_ref().is_some_and(|kind| is_outgoing(kind.as_str()));
    if is_ours {
        parts.metrics.ingest_messages("ignored").inc();
        return async move { acknowledge(&pending, false).await }.boxed_local();
    }
    let work = carry::begin(
        &parts,
        Text {
            body: &pending.delivery.data,
            routing_key: pending.delivery.routing_key.as_str(),
            id: properties.message_id().as_ref().map(ShortString::as_str),
            request: &pending.request,
            since: pending.since,
            in_doubt: pending.in_doubt,
        },
    );
    let rest = async move {
        let refused = match work.await {
            Ok(done) => {
                let outcome = if done == Done::Now { "done" } else { "repeated" };
                parts.metrics.ingest_messages(outcome).inc();
                return acknowledge(&pending, true).await;
            }
            Err(NotDone::Trouble(error)) => {
                // What was turned away was surely not done; of the others nobody knows.
                pending.in_doubt |= error != WriteError::Overloaded;
                return Step::PutBack(Box::new(pending), error);
            }
            Err(NotDone::Refused(refused)) => refused,
        };
        put_aside(&parts, &dead_letters, &pending, &refused).await
    };
    rest.boxed_local()
}

fn is_outgoing(kind: &str) -> bool {
    crate::config::rabbitmq::OUTGOING.contains(&kind)
}

async fn acknowledge(pending: &Pending, done: bool) -> Step {
    match pending.delivery.acker.ack(BasicAckOptions::default()).await {
        Ok(_) => Step::Settled { done },
        Err(error) => Step::Broken(error.into()),
    }
}

/// Acknowledged only when the broker has confirmed that the letter is kept. A broker that does not keep it has lost the
/// queue for it, which is made again with a new connection.
async fn put_aside(parts: &Parts, dead_letters: &DeadLetters, pending: &Pending, refused: &Refused) -> Step {
    let mut failed = 0;
    loop {
        match dead_letters.put(&pending.delivery, refused, parts.clock.now()).await {
            Ok(()) => break,
            Err(NotKept::Broken(error)) => return Step::Broken(error.into()),
            Err(NotKept::Refused) if failed + 1 >= LETTER_TRIES => return Step::Broken(LinkError::NotKept),
            Err(NotKept::Refused) => {
                failed += 1;
                sleep(parts.pause(failed)).await;
            }
        }
    }
    parts.metrics.ingest_messages("dead").inc();
    log::warn!(request = pending.request.as_str(), reason = refused.code; "a message was put aside");
    acknowledge(pending, false).await
}
