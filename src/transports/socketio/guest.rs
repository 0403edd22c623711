//! Lets clients into namespaces: who they are, what they ask for, and whether they come back to a session they had.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpRequest;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::seat::SessionSeat;
use super::spellings::Spellings;
use super::{Guest, NoSeat, Reception, Seat};
use crate::actors::session::{FrameRate, LocalShard, NotAdmitted, Services, Session, Socket};
use crate::auth::RecoveryIds;
use crate::config::SocketIoSettings;
use crate::domain::{Channel, CloseReason, Identity, Member, Profile};
use crate::http::credentials::{Presented, query_value};
use crate::http::limits::Customer;
use crate::http::{Authenticator, Door, Limits, Problem};
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
    limits: Limits,
}

impl Host {
    pub fn new(
        services: Arc<Services>,
        authenticator: Authenticator,
        recovery: RecoveryIds,
        settings: &SocketIoSettings,
        limits: Limits,
    ) -> Self {
        Self { services, authenticator, recovery, spellings: Spellings::new(settings), limits }
    }

    /// How a client is spoken to that asks for this.
    fn wire(&self, namespace: Namespace, wishes: &Wishes) -> Option<Wire> {
        self.spellings.find(namespace, wishes.acks, wishes.events.as_deref()).map(Wire::SocketIo)
    }
}

impl Reception for Arc<Host> {
    type Guest = Visitor;

    fn receive(&self, request: &HttpRequest, socket: &Socket, frames: &FrameRate) -> Visitor {
        Visitor(Rc::new(Facts {
            host: Self::clone(self),
            presented: self.authenticator.presented(request),
            query: request.query_string().into(),
            socket: socket.clone(),
            frames: frames.clone(),
            customer: self.limits.customer(request),
        }))
    }

    fn is_draining(&self) -> bool {
        self.services.is_draining()
    }
}

/// A client at the door.
pub struct Visitor(Rc<Facts>);

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What it says of itself may hold a token.
        f.debug_struct("Visitor").finish_non_exhaustive()
    }
}

/// What is known of a client before it joins a namespace.
struct Facts {
    host: Arc<Host>,
    /// What its first request said of who it is.
    presented: Presented,
    /// That request's query, for what a client asks there.
    query: Box<str>,
    socket: Socket,
    frames: FrameRate,
    /// From where it comes.
    customer: Customer,
}

/// Where a client that comes back says that it was.
struct Return {
    /// The recovery id, and the session that it is for.
    pid: String,
    sid: Box<str>,
    offset: Offset,
}

impl Facts {
    async fn connect(&self, name: &str, auth: Option<&RawValue>) -> Result<SessionSeat, NoSeat> {
        let services = &self.host.services;
        let namespace = Namespace::ALL.into_iter().find(|namespace| namespace.name() == name);
        let namespace = namespace
            .ok_or_else(|| NoSeat::Refused { message: "Invalid namespace".to_owned(), data: None })?;
        if services.is_draining() {
            return Err(NoSeat::Close(CloseReason::ServerRestart));
        }
        let words = Said::parse(auth)?;
        let token = words.text("token").filter(|token| !token.is_empty());
        let identity = self.host.authenticator.identify(&self.presented, token, Door::SocketIo).await;
        let identity =
            identity.map_err(|problem| refused(&self.host.limits.disbelieve(self.customer, problem)))?;
        let asked = |name: &str| words.text(name).or_else(|| query_value(&self.query, name));
        let mut wishes = Wishes::parse(asked, &services.settings).map_err(|problem| refused(&problem))?;
        let me = Arc::new(Member::from(&identity));
        let stands = services.inbox(&me.user).await;
        let mut returns = self.returns(&me, namespace, &words);
        if let Some(back) = &returns {
            // Who remembers more than there is remembers another inbox.
            let is_known = stands.is_none_or(|stands| back.offset.seq <= stands.last_seq);
            if !is_known || !Session::may_rejoin(services, &me, Channel::SocketIo, &back.offset.rooms).await {
                returns = None;
            }
        }
        if let Some(back) = &returns {
            wishes.since = Some(back.offset.seq);
        }
        let sid = returns.as_ref().map_or_else(fresh_sid, |back| back.sid.clone());
        let seat = self.seat(&identity, Arc::clone(&me), namespace, &wishes, &sid, returns.is_some())?;
        let session = seat.session();
        let inbox = match session.begin(Profile::of(&identity)).await {
            Ok(inbox) => inbox,
            Err(NotAdmitted(reason)) => {
                seat.close(reason);
                return Err(NoSeat::Close(reason));
            }
        };
        let pid = match returns {
            Some(back) => {
                session.rejoin(back.offset.rooms).await;
                back.pid
            }
            None => self.host.recovery.issue(&me.user, namespace.name(), &sid, services.clock.now()),
        };
        // Nothing is waited for between this and the greeting: who is out is told so, and never that they are in.
        services.tokens.check_still_believed(&identity).map_err(|error| refused(&error.into()))?;
        let connected = socketio::connect(namespace.name(), &sid, Some(&pid));
        // Where nobody knows how the inbox stood before, nothing may be taken for given.
        session.greet(inbox, &frame::text(&connected), Some(stands.map_or(0, |stands| stands.last_seq)));
        Ok(seat)
    }

