//! Giving a connection what it missed: read from the database a page at a time, as fast as the client
//! takes it. What is published meanwhile is not queued but read in its turn, so that there is one order,
//! no hole and nothing twice, and nothing waits in memory for a client that is slow.

use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::oneshot;

use super::cursor::{Gap, Range};
use super::outbox::Outbox;
use super::shard::LocalShard;
use crate::actors::reader::ReadError;
use crate::domain::{CloseReason, NotificationId, UserId};
use crate::protocol::frame;
use crate::protocol::json::{self, Envelope};
use crate::storage::notifications::{Filter, Position, page};
use crate::storage::{AnyConnection, StorageError};

/// How many notifications are read at once.
const PAGE: usize = 100;
/// The first pause before reading again from a database that is away, which doubles, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What a client is told when it has been given what it missed: that it has these seqs now, but for gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Resumed {
    from: i64,
    to: i64,
}

/// What one session knows of its replay. Boxed in its outbox only while there is one.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Where the stretch begins that the client asked for; none where the server found a hole by itself.
    pub(super) from: Option<i64>,
    /// Who waits for its end.
    pub(super) answer: Option<oneshot::Sender<Resumed>>,
}

/// A notification as it is given, encoded where it was read.
struct Given {
    id: NotificationId,
    seq: i64,
    frame: Bytes,
}

/// Runs until the connection is up to date or over. One at a time per session.
pub(super) async fn run(shard: Rc<LocalShard>, outbox: Rc<Outbox>) {
    let mut pause = RETRY_FIRST;
    while has_room(&outbox).await {
        let Some(range) = outbox.cursor.borrow().next() else {
            finish(&outbox);
            return;
        };
        match read(&shard, &outbox, range).await {
            Ok(rows) => {
                pause = RETRY_FIRST;
                give(&shard, &outbox, range, rows);
            }
            Err(ReadError::Storage(error)) if error.is_unavailable() => {
                log::warn!("a replay waits for the database: {error}");
                tokio::time::sleep(pause.mul_f64(0.8 + 0.2 * rand::random::<f64>())).await;
                pause = (pause * 2).min(RETRY_LONGEST);
            }
            Err(error) => {
                log::error!("a replay failed: {error}");
                outbox.close(CloseReason::TryAgainLater);
            }
        }
    }
}

/// Waits until the client has taken most of what was queued; false when the session is over.
async fn has_room(outbox: &Outbox) -> bool {
    std::future::poll_fn(|cx| {
        if outbox.is_over() {
            return Poll::Ready(false);
        }
        if outbox.takes_replay() {
            return Poll::Ready(true);
        }
        *outbox.room.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

async fn read(shard: &LocalShard, outbox: &Outbox, range: Range) -> Result<Vec<Given>, ReadError> {
    let user = outbox.user().clone();
    let query = move |connection: &mut AnyConnection| read_page(connection, &user, range.after);
    let mut rows = shard.services().reader.run_patiently(query).await?;
    if let Some(last) = range.up_to {
        rows.retain(|row| row.seq <= last);
    }
    Ok(rows)
}

fn read_page(connection: &mut AnyConnection, user: &UserId, after: i64) -> Result<Vec<Given>, StorageError> {
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let found = page(connection, user, &Filter::default(), Position::After(after), limit, 0)?;
    let encode = |one: &crate::domain::Notification| Given {
        id: one.id,
        seq: one.seq,
        frame: frame::text(&json::event(&one.kind, Envelope::from(one))),
    };
    Ok(found.iter().map(encode).collect())
}

/// Gives what fits; the rest is read again when there is room.
fn give(shard: &LocalShard, outbox: &Outbox, range: Range, rows: Vec<Given>) {
    let is_last = rows.len() < PAGE;
    for row in rows {
        if !outbox.fits_replay(row.frame.len()) {
            outbox.ask_for_proof();
            return;
        }
        let gap = outbox.cursor.borrow_mut().give(row.seq);
        tell(outbox, gap);
        outbox.write(row.frame);
        if let Some(confirmed) = outbox.note_sent(row.id, row.seq) {
            shard.confirm(outbox, vec![confirmed]);
        }
        outbox.count_notification();
        if outbox.is_over() {
            return;
        }
    }
    outbox.ask_for_proof();
    if is_last {
        let gap = outbox.cursor.borrow_mut().end_of(range);
        tell(outbox, gap);
    }
}

/// Tells the client of a gap.
pub(super) fn tell(outbox: &Outbox, gap: Option<Gap>) {
    if let Some(gap) = gap {
        outbox.write(frame::text(&json::event("gap", gap)));
    }
}

/// The connection is up to date: says so to whoever asked.
fn finish(outbox: &Outbox) {
    let Some(replay) = outbox.replay.borrow_mut().take() else { return };
    if let Some(from) = replay.from {
        let resumed = Resumed { from, to: outbox.cursor.borrow().high() };
        match replay.answer {
            // Who asked may have gone.
            Some(answer) => drop(answer.send(resumed)),
            None => outbox.write(frame::text(&json::event("resumed", resumed))),
        }
    }
    outbox.pay_count();
}

impl Outbox {
    /// Begins a replay where one is due or asked for: `asked` says from where and for whom. `gap` was found
    /// before it. False where somebody else's is under way.
    pub(super) fn begin_replay(
        self: &Rc<Self>,
        shard: &Rc<LocalShard>,
        asked: Option<(i64, Option<oneshot::Sender<Resumed>>)>,
        gap: Option<Gap>,
    ) {
        tell(self, gap);
        let is_running = self.replay.borrow().is_some();
        let is_behind = self.cursor.borrow().is_behind();
        if !is_running && (is_behind || asked.is_some()) {
            *self.replay.borrow_mut() = Some(Box::default());
        }
        if let (Some(replay), Some((since, answer))) = (self.replay.borrow_mut().as_deref_mut(), asked) {
            // What the client says it has beyond the inbox is not had.
            replay.from = Some(gap.map_or(since + 1, |gap| gap.oldest));
            replay.answer = answer;
        }
        if is_running {
            return;
        }
        if is_behind {
            actix::spawn(run(Rc::clone(shard), Rc::clone(self)));
        } else {
            finish(self);
        }
    }

    /// Gives what came after `since` once more, but for what this connection was given. False where a
    /// replay that was asked for is under way.
    pub(super) fn resume(
        self: &Rc<Self>,
        shard: &Rc<LocalShard>,
        since: i64,
        answer: oneshot::Sender<Resumed>,
    ) -> bool {
        if self.replay.borrow().as_ref().is_some_and(|replay| replay.from.is_some()) {
            return false;
        }
        let gap = self.cursor.borrow_mut().resume(since, self.inbox().last_seq);
        self.begin_replay(shard, Some((since, Some(answer))), gap);
        true
    }
}
