//! Where instances meet in these tests: in this process, at a Redis, at a cluster.

use std::sync::{Arc, LazyLock};

use bellhop::bus::{Address, Bus, Exchange, Heard, LocalBus, Post, RedisBus, State};
use bellhop::config::{BusSettings, PresenceSettings, SecretUrl};
use bellhop::domain::{NotificationId, Room};
use bellhop::protocol::letter::Word;
use bellhop::telemetry::Metrics;
use tokio::sync::mpsc;

use crate::support::deadline::{soon, wait_until_async};
use crate::support::redis::{self, RedisCluster};

/// One for all tests: it takes seconds to make.
static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::start_new);

/// See the module's documentation.
pub(super) enum Meeting {
    Here(Arc<Exchange>),
    AtRedis(BusSettings),
}

impl Meeting {
    pub(super) fn here() -> Self {
        Self::Here(Arc::default())
    }

    pub(super) fn at_redis() -> Self {
        Self::at(&redis::shared().url(), false)
    }

    pub(super) fn at_cluster() -> Self {
        Self::at(&CLUSTER.url(), true)
    }

    pub(super) fn at(url: &str, cluster: bool) -> Self {
        Self::AtRedis(BusSettings {
            redis_url: url.split(',').map(|url| SecretUrl::new(url.to_owned())).collect(),
            cluster,
            prefix: redis::prefix(),
            timeout_ms: 2_000,
            poll_ms: 1_000,
        })
    }

    /// What its instances' channels and keys begin with.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Here(_) => "",
            Self::AtRedis(settings) => &settings.prefix,
        }
    }

    /// An instance comes, and is there when this returns.
    pub(super) async fn join(&self, name: &str) -> Member {
        let (bus, heard) = match self {
            Self::Here(exchange) => LocalBus::join(exchange, name),
            Self::AtRedis(settings) => {
                let presence = PresenceSettings { grace_ms: 0, lease_ms: 15_000 };
                RedisBus::open(settings, &presence, "a-deployment", name, Metrics::new().unwrap()).unwrap()
            }
        };
        let mut member = Member { bus, heard };
        member.hear(|heard| matches!(heard, Heard::Joined).then_some(())).await;
        assert_eq!(member.bus.state(), State::Joined);
        member
    }
}

/// An instance.
pub(super) struct Member {
    pub(super) bus: Arc<dyn Bus>,
    heard: mpsc::Receiver<Heard>,
}

impl Member {
    /// Waits for something in particular; the rest is not of interest.
    pub(super) async fn hear<T>(&mut self, is_it: impl Fn(Heard) -> Option<T>) -> T {
        soon("something is heard", async {
            loop {
                let heard = self.heard.recv().await.expect("the bus goes on");
                if let Some(found) = is_it(heard) {
                    return found;
                }
            }
        })
        .await
    }

    /// The next words of another instance; not those that each says when it comes.
    pub(super) async fn next_word(&mut self) -> (Address, Word<'static>) {
        self.hear(|heard| match heard {
            Heard::Word(_, Word::Look) => None,
            Heard::Word(address, word) => Some((address, word)),
            _ => None,
        })
        .await
    }

    /// Listens to a room, and is sure to when this returns.
    pub(super) async fn listen(&mut self, room: &Room) {
        self.bus.listen(room);
        self.hear(|heard| matches!(heard, Heard::Listening(rooms) if rooms.contains(room)).then_some(()))
            .await;
    }

    pub(super) fn say(&self, to: Address, word: Word<'static>) {
        self.bus.publish(vec![Post { to, speech: Arc::new(word), unless_heard: None }]);
    }

    /// Says something in a room; answers whether nobody else was there.
    pub(super) async fn is_alone_in(&mut self, room: &Room) -> bool {
        let id = NotificationId::from_uuid(uuid::Uuid::now_v7());
        let to = Address::Room(room.clone());
        let post = |to, unless_heard| Post { to, speech: Arc::new(Word::Orders), unless_heard };
        // Nobody is ever in the second.
        let nowhere = NotificationId::from_uuid(uuid::Uuid::now_v7());
        let empty = Address::Room(Room::Other("listing:nowhere".to_owned()));
        self.bus.publish(vec![post(to, Some(id)), post(empty, Some(nowhere))]);
        let mut unheard = Vec::new();
        while !unheard.contains(&nowhere) {
            let found =
                self.hear(|heard| if let Heard::Unheard(ids) = heard { Some(ids) } else { None }).await;
            unheard.extend(found);
        }
        unheard.contains(&id)
    }
}

/// Waits until `look` answers what is wanted.
pub(super) async fn until<T: PartialEq + std::fmt::Debug>(wanted: T, mut look: impl AsyncFnMut() -> T) {
    wait_until_async(format_args!("{wanted:?}"), async || (look().await == wanted).then_some(())).await;
}

/// Makes a test of each body for every kind of bus.
macro_rules! on_every_bus {
    ($(async fn $name:ident($meeting:pat_param) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn run($meeting: Meeting) $body

                #[tokio::test]
                async fn local() {
                    run(Meeting::here()).await;
                }

                #[tokio::test]
                async fn redis() {
                    run(Meeting::at_redis()).await;
                }

                #[tokio::test]
                async fn cluster() {
                    run(Meeting::at_cluster()).await;
                }
            }
        )*
    };
}
pub(super) use on_every_bus;
