//! A back end that speaks to the broker: sends messages as NestJS and others do, and looks into queues.

use lapin::options::{
    BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Value, json};

use super::app::TestAppBuilder;
use super::deadline::{soon, wait_until_async};
use super::rabbitmq::Broker;

/// A message as a queue gave it.
#[derive(Debug)]
pub struct Letter {
    pub body: Vec<u8>,
    pub properties: BasicProperties,
    pub routing_key: String,
}

impl Letter {
    /// A header's text, empty where there is none.
    pub fn header(&self, name: &str) -> String {
        let headers = self.properties.headers().as_ref();
        match headers.and_then(|headers| headers.inner().get(name)) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            _ => String::new(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Names on a broker that are one test's own, and a connection to use them by.
#[derive(Debug)]
pub struct BackEnd {
    url: String,
    pub queue: String,
    pub exchange: String,
    pub events: String,
    connection: Connection,
    channel: Channel,
}

impl BackEnd {
    pub async fn on(broker: &Broker) -> Self {
        let (connection, channel) = open(&broker.url()).await;
        Self {
            url: broker.url(),
            queue: broker.name("notifications"),
            exchange: broker.name("exchange"),
            events: broker.name("events"),
            connection,
            channel,
        }
    }

    /// Connects again, after the broker was away.
    pub async fn reconnect(&mut self) {
        (self.connection, self.channel) = open(&self.url).await;
    }

    /// Has a server take its messages from here.
    pub fn feed(&self, builder: TestAppBuilder) -> TestAppBuilder {
        let environment = self.environment();
        environment.iter().fold(builder, |builder, (name, value)| builder.with(name, value))
    }

    /// The same as variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            variable("AMQP_URL", &self.url),
            variable("BELLHOP__RABBITMQ__QUEUE", &self.queue),
            variable("BELLHOP__RABBITMQ__EXCHANGE", &self.exchange),
            // A test does not wait for what operators would.
            variable("BELLHOP__RABBITMQ__RETRY_LONGEST_MS", "400"),
        ]
    }

    pub fn dead(&self) -> String {
        format!("{}.dead", self.queue)
    }

    /// Sends an event as NestJS does: wrapped, to the queue itself.
    pub async fn emit(&self, pattern: &str, data: &Value) {
        self.emit_as(pattern, data, BasicProperties::default()).await;
    }

    /// The same with an id of the message.
    pub async fn emit_named(&self, id: &str, pattern: &str, data: &Value) {
        self.emit_as(pattern, data, BasicProperties::default().with_message_id(id.into())).await;
    }

    pub async fn emit_as(&self, pattern: &str, data: &Value, properties: BasicProperties) {
        let body = json!({"pattern": pattern, "data": data}).to_string();
        self.put("", &self.queue, body.as_bytes(), properties).await;
    }

    /// Publishes to the exchange, as plain JSON under a routing key.
    pub async fn publish(&self, key: &str, data: &Value) {
        self.put(&self.exchange, key, data.to_string().as_bytes(), BasicProperties::default()).await;
    }

    /// Puts any message anywhere, durably; it must go to some queue.
    pub async fn put(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.with_delivery_mode(2);
        let published =
            self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        let confirmed = soon("a confirm", published.unwrap()).await.unwrap();
        assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "{key} went nowhere");
    }

    /// Makes a durable queue, as who comes first does.
    pub async fn declare(&self, queue: &str, arguments: FieldTable) {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), durable, arguments).await.unwrap();
    }

    /// Deletes a queue with what is in it.
    pub async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Makes the events' exchange and a queue that hears all of it.
    pub async fn listen(&self, queue: &str) {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (none, events) = (FieldTable::default(), self.events.as_str());
        let kind = ExchangeKind::Topic;
        self.channel.exchange_declare(events.into(), kind, durable, none.clone()).await.unwrap();
        self.declare(queue, none).await;
        self.bind(queue, &self.events).await;
    }

    /// Has a queue get all that an exchange is told.
    pub async fn bind(&self, queue: &str, exchange: &str) {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(queue.into(), exchange.into(), "#".into(), options, none).await.unwrap();
    }

    /// Takes a message from a queue, if there is one.
    pub async fn try_take(&self, queue: &str) -> Option<Letter> {
        let options = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(queue.into(), options).await.unwrap()?;
        let delivery = message.delivery;
        let routing_key = delivery.routing_key.to_string();
        Some(Letter { body: delivery.data, properties: delivery.properties, routing_key })
    }

    /// Waits for a message in a queue and takes it.
    pub async fn take(&self, queue: &str) -> Letter {
        wait_until_async(format_args!("a message in {queue}"), async || self.try_take(queue).await).await
    }

    /// Takes a message out of a queue and gives it back, which the broker then says of it.
    pub async fn hand_back(&self, queue: &str) {
        let message = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        assert!(message.expect("a message").delivery.acker.nack(requeue).await.unwrap());
    }

    /// How many messages wait in a queue for somebody to take them.
    pub async fn waiting(&self, queue: &str) -> u32 {
        self.look(queue).await.message_count()
    }

    /// How many consume from a queue.
    pub async fn consumers(&self, queue: &str) -> u32 {
        self.look(queue).await.consumer_count()
    }

    async fn look(&self, queue: &str) -> lapin::Queue {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap()
    }
}

async fn open(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}
