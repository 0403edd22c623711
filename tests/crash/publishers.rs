//! Guests whose bookings come over RabbitMQ: each is published until the broker has confirmed that it keeps it, under
//! the same message id every time, and then it is owed to the host like one that was answered 201.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ledger::SharedLedger;
use crate::support::app::booking;

/// How long a publisher waits for the broker.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a publisher goes on asking for a confirmation when the load has ended.
const LAST_TRIES: Duration = Duration::from_secs(30);
/// How often what was confirmed is published again all the same, as after a confirmation that got lost.
const DOUBTS: f64 = 0.1;
/// How often the message is as NestJS wraps it, instead of plain.
const WRAPPED: f64 = 0.5;

const EXCHANGE: &str = "notifications";
const PATTERN: &str = "booking.created";
/// Kept on the disk (AMQP 0-9-1 §4.8.1).
const PERSISTENT: u8 = 2;

/// One who publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) number: usize,
    /// The broker.
    pub(super) url: String,
    pub(super) hosts: Vec<String>,
    pub(super) ledger: SharedLedger,
    pub(super) choices: StdRng,
    /// None before it is connected, and after that broke.
    pub(super) link: Option<(Connection, Channel)>,
}

/// One message, which may be published more than once.
#[derive(Debug)]
struct Order {
    host: String,
    /// The message's id, and the listing that is booked: it is in no other message.
    name: String,
    body: Vec<u8>,
}

impl Publisher {
    /// A booking every `pace` for as long as the desk is open.
    pub(super) async fn publish(mut self, pace: Duration, open: watch::Receiver<bool>) {
        let mut clock = interval(pace);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unconfirmed = None;
        let mut made = 0;
        let mut closed_at = None;
        loop {
            clock.tick().await;
            if !*open.borrow() {
                let since = *closed_at.get_or_insert_with(Instant::now);
                let Some(order) = &unconfirmed else { return };
                if since.elapsed() > LAST_TRIES {
                    let why = format_args!("{order:?} was never confirmed");
                    self.ledger.lock().unwrap().wrong(why);
                    return;
                }
            }
            let order = unconfirmed.take().unwrap_or_else(|| {
                made += 1;
                self.order(made)
            });
            if !self.is_kept(&order).await {
                unconfirmed = Some(order);
                continue;
            }
            self.ledger.lock().unwrap().published(&order.host, &order.name);
            if self.choices.random_bool(DOUBTS) {
                self.is_kept(&order).await;
            }
        }
    }

    fn order(&mut self, number: usize) -> Order {
        let host = self.hosts[self.choices.random_range(0..self.hosts.len())].clone();
        let name = format!("published-{}-{number}", self.number);
        let mut data = booking(&host);
        data["guestId"] = format!("publisher-{}", self.number).into();
        data["listingId"] = name.clone().into();
        if self.choices.random_bool(WRAPPED) {
            data = json!({"pattern": PATTERN, "data": data});
        }
        Order { host, name, body: data.to_string().into_bytes() }
    }

    /// Publishes it; whether the broker has confirmed that it is in a queue.
    async fn is_kept(&mut self, order: &Order) -> bool {
        if self.link.is_none() {
            self.link = timeout(PATIENCE, connect(&self.url)).await.ok().and_then(Result::ok);
        }
        let Some((_, channel)) = &self.link else { return false };
        match timeout(PATIENCE, publish(channel, order)).await {
            Ok(Ok(Confirmation::Ack(None))) => true,
            // Nobody has made the queue yet.
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(_))) => false,
            Ok(Ok(Confirmation::NotRequested)) => panic!("this channel confirms"),
            // What became of it is not known.
            Ok(Err(_)) | Err(_) => {
                self.link = None;
                false
            }
        }
    }
}

async fn connect(url: &str) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

async fn publish(channel: &Channel, order: &Order) -> lapin::Result<Confirmation> {
    let properties =
        BasicProperties::default().with_message_id(order.name.as_str().into()).with_delivery_mode(PERSISTENT);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let (exchange, key) = (EXCHANGE.into(), PATTERN.into());
    channel.basic_publish(exchange, key, options, &order.body, properties).await?.await
}
