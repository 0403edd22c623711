//! A shard: everything one worker thread holds of its sessions. The hub sends it one message for many
//! sessions; it fills their outboxes, keeps their deadlines and reports what devices have proven.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;
use slab::Slab;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Services;
use super::outbox::{Outbox, Terms};
use super::proof::Sent;
use super::socket::Socket;
use crate::actors::hub::{Deliver, RegisterShard, SessionRef, ShardId};
use crate::actors::persistence::Confirm;
use crate::domain::{Member, Proven, UpTo};

/// How many deliveries may wait for one worker thread.
const MAILBOX: usize = 8_192;
/// How often deadlines are looked at; a `ttl` of seconds is kept to within this.
const TICK: Duration = Duration::from_millis(250);
/// Every so many of these it is looked whether clients that say nothing have hung up.
const TICKS_A_LOOK: u32 = 8;
/// How long confirmations gather before they are reported. Nobody waits for them, their deadline is
/// seconds away, and one statement for many costs the database a fraction of many for one.
const CONFIRM_PAUSE: Duration = Duration::from_millis(50);
/// How many confirmations go to the database at once.
const CONFIRM_BATCH: usize = 1_024;
/// The same for what devices say that they have, each of which is looked up.
const UP_TO_BATCH: usize = 64;
/// How many confirmations wait when the database is away; beyond it the oldest are forgotten, and
/// their notifications go by mail: one too many rather than none.
const CONFIRM_WAITING: usize = 100_000;
/// The pause before confirmations that were refused are reported again.
const CONFIRM_RETRY: Duration = Duration::from_millis(500);

thread_local! {
    /// The shard of this worker thread, shared by all of its listeners.
    static LOCAL: RefCell<Option<Rc<LocalShard>>> = const { RefCell::new(None) };
}

/// A worker thread's sessions, reachable from that thread only.
#[derive(Debug)]
pub struct LocalShard {
    id: ShardId,
    services: Arc<Services>,
    sessions: RefCell<Slab<Rc<Outbox>>>,
    /// What devices have, not yet recorded.
    confirmed: RefCell<Confirm>,
    actor: RefCell<Option<Addr<Shard>>>,
}

impl LocalShard {
    /// This thread's shard, started at first use.
    pub fn of_this_thread(services: &Arc<Services>) -> Rc<Self> {
        LOCAL.with_borrow_mut(|local| {
            let known = local.as_ref().filter(|shard| Arc::ptr_eq(&shard.services, services));
            if let Some(shard) = known {
                return Rc::clone(shard);
            }
            let shard = Rc::new(Self {
                id: ShardId(services.next_shard.fetch_add(1, Ordering::Relaxed)),
                services: Arc::clone(services),
                sessions: RefCell::default(),
                confirmed: RefCell::default(),
                actor: RefCell::default(),
            });
            let actor =
                Shard { local: Rc::clone(&shard), gathering: false, reporting: false, ticks: 0 }.start();
            *shard.actor.borrow_mut() = Some(actor);
            *local = Some(Rc::clone(&shard));
            shard
        })
    }

    pub(super) fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Makes room for a session.
    pub fn open(&self, terms: Terms, me: Arc<Member>, socket: Socket) -> Rc<Outbox> {
        let mut sessions = self.sessions.borrow_mut();
        let entry = sessions.vacant_entry();
        let number = self.services.next_session.fetch_add(1, Ordering::Relaxed);
        let slot = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let reference = SessionRef { shard: self.id, slot, number };
        let outbox = Rc::new(Outbox::new(terms, me, socket, reference, self.services.metrics.clone()));
        entry.insert(Rc::clone(&outbox));
        // Its token may have been taken back since it was looked at; from now on the shard is told.
        outbox.review(&self.services.tokens);
        outbox
    }

    /// Something was taken back: ends the sessions that it concerns.
    fn review(&self) {
        for (_, outbox) in self.sessions.borrow().iter() {
            outbox.review(&self.services.tokens);
        }
    }

    /// Gives a session's room back.
    pub(super) fn close(&self, session: SessionRef) {
        let mut sessions = self.sessions.borrow_mut();
        let slot = session.slot as usize;
        if sessions.get(slot).is_some_and(|outbox| outbox.reference() == session) {
            sessions.remove(slot);
        }
        if sessions.is_empty() {
            sessions.shrink_to_fit();
        }
    }

    /// Reports what a device has proven.
    pub(super) fn confirm(&self, outbox: &Outbox, proven: Vec<Sent>) {
        if proven.is_empty() {
            return;
        }
        let (device, at) = (outbox.device(&self.services), self.services.clock.now());
        for sent in &proven {
            log::debug!(notification:% = sent.id, seq = sent.seq, door = device.channel.as_str(),
                session = outbox.reference().number; "confirmed");
            if !sent.replayed {
                let took = at.since(sent.id.made_at());
                self.services.metrics.created_to_confirm().observe(took.as_secs_f64());
            }
        }
        let proof = |Sent { id: notification, replayed, .. }| {
            let device = Arc::clone(&device);
            Proven { notification, device, at, replayed }
        };
        self.gather(|confirmed| confirmed.proofs.extend(proven.into_iter().map(proof)));
    }

    /// Reports what a device says that it has: everything above one seq up to another.
    pub(super) fn confirm_up_to(&self, outbox: &Outbox, above: i64, seq: i64) {
        let device = outbox.device(&self.services);
        self.gather(|confirmed| confirmed.up_to.push(UpTo { device, above, seq }));
    }

