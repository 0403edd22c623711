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
/// How much all headers together may take, in bytes, half a frame at most: they go in one, and a larger one would end
/// the connection, again and again.
const HEADERS_MAX: usize = 64 * 1024;
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
    /// How much all headers together may take, in bytes.
    room: usize,
}

impl DeadLetters {
    /// `frame` is the largest that the broker takes, in bytes; 0 for any.
    pub(super) async fn open(channel: Channel, queue: ShortString, frame: u32) -> Result<Self, lapin::Error> {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let half = usize::try_from(frame / 2).ok().filter(|half| *half > 0);
        Ok(Self { channel, queue, room: half.unwrap_or(HEADERS_MAX).min(HEADERS_MAX) })
    }

    /// Puts a message aside; done when the broker has confirmed that it has it.
    pub(super) async fn put(
        &self,
        delivery: &Delivery,
        why: &Refused,
        now: Timestamp,
    ) -> Result<(), NotKept> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties_of(delivery, why, now, self.room);
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
fn properties_of(delivery: &Delivery, why: &Refused, now: Timestamp, room: usize) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut taken = 0;
    let mut note = |header: &str, text: &str| {
        taken += size_of_entry(header, text.len());
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
    keep_own(&mut headers, delivery.properties.headers().as_ref(), room.saturating_sub(taken));
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

/// Copies the message's own headers as far as there is room for them, and says how many there was none for.
fn keep_own(headers: &mut FieldTable, own: Option<&FieldTable>, mut room: usize) {
    let mut dropped = 0_u32;
    for (header, value) in own.into_iter().flat_map(FieldTable::inner) {
        if COPIES.contains(&header.as_str()) || headers.contains_key(header.as_str()) {
            continue;
        }
        match room.checked_sub(size_of_entry(header.as_str(), size_of(value))) {
            Some(rest) => {
                room = rest;
                headers.insert(header.clone(), value.clone());
            }
            None => dropped += 1,
        }
    }
    if dropped > 0 {
        headers.insert(name("x-headers-dropped"), AMQPValue::LongUInt(dropped));
    }
}

/// What a header takes at most beside its value: its name, and the value's kind and length.
fn size_of_entry(header: &str, value: usize) -> usize {
    header.len() + 1 + 1 + 4 + value
}

/// What a value takes at most.
fn size_of(value: &AMQPValue) -> usize {
    /// The largest of those that are of a fixed size, a decimal or a time.
    const FIXED: usize = 8;
    match value {
        AMQPValue::ShortString(text) => text.as_str().len(),
        AMQPValue::LongString(text) => text.as_bytes().len(),
        AMQPValue::ByteArray(bytes) => bytes.len(),
        AMQPValue::FieldArray(values) => {
            values.as_slice().iter().map(|value| size_of_entry("", size_of(value))).sum()
        }
        AMQPValue::FieldTable(table) => {
            table.inner().iter().map(|(key, value)| size_of_entry(key.as_str(), size_of(value))).sum()
        }
        _ => FIXED,
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(DETAIL_MAX)).unwrap_or_default()
}
