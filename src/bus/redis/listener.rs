//! Takes what Redis says without being asked: what other instances say, and to what this one listens from now on.

use std::sync::Arc;

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use super::Shared;
use super::link::{LinkError, Pushes};
use crate::bus::{Address, Heard};
use crate::protocol::letter::{origin, unpack};

/// How many are taken at once.
const PORTION: usize = 512;

/// Goes on until the connection is lost.
pub(super) async fn run(
    shared: &Arc<Shared>,
    mut pushes: Pushes,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    let mut portion = Vec::with_capacity(PORTION);
    let mut is_strange = false;
    loop {
        pushes.next(&mut portion, PORTION).await?;
        let mut listening = Vec::new();
        for PushInfo { kind, data } in portion.drain(..) {
            match (kind, data.as_slice()) {
                (PushKind::Message | PushKind::SMessage, [channel, message]) => {
                    if let Some(said) = said(shared, channel, message) {
                        let kind = if matches!(said, Heard::Strange(_)) { "strange" } else { "heard" };
                        shared.metrics.bus_messages(kind).inc();
                        // Once, however many there are: so it is while another release takes this one's place.
                        if kind == "strange" && !std::mem::replace(&mut is_strange, true) {
                            log::warn!("what another instance says is not understood, and is looked up");
                        }
                        heard.send(said).await.map_err(|_| LinkError::Unwanted)?;
                    }
                }
                (PushKind::Subscribe | PushKind::SSubscribe, [channel, ..]) => {
                    if let Some(Address::Room(room)) = address(shared, channel) {
                        listening.push(room);
                    }
                }
                // Where nobody asked for it, a slot of a cluster has moved to another node. The client takes such a push
                // for the answer to whatever it waits for, and each answer behind it for that to the question before:
                // nothing on this connection can be relied on any more.
                (PushKind::Unsubscribe | PushKind::SUnsubscribe, [channel, ..]) => {
                    let was_asked_for = match address(shared, channel) {
                        Some(Address::Room(room)) => shared.rooms.has_ceased(&room),
                        Some(Address::All) => false,
                        None => true,
                    };
                    if !was_asked_for {
                        return Err(LinkError::Moved);
                    }
                }
                (PushKind::Disconnection, _) => return Err(LinkError::Closed),
                _ => {}
            }
        }
        if !listening.is_empty() {
            heard.send(Heard::Listening(listening)).await.map_err(|_| LinkError::Unwanted)?;
        }
    }
}

fn address(shared: &Shared, channel: &Value) -> Option<Address> {
    let Value::BulkString(channel) = channel else { return None };
    shared.keys.address(std::str::from_utf8(channel).ok()?)
}

/// What another instance says; nothing of what this one said itself.
fn said(shared: &Shared, channel: &Value, message: &Value) -> Option<Heard> {
    let (address, Value::BulkString(message)) = (address(shared, channel)?, message) else { return None };
    if origin(message) == Some(&shared.name) {
        return None;
    }
    Some(match unpack(message) {
        Ok(word) => Heard::Word(address, word),
        Err(error) => {
            log::debug!("what another instance says is not understood: {error}");
            Heard::Strange(address)
        }
    })
}