    /// A place for a session; given back when the seat is dropped.
    fn seat(
        &self,
        identity: &Identity,
        me: Arc<Member>,
        namespace: Namespace,
        wishes: &Wishes,
        sid: &str,
        returns: bool,
    ) -> Result<SessionSeat, NoSeat> {
        let services = &self.host.services;
        let wire = self.host.wire(namespace, wishes).ok_or(NoSeat::Close(CloseReason::TryAgainLater))?;
        let mut terms = wishes.terms(identity, services, wire, Some(sid.into()));
        terms.claims_above = (!returns).then_some(0);
        let shard = LocalShard::of_this_thread(services);
        let outbox = shard.open(terms, Arc::clone(&me), self.socket.clone());
        let session = Session::new(me, Rc::clone(&outbox), shard, self.frames.clone());
        Ok(SessionSeat::new(session, outbox, namespace, services.metrics.clone()))
    }

    /// Whether the client shows a place of its own.
    fn returns(&self, me: &Member, namespace: Namespace, said: &Said) -> Option<Return> {
        let (pid, offset) = (said.text("pid")?, said.text("offset")?);
        let now = self.host.services.clock.now();
        let recovered = self.host.recovery.verify(&pid, &me.user, namespace.name(), now)?;
        // A session that began before everything was revoked is not had back, whatever the token.
        if self.host.services.tokens.are_revoked_of(&me.user, recovered.issued_at) {
            return None;
        }
        Some(Return { pid, sid: recovered.sid.into(), offset: Offset::parse(&offset)? })
    }
}

fn refused(problem: &Problem) -> NoSeat {
    // Clients do not come back by themselves when a namespace refuses them.
    if problem.is_unavailable() {
        return NoSeat::Close(CloseReason::TryAgainLater);
    }
    let data = json!({ "code": problem.code() }).to_string();
    NoSeat::Refused { message: problem.detail().to_owned(), data: Some(data) }
}

/// What a client says in its CONNECT packet.
struct Said(Map<String, Value>);

impl Said {
    /// A packet that cannot be read, because it is nested too deep, is none.
    fn parse(auth: Option<&RawValue>) -> Result<Self, NoSeat> {
        let fields = auth.map_or(Ok(Map::new()), |auth| serde_json::from_str(auth.get()));
        fields.map(Self).map_err(|_| NoSeat::Close(CloseReason::ProtocolError))
    }

    /// What is said under a name, as text: a list with commas between its items.
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => {
                let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                Some(items.iter().map(text).collect::<Vec<_>>().join(","))
            }
            value => Some(value.to_string()),
        }
    }
}

impl Guest for Visitor {
    type Seat = SessionSeat;

    fn connect(
        &self,
        namespace: &str,
        auth: Option<Box<RawValue>>,
    ) -> LocalBoxFuture<'static, Result<SessionSeat, NoSeat>> {
        let (facts, namespace) = (Rc::clone(&self.0), namespace.to_owned());
        async move { facts.connect(&namespace, auth.as_deref()).await }.boxed_local()
    }

    fn is_draining(&self) -> bool {
        self.0.host.services.is_draining()
    }
}
