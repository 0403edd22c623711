//! A connection to Redis: to one server, the first of several that is a master, or to a cluster. Speaks RESP3, by
//! which messages come over the same connection as answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, InfoDict, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, RedisError, RedisResult, Value, cmd,
};
use tokio::sync::mpsc;

use crate::bus::BusError;
use crate::config::{BusSettings, SecretUrl};

/// How many messages of Redis wait to be looked at.
const PUSHES_MAX: usize = 16_384;
/// How often a command goes to another node of a cluster that is changing.
const CLUSTER_RETRIES: u32 = 3;
/// From this version on a cluster has channels that are one node's.
const SHARDED_CHANNELS_SINCE: u32 = 7;

/// Why a connection was given up, or none came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no server of bus.redis_url is a master")]
    NoMaster,
    #[error("the connection was closed")]
    Closed,
    #[error("messages came faster than they could be taken")]
    Overrun,
    #[error("the cluster has changed")]
    Moved,
    #[error("what is kept there cannot be read: {0}")]
    Corrupt(String),
    #[error("nobody needs it any more")]
    Unwanted,
}

impl From<LinkError> for BusError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Corrupt(what) => Self::Corrupt(what),
            other => Self::Redis(other.to_string()),
        }
    }
}

/// See the module's documentation. Its clones are one connection.
#[derive(Clone)]
pub(super) enum Link {
    Alone(MultiplexedConnection),
    Cluster {
        connection: ClusterConnection,
        /// Whether a channel is one node's: in versions before 7 every node is told everything.
        is_sharded: bool,
    },
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Alone(_) => "Alone",
            Self::Cluster { .. } => "Cluster",
        })
    }
}

/// What Redis says without being asked.
#[derive(Debug)]
pub(super) struct Pushes {
    receiver: mpsc::Receiver<PushInfo>,
    is_overrun: Arc<AtomicBool>,
}

impl Pushes {
    /// Waits for some and takes them.
    pub(super) async fn next(&mut self, into: &mut Vec<PushInfo>, most: usize) -> Result<(), LinkError> {
        if self.receiver.recv_many(into, most).await == 0 {
            return Err(LinkError::Closed);
        }
        if self.is_overrun.load(Ordering::Relaxed) { Err(LinkError::Overrun) } else { Ok(()) }
    }
}

/// Makes connections.
#[derive(Debug)]
pub(super) struct Linker {
    urls: Vec<SecretUrl>,
    is_cluster: bool,
    patience: Duration,
}

impl Linker {
    pub(super) fn new(settings: &BusSettings) -> Result<Self, BusError> {
        for url in &settings.redis_url {
            // What is wrong is said without the password that may be in it.
            url.reveal()
                .into_connection_info()
                .map_err(|_| BusError::Redis(format!("{url} is no URL of Redis")))?;
        }
        Ok(Self {
            urls: settings.redis_url.clone(),
            is_cluster: settings.cluster,
            patience: Duration::from_millis(settings.timeout_ms),
        })
    }

    pub(super) async fn link(&mut self) -> Result<(Link, Pushes), LinkError> {
        if self.is_cluster { self.to_cluster().await } else { self.to_master().await }
    }

    /// What a connection hands over what it is told by.
    fn pushes() -> (impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static, Pushes) {
        let (sender, receiver) = mpsc::channel(PUSHES_MAX);
        let is_overrun = Arc::new(AtomicBool::new(false));
        let overrun = Arc::clone(&is_overrun);
        let send = move |push| {
            sender.try_send(push).map_err(|_| {
                overrun.store(true, Ordering::Relaxed);
                redis::aio::SendError
            })
        };
        (send, Pushes { receiver, is_overrun })
    }

    async fn to_master(&self) -> Result<(Link, Pushes), LinkError> {
        let mut failure = LinkError::NoMaster;
        for url in &self.urls {
            match self.to(url).await {
                Ok(linked) => return Ok(linked),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn to(&self, url: &SecretUrl) -> Result<(Link, Pushes), LinkError> {
        let info = url.reveal().into_connection_info()?;
        let spoken = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(spoken))?;
        let (send, pushes) = Self::pushes();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience))
            .set_push_sender(send);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        // A replica takes what is published, and tells nobody but its own clients. The greeting says it to everybody,
        // while ROLE is not everybody's to ask.
        let greeting: HashMap<String, Value> = cmd("HELLO").arg(3).query_async(&mut connection).await?;
        let role = greeting.get("role").and_then(|role| String::from_redis_value_ref(role).ok());
        if role.as_deref() != Some("master") {
            return Err(LinkError::NoMaster);
        }
        Ok((Link::Alone(connection), pushes))
    }

