//! Several instances on Redis. One connection carries everything: whoever needs it goes by a clone, and whatever
//! fails gives it up for another, after which all is said again that Redis has to know. Nothing that others wait for
//! waits for Redis: what is to be said goes into a queue with a bound, and what does not fit is found in the
//! database.
//!
//! A room is a channel, so that a message costs Redis one command and one copy for each instance that has somebody
//! in the room, and tells its sender how many those are.

mod keys;
mod link;
mod listener;
mod publisher;
mod registrar;
mod rooms;
mod shelf;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use keys::Keys;
use link::{Link, LinkError, Linker, Pushes};
use rooms::Rooms;
use shelf::Shelf;

use super::presence::{Instance, Person, PresenceNews, RollQuery};
use super::{Bus, BusError, HEARD_MAX, Heard, Opened, Post, State};
use crate::config::{BusSettings, PresenceSettings};
use crate::domain::{Room, UserId};
use crate::telemetry::Metrics;

/// How much that is to be said waits, of some kilobytes each as a rule; more is found in the database.
const POSTS_MAX: usize = 4_096;
/// The first pause before another connection is tried, which doubles, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(3);
/// A connection that held so long was no failure to connect.
const HELD: Duration = Duration::from_secs(10);

/// What the bus's own tasks share with those who use it.
#[derive(Debug)]
struct Shared {
    /// What this instance is called among others.
    name: Box<str>,
    keys: Keys,
    state: AtomicU8,
    /// Whether something did not fit into the queue since all were last told to look.
    is_owing: AtomicBool,
    rooms: Rooms,
    shelf: Shelf,
    /// For questions; none while Redis is away.
    link: watch::Sender<Option<Link>>,
    lease: Duration,
    /// How long Redis may take.
    patience: Duration,
    metrics: Metrics,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct RedisBus {
    shared: Arc<Shared>,
    posts: mpsc::Sender<Post>,
}

impl RedisBus {
    /// Begins to connect, on this thread's runtime, and goes on until the bus is dropped. `deployment` tells those over
    /// another database apart, whatever their configuration says; `name` is no other instance's, and not that of an
    /// earlier run.
    pub fn open(
        settings: &BusSettings,
        presence: &PresenceSettings,
        deployment: &str,
        name: &str,
        metrics: Metrics,
    ) -> Result<Opened, BusError> {
        let linker = Linker::new(settings)?;
        let (posts, queue) = mpsc::channel(POSTS_MAX);
        let (heard, hearing) = mpsc::channel(HEARD_MAX);
        let shared = Arc::new(Shared {
            name: name.into(),
            keys: Keys::new(&settings.prefix, deployment),
            state: AtomicU8::new(PARTED),
            is_owing: AtomicBool::new(false),
            rooms: Rooms::default(),
            shelf: Shelf::default(),
            link: watch::Sender::new(None),
            lease: Duration::from_millis(presence.lease_ms),
            patience: Duration::from_millis(settings.timeout_ms),
            metrics,
        });
        tokio::spawn(keep_connected(Arc::clone(&shared), linker, queue, heard));
        Ok((Arc::new(Self { shared, posts }), hearing))
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(Arc<Shared>, Link) -> BoxFuture<'static, Result<T, LinkError>>,
    ) -> BoxFuture<'static, Result<T, BusError>> {
        let link = self.shared.link.borrow().clone();
        let Some(link) = link else { return std::future::ready(Err(BusError::Parted)).boxed() };
        let asked = question(Arc::clone(&self.shared), link);
        async move { Ok(asked.await?) }.boxed()
    }
}

const PARTED: u8 = 0;
const JOINED: u8 = 1;

impl Shared {
    fn state(&self) -> State {
        if self.state.load(Ordering::Relaxed) == JOINED { State::Joined } else { State::Parted }
    }

    /// Notes how it stands; answers whether that is new.
    fn becomes(&self, state: u8) -> bool {
        self.metrics.bus_connected().set(i64::from(state));
        self.state.swap(state, Ordering::Relaxed) != state
    }
}

impl Bus for RedisBus {
    fn state(&self) -> State {
        self.shared.state()
    }

    fn publish(&self, posts: Vec<Post>) {
        // While Redis is away nobody could be told; when it is back, all are told to look.
        if self.shared.state() != State::Joined {
            return;
        }
        for post in posts {
            if self.posts.try_send(post).is_err() {
                self.shared.metrics.refused("bus_queue").inc();
                self.shared.is_owing.store(true, Ordering::Relaxed);
            }
        }
    }

