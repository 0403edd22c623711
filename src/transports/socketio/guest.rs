//! Lets clients into namespaces: who they are, what they ask for, and whether they come back to a session they had.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpRequest;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use serde_json::value::RawValue;

use super::seat::{SessionSeat, asked_in};
use super::spellings::Spellings;
use super::{Guest, NoSeat, Reception};
use crate::actors::session::{FrameRate, LocalShard, NotAdmitted, Services, Session, Socket};
use crate::auth::RecoveryIds;
use crate::config::SocketIoSettings;
use crate::domain::{CloseReason, Identity, Member, Profile};
use crate::http::credentials::{Presented, query_value};
use crate::http::{Authenticator, Problem};
use crate::protocol::frame;
use crate::protocol::offset::Offset;
use crate::protocol::socketio;
use crate::protocol::wire::{Namespace, Wire};
use crate::transports::engineio::fresh_sid;
use crate::transports::wishes::Wishes;

/// What letting in needs; one for the whole server.
#[derive(Debug)]
pub struct Host {
    services: Arc<Services>,
    authenticator: Authenticator,
    recovery: RecoveryIds,
    spellings: Spellings,
}

impl Host {
    pub fn new(
        services: Arc<Services>,
        authenticator: Authenticator,
        recovery: RecoveryIds,
        settings: &SocketIoSettings,
    ) -> Self {
        Self { services, authenticator, recovery, spellings: Spellings::new(settings) }
    }

    /// How a client is spoken to that asks for this.
    fn wire(&self, namespace: Namespace, wishes: &Wishes) -> Option<Wire> {
        self.spellings.find(namespace, wishes.acks, wishes.events.as_deref()).map(Wire::SocketIo)
    }
}

impl Reception for Arc<Host> {
    type Guest = Admission;

    fn receive(&self, request: &HttpRequest, socket: &Socket, frames: &FrameRate) -> Admission {
        Admission {
            host: Self::clone(self),
            presented: self.authenticator.presented(request),
            query: request.query_string().into(),
            socket: socket.clone(),
            frames: frames.clone(),
        }
    }

    fn is_draining(&self) -> bool {
        self.services.is_draining()
    }
}

/// A client at the door.
pub struct Admission {
    host: Arc<Host>,
    /// What its first request said of who it is.
    presented: Presented,
    /// That request's query, for what a client asks there.
    query: Box<str>,
    socket: Socket,
    frames: FrameRate,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query may hold a token.
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Where a client that comes back says that it was.
struct Return {
    /// The recovery id, and the session that it is for.
    pid: String,
    sid: Box<str>,
    offset: Offset,
}

impl Admission {
    /// Whether the client comes back to a session that can be given back to it.
    fn returns(&self, identity: &Identity, namespace: Namespace, auth: Option<&RawValue>) -> Option<Return> {
        let (pid, offset) = (asked_in(auth, "pid")?, asked_in(auth, "offset")?);
        let now = self.host.services.clock.now();
        let recovered = self.host.recovery.verify(&pid, &identity.user, namespace.name(), now)?;
        Some(Return { pid, sid: recovered.sid.into(), offset: Offset::parse(&offset)? })
    }

    fn sit(&self, name: &str, auth: Option<&RawValue>) -> Result<Sitting, NoSeat> {
        let services = &self.host.services;
        let namespace = Namespace::ALL.into_iter().find(|namespace| namespace.name() == name);
        let namespace = namespace
            .ok_or_else(|| NoSeat::Refused { message: "Invalid namespace".to_owned(), data: None })?;
        if services.is_draining() {
            return Err(NoSeat::Close(CloseReason::ServerRestart));
        }
        let token = asked_in(auth, "token").filter(|token| !token.is_empty());
        let identity =
            self.host.authenticator.identify(&self.presented, token).map_err(|problem| refused(&problem))?;
        let asked = |name: &str| asked_in(auth, name).or_else(|| query_value(&self.query, name));
        let mut wishes = Wishes::parse(asked, &services.settings).map_err(|problem| refused(&problem))?;
        let returns = self.returns(&identity, namespace, auth);
        if let Some(back) = &returns {
            wishes.since = Some(back.offset.seq);
        }
        let wire = self.host.wire(namespace, &wishes).ok_or(NoSeat::Close(CloseReason::TryAgainLater))?;
        let sid = returns.as_ref().map_or_else(fresh_sid, |back| back.sid.clone());
        let believed_for = self.host.authenticator.believed_for(&identity);
        let mut terms = wishes.terms(believed_for, services, wire, Some(sid.clone()));
        terms.claims = returns.is_none();
        let shard = LocalShard::of_this_thread(services);
        let me = Arc::new(Member::from(&identity));
        let outbox = shard.open(terms, Arc::clone(&me), self.socket.clone());
        let session = Session::new(me, Rc::clone(&outbox), shard, self.frames.clone());
        let seat = SessionSeat::new(session, outbox, namespace, services.metrics.clone());
        Ok(Sitting { host: Arc::clone(&self.host), seat, identity, namespace, sid, returns })
    }
}

fn refused(problem: &Problem) -> NoSeat {
    let data = json!({ "code": problem.code() }).to_string();
    NoSeat::Refused { message: problem.detail().to_owned(), data: Some(data) }
}

/// A client that is about to sit down; whatever happens then, the seat is given back when it is dropped.
struct Sitting {
    host: Arc<Host>,
    seat: SessionSeat,
    identity: Identity,
    namespace: Namespace,
    sid: Box<str>,
    returns: Option<Return>,
}

impl Sitting {
    async fn sit_down(self) -> Result<SessionSeat, NoSeat> {
        let session = self.seat.session();
        let begun = session.begin(Profile::of(&self.identity)).await;
        let inbox = begun.map_err(|NotAdmitted(reason)| NoSeat::Close(reason))?;
        let mut pid = None;
        if let Some(back) = self.returns
            // Who remembers more than there is remembers another inbox.
            && back.offset.seq <= inbox.last_seq
            && session.rejoin(back.offset.rooms).await
        {
            pid = Some(back.pid);
        }
        let host = &self.host;
        let pid = pid.unwrap_or_else(|| {
            let now = host.services.clock.now();
            host.recovery.issue(&self.identity.user, self.namespace.name(), &self.sid, now)
        });
        let connected = socketio::connect(self.namespace.name(), &self.sid, Some(&pid));
        session.greet(inbox, &frame::text(&connected));
        Ok(self.seat)
    }
}

impl Guest for Admission {
    type Seat = SessionSeat;

    fn connect(
        &self,
        namespace: &str,
        auth: Option<Box<RawValue>>,
    ) -> LocalBoxFuture<'static, Result<SessionSeat, NoSeat>> {
        match self.sit(namespace, auth.as_deref()) {
            Ok(sitting) => sitting.sit_down().boxed_local(),
            Err(refused) => std::future::ready(Err(refused)).boxed_local(),
        }
    }

    fn is_draining(&self) -> bool {
        self.host.services.is_draining()
    }
}