    fn gather(&self, add: impl FnOnce(&mut Confirm)) {
        let mut confirmed = self.confirmed.borrow_mut();
        let before = confirmed.len();
        add(&mut confirmed);
        self.services.unreported.fetch_add(confirmed.len() - before, Ordering::Relaxed);
        let forgotten = keep_newest(&mut confirmed.proofs) + keep_newest(&mut confirmed.up_to);
        if forgotten > 0 {
            self.services.unreported.fetch_sub(forgotten, Ordering::Relaxed);
            log::warn!(forgotten = forgotten; "confirmations cannot be recorded and there are too many to keep");
        }
        if before == 0
            && let Some(actor) = &*self.actor.borrow()
        {
            actor.do_send(Report);
        }
    }

    fn gathered(&self) -> usize {
        self.confirmed.borrow().len()
    }

    /// What is reported next, if anything waits.
    fn next_report(&self) -> Option<Confirm> {
        let mut confirmed = self.confirmed.borrow_mut();
        let portion = Confirm {
            proofs: take_portion(&mut confirmed.proofs, CONFIRM_BATCH),
            up_to: take_portion(&mut confirmed.up_to, UP_TO_BATCH),
        };
        (!portion.is_empty()).then_some(portion)
    }

    /// What could not be reported waits in front of the rest.
    fn take_back(&self, mut refused: Confirm) {
        let mut confirmed = self.confirmed.borrow_mut();
        refused.proofs.append(&mut confirmed.proofs);
        refused.up_to.append(&mut confirmed.up_to);
        *confirmed = refused;
    }
}

/// Forgets the oldest of too many, a tenth at once; answers how many.
fn keep_newest<T>(waiting: &mut Vec<T>) -> usize {
    if waiting.len() <= CONFIRM_WAITING {
        return 0;
    }
    waiting.drain(..waiting.len() - CONFIRM_WAITING * 9 / 10).count()
}

fn take_portion<T>(waiting: &mut Vec<T>, most: usize) -> Vec<T> {
    waiting.drain(..waiting.len().min(most)).collect()
}

/// The actor of a shard.
#[derive(Debug)]
pub struct Shard {
    local: Rc<LocalShard>,
    /// Whether confirmations gather until a timer ends.
    gathering: bool,
    /// Whether a report is on its way.
    reporting: bool,
    /// Counts them, round and round.
    ticks: u32,
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        let register = RegisterShard { shard: self.local.id, deliveries: ctx.address().recipient() };
        self.local.services.hub.do_send(register);
        ctx.run_interval(TICK, |shard, _| shard.tick());
        Self::await_taking_back(self.local.services.tokens.watch(), ctx);
        // Sessions were opened before this began, and only what is taken back from here on is told.
        self.local.review();
    }
}

impl Shard {
    /// Looks at all sessions whenever a token or a key was taken back.
    fn await_taking_back(mut taken_back: watch::Receiver<()>, ctx: &mut Context<Self>) {
        let next = async move {
            // An end of the tokens is the end of the server.
            taken_back.changed().await.ok().map(|()| taken_back)
        };
        ctx.spawn(wrap_future(next).map(|taken_back, shard: &mut Self, ctx| {
            if let Some(taken_back) = taken_back {
                shard.local.review();
                Self::await_taking_back(taken_back, ctx);
            }
        }));
    }

    fn tick(&mut self) {
        let (now, wall) = (Instant::now(), self.local.services.clock.now());
        self.ticks = self.ticks.wrapping_add(1);
        let looks = self.ticks.is_multiple_of(TICKS_A_LOOK);
        for (_, outbox) in self.local.sessions.borrow().iter() {
            outbox.tick(now, wall);
            if looks {
                outbox.end_if_hung_up();
            }
        }
    }

    /// Reports in `pause`; until then more gathers.
    fn report_in(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        if !self.gathering && !self.reporting {
            self.gathering = true;
            ctx.run_later(pause, |shard, ctx| {
                shard.gathering = false;
                shard.report(ctx);
            });
        }
    }

    /// Reports what has gathered; what comes meanwhile gathers for the next.
    fn report(&mut self, ctx: &mut Context<Self>) {
        let Some(portion) = self.local.next_report() else { return };
        self.reporting = true;
        let request = self.local.services.persistence.send(portion.clone());
        let reported = request.into_actor(self).map(move |answer, shard, ctx| {
            shard.reporting = false;
            if !matches!(answer, Ok(Ok(()))) {
                shard.local.take_back(portion);
                shard.report_in(CONFIRM_RETRY, ctx);
                return;
            }
            shard.local.services.unreported.fetch_sub(portion.len(), Ordering::Relaxed);
            let gathered = shard.local.gathered();
            if gathered >= CONFIRM_BATCH || shard.local.services.is_draining() {
                shard.report(ctx);
            } else if gathered > 0 {
                shard.report_in(CONFIRM_PAUSE, ctx);
            }
        });
        ctx.spawn(reported);
    }
}

impl Handler<Deliver> for Shard {
    type Result = ();

    fn handle(&mut self, message: Deliver, _: &mut Context<Self>) {
        let sessions = self.local.sessions.borrow();
        for (parcel, recipients) in &message.batch {
            for recipient in recipients {
                let outbox = sessions.get(recipient.slot as usize);
                if let Some(outbox) = outbox.filter(|outbox| outbox.reference() == *recipient) {
                    let confirmed = outbox.push(&self.local, parcel);
                    self.local.confirm(outbox, confirmed.into_iter().collect());
                }
            }
        }
    }
}

/// Confirmations begin to gather.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Report;

impl Handler<Report> for Shard {
    type Result = ();

    fn handle(&mut self, _: Report, ctx: &mut Context<Self>) {
        self.report_in(CONFIRM_PAUSE, ctx);
    }
}
