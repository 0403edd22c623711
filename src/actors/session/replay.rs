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
use super::proof::Sent;
use super::shard::LocalShard;
use crate::actors::reader::ReadError;
use crate::domain::request_id::shown;
use crate::domain::{CloseReason, InboxState, NotificationId, RequestId, UserId};
use crate::protocol::wire::{Said, Wire};
use crate::storage::notifications::{Filter, Position, page};
use crate::storage::{AnyConnection, StorageError, inboxes};

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
    /// The client says that it has everything up to this seq, and that was not looked into yet.
    wish: Option<i64>,
    /// Where the stretch begins that the client asked for; none where the server found a hole by itself.
    from: Option<i64>,
    /// Who waits for its end.
    answer: Option<oneshot::Sender<Resumed>>,
}

impl Replay {
    fn is_asked_for(&self) -> bool {
        self.wish.is_some() || self.from.is_some()
    }

    /// `gap` lies between what the client says that it has and what there is.
    fn begin_at(&mut self, since: i64, gap: Option<Gap>) {
        self.wish = None;
        self.from = Some(gap.map_or(since.saturating_add(1), |gap| gap.oldest));
    }
}

/// A notification as it is given, encoded where it was read. No frames where the client wants others only.
struct Given {
    id: NotificationId,
    request: Option<RequestId>,
    seq: i64,
    frames: Bytes,
}

/// Runs until the connection is up to date or over. One at a time per session.
async fn run(shard: Rc<LocalShard>, outbox: Rc<Outbox>) {
    let mut pause = RETRY_FIRST;
    while has_room(&outbox).await {
        match step(&shard, &outbox).await {
            Ok(Progress::Some) => pause = RETRY_FIRST,
            Ok(Progress::Done) => return,
            Err(ReadError::Storage(error)) if error.is_unavailable() => {
                // The pool has said so: here it would be once for every session.
                log::debug!("a replay waits for the database: {error}");
                tokio::time::sleep(pause.mul_f64(0.8 + 0.2 * rand::random::<f64>())).await;
                pause = (pause * 2).min(RETRY_LONGEST);
            }
            Err(error) => {
                log::error!("a replay failed: {error}");
                outbox.close(CloseReason::TryAgainLater);
            }
        }
    }
    // Who waits for its end holds on to the session, which holds the replay.
    outbox.replay.borrow_mut().take();
}

enum Progress {
    Some,
    Done,
}

/// Looks where the inbox stands, if the client asked anew, or else gives the next page.
async fn step(shard: &LocalShard, outbox: &Outbox) -> Result<Progress, ReadError> {
    let wish = outbox.replay.borrow().as_ref().and_then(|replay| replay.wish);
    if let Some(since) = wish {
        let user = outbox.user().clone();
        let query = move |connection: &mut AnyConnection| inboxes::state(connection, &user);
        outbox.place(since, shard.services().reader.run_patiently(query).await?);
        return Ok(Progress::Some);
    }
    let next = outbox.cursor.borrow().next();
    let Some(range) = next else {
        finish(outbox);
        return Ok(Progress::Done);
    };
    let speech = outbox.speech();
    let rows = read(shard, outbox, range, speech.clone()).await?;
    // What was read tells the rooms that the session was in then: it is read again if they have changed.
    if outbox.speech().1 == speech.1 {
        give(shard, outbox, range, rows);
    }
    Ok(Progress::Some)
}

/// Waits until the client has taken what was queued; false when the session is over.
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

async fn read(
    shard: &LocalShard,
    outbox: &Outbox,
    range: Range,
    (wire, rooms): (Wire, Box<str>),
) -> Result<Vec<Given>, ReadError> {
    let user = outbox.user().clone();
    let query =
        move |connection: &mut AnyConnection| read_page(connection, &user, range.after, &wire, &rooms);
    let mut rows = shard.services().reader.run_patiently(query).await?;
    if let Some(last) = range.up_to {
        rows.retain(|row| row.seq <= last);
    }
    Ok(rows)
}