    fn listen(&self, room: &Room) {
        self.shared.rooms.listen(room);
    }

    fn cease(&self, room: &Room) {
        self.shared.rooms.cease(room);
    }

    fn keep(&self, mut news: PresenceNews) {
        // When Redis is back, it is told of everybody.
        if self.shared.state() != State::Joined {
            news.people.clear();
        }
        self.shared.shelf.put(news);
    }

    fn instances(&self) -> BoxFuture<'static, Result<Vec<Instance>, BusError>> {
        self.ask(|shared, link| async move { registrar::instances(&shared, link).await }.boxed())
    }

    fn online(&self, users: Vec<UserId>) -> BoxFuture<'static, Result<Vec<UserId>, BusError>> {
        self.ask(|shared, link| async move { registrar::online(&shared, link, &users).await }.boxed())
    }

    fn roll(&self, query: RollQuery) -> BoxFuture<'static, Result<Vec<(UserId, Person)>, BusError>> {
        self.ask(|shared, link| async move { registrar::roll(&shared, link, &query).await }.boxed())
    }

    fn leave(&self) -> BoxFuture<'static, ()> {
        let left = self.ask(|shared, link| async move { registrar::leave(&shared, link).await }.boxed());
        async move {
            if let Err(error) = left.await {
                log::info!("who is online here could not be taken back, its lease will end: {error}");
            }
        }
        .boxed()
    }
}

/// Connects, and again whenever the connection is lost, until nobody listens any more.
async fn keep_connected(
    shared: Arc<Shared>,
    mut linker: Linker,
    mut posts: mpsc::Receiver<Post>,
    heard: mpsc::Sender<Heard>,
) {
    let mut pause = RETRY_FIRST;
    let mut told = String::new();
    while !posts.is_closed() && !heard.is_closed() {
        let began = Instant::now();
        let ended = match linker.link().await {
            Ok((link, pushes)) => run(&shared, &link, pushes, &mut posts, &heard).await,
            Err(error) => error,
        };
        shared.link.send_replace(None);
        let was_joined = shared.becomes(PARTED);
        shared.rooms.forget();
        // From the start on until somebody is reached, nobody is.
        if (was_joined || told.is_empty()) && heard.send(Heard::Parted).await.is_err() {
            return;
        }
        let reason = ended.to_string();
        // Once for each reason, not for each try.
        if was_joined || reason != told {
            log::warn!("other instances cannot be reached, this one goes on alone: {reason}");
            told = reason;
        }
        if began.elapsed() > HELD {
            pause = RETRY_FIRST;
        }
        forget_posts(&mut posts, pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())).await;
        pause = (pause * 2).min(RETRY_LONGEST);
    }
}

/// Waits, and throws away what comes to be said meanwhile.
async fn forget_posts(posts: &mut mpsc::Receiver<Post>, pause: Duration) {
    let until = sleep(pause);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            post = posts.recv() => if post.is_none() { return },
        }
    }
}

/// Everything that is done while one connection lasts; answers why it did not.
async fn run(
    shared: &Arc<Shared>,
    link: &Link,
    pushes: Pushes,
    posts: &mut mpsc::Receiver<Post>,
    heard: &mpsc::Sender<Heard>,
) -> LinkError {
    let join = async {
        rooms::listen_to_all(shared, link).await?;
        registrar::begin(shared, link).await?;
        shared.link.send_replace(Some(link.clone()));
        shared.becomes(JOINED);
        log::info!(instance = &*shared.name; "other instances are reached");
        for news in [Heard::Joined, Heard::Forgotten] {
            heard.send(news).await.map_err(|_| LinkError::Unwanted)?;
        }
        // What was said while this instance was away was heard by nobody.
        publisher::have_all_look(shared, link, heard).await?;
        tokio::try_join!(
            publisher::run(shared, link, posts, heard),
            rooms::run(shared, link),
            registrar::run(shared, link, heard),
        )?;
        Ok(())
    };
    let hear = listener::run(shared, pushes, heard);
    let ended: Result<(), LinkError> = tokio::select! {
        ended = join => ended,
        ended = hear => ended,
    };
    ended.err().unwrap_or(LinkError::Unwanted)
}
