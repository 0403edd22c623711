//! A connection to the broker with what ingest needs on it: the queues, the exchange and the bindings, which are made
//! where they are missing and used as they are otherwise, and a consumer. Of several instances one consumes at a time:
//! an event may only make sense after the one before it, which another instance would still be at.

use std::time::Duration;

use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer, ErrorKind, ExchangeKind, runtime::default_runtime,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dead_letters::DeadLetters;
use super::outgoing::Events;
use crate::config::RabbitMqSettings;

/// How long saying goodbye may take.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// The protocol's header (AMQP 0-9-1 §4.2.2), which a broker that is well answers at once.
const HEADER: &[u8] = b"AMQP\0\0\x09\x01";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("rabbitmq.url cannot be read")]
    Url,
    #[error("rabbitmq.ca_file cannot be read: {0}")]
    CaFile(std::io::Error),
    #[error("it does not answer in time")]
    Silent,
    #[error("it does not take connections: {0}")]
    Refused(std::io::Error),
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("it does not keep what is put aside, as when that queue is deleted")]
    NotKept,
    #[error("it has ended the consumer, as it does when the queue is deleted")]
    Cancelled,
}

/// How often a refusal without another consumer is believed to be another's beginning; then the queue takes no consumer
/// for itself alone, as one does not that sees to it itself.
const REFUSALS_MAX: u32 = 3;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    queue: ShortString,
    prefetch: u16,
    /// How often in a row consuming was refused while nobody else consumed.
    refusals: u32,
    pub(super) dead_letters: DeadLetters,
    /// None where none go out.
    pub(super) events: Option<Events>,
}

