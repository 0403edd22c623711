//! Says what is to be said: whatever waits goes in one round trip, and who told something that nobody else listens to
//! learns so. When what did not fit into the queue is behind it, all are told to look in the database.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::Shared;
use super::link::{Link, LinkError};
use crate::bus::{Address, Heard, Post};
use crate::protocol::letter::{Word, pack};

/// How many messages go together.
const BATCH: usize = 512;

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
        if posts.is_empty() && shared.is_owing.load(Ordering::Relaxed) {
            have_all_look(shared, link, heard).await?;
        }
    }
    Err(LinkError::Unwanted)
}

/// Has every other instance look in the database what was said and not heard.
pub(super) async fn have_all_look(
    shared: &Arc<Shared>,
    link: &Link,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    // Before, for more may not fit meanwhile.
    shared.is_owing.store(false, Ordering::Relaxed);
    let look = Post { to: Address::All, speech: Arc::new(Word::Look), unless_heard: None };
    publish(shared, link, vec![look], heard).await
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
