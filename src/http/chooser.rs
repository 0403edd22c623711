//! Who chooses preferences: the bearer of a token, or of a link that came with a mail or was asked for.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::access::KnownCaller;
use super::credentials::Caller;
use super::problem::Problem;
use crate::actors::session::Services;
use crate::auth::{LinkError, LinkGrant, Links, Scope};
use crate::domain::UserId;

/// The header that a link's page brings its key in: in a path or a query it would be in the logs of every proxy.
pub const LINK_KEY: &str = "x-link-key";

/// See the module's documentation; taken as a handler's argument it refuses with 401. A link goes before a token.
#[derive(Debug)]
pub enum Chooser {
    Person(UserId),
    Link(LinkGrant),
}

impl Chooser {
    pub fn user(&self) -> &UserId {
        match self {
            Self::Person(user) | Self::Link(LinkGrant { user, .. }) => user,
        }
    }

    /// Whether everything may be chosen: not by who has nothing but a mail.
    pub fn may_choose_all(&self) -> bool {
        !matches!(self, Self::Link(LinkGrant { scope: Scope::Mail(_), .. }))
    }
}

/// What a request's link opens; taken as a handler's argument it refuses with 401 where there is none.
#[derive(Debug)]
pub struct Opened(pub LinkGrant);

impl FromRequest for Chooser {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let opened = by_link(request);
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            match opened {
                Some(opened) => Ok(Self::Link(opened?)),
                None => Ok(Self::Person(caller.await?.0.user)),
            }
        })
    }
}

impl FromRequest for Opened {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let opened = by_link(request).unwrap_or_else(|| Err(LinkError::Invalid.into()));
        std::future::ready(opened.map(Self))
    }
}

/// What the key in a request's header opens; none where there is no such header.
fn by_link(request: &HttpRequest) -> Option<Result<LinkGrant, Problem>> {
    let key = request.headers().get(LINK_KEY)?;
    Some(key.to_str().map_err(|_| LinkError::Invalid.into()).and_then(|key| open(request, key)))
}

/// What a key opens.
pub fn open(request: &HttpRequest, key: &str) -> Result<LinkGrant, Problem> {
    let links = request.app_data::<web::Data<Links>>().ok_or_else(Problem::internal)?;
    let services = request.app_data::<web::Data<Services>>().ok_or_else(Problem::internal)?;
    let grant = links.verify(key, services.clock.now())?;
    // As much may be done with it as with the token that it was asked for with, and no longer.
    if grant.scope == Scope::Person && services.tokens.are_revoked_of(&grant.user, grant.issued_at) {
        return Err(LinkError::Expired.into());
    }
    request.extensions_mut().insert(KnownCaller(grant.user.clone()));
    Ok(grant)
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self::unauthorized(error.code(), error.to_string())
    }
}