impl Link {
    /// Connects and makes what is missing. `knock_first` after a broker that was reached and said nothing: the connection
    /// of such a try cannot be taken back, so that there is no other one before something answers.
    pub(super) async fn open(settings: &RabbitMqSettings, knock_first: bool) -> Result<Self, LinkError> {
        let mut uri: AMQPUri = settings.url.reveal().parse().map_err(|_| LinkError::Url)?;
        if uri.vhost.is_empty() {
            // As other clients understand a URL that ends in a slash; no broker has a virtual host without a name.
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(settings.heartbeat_seconds);
        uri.query.connection_timeout.get_or_insert(settings.connect_timeout_ms);
        let patience = Duration::from_millis(settings.connect_timeout_ms);
        if knock_first {
            let knocked = timeout(patience, knock(&uri)).await;
            knocked.map_err(|_| LinkError::Silent)?.map_err(LinkError::Refused)?;
        }
        let tls = OwnedTLSConfig { identity: None, cert_chain: certificates(settings).await? };
        let properties = ConnectionProperties::default().with_connection_name("bellhop".into());
        let connecting = Connection::connect_uri_with_config(uri, properties, tls, default_runtime()?);
        let connection = timeout(patience, connecting).await.map_err(|_| LinkError::Silent)??;
        timeout(patience, Self::equip(connection, settings)).await.map_err(|_| LinkError::Silent)?
    }

    async fn equip(connection: Connection, settings: &RabbitMqSettings) -> Result<Self, LinkError> {
        let dead_letters = name(&settings.dead_letters());
        ensure_queue(&connection, &name(&settings.queue)).await?;
        ensure_queue(&connection, &dead_letters).await?;
        let channel = connection.create_channel().await?;
        if !settings.exchange.is_empty() {
            ensure_exchange(&connection, &name(&settings.exchange)).await?;
            for binding in &settings.bindings {
                let (queue, exchange) = (name(&settings.queue), name(&settings.exchange));
                let options = QueueBindOptions::default();
                channel.queue_bind(queue, exchange, name(binding), options, FieldTable::default()).await?;
            }
        }
        let frame = connection.configuration().frame_max();
        let dead_letters = DeadLetters::open(connection.create_channel().await?, dead_letters, frame).await?;
        let events = match settings.events_exchange.as_str() {
            "" => None,
            exchange => Some(Events::open(&connection, exchange).await?),
        };
        let (queue, prefetch) = (name(&settings.queue), settings.prefetch);
        Ok(Self { connection, queue, prefetch, refusals: 0, dead_letters, events })
    }

    /// Begins to consume, unless somebody else does.
    pub(super) async fn try_to_consume(&mut self) -> Result<Option<Source>, LinkError> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let options =
            BasicConsumeOptions { exclusive: self.refusals < REFUSALS_MAX, ..BasicConsumeOptions::default() };
        let (tag, none) = (ShortString::default(), FieldTable::default());
        match channel.basic_consume(self.queue.clone(), tag, options, none).await {
            Ok(consumer) => Ok(Some(Source { channel, consumer })),
            Err(error) if is_soft(&error, AMQPSoftError::ACCESSREFUSED) => {
                let asking = self.connection.create_channel().await?;
                let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                let queue = asking.queue_declare(self.queue.clone(), passive, FieldTable::default()).await?;
                self.refusals = if queue.consumer_count() == 0 { self.refusals + 1 } else { 0 };
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says goodbye; what is unacknowledged then goes to others at once. A broker that does not answer is left.
    pub(super) async fn close(self) {
        if let Ok(Err(error)) = timeout(GOODBYE_LIMIT, self.connection.close(200, "stopped".into())).await {
            log::debug!("the broker took no goodbye: {error}");
        }
    }
}

/// A consumer, with the channel that it is on.
#[derive(Debug)]
pub(super) struct Source {
    channel: Channel,
    pub(super) consumer: Consumer,
}

impl Source {
    /// Asks for no more messages.
    pub(super) async fn cease(&self) -> Result<(), LinkError> {
        Ok(self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default()).await?)
    }
}

/// A name within the protocol's bounds, as the configuration was checked.
pub(super) fn name(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}

async fn certificates(settings: &RabbitMqSettings) -> Result<Option<String>, LinkError> {
    let Some(path) = settings.ca_file.clone() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map(Some).map_err(LinkError::CaFile)
}

/// Whether somebody is there who speaks the protocol; of one that wants TLS first, whether somebody is there.
async fn knock(uri: &AMQPUri) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((uri.authority.host.as_str(), uri.authority.port)).await?;
    if uri.scheme == lapin::uri::AMQPScheme::AMQP {
        stream.write_all(HEADER).await?;
        stream.read_exact(&mut [0]).await?;
    }
    Ok(())
}

/// A question about what is not there ends the channel that it was asked on, so each has one of its own.
fn is_missing(error: &lapin::Error) -> bool {
    is_soft(error, AMQPSoftError::NOTFOUND)
}

/// Whether the broker ended a channel for this reason.
fn is_soft(error: &lapin::Error, reason: AMQPSoftError) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    *error.kind() == AMQPErrorKind::Soft(reason)
}

async fn ensure_queue(connection: &Connection, queue: &ShortString) -> Result<(), LinkError> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let asking = connection.create_channel().await?;
    match asking.queue_declare(queue.clone(), passive, FieldTable::default()).await {
        Err(error) if is_missing(&error) => {
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let making = connection.create_channel().await?;
            making.queue_declare(queue.clone(), durable, FieldTable::default()).await?;
        }
        found => drop(found?),
    }
    Ok(())
}

pub(super) async fn ensure_exchange(
    connection: &Connection,
    exchange: &ShortString,
) -> Result<(), LinkError> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let asking = connection.create_channel().await?;
    let (kind, none) = (ExchangeKind::Topic, FieldTable::default());
    match asking.exchange_declare(exchange.clone(), kind.clone(), passive, none).await {
        Err(error) if is_missing(&error) => {
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let making = connection.create_channel().await?;
            making.exchange_declare(exchange.clone(), kind, durable, FieldTable::default()).await?;
        }
        found => found?,
    }
    Ok(())
}