    async fn to_cluster(&self) -> Result<(Link, Pushes), LinkError> {
        let (send, pushes) = Self::pushes();
        let client = ClusterClient::builder(self.urls.iter().map(SecretUrl::reveal))
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(self.patience)
            .response_timeout(self.patience)
            .overall_response_timeout(Some(self.patience * (CLUSTER_RETRIES + 1)))
            .retries(CLUSTER_RETRIES)
            .push_sender(send)
            .build()?;
        let mut connection = client.get_async_connection().await?;
        let info: InfoDict = connection
            .route_command(
                cmd("INFO").arg("server").clone(),
                RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random),
            )
            .await
            .and_then(|value| Ok(InfoDict::from_redis_value(value)?))?;
        let version: Option<String> = info.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        let is_sharded = major.is_some_and(|major| major >= SHARDED_CHANNELS_SINCE);
        Ok((Link::Cluster { connection, is_sharded }, pushes))
    }
}

impl Link {
    /// Answers what a command says.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Alone(connection) => command.query_async(connection).await,
            Self::Cluster { connection, .. } => command.query_async(connection).await,
        }
    }

    /// The same of several commands, whose keys are in one place.
    pub(super) async fn ask_all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> RedisResult<T> {
        match self {
            Self::Alone(connection) => commands.query_async(connection).await,
            Self::Cluster { connection, .. } => commands.query_async(connection).await,
        }
    }

    /// Publishes each, and answers how many listen to it; none where that cannot be known.
    pub(super) async fn publish(&mut self, messages: &[(String, Vec<u8>)]) -> RedisResult<Vec<Option<i64>>> {
        match self {
            Self::Alone(connection) => {
                let mut pipeline = Pipeline::with_capacity(messages.len());
                for (channel, bytes) in messages {
                    pipeline.cmd("PUBLISH").arg(channel).arg(bytes.as_slice());
                }
                let heard: Vec<i64> = pipeline.query_async(connection).await?;
                Ok(heard.into_iter().map(Some).collect())
            }
            Self::Cluster { connection, is_sharded } => {
                let name = if *is_sharded { "SPUBLISH" } else { "PUBLISH" };
                // Those of a channel go to one node, one behind the other, so that they come in their order.
                let mut by_channel: HashMap<&str, Vec<usize>> = HashMap::new();
                for (at, (channel, _)) in messages.iter().enumerate() {
                    by_channel.entry(channel).or_default().push(at);
                }
                let each = by_channel.into_iter().map(|(channel, places)| {
                    let mut connection = connection.clone();
                    async move {
                        let mut pipeline = Pipeline::with_capacity(places.len());
                        for (_, bytes) in places.iter().filter_map(|at| messages.get(*at)) {
                            pipeline.cmd(name).arg(channel).arg(bytes.as_slice());
                        }
                        let heard: Vec<i64> = pipeline.query_async(&mut connection).await?;
                        Ok(places.into_iter().zip(heard))
                    }
                });
                let mut heard = vec![None; messages.len()];
                for counted in join_all(each).await {
                    let counted: RedisResult<_> = counted;
                    for (at, count) in counted? {
                        if let Some(place) = heard.get_mut(at) {
                            *place = is_sharded.then_some(count);
                        }
                    }
                }
                Ok(heard)
            }
        }
    }

    /// Has the messages of these channels come.
    pub(super) async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            _ if channels.is_empty() => Ok(()),
            Self::Alone(connection) => connection.subscribe(channels).await,
            Self::Cluster { connection, is_sharded: false } => connection.subscribe(channels).await,
            Self::Cluster { connection, is_sharded: true } => {
                // Each is somewhere else.
                let each = channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.ssubscribe(channel).await }
                });
                join_all(each).await.into_iter().collect()
            }
        }
    }

    /// Has them come no more.
    pub(super) async fn unsubscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            _ if channels.is_empty() => Ok(()),
            Self::Alone(connection) => connection.unsubscribe(channels).await,
            Self::Cluster { connection, is_sharded: false } => connection.unsubscribe(channels).await,
            Self::Cluster { connection, is_sharded: true } => {
                let each = channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.sunsubscribe(channel).await }
                });
                join_all(each).await.into_iter().collect()
            }
        }
    }
}
