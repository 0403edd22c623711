//! What every session of an instance needs of the rest, shared by all of them. Made by the composition
//! root; the doors reach the actors through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use actix::prelude::*;

use super::runs::Runs;
use crate::actors::hub::{NotificationHub, SessionRef};
use crate::actors::persistence::Persistence;
use crate::actors::reader::Reader;
use crate::auth::Tokens;
use crate::bus::Bus;
use crate::config::SessionSettings;
use crate::config::delivery::Proof;
use crate::domain::{Clock, IdGenerator, InboxState, UserId};
use crate::storage::inboxes;
use crate::telemetry::Metrics;

/// See the module's documentation.
#[derive(Debug)]
pub struct Services {
    pub hub: Addr<NotificationHub>,
    /// The other instances.
    pub bus: Arc<dyn Bus>,
    pub persistence: Addr<Persistence>,
    pub reader: Reader,
    pub tokens: Arc<Tokens>,
    pub settings: SessionSettings,
    pub proof: Proof,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
    pub metrics: Metrics,
    /// Tells this run of this instance from every other.
    instance: Box<str>,
    /// Set when the server begins to stop: no new sessions.
    pub draining: AtomicBool,
    /// What devices proved and the database does not know yet.
    pub(super) unreported: AtomicUsize,
    pub(super) runs: Runs,
    pub(super) next_session: AtomicU64,
    pub(super) next_shard: AtomicU32,
}

impl Services {
    #[expect(clippy::too_many_arguments, reason = "the composition root names each part once")]
    pub fn new(
        hub: Addr<NotificationHub>,
        bus: Arc<dyn Bus>,
        instance: Box<str>,
        persistence: Addr<Persistence>,
        reader: Reader,
        tokens: Arc<Tokens>,
        settings: SessionSettings,
        proof: Proof,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGenerator>,
        metrics: Metrics,
    ) -> Self {
        Self {
            hub,
            bus,
            persistence,
            reader,
            tokens,
            settings,
            proof,
            clock,
            ids,
            metrics,
            instance,
            draining: AtomicBool::new(false),
            unreported: AtomicUsize::new(0),
            runs: Runs::default(),
            next_session: AtomicU64::new(1),
            next_shard: AtomicU32::new(0),
        }
    }

    /// What this run of this instance is called.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// A name that no other session of any instance ever had.
    pub fn session_name(&self, session: SessionRef) -> Box<str> {
        session.name(&self.instance)
    }

    /// Where a user's inbox stands, if that is known.
    pub async fn inbox(&self, user: &UserId) -> Option<InboxState> {
        let user = user.clone();
        self.reader.run(move |connection| inboxes::state(connection, &user)).await.ok()
    }

    /// Above which seq a client has everything that comes back to an event stream with a notification's own id, if
    /// this instance knows the stream that gave it.
    pub fn given_above(&self, user: &UserId, seq: i64) -> Option<i64> {
        self.runs.above(user, seq)
    }

    /// The same of a client that names its stream, as `connected` called it.
    pub fn given_above_on(&self, user: &UserId, session: &str, seq: i64) -> Option<i64> {
        self.runs.above_on(user, session, seq)
    }

    /// Whether everything that devices proved is recorded.
    pub fn has_reported_all(&self) -> bool {
        self.unreported.load(Ordering::Relaxed) == 0
    }

    /// How much devices proved that is not recorded yet.
    pub fn unreported(&self) -> usize {
        self.unreported.load(Ordering::Relaxed)
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// What this run of this instance is called: the random end of an id is enough to tell it from every other.
pub fn instance_name(ids: &dyn IdGenerator) -> Box<str> {
    let id = ids.next().simple().to_string();
    id.get(24..).unwrap_or(&id).into()
}