fn read_page(
    connection: &mut AnyConnection,
    user: &UserId,
    after: i64,
    wire: &Wire,
    rooms: &str,
) -> Result<Vec<Given>, StorageError> {
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let found = page(connection, user, &Filter::default(), Position::After(after), limit, 0)?;
    let encode = |one: &crate::domain::Notification| Given {
        id: one.id,
        request: one.request.clone(),
        seq: one.seq,
        frames: wire.frames(&[Said::stored(one)], rooms),
    };
    Ok(found.iter().map(encode).collect())
}

/// Gives what fits; the rest is read again when there is room.
fn give(shard: &LocalShard, outbox: &Outbox, range: Range, rows: Vec<Given>) {
    let is_last = rows.len() < PAGE;
    for row in rows {
        if !outbox.fits_replay(row.frames.len()) {
            outbox.ask_for_proof();
            return;
        }
        let gap = outbox.cursor.borrow_mut().give(row.seq);
        // In one piece: what is alone may be of any size, and what comes after a gap is not.
        let is_wanted = !row.frames.is_empty();
        let frames = gap
            .map_or(row.frames.clone(), |gap| [outbox.encode(&gap_event(gap)), row.frames].concat().into());
        if !frames.is_empty() && !outbox.write(frames) {
            return;
        }
        if !is_wanted {
            continue;
        }
        log::debug!(notification:% = row.id, request = shown(row.request.as_ref()), seq = row.seq,
            session = outbox.reference().number; "replayed");
        if let Some(confirmed) = outbox.note_sent(Sent { id: row.id, seq: row.seq, replayed: true }) {
            shard.confirm(outbox, vec![confirmed]);
        }
        if outbox.is_once() {
            outbox.ask_for_proof();
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
        outbox.say(&gap_event(gap));
    }
}

fn gap_event(gap: Gap) -> Said {
    Said::event("gap", gap)
}

/// The connection is up to date: says so to whoever asked.
fn finish(outbox: &Outbox) {
    let Some(replay) = outbox.replay.borrow_mut().take() else { return };
    if let Some(from) = replay.from {
        let resumed = Resumed { from, to: outbox.cursor.borrow().high() };
        match replay.answer {
            // Who asked may have gone.
            Some(answer) => drop(answer.send(resumed)),
            None => outbox.say_resumed(&Said::event("resumed", resumed)),
        }
    }
    outbox.pay_count();
}

impl Outbox {
    /// Sees to it that a replay runs where one is due.
    pub(super) fn catch_up(self: &Rc<Self>, shard: &Rc<LocalShard>) {
        if self.cursor.borrow().is_behind() {
            self.replay_with(shard, |_| {});
        }
    }

    /// The session was greeted, and its cursor found this gap: what came after `since` is given.
    pub(super) fn begin_since(self: &Rc<Self>, shard: &Rc<LocalShard>, since: Option<i64>, gap: Option<Gap>) {
        tell(self, gap);
        match since {
            Some(since) => self.replay_with(shard, |replay| replay.begin_at(since, gap)),
            None => self.catch_up(shard),
        }
    }

    /// Gives what came after `since`, but for what this connection was given. False where a replay that was
    /// asked for is under way.
    pub(super) fn resume(
        self: &Rc<Self>,
        shard: &Rc<LocalShard>,
        since: i64,
        answer: oneshot::Sender<Resumed>,
    ) -> bool {
        if self.replay.borrow().as_ref().is_some_and(|replay| replay.is_asked_for()) {
            return false;
        }
        self.replay_with(shard, |replay| {
            replay.wish = Some(since);
            replay.answer = Some(answer);
        });
        true
    }

    /// What the client asked for begins, now that it is known where the inbox stands.
    fn place(&self, since: i64, inbox: InboxState) {
        let gap = self.cursor.borrow_mut().resume(since, inbox.last_seq);
        self.learn(inbox);
        tell(self, gap);
        if let Some(replay) = self.replay.borrow_mut().as_deref_mut() {
            replay.begin_at(since, gap);
        }
    }

    /// Changes the replay that is under way, or begins one.
    fn replay_with(self: &Rc<Self>, shard: &Rc<LocalShard>, change: impl FnOnce(&mut Replay)) {
        let mut replay = self.replay.borrow_mut();
        let is_running = replay.is_some();
        change(replay.get_or_insert_default());
        if !is_running {
            actix::spawn(run(Rc::clone(shard), Rc::clone(self)));
        }
    }
}
