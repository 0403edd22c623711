//! Says what is to be said: whatever waits goes in one round trip, and who told something that nobody else listens to
//! learns so.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Shared;
use super::link::{Link, LinkError};
use crate::bus::{Heard, Post};
use crate::protocol::letter::pack;

/// How many messages go together.
const BATCH: usize = 256;

/// Says what comes, for as long as the connection lasts.
pub(super) async fn run(
    shared: &Arc<Shared>,
    link: &Link,
    posts: &mut mpsc::Receiver<Post>,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    let mut batch = Vec::with_capacity(BATCH);
    while posts.recv_many(&mut batch, BATCH).await > 0 {
        publish(shared, link, std::mem::take(&mut batch), heard).await?;
    }
    Err(LinkError::Unwanted)
}

pub(super) async fn publish(
    shared: &Arc<Shared>,
    link: &Link,
    posts: Vec<Post>,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    let pack = |post: &Post| (shared.keys.channel(&post.to), pack(&shared.name, &post.speech.word()));
    let messages: Vec<(String, Vec<u8>)> = posts.iter().map(pack).collect();
    let listeners = link.clone().publish(&messages).await?;
    shared.metrics.bus_messages("sent").inc_by(messages.len() as u64);
    let nobody = posts.iter().zip(listeners).filter(|(_, listeners)| *listeners == Some(0));
    let unheard: Vec<_> = nobody.filter_map(|(post, _)| post.unless_heard).collect();
    if unheard.is_empty() {
        return Ok(());
    }
    shared.metrics.bus_messages("unheard").inc_by(unheard.len() as u64);
    heard.send(Heard::Unheard(unheard)).await.map_err(|_| LinkError::Unwanted)
}
