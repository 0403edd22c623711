//! Messages that can never be done, put aside for people: as they came, with why, when and where from in headers.

use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};

use super::link::name;
use crate::domain::Timestamp;
use crate::requests::Refused;

/// How much of a detail is kept: the headers of a message share one frame.
const DETAIL_MAX: usize = 500;
/// A message that survives the broker's end.
const PERSISTENT: u8 = 2;
/// Headers by which the broker would hand the letter to other queues as well.
const COPIES: [&str; 2] = ["CC", "BCC"];

/// Why a letter could not be put aside.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("{0}")]
    Broken(#[from] lapin::Error),
    #[error("the broker does not keep it")]
    Refused,
}

/// See the module's documentation. Cloning shares the channel.
#[derive(Debug, Clone)]
pub(super) struct DeadLetters {
    channel: Channel,
    queue: ShortString,
}

impl DeadLetters {
    pub(super) async fn open(channel: Channel, queue: ShortString) -> Result<Self, lapin::Error> {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, queue })
    }

    /// Puts a message aside; done when the broker has confirmed that it has it.
    pub(super) async fn put(
        &self,
        delivery: &Delivery,
        why: &Refused,
        now: Timestamp,
    ) -> Result<(), NotKept> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties_of(delivery, why, now);
        let published = self.channel.basic_publish(
            ShortString::default(),
            self.queue.clone(),
            options,
            &delivery.data,
            properties,
        );
        match published.await?.await? {
            // One that comes back had no queue to go to.
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(NotKept::Refused)
            }
        }
    }
}

/// The message's own, except what would make this letter vanish, be copied, or be refused: when it expires, whom else
/// it is for, and as whom it was published, which must be who publishes.
fn properties_of(delivery: &Delivery, why: &Refused, now: Timestamp) -> BasicProperties {
    let mut headers = FieldTable::default();
    let own = delivery.properties.headers().as_ref();
    for (header, value) in own.into_iter().flat_map(FieldTable::inner) {
        if !COPIES.contains(&header.as_str()) {
            headers.insert(header.clone(), value.clone());
        }
    }
    let mut note = |header: &str, text: &str| {
        headers.insert(name(header), AMQPValue::LongString(text.into()));
    };
    note("x-reason", why.code);
    note("x-detail", shortened(&why.detail));
    if let Some(field) = &why.field {
        note("x-field", shortened(field));
    }
    note("x-refused-at", &now.to_string());
    note("x-original-exchange", delivery.exchange.as_str());
    note("x-original-routing-key", delivery.routing_key.as_str());
    if let Some(expiration) = delivery.properties.expiration() {
        note("x-original-expiration", expiration.as_str());
    }
    if let Some(user) = delivery.properties.user_id() {
        note("x-original-user-id", user.as_str());
    }
    let own = &delivery.properties;
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT);
    macro_rules! keep {
        ($($property:ident $with:ident),+) => {
            $(if let Some(value) = own.$property() {
                properties = properties.$with(value.clone());
            })+
        };
    }
    keep!(
        content_type with_content_type, content_encoding with_content_encoding, priority with_priority,
        correlation_id with_correlation_id, reply_to with_reply_to, message_id with_message_id,
        timestamp with_timestamp, kind with_type, app_id with_app_id
    );
    properties
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(DETAIL_MAX)).unwrap_or_default()
}
